/**
 * A request on a route with policies: it is tried, tried again where that is safe and wanted, given to the fallback, and
 * ended in time. Each try is an exchange of its own (`attempt.ts`); the first answer that goes on is the last word.
 */
import type { Timer } from "../../base/clock.ts";
import type { Headers } from "../../base/http.ts";
import { pageOf } from "../answers.ts";
import type { Cluster } from "../cluster.ts";
import type { Exchange, Reply } from "../exchange.ts";
import type { RequestHead } from "../h1/request.ts";
import type { ResponseHead } from "../h1/response.ts";
import type { Forward, TapSession } from "../mirror.ts";
import type { RequestRecord } from "../record.ts";
import { goneReason, type EdgeErrorReason } from "../stats.ts";
import { protocolsWanted } from "../tunnel.ts";
import { WheelEntry } from "../wheel.ts";
import { Attempt, type AttemptOwner } from "./attempt.ts";
import type { Resilience } from "./policy.ts";
import { Replay } from "./replay.ts";
import { backoffMs, isRepeatable, keptHead, retryAfterOf, wantsRetry, type Outcome } from "./retries.ts";

/** Gives a request to `cluster` under the policies of its route. A tunnel has no second try, and no end to wait for. */
export function supervise(request: RequestRecord, cluster: Cluster, policy: Resilience, forward: Forward): Exchange {
  if (request.head.upgrade === undefined || protocolsWanted(request.head).length === 0) {
    return new SupervisedExchange(request, cluster, policy, forward);
  }
  policy.tap?.passed("upgrade");
  return forward(request, cluster);
}

class SupervisedExchange implements Exchange, AttemptOwner {
  readonly #request: RequestRecord;
  readonly #policy: Resilience;
  readonly #forward: Forward;
  readonly #head: RequestHead;
  readonly #replay: Replay;
  readonly #tap: TapSession | undefined;
  #cluster: Cluster;
  #attempt: Attempt | undefined;
  #retries = 0;
  #fellBack = false;
  /** A byte of an answer has gone to the client. */
  #begun = false;
  #over = false;
  #backoff: Timer | undefined;
  #endRetry: (() => void) | undefined;
  #total: WheelEntry | undefined;
  #perTry: WheelEntry | undefined;
  #idle: WheelEntry | undefined;

  constructor(request: RequestRecord, cluster: Cluster, policy: Resilience, forward: Forward) {
    this.#request = request;
    this.#policy = policy;
    this.#forward = forward;
    this.#cluster = cluster;
    this.#head = keptHead(request.head);
    this.#replay = new Replay(policy.memory, policy.bodyBytesMax);
    const { requestTimeoutMs, perTryTimeoutMs, idleTimeoutMs } = policy;
    if (requestTimeoutMs !== undefined) {
      this.#total = new WheelEntry(() => this.#late());
      this.#wait(this.#total, requestTimeoutMs);
    }
    if (perTryTimeoutMs !== undefined) this.#perTry = new WheelEntry(() => this.#fail("per-try-timeout"));
    if (idleTimeoutMs !== undefined) {
      this.#idle = new WheelEntry(() => this.#silent());
      this.#wait(this.#idle, idleTimeoutMs);
    }
    this.#tap = policy.tap?.begin(request, this.#head, forward);
    this.#try();
  }

  requestData(bytes: Buffer, start: number, end: number): void {
    this.moved();
    this.#tap?.requestData(bytes, start, end);
    this.#replay.add(bytes, start, end);
    this.#attempt?.exchange.requestData(bytes, start, end);
  }

  requestEnd(trailers: Headers): void {
    this.#tap?.requestEnd(trailers);
    this.#replay.end(trailers);
    this.#attempt?.exchange.requestEnd(trailers);
  }

  requestFlush(): void {
    this.#attempt?.exchange.requestFlush();
  }

  clientDrained(): void {
    this.#attempt?.exchange.clientDrained();
  }

  clientGone(reason: string, refusal?: Parameters<Exchange["clientGone"]>[1]): void {
    if (this.#over) return;
    this.#request.reason = goneReason(reason, refusal !== undefined);
    const attempt = this.#attempt;
    this.#leave();
    this.#finish();
    attempt?.giveUp(reason, refusal);
  }

  idle(): void {
    // Where the route has a time of its own, that one counts.
    if (this.#idle === undefined) this.#attempt?.exchange.idle();
  }

  leaving(): void {
    this.#attempt?.exchange.leaving?.();
  }

  begins(attempt: Attempt, head: ResponseHead): boolean {
    if (attempt !== this.#attempt) return false;
    const outcome: Outcome = { status: head.status, reason: undefined };
    if (this.#policy.retry?.honoursRetryAfter === true) outcome.retryAfterMs = retryAfterOf(head);
    if (this.#again(outcome)) return false;
    this.#accept(attempt, head.status);
    this.#begun = true;
    this.#replay.drop();
    return true;
  }

  replies(attempt: Attempt, reply: Reply): boolean {
    if (attempt !== this.#attempt) return false;
    const { endpointStatus, reason } = attempt.record;
    // A function's answer has the endpoint's status; one of the edge's own has a reason only.
    const outcome: Outcome = { status: reply.status, reason: endpointStatus === 0 ? (reason ?? "refused") : undefined };
    if (this.#again(outcome)) return false;
    // A try's own answer is nobody's until it is the last word.
    if (outcome.reason !== undefined) this.#request.listener.counts.answered(reply.status);
    this.#accept(attempt, reply.status);
    this.#finish();
    return true;
  }

  moved(): void {
    if (this.#idle !== undefined && this.#policy.idleTimeoutMs !== undefined && !this.#over) {
      this.#wait(this.#idle, this.#policy.idleTimeoutMs);
    }
  }

  ended(attempt: Attempt, cut: boolean): void {
    if (cut) this.#request.reason = attempt.record.reason;
    this.#finish();
  }

  #try(): void {
    const { perTryTimeoutMs } = this.#policy;
    const attempt = new Attempt(this.#request, this.#head, this);
    this.#attempt = attempt;
    this.moved();
    if (this.#perTry !== undefined && perTryTimeoutMs !== undefined) this.#wait(this.#perTry, perTryTimeoutMs);
    // It may end at once, and the next one be under way, or all be over, before this returns.
    attempt.exchange = this.#forward(attempt.record, this.#cluster);
  }

  /** Sends what is kept of the request after a first try. */
  #resend(): void {
    this.#request.client.holdRequest(false);
    this.#try();
    const attempt = this.#attempt;
    if (attempt !== undefined && !this.#over) this.#replay.into(attempt.exchange);
  }

  /** Starts what comes after a try that ended so; false when that end is the last word. */
  #again(outcome: Outcome): boolean {
    if (this.#over || !this.#replay.whole) return false;
    return this.#retry(outcome) || this.#fallBack(outcome);
  }

  #retry(outcome: Outcome): boolean {
    const { retry, random, clock } = this.#policy;
    if (retry === undefined || this.#fellBack || this.#retries >= retry.retriesMax) return false;
    if (!isRepeatable(outcome, this.#head.method) || !wantsRetry(retry, outcome)) return false;
    const delayMs = Math.max(backoffMs(retry.backoff, this.#retries + 1, random()), outcome.retryAfterMs ?? 0);
    // Who asks to be left alone for longer than any wait here is not asked again.
    if (delayMs > retry.waitMsMax) return false;
    this.#endRetry?.();
    this.#endRetry = this.#cluster.guard?.retry();
    if (this.#endRetry === undefined) {
      this.#cluster.stats.failed("retry-budget");
      return false;
    }
    this.#retries += 1;
    this.#leave();
    // Who has sent all is still listened to: it may go.
    if (!this.#replay.complete) this.#request.client.holdRequest(true);
    this.#backoff = clock.after(delayMs, () => this.#resend());
    return true;
  }

  #fallBack({ status, reason }: Outcome): boolean {
    const { fallback } = this.#policy;
    if (fallback === undefined || this.#fellBack) return false;
    const wanted =
      reason === undefined
        ? fallback.statuses.includes(status)
        : fallback.onError && isRepeatable({ status, reason }, this.#head.method);
    if (!wanted) return false;
    this.#fellBack = true;
    this.#cluster.stats.failed("fell-back");
    this.#leave();
    this.#cluster = fallback.cluster;
    this.#resend();
    return true;
  }

  /** The try under way is the request's no more. */
  #leave(): void {
    const attempt = this.#attempt;
    this.#attempt = undefined;
    if (attempt !== undefined) this.#note(attempt.record);
    if (this.#perTry !== undefined) this.#policy.wheel.remove(this.#perTry);
  }

  /** Ends the try under way as failed. */
  #fail(reason: EdgeErrorReason): void {
    const attempt = this.#attempt;
    if (this.#over || this.#begun || attempt === undefined) return;
    attempt.giveUp(reason);
    if (this.#again({ status: 504, reason })) return;
    this.#leave();
    this.#answer(reason);
  }

  /** The request has had its time. */
  #late(): void {
    if (this.#over) return;
    const attempt = this.#attempt;
    this.#leave();
    if (attempt === undefined) this.#cluster.stats.failed("request-timeout");
    attempt?.giveUp("request-timeout");
    this.#answer("request-timeout");
  }

  /** Not a byte for the route's idle timeout. */
  #silent(): void {
    if (this.#over) return;
    this.#attempt?.exchange.idle();
  }

  /** The edge's own last word. */
  #answer(reason: EdgeErrorReason): void {
    const request = this.#request;
    const begun = this.#begun;
    request.reason = reason;
    this.#settle();
    if (!begun) {
      request.answer(pageOf(504), reason);
      return;
    }
    request.end();
    request.client.destroy();
  }

  /** The answer of `attempt` is the client's. */
  #accept({ record }: Attempt, status: number): void {
    const request = this.#request;
    this.#note(record);
    request.status = status;
    request.answeredMs = record.answeredMs;
    request.endpointStatus = record.endpointStatus;
    request.reason = record.reason ?? request.reason;
    if (this.#perTry !== undefined) this.#policy.wheel.remove(this.#perTry);
  }

  /** Whom the request was given to, and when. */
  #note({ cluster, endpoint, sentMs }: RequestRecord): void {
    const request = this.#request;
    request.cluster = cluster ?? request.cluster;
    request.endpoint = endpoint ?? request.endpoint;
    request.sentMs = sentMs;
  }

  #finish(): void {
    if (this.#over) return;
    this.#settle();
    this.#request.end();
  }

  /** Nothing more happens of itself. */
  #settle(): void {
    const { wheel } = this.#policy;
    this.#over = true;
    this.#attempt = undefined;
    this.#backoff?.cancel();
    this.#endRetry?.();
    this.#endRetry = undefined;
    this.#replay.drop();
    this.#tap?.over(this.#request.reason);
    for (const entry of [this.#total, this.#perTry, this.#idle]) if (entry !== undefined) wheel.remove(entry);
  }

  #wait(entry: WheelEntry, ms: number): void {
    this.#policy.wheel.set(entry, this.#policy.clock.monotonicMs(), ms);
  }
}
