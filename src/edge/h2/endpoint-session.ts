/** An HTTP/2 connection to an endpoint: dialled, asked for signs of life while requests wait, and left when it rests. */
import { connect, constants, type ClientHttp2Session, type ClientHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import { errorCode } from "../../base/errors.ts";
import { responseHeadBytesMax } from "../h1/limits.ts";
import type { Admission } from "../pool.ts";
import type { EdgeErrorReason } from "../stats.ts";
import { dial, targetHandshakeMsMax } from "../tls/dial.ts";
import { WheelEntry } from "../wheel.ts";
import type { EndpointStream } from "./endpoint-stream.ts";
import { headerPairsMax, pingAfterMs, pingMsMax, sessionRestMs, streamsUnsaid, streamWindowBytes } from "./limits.ts";
import type { Http2Upstream } from "./pool.ts";

const { NGHTTP2_CANCEL } = constants;

/** The alert of an endpoint that knows none of the protocols it is offered (RFC 7301 section 3.2), as OpenSSL has it. */
const noProtocolCode = "ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL";

export class EndpointSession {
  readonly pool: Http2Upstream;
  readonly #session: ClientHttp2Session;
  readonly #socket: Socket;
  readonly #timer: WheelEntry;
  readonly #admission: Admission | undefined;
  readonly #streams = new Set<EndpointStream>();
  /** Those whose turn has not come, in the order in which it will: the session does not stand, or has no room. */
  readonly #waiting = new Set<EndpointStream>();
  /** Requests that it has carried. */
  #requests = 0;
  #streamsMax: number;
  #state: "connecting" | "handshake" | "standing" | "pinged" | "closed" = "connecting";
  #failure: EdgeErrorReason | undefined;
  #leaving = false;
  #stood = false;
  /** The endpoint did not look at streams above this one. */
  #lastStreamId = Infinity;
  #readAtCheck = 0;

  constructor(pool: Http2Upstream, connectTimeoutMs: number, admission: Admission | undefined) {
    const { host, port, tls } = pool;
    this.pool = pool;
    this.#admission = admission;
    this.#streamsMax = pool.streamsMax;
    this.#timer = new WheelEntry(() => this.#onTimer());
    this.#socket = dial({ host, port, tls });
    pool.deps.meter?.dialled(this.#socket);
    // Before node:http2 listens: why a session ends is known when its streams do.
    this.#socket.on("error", (error) => {
      this.#failure ??= this.#failureOf(error);
    });
    if (tls !== undefined) this.#socket.on("connect", () => this.#onHandshake());
    const authority = `${host.includes(":") ? `[${host}]` : host}:${port}`;
    const options = {
      createConnection: () => this.#socket,
      settings: { enablePush: false, initialWindowSize: streamWindowBytes, maxHeaderListSize: responseHeadBytesMax },
      maxHeaderListPairs: headerPairsMax,
      peerMaxConcurrentStreams: Math.min(this.#streamsMax, streamsUnsaid),
      // A client that repeats a field says what it says. (Not among the types of connect, but read there too.)
      strictSingleValueFields: false,
    };
    this.#session = connect(`${tls === undefined ? "http" : "https"}://${authority}`, options);
    const session = this.#session;
    session.on("connect", () => this.#onConnect());
    session.on("remoteSettings", ({ maxConcurrentStreams }) => {
      this.#streamsMax = maxConcurrentStreams ?? Infinity;
      pool.streamsMax = this.#streamsMax;
      this.#turn();
    });
    session.on("goaway", (_code, lastStreamId) => {
      this.#leaving = true;
      this.#lastStreamId = lastStreamId;
    });
    session.on("error", (error) => {
      this.#failure ??= this.#failureOf(error);
    });
    session.on("close", () => this.#onClose());
    this.#set(connectTimeoutMs);
  }

  get usable(): boolean {
    return !this.#leaving && !this.#session.closed && !this.#session.destroyed;
  }

  /** The endpoint has taken it. */
  get stands(): boolean {
    return this.#state === "standing" || this.#state === "pinged";
  }

  /** The endpoint had taken it, whatever became of it. */
  get stood(): boolean {
    return this.#stood;
  }

  /** Requests that it takes more; negative when some wait for their turn. */
  get room(): number {
    return this.#streamsMax - this.#streams.size;
  }

  get requests(): number {
    return this.#requests;
  }

  get heldBytes(): number {
    return this.#socket.writableLength;
  }

  /** Why its streams have no proper end. */
  get failure(): EdgeErrorReason {
    return this.#failure ?? "reset";
  }

  /** The endpoint said that it did not, and will not, look at this stream. */
  unprocessed(stream: ClientHttp2Stream): boolean {
    return stream.id !== undefined && stream.id > this.#lastStreamId;
  }

  /** Begins a request. Throws where the session has ended in between. */
  request(stream: EndpointStream, fields: readonly string[], bare: boolean, trailers: boolean): ClientHttp2Stream {
    const begun = this.#session.request(fields, { endStream: bare, waitForTrailers: trailers });
    this.#streams.add(stream);
    this.#waiting.add(stream);
    this.#turn();
    this.#requests += 1;
    if (this.#state === "standing" && this.#streams.size === 1) this.#watch();
    return begun;
  }

  /** A request is over. */
  done(stream: EndpointStream): void {
    this.#streams.delete(stream);
    this.#waiting.delete(stream);
    stream.goes();
    this.#turn();
    if (this.#streams.size > 0) return;
    if (this.#leaving) this.#close();
    else if (this.stands) this.#rest();
  }

  /** Takes no more requests; what is under way goes on. */
  end(): void {
    this.#leaving = true;
    if (this.#streams.size === 0) this.#close();
  }

  /** Takes one request and no more. */
  endWhenIdle(): void {
    this.#leaving = true;
  }

  /** Ends the session, and every request on it, as failed. */
  fail(reason: EdgeErrorReason): void {
    this.#failure ??= reason;
    this.#session.destroy(new Error(reason), NGHTTP2_CANCEL);
  }

  #onHandshake(): void {
    if (this.#state !== "connecting") return;
    this.#state = "handshake";
    this.#set(targetHandshakeMsMax);
  }

  #onConnect(): void {
    if (this.pool.tls !== undefined && this.#session.alpnProtocol !== "h2") {
      this.pool.unspoken = true;
      this.fail("tls-failed");
      return;
    }
    this.#state = "standing";
    this.#stood = true;
    this.#turn();
    if (this.#streams.size > 0) this.#watch();
    else this.#rest();
  }

  /** Tells those that wait for their turn, as far as there is room. */
  #turn(): void {
    if (!this.stands) return;
    let room = this.#streamsMax - (this.#streams.size - this.#waiting.size);
    for (const stream of this.#waiting) {
      if (room <= 0) return;
      room -= 1;
      this.#waiting.delete(stream);
      stream.goes();
    }
  }

  #watch(): void {
    this.#readAtCheck = this.#socket.bytesRead;
    this.#set(pingAfterMs);
  }

  #rest(): void {
    this.#state = "standing";
    this.#set(sessionRestMs);
  }

  #onTimer(): void {
    switch (this.#state) {
      case "connecting":
        this.fail("connect-timeout");
        break;
      case "handshake":
        this.fail("tls-failed");
        break;
      case "pinged":
        this.fail("reset");
        break;
      case "standing":
        if (this.#streams.size === 0) this.#close();
        else if (this.#socket.bytesRead !== this.#readAtCheck) this.#watch();
        else this.#ping();
        break;
      default:
    }
  }

  #ping(): void {
    this.#state = "pinged";
    this.#set(pingMsMax);
    this.#session.ping((error) => {
      if (error !== null || this.#state !== "pinged") return;
      this.#state = "standing";
      this.#watch();
    });
  }

  #close(): void {
    this.#leaving = true;
    this.#session.close();
  }

  #set(delayMs: number): void {
    this.pool.wheel.set(this.#timer, this.pool.deps.clock.monotonicMs(), delayMs);
  }

  #failureOf(error: Error): EdgeErrorReason {
    if (errorCode(error) === noProtocolCode) this.pool.unspoken = true;
    if (this.#state === "handshake") return "tls-failed";
    if (this.#state !== "connecting") return "reset";
    return errorCode(error) === "ECONNREFUSED" ? "connect-refused" : "connect-failed";
  }

  #onClose(): void {
    this.#state = "closed";
    this.pool.wheel.remove(this.#timer);
    this.#admission?.gone();
    this.pool.gone(this);
  }
}
