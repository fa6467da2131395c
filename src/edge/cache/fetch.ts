/**
 * A request that the cache sends on. To what answers it this is the client, as a try is (`resilience/attempt.ts`): the
 * answer goes on to the real client and is kept, or confirms what is kept, or is an error that what is kept stands in for.
 */
import type { Headers } from "../../base/http.ts";
import { answered, type Exchange, type Reply } from "../exchange.ts";
import type { RequestHead } from "../h1/request.ts";
import type { ResponseHead } from "../h1/response.ts";
import { Interposed } from "../interposed.ts";
import { RequestRecord } from "../record.ts";
import { goneReason } from "../stats.ts";
import { Keeper, type Errand } from "./keeper.ts";
import type { Entry } from "./store.ts";

export type Onward = (request: RequestRecord) => Exchange;

/** Who asked. */
export interface FetchOwner {
  /** The endpoint confirms what is kept: answer with it. */
  confirmed(entry: Entry): void;
  /** An error came: answer with what is kept; false where that may not be. */
  failed(): boolean;
}

/** Answers that mean that nobody could be asked (RFC 5861 section 4). */
const errors: ReadonlySet<number> = new Set([500, 502, 503, 504]);

export class Fetch extends Interposed implements Exchange {
  readonly #request: RequestRecord;
  readonly #owner: FetchOwner;
  readonly #keeper: Keeper;
  readonly #record: RequestRecord;
  #exchange: Exchange = answered;

  /** @param head What goes on; the rest of it is `request`'s. */
  constructor(request: RequestRecord, head: RequestHead, errand: Errand, owner: FetchOwner) {
    super(request.client, head);
    this.#request = request;
    this.#owner = owner;
    this.#keeper = new Keeper(errand, request);
    this.#record = new RequestRecord(request.listener, this, request);
    this.#record.route = request.route;
  }

  begin(onward: Onward): this {
    // It may be over before this returns.
    this.#exchange = onward(this.#record);
    const { sent } = this.#record;
    if (sent !== undefined && this.live) {
      // It was rewritten on its way: what is said of the request is said of that.
      const { target, hostText, host } = this.head;
      this.#request.sent = sent;
      Object.assign(this.#request.head, { target, hostText, host } satisfies Partial<RequestHead>);
    }
    return this;
  }

  requestData(bytes: Buffer, start: number, end: number): void {
    this.#exchange.requestData(bytes, start, end);
  }

  requestEnd(trailers: Headers): void {
    this.#exchange.requestEnd(trailers);
  }

  requestFlush(): void {
    this.#exchange.requestFlush();
  }

  clientDrained(): void {
    this.#exchange.clientDrained();
  }

  clientGone(reason: string, refusal?: Parameters<Exchange["clientGone"]>[1]): void {
    if (this.state === "over" || this.state === "dropped") return;
    this.state = "over";
    this.#exchange.clientGone(reason, refusal);
    this.#keeper.end(undefined, true);
    this.#note();
    this.#request.reason = goneReason(reason, refusal !== undefined);
    this.#finish();
  }

  idle(): void {
    this.#exchange.idle();
  }

  leaving(): void {
    this.#exchange.leaving?.();
  }

  reply(reply: Reply): void {
    if (this.state !== "waiting") return;
    this.state = "over";
    this.#note();
    if (errors.has(reply.status) && this.#stoodIn()) return;
    // A function's answer has an endpoint's status; one of the edge's own has none.
    if (this.#record.endpointStatus === 0) this.#request.listener.counts.answered(reply.status);
    this.#request.status = reply.status;
    this.#request.reason = this.#record.reason;
    this.#finish();
    this.real.reply(reply);
  }

  respond(head: ResponseHead, extra: string): void {
    if (this.state !== "waiting") return;
    this.#note();
    // Decided before anybody is answered: the client's next request may begin within that.
    this.state = "dropped";
    const renewed = this.#keeper.confirmed(head);
    if (renewed !== undefined) {
      this.#owner.confirmed(renewed);
      return;
    }
    if (errors.has(head.status) && this.#stoodIn()) return;
    this.state = "passing";
    this.#request.status = head.status;
    this.#keeper.begin(head);
    this.real.respond(head, extra);
  }

  override responseData(bytes: Buffer, start: number, end: number): void {
    if (this.state === "passing") this.#keeper.data(bytes, start, end);
    super.responseData(bytes, start, end);
  }

  protected passed(trailers: Headers | undefined): void {
    if (trailers === undefined) this.#request.reason = this.#record.reason;
    else this.#keeper.end(trailers);
    this.#finish();
  }

  protected unheard(): void {
    this.state = "over";
    this.#exchange.clientGone("retried");
  }

  /** What is kept stood in for an error. */
  #stoodIn(): boolean {
    if (!this.#owner.failed()) return false;
    this.#keeper.end(undefined);
    return true;
  }

  /** Whom the request was given to, and when. */
  #note(): void {
    const request = this.#request;
    const record = this.#record;
    request.cluster = record.cluster;
    request.endpoint = record.endpoint;
    request.sentMs = record.sentMs;
    request.answeredMs = record.answeredMs;
    request.endpointStatus = record.endpointStatus;
  }

  #finish(): void {
    this.#keeper.end(undefined);
    this.#request.end();
  }
}
