/** A connection to an endpoint: sends a request, reads the response as strictly as a request, and rests in its pool. */
import type { Socket } from "node:net";
import { errorCode } from "../base/errors.ts";
import { BodyReader } from "./h1/body.ts";
import type { BodySink } from "./h1/chunked.ts";
import { Output } from "./h1/output.ts";
import { emptyResponseHead, readResponse, type ResponseHead } from "./h1/response.ts";
import { needMore, type HeadScanner, type ScanLimits } from "./h1/scan.ts";
import type { Headers } from "../base/http.ts";
import type { OutgoingHead, UpstreamSink, UpstreamStream } from "./exchange.ts";
import { interimMax, responseHeadBytesMax } from "./h1/limits.ts";
import type { Http1Upstream } from "./pool.ts";
import type { EdgeErrorReason } from "./stats.ts";
import { dial, targetHandshakeMsMax } from "./tls/dial.ts";
import { WheelEntry } from "./wheel.ts";

export const responseScan: ScanLimits = {
  requestLineBytesMax: 0,
  fieldLineBytesMax: responseHeadBytesMax,
  headBytesMax: responseHeadBytesMax,
  fieldsMax: 512,
  fieldsTooLargeStatus: 502,
};

const trailerLimits = { trailerBytesMax: 16 * 1024, chunkExtensionBytesMax: 16 * 1024 };

export class UpstreamConnection implements BodySink, UpstreamStream {
  readonly socket: Socket;
  readonly #out: Output;
  /** Requests it carried before this one. */
  uses = 0;
  /** A byte of the response to the request under way has come. */
  answering = false;
  /** Timer: of the connecting, then of the rest in the pool. */
  readonly timer: WheelEntry;

  readonly #upstream: Http1Upstream;
  readonly #head: ResponseHead = emptyResponseHead();
  readonly #body = new BodyReader();
  #scanner: HeadScanner | undefined;
  #sink: UpstreamSink | undefined;
  #method = "";
  #chunked = false;
  #last = false;
  #upgrade = false;
  /** The endpoint said 101: no more HTTP here. */
  #tunnel = false;
  #requestDone = false;
  #inBody = false;
  #interims = 0;
  #shaking = false;
  #connected = false;
  #failure: EdgeErrorReason | undefined;

  constructor(upstream: Http1Upstream, readBuffer: Buffer) {
    this.#upstream = upstream;
    const { host, port, tls } = upstream;
    // One buffer for all: what a read brings is used up, or copied, before the next read.
    const onread = { buffer: readBuffer, callback: (bytes: number) => this.#onRead(readBuffer, bytes) };
    this.socket = dial({ host, port, tls, onread });
    upstream.meter?.dialled(this.socket);
    this.#out = new Output(this.socket);
    this.timer = new WheelEntry(() => this.#onTimer());
    if (tls !== undefined) this.socket.on("connect", () => this.#onHandshake());
    this.socket.on(tls === undefined ? "connect" : "secureConnect", () => this.#onConnect());
    this.socket.on("drain", () => this.#sink?.upstreamDrained());
    this.socket.on("end", () => this.#onEnd());
    this.socket.on("error", (error) => {
      this.#failure ??= this.#failureOf(error);
    });
    this.socket.on("close", () => this.#onClose());
  }

  get usable(): boolean {
    return this.#sink === undefined && this.socket.writable && !this.socket.readableEnded;
  }

  begin(sink: UpstreamSink, { method, text, chunked, upgrade, last }: OutgoingHead): void {
    this.#sink = sink;
    this.#method = method;
    this.#chunked = chunked;
    this.#last = last === true;
    this.#upgrade = upgrade === true;
    this.#requestDone = false;
    this.#inBody = false;
    this.#interims = 0;
    this.answering = false;
    this.#out.text(text);
  }

  data(bytes: Buffer, start: number, end: number): void {
    if (this.#chunked) this.#out.chunk(bytes, start, end, true);
    else this.#out.bytes(bytes, start, end, true);
  }

  end(trailers: Headers): void {
    if (this.#tunnel) {
      this.#endTunnel();
      return;
    }
    if (this.#chunked) this.#out.lastChunk(trailers);
    this.#requestDone = true;
  }

  flush(): boolean {
    return this.#out.flush();
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    if (this.socket.isPaused()) this.socket.resume();
  }

  /** Lets `connection` carry the request that waits for this one to stand; false when it cannot be moved. */
  handOver(connection: UpstreamConnection): boolean {
    const sink = this.#sink;
    if (this.#connected || sink === undefined || !sink.movable) return false;
    this.abandon();
    sink.moved(connection);
    return true;
  }

  /** The connection goes with the request. */
  abandon(): void {
    this.#sink = undefined;
    this.socket.destroy();
  }

  /** Ends the request under way as failed. */
  fail(reason: EdgeErrorReason): void {
    const sink = this.#sink;
    this.abandon();
    sink?.upstreamFailed(reason);
  }

  bodyData(bytes: Buffer, start: number, end: number): void {
    this.#sink?.responseData(bytes, start, end);
  }

  /** The endpoint has taken the connection, and is to shake hands. */
  #onHandshake(): void {
    this.#shaking = true;
    this.#upstream.wheel.set(this.timer, this.#upstream.now(), targetHandshakeMsMax);
  }

  #failureOf(error: Error): EdgeErrorReason {
    if (this.#connected) return "reset";
    if (this.#shaking) return "tls-failed";
    return errorCode(error) === "ECONNREFUSED" ? "connect-refused" : "connect-failed";
  }

  /** What it is when the endpoint ends before its answer does. */
  #cutOff(): EdgeErrorReason {
    if (this.#inBody) return "truncated";
    return this.#shaking && !this.#connected ? "tls-failed" : "reset";
  }

  #onConnect(): void {
    this.#connected = true;
    this.#upstream.stands(this);
    this.#upstream.wheel.set(this.timer, 0, 0);
  }

  #onTimer(): void {
    if (this.#connected) this.socket.destroy();
    else this.fail(this.#shaking ? "tls-failed" : "connect-timeout");
  }

  #onRead(bytes: Buffer, end: number): boolean {
    // Nobody asked: what an endpoint says between requests could only be taken for the next one's answer.
    if (this.#sink === undefined) {
      this.socket.destroy();
      return false;
    }
    this.answering = true;
    const sink = this.#sink;
    let pos = 0;
    while (pos < end && this.#sink === sink) {
      pos = this.#inBody ? this.#readBody(bytes, pos, end) : this.#readHead(bytes, pos, end);
    }
    if (this.#sink === sink) sink.responseFlush();
    return true;
  }

  #readHead(bytes: Buffer, pos: number, end: number): number {
    this.#scanner ??= this.#upstream.scanners.take("response", responseScan);
    const scanner = this.#scanner;
    const after = scanner.push(bytes, pos, end);
    if (after === needMore) return end;
    if (after < 0 || readResponse(scanner, this.#head, this.#method) !== undefined) {
      this.fail("malformed-response");
      return end;
    }
    const head = this.#head;
    if (head.status === 101 && this.#upgrade) this.#beginTunnel(head);
    const interim = head.status < 200 && !this.#tunnel;
    if (interim) this.#passInterim(head);
    else this.#sink?.response(head);
    this.#releaseScanner();
    if (interim || this.#sink === undefined) return after;
    this.#body.begin(head.framing, head.contentLength, this.#upstream.scanners, trailerLimits);
    this.#inBody = true;
    if (this.#body.done) this.#complete(after < end);
    return after;
  }

  #beginTunnel(head: ResponseHead): void {
    this.#tunnel = true;
    this.#chunked = false;
    head.framing = "eof";
    head.keepAlive = false;
    // Either side may end while the other goes on.
    this.socket.allowHalfOpen = true;
  }

  /** The client's side of the tunnel has ended. */
  #endTunnel(): void {
    if (this.#body.done) this.#sink = undefined;
    this.#out.flush();
    this.socket.end();
  }

  #passInterim(head: ResponseHead): void {
    this.#interims += 1;
    // 101 was never asked for; and nobody needs more interim responses than this.
    if (head.status === 101 || this.#interims > interimMax) this.fail("malformed-response");
    else this.#sink?.interim(head);
  }

  #readBody(bytes: Buffer, pos: number, end: number): number {
    const after = this.#body.push(bytes, pos, end, this);
    if (this.#body.refusal !== undefined) {
      this.fail("malformed-response");
      return end;
    }
    if (this.#body.done) this.#complete(after < end);
    return after;
  }

  /** The response is here. `more` bytes behind it were not asked for: the connection is not used again. */
  #complete(more: boolean): void {
    const sink = this.#sink;
    const { keepAlive, keepAliveSeconds } = this.#head;
    const reusable = keepAlive && !this.#last && this.#requestDone && !more && this.socket.writable;
    this.#sink = undefined;
    this.uses += 1;
    this.#inBody = false;
    // Back in the pool before the client hears the end: its next request finds it there.
    if (reusable) this.#upstream.rest(this, keepAliveSeconds);
    else this.socket.destroy();
    sink?.responseEnd(this.#body.trailers);
  }

  #onEnd(): void {
    if (this.#sink === undefined) return;
    if (this.#tunnel && this.#body.ended()) this.#tunnelEnded(this.#sink);
    else if (this.#inBody && this.#body.ended()) this.#complete(true);
    else this.fail(this.#cutOff());
  }

  /** The endpoint's side of the tunnel has ended. */
  #tunnelEnded(sink: UpstreamSink): void {
    if (this.socket.writableEnded) this.#sink = undefined;
    sink.responseEnd([]);
  }

  #onClose(): void {
    this.#upstream.wheel.remove(this.timer);
    this.#releaseScanner();
    this.#body.release();
    this.#upstream.gone(this);
    const sink = this.#sink;
    this.#sink = undefined;
    sink?.upstreamFailed(this.#failure ?? this.#cutOff());
  }

  #releaseScanner(): void {
    if (this.#scanner !== undefined) this.#upstream.scanners.give(this.#scanner);
    this.#scanner = undefined;
  }
}
