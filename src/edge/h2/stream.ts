/** A request of an HTTP/2 client under way: its exchange on one side, a stream of the client's session on the other. */
import { constants, type ServerHttp2Stream } from "node:http2";
import type { Headers, Peer } from "../../base/http.ts";
import type { ClientStream, Exchange, Reply, RequestReport } from "../exchange.ts";
import type { RequestHead } from "../h1/request.ts";
import type { ResponseHead } from "../h1/response.ts";
import type { TlsFacts } from "../tls/handshake.ts";
import { WheelEntry } from "../wheel.ts";
import { addLines, responseFields, trailerFields } from "./fields.ts";
import type { ClientSession } from "./session.ts";

const { NGHTTP2_NO_ERROR } = constants;

/** Where no idle timeout is set, a client that neither sends its body nor reads its answer is still given up. */
const stallMs = 60_000;

export class RequestStream implements ClientStream {
  readonly head: RequestHead;
  report: RequestReport | undefined;
  readonly #session: ClientSession;
  readonly #stream: ServerHttp2Stream;
  readonly #timer: WheelEntry;
  #exchange: Exchange | undefined;
  #requestDone: boolean;
  #held = false;
  /** The answer is complete, or will never be. */
  #over = false;
  /** The head of an answer that waits for its first bytes, or its end. */
  #waiting: string[] | undefined;
  #withTrailers = false;
  #pieces: Buffer[] = [];
  #trailers: Headers = [];
  #requestTrailers: Headers = [];
  #sentAtCheck = -1;
  #receivedBytes = 0;
  #sentBytes = 0;
  #told = false;
  /** It was reset from here. */
  #cut = false;

  constructor(session: ClientSession, stream: ServerHttp2Stream, head: RequestHead, bare: boolean) {
    this.#session = session;
    this.#stream = stream;
    this.head = head;
    this.#requestDone = bare;
    this.#timer = new WheelEntry(() => this.#onTimer());
    stream.on("drain", () => this.#exchange?.clientDrained());
    stream.on("wantTrailers", () => stream.sendTrailers(trailerFields(this.#trailers)));
    stream.on("close", () => this.#onClose());
    // What it was is known from the code that `close` finds.
    stream.on("error", () => this.#onGone("client-reset"));
  }

  get client(): Peer {
    return this.#session.client;
  }

  get tls(): TlsFacts | undefined {
    return this.#session.tls;
  }

  /** Bytes of the answer that the client has not taken yet, and of the request that nobody has. */
  get heldBytes(): number {
    return this.#stream.writableLength + this.#stream.readableLength;
  }

  get connectionBytes(): number {
    return this.#session.connectionBytes;
  }

  get requestDone(): boolean {
    return this.#requestDone;
  }

  get waitsForRequest(): boolean {
    return !this.#requestDone && !this.#held;
  }

  /** Has `exchange` answer. Not for one that is answered already. */
  run(exchange: Exchange): void {
    this.touch();
    if (this.#over) return;
    this.#exchange = exchange;
    if (this.#requestDone) {
      exchange.requestEnd([]);
      exchange.requestFlush();
      return;
    }
    const stream = this.#stream;
    stream.on("data", (bytes: Buffer) => this.#onData(bytes));
    stream.on("trailers", (_fields, _flags, raw) => {
      this.#requestTrailers = raw;
    });
    stream.on("end", () => this.#onEnd());
    if (this.#held) stream.pause();
  }

  holdRequest(hold: boolean): void {
    if (this.#held === hold || this.#requestDone) return;
    this.#held = hold;
    if (hold) this.#stream.pause();
    else this.#stream.resume();
  }

  sendContinue(): void {
    if (!this.head.expectContinue || this.#stream.headersSent || !this.#open) return;
    this.head.expectContinue = false;
    this.#stream.additionalHeaders({ ":status": 100 });
  }

  touch(): void {
    const { wheel, clock, limits } = this.#session.owner;
    wheel.set(this.#timer, clock.monotonicMs(), limits.idleTimeoutMs === 0 ? stallMs : limits.idleTimeoutMs);
  }

  reply({ status, lines, body }: Reply): void {
    if (!this.#open) return;
    const fields = [":status", String(status)];
    addLines(fields, lines);
    this.#respond(fields, body.length === 0);
    this.#sentBytes += body.length;
    this.#session.wrote(body.length);
    if (body.length > 0) this.#stream.end(typeof body === "string" ? Buffer.from(body, "latin1") : body);
    this.#finish();
  }

  interim(head: ResponseHead): void {
    // 101 is of HTTP/1.1 alone (RFC 9113 section 8.6).
    if (!this.#open || head.status === 101 || this.#stream.headersSent) return;
    const fields: Record<string, string[] | number> = { ":status": head.status };
    const flat = responseFields(head, "");
    for (let i = 2; i < flat.length; i += 2) {
      const name = flat[i] as string;
      const before = fields[name];
      fields[name] = Array.isArray(before) ? [...before, flat[i + 1] as string] : [flat[i + 1] as string];
    }
    this.#stream.additionalHeaders(fields);
  }

  respond(head: ResponseHead, extra: string): void {
    this.#waiting = responseFields(head, extra);
    this.#withTrailers = head.framing === "chunked" || head.framing === "eof";
  }

  responseData(bytes: Buffer, start: number, end: number): void {
    this.#sentBytes += end - start;
    this.#session.wrote(end - start);
    if (end > start) this.#pieces.push(Buffer.from(bytes.subarray(start, end)));
  }

  responseEnd(trailers: Headers): void {
    if (!this.#open) return;
    this.#trailers = trailers;
    if (this.#waiting !== undefined && trailers.length === 0) {
      // All at once: the end goes with the head, or with the last of the body.
      this.#withTrailers = false;
      this.#respond(this.#waiting, this.#pieces.length === 0);
    }
    this.flush();
    if (!this.#stream.writableEnded) this.#stream.end();
    this.#finish();
  }

  flush(): boolean {
    if (!this.#open) return true;
    if (this.#waiting !== undefined) this.#respond(this.#waiting, false);
    const pieces = this.#pieces;
    if (pieces.length === 0) return !this.#stream.writableNeedDrain;
    this.#pieces = [];
    this.#stream.write(pieces.length === 1 ? pieces[0] : Buffer.concat(pieces));
    return !this.#stream.writableNeedDrain;
  }

  destroy(): void {
    this.#over = true;
    this.#exchange = undefined;
    this.#reset();
  }

  /** Bytes are counted as the fields and bodies have them: what compression and framing make of them is shared. */
  #tell(): void {
    if (this.#told) return;
    this.#told = true;
    const received = this.head.text.length + this.#receivedBytes;
    this.#session.owner.moved?.(received, this.#sentBytes);
    this.report?.over(received, this.#sentBytes);
  }

  /** With INTERNAL_ERROR. `close` would end the stream properly first, and a part be taken for the whole. */
  #reset(): void {
    this.#cut = true;
    this.#stream.destroy(new Error("the answer has no proper end"));
  }

  get #open(): boolean {
    return !this.#stream.destroyed && !this.#stream.closed;
  }

  #respond(fields: string[], endStream: boolean): void {
    this.#waiting = undefined;
    for (const part of fields) this.#sentBytes += part.length + 2;
    try {
      this.#stream.respond(fields, { endStream, waitForTrailers: this.#withTrailers && !endStream });
    } catch {
      // node:http2 refuses a field: no answer is better than another.
      this.#reset();
    }
  }

  /** The answer is complete. A client that still sends is told that it need not (RFC 9113 section 8.1). */
  #finish(): void {
    this.#over = true;
    this.#exchange = undefined;
    this.#pieces = [];
    this.#tell();
    if (this.#requestDone) return;
    this.#stream.resume();
    this.#stream.close(NGHTTP2_NO_ERROR);
  }

  #onData(bytes: Buffer): void {
    const exchange = this.#exchange;
    if (exchange === undefined) return;
    this.touch();
    this.#receivedBytes += bytes.length;
    this.#session.wrote(bytes.length);
    exchange.requestData(bytes, 0, bytes.length);
    exchange.requestFlush();
  }

  #onEnd(): void {
    // A stream that is reset ends too, but not as a request does.
    if (this.#requestDone || this.#stream.aborted || this.#stream.rstCode !== NGHTTP2_NO_ERROR) return;
    this.#requestDone = true;
    const exchange = this.#exchange;
    exchange?.requestEnd(this.#requestTrailers);
    exchange?.requestFlush();
  }

  #onTimer(): void {
    const sent = this.#session.bytesSent;
    const progress = this.#stream.writableLength > 0 && sent !== this.#sentAtCheck;
    this.#sentAtCheck = sent;
    if (progress) {
      this.touch();
    } else if (this.#exchange !== undefined && this.#stream.writableLength === 0) {
      this.touch();
      // Where there is no idle timeout an exchange may wait as long as it likes, unless it waits for the client.
      if (this.#session.owner.limits.idleTimeoutMs > 0 || this.waitsForRequest) this.#exchange.idle();
    } else {
      this.#giveUp();
      // Its end is a frame too: told one by one, each would seem progress to the others.
      this.#session.stalled(sent);
    }
  }

  /** Its client has taken nothing since the session had sent `sent` bytes: where it looked at that then, it is given up. */
  stalled(sent: number): void {
    if (this.#stream.writableLength > 0 && this.#sentAtCheck === sent) this.#giveUp();
  }

  #giveUp(): void {
    this.#onGone("client-stalled");
    this.#reset();
  }

  #onGone(reason: string): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    exchange?.clientGone(reason);
  }

  #onClose(): void {
    this.#onGone("client-reset");
    this.#tell();
    this.#session.owner.wheel.remove(this.#timer);
    this.#session.streamClosed(this, !this.#cut && this.#stream.rstCode !== NGHTTP2_NO_ERROR);
  }
}
