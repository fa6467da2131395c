/** When a request is sent again, and when: pure rules, without time or sockets of their own. */
import { Bug } from "../../base/errors.ts";
import type { RequestHead } from "../h1/request.ts";
import { spanSize } from "../h1/scan.ts";
import type { ResponseHead } from "../h1/response.ts";
import type { RetryOn, RetryPolicy } from "../policies.ts";

/** How one try ended: an endpoint answered with a status, or there is a reason why none did. */
export interface Outcome {
  status: number;
  /** Of the edge's own; undefined when an endpoint answered. */
  reason: string | undefined;
  /** What the endpoint asked in `Retry-After`, in milliseconds. */
  retryAfterMs?: number | undefined;
}

/** Methods that may be sent twice: the second time changes nothing (RFC 9110 section 9.2.2). */
const idempotent: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]);

/** Failures before a byte of the request was written to anybody. */
const unsent: ReadonlySet<string> = new Set([
  "no-endpoints",
  "connect-refused",
  "connect-failed",
  "connect-timeout",
  "tls-failed",
  "refused-stream",
  "tls-timeout",
  "function-busy",
  "breaker-connections",
  "breaker-pending",
  "breaker-requests",
]);

/** What the client did, or must not be asked twice. */
const final: ReadonlySet<string> = new Set([
  "client-timeout",
  "client-closed",
  "client-stalled",
  "bad-body",
  "body-too-large",
  "request-timeout",
]);

/** Nobody has seen the request: it may be sent again whatever its method. */
export const isUnsent = ({ reason }: Outcome) => reason !== undefined && unsent.has(reason);

/**
 * The request may be given to another endpoint after a failure: no endpoint can have acted on it, or acting twice is
 * as acting once.
 */
export function isRepeatable(outcome: Outcome, method: string): boolean {
  if (outcome.reason !== undefined && final.has(outcome.reason)) return false;
  return isUnsent(outcome) || idempotent.has(method);
}

/** Whether the policy wants a request tried again that ended so. */
export function wantsRetry({ on, statuses }: Pick<RetryPolicy, "on" | "statuses">, outcome: Outcome): boolean {
  return statuses.includes(outcome.status) && outcome.reason === undefined
    ? true
    : on.some((condition) => holds(condition, outcome));
}

function holds(condition: RetryOn, outcome: Outcome): boolean {
  const { status, reason } = outcome;
  const answered = reason === undefined;
  switch (condition) {
    case "unsent":
      return isUnsent(outcome);
    case "connect-failure":
      return isUnsent(outcome) && reason !== "no-endpoints";
    case "reset":
      return !answered && !isUnsent(outcome);
    case "gateway-error":
      return answered && status >= 502 && status <= 504;
    case "5xx":
      return answered ? status >= 500 : true;
    case "retriable-4xx":
      return answered && status === 409;
    default:
      throw new Bug(`no such condition: ${JSON.stringify(condition satisfies never)}`);
  }
}

/**
 * Milliseconds before retry number `retry` (from 1): full jitter under a ceiling that grows by doubling, as Envoy's
 * `base * (2^n - 1)`, or by Fibonacci's numbers. `random` is from 0 to less than 1.
 */
export function backoffMs({ kind, baseMs, maxMs }: RetryPolicy["backoff"], retry: number, random: number): number {
  const steps = kind === "exponential" ? 2 ** retry - 1 : fibonacci(retry);
  return random * Math.min(maxMs, baseMs * steps);
}

/** 1, 2, 3, 5, 8 ... */
function fibonacci(index: number): number {
  let [step, next] = [1, 2];
  for (let i = 1; i < index; i += 1) [step, next] = [next, step + next];
  return step;
}

/** `Retry-After` of an answer in milliseconds, where it says seconds; a date is not waited for. */
export function retryAfterOf(head: ResponseHead): number | undefined {
  const value = fieldIn(head, "retry-after");
  return value !== undefined && /^\d{1,6}$/.test(value) ? Number(value) * 1000 : undefined;
}

/** The first field with this name, in lower case, of a head that was just scanned. */
export function fieldIn(
  { text, spans, count }: Pick<RequestHead, "text" | "spans" | "count">,
  name: string,
): string | undefined {
  for (let i = 0, at = 0; i < count; i += 1, at += spanSize) {
    const [start = 0, end = 0] = [spans[at + 1], spans[at + 2]];
    if (end - start !== name.length || text.slice(start, end).toLowerCase() !== name) continue;
    return text.slice(spans[at + 3], spans[at + 4]);
  }
  return undefined;
}

/** A head that outlives its dispatch: its connection's scanner is at other work by then. */
export function keptHead(head: RequestHead): RequestHead {
  return { ...head, spans: head.spans.slice(0, head.count * spanSize) };
}
