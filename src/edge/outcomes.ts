/** How requests to an endpoint end, counted by the workers on the board; main draws the conclusions (`outlier.ts`). */
import { atAnswers, atBadAnswers, atGatewayErrors, atLocalFailures, atServerErrors, atUnanswered } from "./board.ts";
import type { OutlierPolicy } from "./policies.ts";
import type { RequestRecord } from "./record.ts";
import type { EdgeErrorReason } from "./stats.ts";

/** Which count in a row an endpoint has reached. */
export type OutlierCause = "consecutive-5xx" | "consecutive-gateway-errors" | "consecutive-local-origin-failures";

/** What befell a request between the edge and the endpoint; in Envoy's words the failure's origin is local. */
const localOrigin: ReadonlySet<string> = new Set<EdgeErrorReason>([
  "connect-timeout",
  "connect-refused",
  "connect-failed",
  "tls-failed",
  "reset",
  "truncated",
  "malformed-response",
  "idle-timeout",
  "per-try-timeout",
  "request-timeout",
]);

/** Those that count though the answer had begun. The others may as well be a client's that does not read on. */
const cutOff: ReadonlySet<string> = new Set<EdgeErrorReason>(["reset", "truncated", "malformed-response"]);

const switchingProtocols = 101;
const badGateway = 502;

/**
 * Failures of local origin are counted apart where the policy bounds them (Envoy's
 * `split_external_local_origin_errors`); else they are gateway errors like others.
 */
export function splitsOrigins({ consecutiveLocalOriginFailures }: OutlierPolicy): boolean {
  return consecutiveLocalOriginFailures > 0;
}

export interface OutcomesParts {
  board: Int32Array;
  slot: number;
  /** Absent where nothing but the sums are looked at. */
  policy: OutlierPolicy | undefined;
  /** The endpoint has reached a limit of its policy. */
  report(slot: number, cause: OutlierCause): void;
}

export class Outcomes {
  readonly #board: Int32Array;
  readonly #slot: number;
  readonly #policy: OutlierPolicy | undefined;
  readonly #report: OutcomesParts["report"];

  constructor({ board, slot, policy, report }: OutcomesParts) {
    this.#board = board;
    this.#slot = slot;
    this.#policy = policy;
    this.#report = report;
  }

  /** A request goes to the endpoint: its end will be counted. */
  watch(request: RequestRecord): void {
    request.onEnd(() => this.ended(request.endpointStatus, request.reason));
  }

  /** @param status 0 when none came */
  ended(status: number, reason: string | undefined): void {
    // However a tunnel ends, the endpoint had agreed to it.
    const answered = status === switchingProtocols || (status > 0 && !(reason !== undefined && cutOff.has(reason)));
    if (answered) this.#answered(status);
    else if (reason === "function-failed") this.#answered(badGateway);
    else if (reason !== undefined && localOrigin.has(reason)) this.#unanswered();
  }

  #answered(status: number): void {
    this.#add(atAnswers);
    this.#clear(atLocalFailures);
    if (status < 500) {
      this.#clear(atServerErrors);
      this.#clear(atGatewayErrors);
      return;
    }
    this.#add(atBadAnswers);
    this.#serverError(status >= badGateway && status <= 504);
  }

  #unanswered(): void {
    this.#add(atUnanswered);
    const policy = this.#policy;
    if (policy === undefined) return;
    if (splitsOrigins(policy)) {
      this.#step(atLocalFailures, policy.consecutiveLocalOriginFailures, "consecutive-local-origin-failures");
    } else this.#serverError(true);
  }

  #serverError(ofGateway: boolean): void {
    const policy = this.#policy;
    if (policy === undefined) return;
    if (ofGateway) this.#step(atGatewayErrors, policy.consecutiveGatewayErrors, "consecutive-gateway-errors");
    else this.#clear(atGatewayErrors);
    this.#step(atServerErrors, policy.consecutive5xx, "consecutive-5xx");
  }

  /** Reports when the count reaches its limit; 0 is none. */
  #step(cell: number, limit: number, cause: OutlierCause): void {
    if (limit > 0 && this.#add(cell) === limit) this.#report(this.#slot, cause);
  }

  #add(cell: number): number {
    return Atomics.add(this.#board, this.#slot + cell, 1) + 1;
  }

  #clear(cell: number): void {
    const at = this.#slot + cell;
    // All workers read this cell; it is written only where that changes something.
    if (Atomics.load(this.#board, at) !== 0) Atomics.store(this.#board, at, 0);
  }
}
