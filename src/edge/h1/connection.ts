/**
 * A client's connection: reads requests one after another, hands each to an exchange, and keeps order, backpressure and
 * time. Who answers (a handler in this thread, or an upstream) is the owner's business.
 */
import type { Socket } from "node:net";
import type { Headers, Peer } from "../../base/http.ts";
import type { ClientStream, Exchange, Reply, RequestReport } from "../exchange.ts";
import { peerOf } from "../peer.ts";
import type { TlsFacts } from "../tls/handshake.ts";
import { BodyReader } from "./body.ts";
import type { BodySink } from "./chunked.ts";
import { HeadReader, type HeadRules } from "./head-reader.ts";
import type { H1Limits } from "./limits.ts";
import { Output } from "./output.ts";
import { Progress, type ProgressRules } from "./progress.ts";
import { readInto } from "./reading.ts";
import type { RequestHead } from "./request.ts";
import type { ResponseHead } from "./response.ts";
import { ResponseWriter } from "./response-writer.ts";
import { needMore, type Refusal } from "./scan.ts";

/** What connections of one listener share. */
export interface ConnectionOwner extends HeadRules, ProgressRules {
  readonly limits: H1Limits;
  /** Read into, by one connection after the other; without it a read brings a buffer of its own. */
  readonly readBuffer?: Buffer;
  /** Set when the listener takes no more requests: connections end after the one under way. */
  readonly ending: boolean;
  dispatch(connection: ClientConnection, head: RequestHead): Exchange;
  /** A complete response, with `Connection: close`, for what is no request. */
  refuse(connection: ClientConnection, refusal: Refusal): string;
  /** A request and its answer took so many bytes. */
  moved?(receivedBytes: number, sentBytes: number): void;
  closed(connection: ClientConnection): void;
}

/** What a connection is doing; decides what its timer means. */
type Mode = "resting" | "head" | "active" | "tunnel" | "draining" | "lingering" | "closed";

/** Where no idle timeout is set, a client that neither sends its body nor reads its answer is still given up. */
const stallMs = 60_000;

export class ClientConnection implements BodySink, ClientStream {
  readonly socket: Socket;
  readonly tls: TlsFacts | undefined;
  readonly out: Output;
  readonly head: RequestHead;
  /** True once any byte of a final response to the request under way was sent. */
  responseBegun = false;
  report: RequestReport | undefined;
  /** Of the requests that are over. */
  receivedBytes = 0;

  readonly #owner: ConnectionOwner;
  readonly #heads: HeadReader;
  readonly #body = new BodyReader();
  readonly #response: ResponseWriter;
  readonly #progress: Progress;
  #mode: Mode = "resting";
  #exchange: Exchange | undefined;
  #requestDone = true;
  #responseDone = true;
  #consuming = false;
  #keepAlive = true;
  #backpressed = false;
  #drainedBytes = 0;
  /** Of the request under way, or its tunnel. */
  #bodyBytes = 0;
  #sentBefore = 0;
  #client: Peer | undefined;
  /** Bytes of the next request that came while this one was under way. */
  #held: Buffer | undefined;

  constructor(accepted: Socket, owner: ConnectionOwner, tls?: TlsFacts) {
    this.#owner = owner;
    this.tls = tls;
    const onBytes = (bytes: Buffer, end: number) => this.#onData(bytes, end);
    // What TLS deciphers comes in buffers of its own anyway.
    if (owner.readBuffer !== undefined && tls === undefined)
      this.socket = readInto(owner.readBuffer, accepted, onBytes);
    else this.socket = accepted.on("data", (bytes: Buffer) => onBytes(bytes, bytes.length));
    const { socket } = this;
    this.#heads = new HeadReader(owner);
    this.head = this.#heads.head;
    this.out = new Output(socket);
    this.#response = new ResponseWriter(this.out);
    const onBodyDue = () => this.#onBodyDue();
    this.#progress = new Progress(socket, owner, () => this.#onDue(), onBodyDue);
    socket.setNoDelay(true);
    socket.on("drain", () => this.#onDrain());
    socket.on("end", () => this.#onEnd());
    socket.on("error", () => this.#onGone("client-reset"));
    socket.on("close", () => this.#onClose());
    this.#progress.arm(owner.limits.headTimeoutMs);
  }

  get client(): Peer {
    return (this.#client ??= peerOf(this.socket));
  }

  /** The whole request has come. */
  get requestDone(): boolean {
    return this.#requestDone;
  }

  /** The next step is the client's: its request is not complete, and nobody holds it back. */
  get waitsForRequest(): boolean {
    return !this.#requestDone && !this.#backpressed;
  }

  /** The connection can go on after this answer, so its head need not say `close`. */
  get persistent(): boolean {
    const { limits, ending } = this.#owner;
    // A body that nobody reads is dropped, if it is known to be short; else the answer is the connection's last.
    const readable = this.#requestDone || this.#body.left <= limits.drainBytesMax;
    return this.#keepAlive && this.head.keepAlive && readable && !ending;
  }

  /** Bytes that lie here: of a head that is not complete, of the next request, and what the client has not taken yet. */
  get heldBytes(): number {
    return this.socket.writableLength + (this.#held?.length ?? 0) + this.#heads.heldBytes;
  }

  get connectionBytes(): number {
    return this.heldBytes;
  }

  /** Answers wait for the client to take them: no further request is read, or they would be without bound. */
  get #clogged(): boolean {
    return this.socket.writableNeedDrain && !this.#heads.begun;
  }

  /** No request is under way, and none has begun to come. */
  get resting(): boolean {
    return this.#mode === "resting";
  }

  reply(reply: Reply): void {
    const keepAlive = this.persistent;
    this.responseBegun = true;
    this.#response.reply(reply, keepAlive);
    this.finish(keepAlive);
  }

  interim(head: ResponseHead): void {
    if (this.head.minor > 0) this.#response.interim(head);
  }

  respond(head: ResponseHead, extra: string): void {
    if (head.status === 101) {
      this.#openTunnel(head, extra);
      return;
    }
    this.responseBegun = true;
    // An answer that is here before the request is: the rest of the request goes on to the endpoint, but no next one.
    this.#response.begin(head, extra, this.head.minor, this.persistent && this.#requestDone);
  }

  responseData(bytes: Buffer, start: number, end: number): void {
    this.#response.data(bytes, start, end);
  }

  responseEnd(trailers: Headers): void {
    this.#response.end(trailers);
    if (this.#mode === "tunnel") this.socket.end();
    else this.finish(this.#response.keepAlive);
  }

  flush(): boolean {
    return this.out.flush();
  }

  /** Tells a client that waits with its body to send it. */
  sendContinue(): void {
    if (!this.head.expectContinue || this.responseBegun) return;
    this.head.expectContinue = false;
    this.out.text("HTTP/1.1 100 Continue\r\n\r\n");
    this.out.flush();
  }

  /** Stops and restarts the reading of the request body. */
  holdRequest(hold: boolean): void {
    if (this.#backpressed === hold) return;
    this.#backpressed = hold;
    if (hold) this.socket.pause();
    else if (this.#held === undefined) this.socket.resume();
  }

  /** A byte moved on the other side of the exchange. */
  touch(): void {
    if (this.#mode === "active" || this.#mode === "tunnel") this.#progress.arm(this.#activeMs());
  }

  /** The answer is complete. The connection goes on unless `keepAlive` is false. */
  finish(keepAlive: boolean): void {
    this.#responseDone = true;
    this.#tell();
    this.#exchange = undefined;
    if (!keepAlive) this.#keepAlive = false;
    if (!this.#consuming) this.#advance();
  }

  /** Ends the connection at once: the client sees that its answer is not complete. */
  destroy(): void {
    this.socket.destroy();
  }

  /** The listener ends: a connection at rest closes, another after its answer, a tunnel when its exchange says. */
  end(): void {
    this.#keepAlive = false;
    if (this.#mode === "resting") this.#linger();
    else if (this.#mode === "tunnel") this.#exchange?.leaving?.();
  }

  bodyData(bytes: Buffer, start: number, end: number): void {
    if (this.#exchange === undefined) this.#drainedBytes += end - start;
    else if (bytes !== this.#owner.readBuffer) this.#exchange.requestData(bytes, start, end);
    else this.#exchange.requestData(Buffer.from(bytes.subarray(start, end)), 0, end - start);
  }

  #onData(chunk: Buffer, end: number): void {
    if (this.#mode === "lingering" || this.#mode === "closed") return;
    if (this.#mode === "tunnel") this.#passOn(chunk, end);
    else if (this.#held !== undefined) this.#held = Buffer.concat([this.#held, chunk.subarray(0, end)]);
    else this.#consume(chunk, end);
  }

  #consume(chunk: Buffer, end: number): void {
    this.#consuming = true;
    let pos = 0;
    // A pipelined request whose predecessor was answered at once is read here too: a loop, so that no depth builds up.
    do {
      pos = this.#read(chunk, pos, end);
      if (this.#exchange !== undefined) {
        this.touch();
        this.#exchange.requestFlush();
      }
      this.#advanceIfDone();
    } while (pos < end && this.#mode === "resting" && !this.#clogged);
    if (pos < end && (this.#mode === "active" || this.#mode === "resting")) this.#hold(chunk.subarray(pos, end));
    this.#consuming = false;
    if (!this.#requestDone && this.#mode === "active") this.#watchBody();
  }

  #watchBody(): void {
    if (this.#body.framing === "length") this.#progress.watchBody();
  }

  #onBodyDue(): void {
    if (this.#mode !== "active" || this.#requestDone || this.#exchange === undefined) return;
    const keepsPace = this.#progress.bodyKeepsPace(this.#bodyBytes);
    // Held back, it is not the client that is slow.
    if (this.#backpressed || keepsPace) this.#watchBody();
    else this.#exchange.idle();
  }

  /** Reads as far as one request under way allows; gives how far that is. */
  #read(chunk: Buffer, start: number, end: number): number {
    let pos = start;
    while (pos < end && this.#mode !== "closed" && this.#mode !== "lingering") {
      if (!this.#requestDone) pos = this.#readBody(chunk, pos, end);
      else if (!this.#responseDone || this.#clogged) break;
      else pos = this.#readHead(chunk, pos, end);
      this.#advanceIfDone();
    }
    return pos;
  }

  #hold(rest: Buffer): void {
    this.#held = Buffer.from(rest);
    this.socket.pause();
  }

  #advanceIfDone(): void {
    if (!this.#responseDone) return;
    if (this.#mode === "active" || (this.#mode === "draining" && this.#requestDone)) this.#advance();
  }

  #readHead(chunk: Buffer, pos: number, end: number): number {
    const after = this.#heads.push(chunk, pos, end);
    if (after === needMore) {
      // From here on the clock runs, and more bytes do not stop it.
      if (this.#mode === "resting" && this.#heads.begun) {
        this.#mode = "head";
        this.#progress.arm(this.#owner.limits.headTimeoutMs);
      }
      return end;
    }
    if (typeof after !== "number") {
      this.#refuse(after);
      return end;
    }
    this.#begin();
    this.#heads.release();
    return after;
  }

  #begin(): void {
    const { head } = this;
    const owner = this.#owner;
    this.#mode = "active";
    this.#responseDone = false;
    this.responseBegun = false;
    this.#drainedBytes = 0;
    this.#bodyBytes = 0;
    this.#progress.restart();
    this.#sentBefore = this.out.sent;
    this.#body.begin(head.framing, head.contentLength, owner.scanners, owner.limits);
    this.#requestDone = this.#body.done;
    const exchange = owner.dispatch(this, head);
    // An exchange that is already answered has nothing more to hear.
    if (this.#responseDone) return;
    this.#exchange = exchange;
    if (this.#requestDone) exchange.requestEnd([]);
  }

  #readBody(chunk: Buffer, pos: number, end: number): number {
    const body = this.#body;
    const after = body.push(chunk, pos, end, this);
    this.#bodyBytes += after - pos;
    if (body.refusal !== undefined) {
      this.#refuseBody(body.refusal);
      return end;
    }
    if (body.done) {
      this.#requestDone = true;
      this.#exchange?.requestEnd(body.trailers);
    } else if (this.#drainedBytes > this.#owner.limits.drainBytesMax) {
      this.#linger();
      return end;
    }
    return after;
  }

  /** From here on bytes are bytes: those that already came with the request, too. */
  #openTunnel(head: ResponseHead, lines: string): void {
    this.#mode = "tunnel";
    this.responseBegun = true;
    // Either side may end while the other goes on.
    this.socket.allowHalfOpen = true;
    this.#response.openTunnel(head, lines);
    this.touch();
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined) this.#passOn(held, held.length);
    if (!this.#backpressed && this.socket.isPaused()) this.socket.resume();
    if (this.#owner.ending) this.#exchange?.leaving?.();
  }

  #passOn(bytes: Buffer, end: number): void {
    this.#bodyBytes += end;
    this.touch();
    this.bodyData(bytes, 0, end);
    this.#exchange?.requestFlush();
  }

  /** What came after the point of doubt is dropped: where it begins is just what is not known. */
  #refuse(refusal: Refusal): void {
    this.out.text(this.#owner.refuse(this, refusal));
    this.out.flush();
    this.#linger();
  }

  #refuseBody(refusal: Refusal): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    exchange?.clientGone(refusal.reason, refusal);
    if (this.responseBegun) this.destroy();
    else this.#refuse(refusal);
  }

  /** The request under way is over, and all that was sent for it is with the socket. */
  #tell(): void {
    const { report } = this;
    const received = this.head.text.length + this.#bodyBytes;
    const sent = this.out.sent - this.#sentBefore;
    this.receivedBytes += received;
    this.#owner.moved?.(received, sent);
    if (report === undefined) return;
    this.report = undefined;
    report.over(received, sent);
  }

  /** After an answer: on to the next request, or to the end. */
  #advance(): void {
    if (this.#mode !== "active" && this.#mode !== "draining") return;
    if (!this.#keepAlive || !this.head.keepAlive || this.#owner.ending) {
      this.#linger();
      return;
    }
    if (!this.#requestDone) {
      this.#mode = "draining";
      this.#progress.arm(stallMs);
      this.holdRequest(false);
      return;
    }
    this.#mode = "resting";
    this.#progress.arm(this.#owner.limits.keepAliveTimeoutMs);
    this.#backpressed = false;
    if (!this.#consuming && !this.#clogged) this.#goOn();
  }

  /** Reads what came meanwhile, and on. */
  #goOn(): void {
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined) this.#consume(held, held.length);
    if (this.#held === undefined && !this.#backpressed && this.socket.isPaused()) this.socket.resume();
  }

  #onDrain(): void {
    this.#exchange?.clientDrained();
    if (this.#mode === "resting") this.#goOn();
  }

  /** Sends the end, and lets the client read its answer before the socket goes: unread bytes would turn into a reset. */
  #linger(): void {
    if (this.#mode === "lingering" || this.#mode === "closed") return;
    this.#mode = "lingering";
    this.#held = undefined;
    this.#progress.lastAnswer();
    this.socket.end(() => this.#progress.arm(this.#owner.limits.lingerMs));
    this.#progress.arm(stallMs);
    this.socket.resume();
  }

  #activeMs(): number {
    const { idleTimeoutMs } = this.#owner.limits;
    return idleTimeoutMs === 0 ? stallMs : idleTimeoutMs;
  }

  /** What the connection is doing took too long. */
  #onDue(): void {
    if (this.#mode === "head") {
      this.#refuse({ status: 408, reason: "head-timeout" });
    } else if (
      (this.#mode === "active" || this.#mode === "tunnel") &&
      this.socket.writableLength === 0 &&
      this.#exchange !== undefined
    ) {
      this.#progress.arm(this.#activeMs());
      // Where there is no idle timeout an exchange may wait as long as it likes, unless it waits for the client.
      if (this.#owner.limits.idleTimeoutMs > 0 || this.waitsForRequest) this.#exchange.idle();
    } else if (this.#mode !== "closed") {
      this.#onGone("client-stalled");
      this.destroy();
    }
  }

  #onEnd(): void {
    if (this.#mode === "tunnel") this.#exchange?.requestEnd([]);
    else this.#onGone("client-closed");
  }

  #onGone(reason: string): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    exchange?.clientGone(reason);
    // A client that has nothing more to say gets no further answer; what was sent is still delivered.
    if (this.#mode !== "lingering") this.socket.destroySoon();
  }

  #onClose(): void {
    if (this.#mode === "closed") return;
    this.#onGone("client-closed");
    this.#mode = "closed";
    if (!this.#responseDone) this.#tell();
    this.#held = undefined;
    this.#body.release();
    this.#heads.release();
    this.#progress.close();
    this.#owner.closed(this);
  }
}
