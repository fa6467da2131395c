/** A listening socket of one worker, and the connections that came through it. */
import { createServer, type Server, type Socket } from "node:net";
import type { Clock } from "../base/clock.ts";
import { pageOf } from "./answers.ts";
import type { Shed, ShedReason } from "./clients/sheds.ts";
import type { CompiledListener } from "./compile.ts";
import type { ClientStream, Exchange, Reply } from "./exchange.ts";
import { ClientConnection, type ConnectionOwner } from "./h1/connection.ts";
import { limitsOf, type H1Limits } from "./h1/limits.ts";
import type { Refusal, ScannerPool } from "./h1/scan.ts";
import type { HeadRefusal } from "./h2/request.ts";
import { ClientSession, type SessionOwner } from "./h2/session.ts";
import { listen } from "./port.ts";
import type { DesyncMode } from "./ports.ts";
import type { Handshake, HandshakeEvents, TlsFacts } from "./tls/handshake.ts";
import type { Wheel } from "./wheel.ts";

/** From a request to what answers it. */
export type Dispatch = (listener: CompiledListener, client: ClientStream) => Exchange;

export interface DoorDeps {
  /** The worker holds too much for slow clients. */
  pressure: { readonly high: boolean };
  shed: Shed;
  clock: Clock;
  wheel: Wheel;
  scanners: ScannerPool;
  readBuffer: Buffer;
  dispatch: Dispatch;
  /** Connections in all; those of a public listener when absent. */
  connectionsMax?: number;
}

/** A client's connection, whatever protocol it speaks. */
export interface DoorConnection {
  /** Bytes that lie here because somebody is slow. */
  readonly heldBytes?: number;
  /** A connection at rest closes, another after what it has under way. */
  end(): void;
  /** Closes at once. */
  destroy(): void;
}

/**
 * Listening sockets of one door, where they may share its port. A loop takes one connection from each in a turn, however
 * many wait: with one socket, clients that all come at once to a busy worker waited seconds to be let in.
 */
const socketsShared = 4;

/** The sockets of a listener. Before its first configuration runs it only holds who came. */
export class Door implements ConnectionOwner, SessionOwner {
  readonly connections = new Set<DoorConnection>();
  readonly clock: Clock;
  readonly wheel: Wheel;
  readonly scanners: ScannerPool;
  readonly readBuffer: Buffer;
  ending = false;
  listener: CompiledListener | undefined;
  whenEmpty: () => void = () => {};
  readonly #dispatch: Dispatch;
  readonly #pressure: DoorDeps["pressure"];
  readonly #shed: Shed;
  readonly #connectionsMax: number;
  readonly #servers: Server[] = [];
  readonly #waiting: Socket[] = [];
  readonly #handshakes = new Set<Handshake>();
  readonly #handshakeEvents: HandshakeEvents = {
    secured: (handshake, socket, facts) => {
      this.#handshakes.delete(handshake);
      this.#connect(socket, facts);
    },
    failed: (handshake, error) => {
      this.#handshakes.delete(handshake);
      this.listener?.counts.add("handshakesFailed", 1);
      this.listener?.plane.log("debug", "a TLS handshake failed", { listener: this.listener.config.id, error });
    },
  };

  constructor({ clock, wheel, scanners, readBuffer, dispatch, pressure, shed, connectionsMax }: DoorDeps) {
    this.#dispatch = dispatch;
    this.#pressure = pressure;
    this.#shed = shed;
    this.#connectionsMax = connectionsMax ?? limitsOf("public").connectionsMax;
    this.clock = clock;
    this.wheel = wheel;
    this.scanners = scanners;
    this.readBuffer = readBuffer;
  }

  /** Binds; `reusePort` where others may bind the port too. Rejects with `PortInUse`. */
  async open(host: string, port: number, reusePort: boolean, onError: (error: Error) => void): Promise<void> {
    for (let i = 0; i < (reusePort ? socketsShared : 1); i += 1) {
      const server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
      await listen(server, { host, port, backlog: 4096, reusePort });
      server.on("error", onError);
      this.#servers.push(server);
    }
  }

  get limits(): H1Limits {
    return this.#running().limits;
  }

  get desync(): DesyncMode {
    return this.#running().config.desync ?? "defensive";
  }

  dispatch(client: ClientStream): Exchange {
    return this.#dispatch(this.#running(), client);
  }

  refuse(connection: ClientConnection, refusal: Refusal): string {
    const { answerer, accessLog, counts } = this.#running();
    counts.answered(refusal.status);
    if (refusal.verdict !== undefined) counts.add("desyncRequests", 1);
    const text = answerer.last(pageOf(refusal.status));
    // A request that was under way is told of when its connection has ended with this.
    if (connection.report !== undefined) connection.report.refusal = refusal;
    else accessLog?.refused(connection, refusal, [connection.socket.bytesRead - connection.receivedBytes, text.length]);
    return text;
  }

  refusal(session: ClientSession, refusal: HeadRefusal): Reply {
    const { answerer, accessLog, counts } = this.#running();
    counts.answered(refusal.status);
    if (refusal.verdict !== undefined) counts.add("desyncRequests", 1);
    const reply = answerer.reply(pageOf(refusal.status), refusal.method);
    const sentBytes = refusal.malformed ? 0 : reply.lines.length + reply.body.length;
    accessLog?.refused(session, refusal, [refusal.bytes, sentBytes]);
    return reply;
  }

  moved(receivedBytes: number, sentBytes: number): void {
    this.#running().counts.moved(receivedBytes, sentBytes);
  }

  closed(connection: DoorConnection): void {
    this.listener?.counts.add("activeConnections", -1);
    this.connections.delete(connection);
    if (this.connections.size === 0) this.whenEmpty();
  }

  /** Runs `listener` from the next request on. */
  run(listener: CompiledListener): void {
    const before = this.listener;
    this.listener = listener;
    // What came in clear text is no part of a listener with TLS, nor the other way round.
    if (before !== undefined && (before.tls === undefined) !== (listener.tls === undefined)) this.#endAll();
    for (const socket of this.#waiting.splice(0)) this.#accept(socket);
  }

  /** Takes no more connections; each that is here ends with the request it has. */
  stop(): void {
    this.ending = true;
    for (const server of this.#servers) server.close();
    for (const socket of this.#waiting.splice(0)) socket.destroy();
    this.#endAll();
  }

  #endAll(): void {
    for (const handshake of this.#handshakes) handshake.destroy();
    for (const connection of this.connections) connection.end();
  }

  #running(): CompiledListener {
    if (this.listener === undefined) throw new Error("a listener without a configuration got a request");
    return this.listener;
  }

  #accept(socket: Socket): void {
    const here = this.connections.size + this.#waiting.length + this.#handshakes.size;
    if (here >= this.#connectionsMax) this.#turnAway(socket, "connections");
    else if (this.#pressure.high) this.#turnAway(socket, "memory");
    else if (this.listener === undefined) this.#waiting.push(socket);
    else if (this.listener.clients?.(socket) === false) this.#turnAway(socket, "client-connections");
    else if (this.listener.tls === undefined) this.#connect(socket, undefined);
    else this.#handshakes.add(this.listener.tls.accept(socket, this.wheel, this.#handshakeEvents));
  }

  /** There is no room for it; it is closed, which costs less than an answer. */
  #turnAway(socket: Socket, reason: ShedReason): void {
    socket.destroy();
    this.listener?.counts.add("connectionsRejected", 1);
    this.#shed(reason);
  }

  /** The protocol that the handshake settled decides what the connection is. */
  #connect(socket: Socket, tls: TlsFacts | undefined): void {
    this.listener?.counts.add("connections", 1);
    this.listener?.counts.add("activeConnections", 1);
    const http2 = tls?.alpn === "h2";
    this.connections.add(http2 ? new ClientSession(socket, this, tls) : new ClientConnection(socket, this, tls));
  }
}
