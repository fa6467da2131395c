/** Who asks, for what account and region, until when: travels with every operation, from outside or from a peer. */
import type { Instant } from "../base/clock.ts";
import { newTrace, type Trace } from "../telemetry/trace.ts";
import type { Clock } from "../base/clock.ts";
import type { Ids } from "../base/ids.ts";

export type Principal =
  /** Without an `arn`: the account itself, its root user. `id` is IAM's, `AIDA...`. */
  | { kind: "user"; account: string; accessKeyId: string; arn?: string; id?: string }
  /** `roleId` is IAM's, `AROA...`; functions' keys have none. */
  | { kind: "role"; account: string; roleArn: string; session: string; roleId?: string }
  /** An AWS service acting on somebody's behalf; resource policies decide what it may do. */
  | { kind: "service"; service: string; sourceArn?: string; sourceAccount?: string };

export interface Call {
  /** Twelve digits. */
  account: string;
  /** `us-east-1`; global services key their rows with {@link globalRegion} themselves. */
  region: string;
  principal: Principal;
  requestId: string;
  trace: Trace;
  /** Aborts when the caller is gone or the deadline has passed. */
  signal: AbortSignal;
  deadline: Instant;
  /** Set on deliveries: a second call with the same key is the same call. */
  idempotencyKey?: string;
  /** Set on deliveries: which attempt this is, from 1; what the target had no room for counts too. */
  attempt?: number;
  /** `scheme://host` that the client used; URLs in answers are built from it. */
  publicUrl: string;
  /**
   * When the request that caused this one began, if it must see the world as it was then: a request that the edge
   * took before a rule was deleted is still served by the function that is gone since.
   */
  asOf?: Instant;
}

/** Region in the key of what belongs to no region (IAM, S3 bucket names). */
export const globalRegion = "aws-global";

/** An operation that nobody's client waits for ends after this long. */
export const backgroundMsMax = 15 * 60_000;

export interface CallMaker {
  clock: Clock;
  ids: Ids;
  /** `scheme://host` of the API endpoint. */
  publicUrl: () => string;
}

/** A call that the node makes by itself, for an account and region, as an AWS service. */
export function serviceCall(
  { clock, ids, publicUrl }: CallMaker,
  account: string,
  region: string,
  principal: Extract<Principal, { kind: "service" }>,
  rest: Partial<Pick<Call, "trace" | "signal" | "deadline" | "idempotencyKey" | "attempt" | "asOf">> = {},
): Call {
  const deadline = rest.deadline ?? clock.now() + backgroundMsMax;
  return {
    account,
    region,
    principal,
    requestId: ids.uuid(),
    trace: rest.trace ?? newTrace(ids, clock.now()),
    signal: rest.signal ?? new AbortController().signal,
    deadline,
    publicUrl: publicUrl(),
    ...(rest.idempotencyKey === undefined ? {} : { idempotencyKey: rest.idempotencyKey }),
    ...(rest.attempt === undefined ? {} : { attempt: rest.attempt }),
    ...(rest.asOf === undefined ? {} : { asOf: rest.asOf }),
  };
}
