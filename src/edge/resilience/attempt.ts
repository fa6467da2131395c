/**
 * One try of a request: to the exchange that runs it this is the client, so that no exchange knows of retries. What it
 * answers goes on to the real client when its owner lets it, or is dropped.
 */
import type { Headers } from "../../base/http.ts";
import { answered, type Exchange, type Reply } from "../exchange.ts";
import type { RequestHead } from "../h1/request.ts";
import type { ResponseHead } from "../h1/response.ts";
import { Interposed } from "../interposed.ts";
import { RequestRecord } from "../record.ts";

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

export class Attempt extends Interposed {
  readonly record: RequestRecord;
  exchange: Exchange = answered;
  readonly #owner: AttemptOwner;

  constructor(request: RequestRecord, head: RequestHead, owner: AttemptOwner) {
    super(request.client, head);
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
    if (this.state === "over") return;
    this.state = "over";
    this.exchange.clientGone(reason, refusal);
  }

  override touch(): void {
    if (!this.live) return;
    super.touch();
    this.#owner.moved();
  }

  reply(reply: Reply): void {
    if (this.state !== "waiting") return;
    this.state = "over";
    if (this.#owner.replies(this, reply)) this.real.reply(reply);
  }

  respond(head: ResponseHead, extra: string): void {
    if (this.state !== "waiting") return;
    // Decided before the owner acts: what it starts next is another try.
    this.state = "dropped";
    if (!this.#owner.begins(this, head)) return;
    this.state = "passing";
    this.real.respond(head, extra);
  }

  protected passed(trailers: Headers | undefined): void {
    this.#owner.ended(this, trailers === undefined);
  }

  protected unheard(): void {
    this.giveUp("retried");
  }
}
