/**
 * One try of a request: to the exchange that runs it this is the client, so that no exchange knows of retries. What it
 * answers goes on to the real client when its owner lets it, or is dropped.
 */
import type { Headers, Peer } from "../../base/http.ts";
import { answered, type ClientStream, type Exchange, type Reply } from "../exchange.ts";
import type { RequestHead } from "../h1/request.ts";
import type { ResponseHead } from "../h1/response.ts";
import { RequestRecord } from "../record.ts";
import type { TlsFacts } from "../tls/handshake.ts";

export interface AttemptOwner {
  /** An endpoint begins to answer; false: nobody is to hear it. */
  begins(attempt: Attempt, head: ResponseHead): boolean;
  /** There is a whole answer: a function's, or the edge's own for an error. False: nobody is to hear it. */
  replies(attempt: Attempt, reply: Reply): boolean;
  /** A byte moved. */
  moved(): void;
  /** The answer that went on is over; `cut` when it is not complete. */
  ended(attempt: Attempt, cut: boolean): void;
}

export class Attempt implements ClientStream {
  readonly head: RequestHead;
  readonly record: RequestRecord;
  exchange: Exchange = answered;
  readonly #client: ClientStream;
  readonly #owner: AttemptOwner;
  #state: "waiting" | "passing" | "dropped" | "over" = "waiting";

  constructor(request: RequestRecord, head: RequestHead, owner: AttemptOwner) {
    this.head = head;
    this.#client = request.client;
    this.#owner = owner;
    this.record = new RequestRecord(request.listener, this, request);
    this.record.route = request.route;
    this.record.sent = request.sent;
    // Of the try before, so that another endpoint is preferred.
    this.record.cluster = request.cluster;
    this.record.endpoint = request.endpoint;
    this.record.responseLines = request.responseLines;
  }

  /** Ends the try without an answer; `reason` is counted. */
  giveUp(reason: string, refusal?: Parameters<Exchange["clientGone"]>[1]): void {
    if (this.#state === "over") return;
    this.#state = "over";
    this.exchange.clientGone(reason, refusal);
  }

  get client(): Peer {
    return this.#client.client;
  }

  get tls(): TlsFacts | undefined {
    return this.#client.tls;
  }

  get requestDone(): boolean {
    return this.#client.requestDone;
  }

  get waitsForRequest(): boolean {
    return this.#client.waitsForRequest;
  }

  holdRequest(hold: boolean): void {
    if (this.#live) this.#client.holdRequest(hold);
  }

  sendContinue(): void {
    if (this.#live) this.#client.sendContinue();
  }

  touch(): void {
    if (!this.#live) return;
    this.#client.touch();
    this.#owner.moved();
  }

  reply(reply: Reply): void {
    if (this.#state !== "waiting") return;
    this.#state = "over";
    if (this.#owner.replies(this, reply)) this.#client.reply(reply);
  }

  interim(head: ResponseHead): void {
    if (this.#live) this.#client.interim(head);
  }

  respond(head: ResponseHead, extra: string): void {
    if (this.#state !== "waiting") return;
    // Decided before the owner acts: what it starts next is another try.
    this.#state = "dropped";
    if (!this.#owner.begins(this, head)) return;
    this.#state = "passing";
    this.#client.respond(head, extra);
  }

  responseData(bytes: Buffer, start: number, end: number): void {
    if (this.#state === "passing") this.#client.responseData(bytes, start, end);
  }

  responseEnd(trailers: Headers): void {
    const passing = this.#state === "passing";
    this.#state = "over";
    if (!passing) return;
    this.#owner.ended(this, false);
    this.#client.responseEnd(trailers);
  }

  flush(): boolean {
    if (this.#state === "passing") return this.#client.flush();
    // An answer that nobody hears, and that one read did not bring whole: its connection is not worth the wait.
    if (this.#state === "dropped") this.giveUp("retried");
    return true;
  }

  destroy(): void {
    const passing = this.#state === "passing";
    this.#state = "over";
    if (!passing) return;
    this.#owner.ended(this, true);
    this.#client.destroy();
  }

  get #live(): boolean {
    return this.#state === "waiting" || this.#state === "passing";
  }
}
