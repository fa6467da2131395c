/** One batch, given to its function: how it ended, and waits where it could not begin. */
import type { Clock } from "../../../base/clock.ts";
import { isFault } from "../../../base/errors.ts";
import type { Ids } from "../../../base/ids.ts";
import { parseTrace } from "../../../telemetry/trace.ts";
import type { LambdaDeps } from "../deps.ts";
import { arnOf, unqualifiedArn } from "../names.ts";
import { backoffMsMax, backoffMsMin } from "./limits.ts";
import type { Mapping } from "./pollers.ts";
import { sourceCall } from "./readers.ts";
import { functionOf } from "./tables.ts";

export type Outcome =
  | { kind: "answered"; payload: Uint8Array; requestId: string; executedVersion: string }
  | { kind: "failed"; requestId: string; executedVersion: string }
  /** It could not run now: no room, or no function. */
  | { kind: "refused"; code: string; requestId: string };

/** Faults of an invocation that is not begun; the batch keeps. */
const refusals = [
  "TooManyRequestsException",
  "ServiceUnavailable",
  "ServiceException",
  "ResourceNotFoundException",
  "ResourceConflictException",
  "ResourceNotReadyException",
  "ThrottlingException",
];

export interface BatchRun {
  event: object;
  /** `AWSTraceHeader` of a message, so that AWS's own loop detection and traces see the whole way. */
  traceHeader?: string | undefined;
}

/** Runs a batch to its end; rejects for what is a bug. */
export function batchRunner(deps: LambdaDeps, { row, roleArn }: Mapping) {
  const ref = functionOf(row);
  const FunctionName = unqualifiedArn(ref);
  return async ({ event, traceHeader }: BatchRun): Promise<Outcome> => {
    const given = sourceCall(deps, row, roleArn, row.name);
    const trace = traceHeader === undefined ? undefined : parseTrace(traceHeader);
    const call = trace === undefined ? given : { ...given, trace };
    const { requestId } = call;
    try {
      const { Payload, FunctionError, ExecutedVersion } = await deps.peers.lambda.Invoke(
        {
          FunctionName,
          ...(ref.qualifier === undefined ? {} : { Qualifier: ref.qualifier }),
          Payload: Buffer.from(JSON.stringify(event)),
        },
        call,
      );
      const executedVersion = ExecutedVersion ?? "$LATEST";
      if (FunctionError !== undefined) return { kind: "failed", requestId, executedVersion };
      return { kind: "answered", payload: Payload ?? new Uint8Array(), requestId, executedVersion };
    } catch (error) {
      if (isFault(error) && refusals.includes(error.code)) return { kind: "refused", code: error.code, requestId };
      // What the function was given and how it is named are right by now; its package may not be.
      if (isFault(error)) return { kind: "failed", requestId, executedVersion: "$LATEST" };
      throw error;
    }
  };
}

export const functionArn = ({ row }: Mapping) => arnOf(functionOf(row));

/** A wait that grows with each failure in a row, half of it by chance. */
export function backoffMs(failures: number, ids: Ids, from = backoffMsMin, to = backoffMsMax): number {
  const ceiling = Math.min(to, from * 2 ** Math.min(failures, 20));
  const chance = Number.parseInt(ids.hex(4), 16) / 2 ** 32;
  return Math.round((ceiling / 2) * (1 + chance));
}

/** Sleeps, unless `signal` aborts; true when the time has passed. */
export async function slept(clock: Clock, ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await clock.sleep(ms, signal);
    return true;
  } catch (error) {
    if (signal.aborted) return false;
    throw error;
  }
}
