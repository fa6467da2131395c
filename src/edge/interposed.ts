/**
 * A client that stands before the real one: what runs the exchange answers this, and what it says goes on for as long as
 * somebody is to hear it. Tries (`resilience/attempt.ts`) and fetches of a response cache (`cache/fetch.ts`) are such.
 */
import type { Headers, Peer } from "../base/http.ts";
import type { ClientStream, Reply } from "./exchange.ts";
import type { RequestHead } from "./h1/request.ts";
import type { ResponseHead } from "./h1/response.ts";
import type { TlsFacts } from "./tls/handshake.ts";

export abstract class Interposed implements ClientStream {
  readonly head: RequestHead;
  protected readonly real: ClientStream;
  /** `dropped`: an answer came that nobody is to hear. */
  protected state: "waiting" | "passing" | "dropped" | "over" = "waiting";

  /** @param head the request as the exchange is to see it */
  constructor(real: ClientStream, head: RequestHead) {
    this.real = real;
    this.head = head;
  }

  abstract reply(reply: Reply): void;
  abstract respond(head: ResponseHead, extra: string): void;
  /** The answer that went on is over, before the real client hears so; without trailers: cut off. */
  protected abstract passed(trailers: Headers | undefined): void;
  /** An answer that nobody hears did not come whole in one read: its connection is not worth the wait. */
  protected abstract unheard(): void;

  get client(): Peer {
    return this.real.client;
  }

  get tls(): TlsFacts | undefined {
    return this.real.tls;
  }

  get requestDone(): boolean {
    return this.real.requestDone;
  }

  get waitsForRequest(): boolean {
    return this.real.waitsForRequest;
  }

  get connectionBytes(): number {
    return this.real.connectionBytes;
  }

  holdRequest(hold: boolean): void {
    if (this.live) this.real.holdRequest(hold);
  }

  sendContinue(): void {
    if (this.live) this.real.sendContinue();
  }

  touch(): void {
    if (this.live) this.real.touch();
  }

  interim(head: ResponseHead): void {
    if (this.live) this.real.interim(head);
  }

  responseData(bytes: Buffer, start: number, end: number): void {
    if (this.state === "passing") this.real.responseData(bytes, start, end);
  }

  responseEnd(trailers: Headers): void {
    const passing = this.state === "passing";
    this.state = "over";
    if (!passing) return;
    this.passed(trailers);
    this.real.responseEnd(trailers);
  }

  flush(): boolean {
    if (this.state === "passing") return this.real.flush();
    if (this.state === "dropped") this.unheard();
    return true;
  }

  destroy(): void {
    const passing = this.state === "passing";
    this.state = "over";
    if (!passing) return;
    this.passed(undefined);
    this.real.destroy();
  }

  protected get live(): boolean {
    return this.state === "waiting" || this.state === "passing";
  }
}
