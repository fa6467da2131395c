/** A request that waits until it is known how to get to its destination; it goes on as if it had just come. */
import type { Headers } from "../../base/http.ts";
import { answered, type ClientStream, type Exchange } from "../exchange.ts";
import { keptHead } from "../resilience/retries.ts";

export interface WaitingDeps {
  /** Nobody waits any more. */
  left(waiting: WaitingExchange): void;
  /** It has waited for the idle timeout: the one to answer it. */
  late(waiting: WaitingExchange): void;
}

export class WaitingExchange implements Exchange {
  readonly #client: ClientStream;
  readonly #deps: WaitingDeps;
  /** Of the body: what one read brought, for then no more is read. */
  readonly #pieces: Buffer[] = [];
  #trailers: Headers | undefined;
  #exchange: Exchange | undefined;

  constructor(client: ClientStream, deps: WaitingDeps) {
    this.#client = client;
    this.#deps = deps;
    // The scanner of its connection is at other work until this goes on.
    client.head.spans = keptHead(client.head).spans;
  }

  /** Gives the request to what answers it. */
  go(dispatch: (client: ClientStream) => Exchange): void {
    this.#client.holdRequest(false);
    const exchange = dispatch(this.#client);
    this.#exchange = exchange;
    if (exchange === answered) return;
    for (const piece of this.#pieces.splice(0)) exchange.requestData(piece, 0, piece.length);
    if (this.#trailers !== undefined) exchange.requestEnd(this.#trailers);
    exchange.requestFlush();
  }

  requestData(bytes: Buffer, start: number, end: number): void {
    if (this.#exchange === undefined) this.#pieces.push(bytes.subarray(start, end));
    else this.#exchange.requestData(bytes, start, end);
  }

  requestEnd(trailers: Headers): void {
    if (this.#exchange === undefined) this.#trailers = trailers;
    else this.#exchange.requestEnd(trailers);
  }

  requestFlush(): void {
    if (this.#exchange !== undefined) this.#exchange.requestFlush();
    // Who has sent all is still listened to: it may go.
    else if (this.#trailers === undefined) this.#client.holdRequest(true);
  }

  clientDrained(): void {
    this.#exchange?.clientDrained();
  }

  clientGone(...why: Parameters<Exchange["clientGone"]>): void {
    if (this.#exchange === undefined) this.#deps.left(this);
    else this.#exchange.clientGone(...why);
  }

  idle(): void {
    if (this.#exchange === undefined) this.#deps.late(this);
    else this.#exchange.idle();
  }

  leaving(): void {
    this.#exchange?.leaving?.();
  }
}
