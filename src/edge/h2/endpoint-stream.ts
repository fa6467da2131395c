/** A request on its way to an endpoint that speaks HTTP/2, and the answer. */
import { constants, type ClientHttp2Stream } from "node:http2";
import { addAbortSignal } from "node:stream";
import type { Headers } from "../../base/http.ts";
import type { OutgoingHead, UpstreamSink, UpstreamStream } from "../exchange.ts";
import { emptyResponseHead } from "../h1/response.ts";
import type { Admission } from "../pool.ts";
import type { EdgeErrorReason } from "../stats.ts";
import type { EndpointSession } from "./endpoint-session.ts";
import { requestFields, trailerFields } from "./fields.ts";
import { movesMax } from "./limits.ts";
import { readResponseHead } from "./response.ts";

const { NGHTTP2_FLAG_END_STREAM, NGHTTP2_NO_ERROR, NGHTTP2_REFUSED_STREAM } = constants;

/** What it aborts, node:http2 resets with CANCEL. */
const gone = AbortSignal.abort();

export interface EndpointStreamOptions {
  connectTimeoutMs: number;
  /** Times that the request went out before, and was not looked at. */
  moves: number;
  /** What it was let in by to wait for its turn. */
  admission: Admission | undefined;
}

export class EndpointStream implements UpstreamStream {
  readonly uses: number;
  answering = false;
  readonly #session: EndpointSession;
  readonly #options: EndpointStreamOptions;
  readonly #head = emptyResponseHead();
  #stream: ClientHttp2Stream | undefined;
  #sink: UpstreamSink | undefined;
  #method = "";
  #responded = false;
  #requestTrailers: Headers = [];
  #trailers: Headers = [];
  #failed: EdgeErrorReason | undefined;

  constructor(session: EndpointSession, options: EndpointStreamOptions) {
    this.#session = session;
    this.#options = options;
    this.uses = session.requests;
  }

  begin(sink: UpstreamSink, { method, text, chunked }: OutgoingHead): void {
    const session = this.#session;
    const scheme = session.pool.tls === undefined ? "http" : "https";
    this.#sink = sink;
    this.#method = method;
    let stream: ClientHttp2Stream;
    try {
      stream = session.request(this, requestFields(text, method, scheme), sink.movable, chunked);
    } catch {
      // The session ended since it was chosen, or node:http2 refuses a field: nothing was sent, whichever it is.
      this.goes();
      process.nextTick(() => this.#takeSink()?.upstreamFailed("refused-stream"));
      return;
    }
    this.#stream = stream;
    stream.on("headers", (_fields, _flags, raw) => this.#onInterim(raw));
    stream.on("response", (_fields, flags, raw) => this.#onResponse(flags, raw));
    stream.on("trailers", (_fields, _flags, raw) => {
      this.#trailers = raw;
    });
    stream.on("wantTrailers", () => stream.sendTrailers(trailerFields(this.#requestTrailers)));
    stream.on("drain", () => this.#sink?.upstreamDrained());
    stream.on("end", () => this.#onEnd());
    stream.on("error", () => {
      // Why is known from the codes that `close` finds.
    });
    stream.on("close", () => this.#onClose());
  }

  /** Its turn on the session has come, or never will. */
  goes(): void {
    this.#options.admission?.stands();
  }

  data(bytes: Buffer, start: number, end: number): void {
    if (this.#open !== undefined) this.#open.write(bytes.subarray(start, end));
  }

  end(trailers: Headers): void {
    this.#requestTrailers = trailers;
    const stream = this.#open;
    if (stream !== undefined && !stream.writableEnded) stream.end();
  }

  flush(): boolean {
    return this.#open?.writableNeedDrain !== true;
  }

  pause(): void {
    this.#stream?.pause();
  }

  resume(): void {
    if (this.#stream?.isPaused() === true) this.#stream.resume();
  }

  /** With CANCEL. `close` would end the stream properly first, and a part be taken for the whole. */
  abandon(): void {
    this.#sink = undefined;
    if (this.#stream !== undefined) addAbortSignal(gone, this.#stream);
  }

  get #open(): ClientHttp2Stream | undefined {
    const stream = this.#stream;
    return stream === undefined || stream.destroyed || stream.closed ? undefined : stream;
  }

  #onInterim(raw: readonly string[]): void {
    this.answering = true;
    if (this.#read(raw, false)) this.#sink?.interim(this.#head);
  }

  #onResponse(flags: number, raw: readonly string[]): void {
    this.answering = true;
    const bare = (flags & NGHTTP2_FLAG_END_STREAM) !== 0;
    const stream = this.#stream;
    if (stream === undefined || !this.#read(raw, bare)) return;
    this.#responded = true;
    this.#sink?.response(this.#head);
    // Its end goes on together with the head: a gRPC answer of trailers only stays one.
    if (bare) {
      this.#complete();
      return;
    }
    stream.on("data", (bytes: Buffer) => this.#onData(bytes));
    // What came in the same read goes with it.
    if (stream.readableLength === 0) this.#sink?.responseFlush();
  }

  #read(raw: readonly string[], bare: boolean): boolean {
    if (readResponseHead(raw, bare, this.#method, this.#head)) return true;
    this.#failed = "malformed-response";
    this.#stream?.destroy(new Error("the endpoint's answer is malformed"));
    return false;
  }

  #onData(bytes: Buffer): void {
    this.#sink?.responseData(bytes, 0, bytes.length);
    this.#sink?.responseFlush();
  }

  #onEnd(): void {
    // A stream that is reset ends too, but not as an answer does.
    if (this.#responded && this.#stream?.rstCode === NGHTTP2_NO_ERROR && !this.#stream.destroyed) this.#complete();
  }

  #complete(): void {
    this.#takeSink()?.responseEnd(this.#trailers);
    // An answer that is here before the request is: the rest of that is of no use.
    if (this.#stream?.writableEnded === false) addAbortSignal(gone, this.#stream);
  }

  /** The sink, which hears one thing more. */
  #takeSink(): UpstreamSink | undefined {
    const sink = this.#sink;
    this.#sink = undefined;
    return sink;
  }

  #onClose(): void {
    const session = this.#session;
    const stream = this.#stream;
    const sink = this.#takeSink();
    session.done(this);
    if (sink === undefined || stream === undefined) return;
    if (this.#responded) sink.upstreamFailed("truncated");
    else if (this.#failed !== undefined) sink.upstreamFailed(this.#failed);
    else if (stream.rstCode === NGHTTP2_REFUSED_STREAM || session.unprocessed(stream)) this.#move(sink);
    else if (session.pool.unspoken && !session.stood) this.#goInstead(sink);
    else sink.upstreamFailed(session.failure);
  }

  /** The endpoint does not speak HTTP/2, and saw nothing: where there is another way, it goes there. */
  #goInstead(sink: UpstreamSink): void {
    const { instead } = this.#session.pool;
    if (instead !== undefined && sink.movable && sink.readmitted()) {
      sink.moved(instead.take(this.#options.connectTimeoutMs));
    } else {
      sink.upstreamFailed(this.#session.failure);
    }
  }

  /** The endpoint did not look at it (RFC 9113 section 8.7): it may go out again, whatever its method. */
  #move(sink: UpstreamSink): void {
    const { connectTimeoutMs, moves } = this.#options;
    if (sink.movable && moves < movesMax && sink.readmitted()) {
      sink.moved(this.#session.pool.takeAgain(connectTimeoutMs, moves + 1));
    } else {
      sink.upstreamFailed("refused-stream");
    }
  }
}
