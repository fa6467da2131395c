/**
 * A client's HTTP/2 connection. The framing is `node:http2`'s; here are its limits, its floods, its time and its end
 * (ALB user guide, "Listeners": 128 requests at once, 10,000 on a connection).
 */
import { constants, performServerHandshake, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import type { Clock, Timer } from "../../base/clock.ts";
import type { Peer } from "../../base/http.ts";
import type { ClientStream, Exchange, Reply } from "../exchange.ts";
import type { H1Limits } from "../h1/limits.ts";
import { emptyRequestHead } from "../h1/request.ts";
import { peerOf } from "../peer.ts";
import type { DesyncMode } from "../ports.ts";
import type { TlsFacts } from "../tls/handshake.ts";
import { WheelEntry, type Wheel } from "../wheel.ts";
import {
  floodFramesMax,
  floodWindowMs,
  goawayGraceMs,
  headerListBytesMax,
  headerPairsMax,
  invalidFramesMax,
  rejectedStreamsMax,
  requestsMax,
  sessionMbMax,
  streamsMax,
  streamWindowBytes,
} from "./limits.ts";
import { readRequestHead, type HeadRefusal, type ReadHead } from "./request.ts";
import { RequestStream } from "./stream.ts";

const { NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_FLAG_END_STREAM, NGHTTP2_NO_ERROR, NGHTTP2_PROTOCOL_ERROR } = constants;

/** The highest id of a stream: what a client is told before it is known which of its requests came. */
const anyStream = 2 ** 31 - 1;

/** Of a request that is refused before it is understood. */
const emptyHead = emptyRequestHead();

/** What the sessions of one listener share. */
export interface SessionOwner {
  readonly limits: H1Limits;
  readonly desync: DesyncMode;
  readonly clock: Clock;
  readonly wheel: Wheel;
  /** Set when the listener takes no more requests. */
  readonly ending: boolean;
  dispatch(client: ClientStream): Exchange;
  /** The answer to a request that is not acted on; one that is malformed does not get it. */
  refusal(session: ClientSession, refusal: HeadRefusal): Reply;
  /** A request and its answer took so many bytes. */
  moved?(receivedBytes: number, sentBytes: number): void;
  closed(session: ClientSession): void;
}

export class ClientSession {
  readonly owner: SessionOwner;
  readonly client: Peer;
  readonly tls: TlsFacts | undefined;
  readonly #socket: Socket;
  readonly #session: ServerHttp2Session;
  readonly #timer: WheelEntry;
  readonly #streams = new Set<RequestStream>();
  /** See {@link connectionBytes}. */
  #heldAtMost = 0;
  #requests = 0;
  #greeted = false;
  #leaving = false;
  #leaveTimer: Timer | undefined;
  #closed = false;
  #floodFrames = 0;
  #floodSinceMs = 0;

  /** @param socket whose first bytes nobody has read */
  constructor(socket: Socket, owner: SessionOwner, tls: TlsFacts | undefined) {
    this.owner = owner;
    this.client = peerOf(socket);
    this.tls = tls;
    this.#socket = socket;
    this.#timer = new WheelEntry(() => this.#onRested());
    // Only tls.Server takes this flag of a TLSSocket back, and node:http2 would wait for it.
    if (tls !== undefined) Object.assign(socket, { secureConnecting: false });
    this.#session = performServerHandshake(socket, {
      settings: {
        maxConcurrentStreams: streamsMax,
        maxHeaderListSize: headerListBytesMax,
        initialWindowSize: streamWindowBytes,
      },
      maxHeaderListPairs: headerPairsMax,
      maxSessionMemory: sessionMbMax,
      maxSessionInvalidFrames: invalidFramesMax,
      maxSessionRejectedStreams: rejectedStreamsMax,
      // An endpoint that repeats a field says what it says.
      strictSingleValueFields: false,
    });
    const session = this.#session;
    session.on("stream", (stream, _fields, flags, raw) => this.#onStream(stream, flags, raw));
    session.on("remoteSettings", () => this.#onSettings());
    session.on("ping", () => this.#countFlood());
    // The frame that was wrong ended the session; `close` follows.
    session.on("error", () => session.destroy());
    session.on("close", () => this.#onClose());
    socket.on("error", () => session.destroy());
    this.#rest();
  }

  /** Bytes that went to the client. */
  get bytesSent(): number {
    return this.#socket.bytesWritten;
  }

  /** Bytes that the client has not taken yet. */
  get heldBytes(): number {
    let bytes = this.#socket.writableLength;
    for (const { heldBytes } of this.#streams) bytes += heldBytes;
    return bytes;
  }

  /** As {@link heldBytes}, or more: bytes are only looked for again when those written since may be too many. */
  get connectionBytes(): number {
    if (this.#heldAtMost > this.owner.limits.connectionBytesMax) this.#heldAtMost = this.heldBytes;
    return this.#heldAtMost;
  }

  wrote(bytes: number): void {
    this.#heldAtMost += bytes;
  }

  /** The listener ends: what has begun goes on, and the client is told to begin nothing more. */
  end(): void {
    if (this.#leaving) return;
    this.#leaving = true;
    const session = this.#session;
    if (session.destroyed) return;
    // In two steps (RFC 9113 section 6.8): requests that are on their way as the client hears of it are still served.
    session.goaway(NGHTTP2_NO_ERROR, anyStream);
    const leave = () => {
      this.#leaveTimer?.cancel();
      if (!session.destroyed) session.close();
    };
    this.#leaveTimer = this.owner.clock.after(goawayGraceMs, leave);
    session.ping(leave);
  }

  destroy(): void {
    this.#session.destroy();
  }

  /** A stream is closed; `takenBack` when by its client. */
  streamClosed(stream: RequestStream, takenBack: boolean): void {
    this.#streams.delete(stream);
    if (takenBack) this.#countFlood();
    if (this.#streams.size === 0) this.#rest();
  }

  /** Nothing of what waits here has gone since `sent` bytes had, for longer than a client may take. */
  stalled(sent: number): void {
    for (const stream of this.#streams) stream.stalled(sent);
  }

  #onSettings(): void {
    this.#countFlood();
    if (this.#greeted) return;
    this.#greeted = true;
    if (this.#streams.size === 0) this.#rest();
  }

  #onStream(stream: ServerHttp2Stream, flags: number, raw: string[]): void {
    const { owner } = this;
    this.#requests += 1;
    if (this.#requests >= requestsMax || owner.ending) this.end();
    // Taken back in the read that brought it.
    if (stream.destroyed || stream.closed) {
      this.#countFlood();
      return;
    }
    const bare = (flags & NGHTTP2_FLAG_END_STREAM) !== 0;
    const read = readRequestHead(raw, bare, owner);
    if ("refusal" in read && read.refusal.malformed) {
      owner.refusal(this, read.refusal);
      stream.on("error", () => {
        // Node reports the code that we gave.
      });
      stream.close(NGHTTP2_PROTOCOL_ERROR);
      this.#countFlood();
      return;
    }
    owner.wheel.set(this.#timer, 0, 0);
    this.#begin(stream, bare, read);
  }

  #begin(stream: ServerHttp2Stream, bare: boolean, read: ReadHead): void {
    const { owner } = this;
    const request = new RequestStream(this, stream, "head" in read ? read.head : emptyHead, bare);
    this.#streams.add(request);
    if ("head" in read) {
      request.run(owner.dispatch(request));
      return;
    }
    request.touch();
    request.reply(owner.refusal(this, read.refusal));
  }

  /** Nothing is under way: until the greeting, then until the next request. PINGs do not count (ALB). */
  #rest(): void {
    const { limits, clock, wheel } = this.owner;
    if (this.#closed) return;
    wheel.set(this.#timer, clock.monotonicMs(), this.#greeted ? limits.keepAliveTimeoutMs : limits.headTimeoutMs);
  }

  #onRested(): void {
    if (this.#greeted) this.#session.close();
    else this.#session.destroy();
  }

  #countFlood(): void {
    const nowMs = this.owner.clock.monotonicMs();
    if (nowMs - this.#floodSinceMs > floodWindowMs) {
      this.#floodSinceMs = nowMs;
      this.#floodFrames = 0;
    }
    this.#floodFrames += 1;
    if (this.#floodFrames > floodFramesMax && !this.#session.destroyed) {
      this.#session.destroy(new Error("too many frames that ask for nothing"), NGHTTP2_ENHANCE_YOUR_CALM);
    }
  }

  #onClose(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#leaveTimer?.cancel();
    this.owner.wheel.remove(this.#timer);
    this.owner.closed(this);
  }
}
