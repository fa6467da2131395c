/** A listening socket for connections that are passed on as they are, in one worker. */
import { createServer, type Server, type Socket } from "node:net";
import type { Clock } from "../../base/clock.ts";
import type { Counts } from "../counts.ts";
import { peerOf } from "../peer.ts";
import { listen } from "../port.ts";
import type { StreamListenerConfig } from "../ports.ts";
import type { TlsAcceptor } from "../tls/acceptor.ts";
import type { Handshake, HandshakeEvents } from "../tls/handshake.ts";
import type { Wheel } from "../wheel.ts";
import { Flow } from "./flow.ts";
import type { Chosen, FlowKey } from "./targets.ts";

/** Connections of one listener in one worker. */
const flowsMax = 20_000;
/** As many connections wait for a worker that is busy. */
const backlog = 4096;

/** A stream listener made ready to run. */
export interface CompiledStream {
  config: StreamListenerConfig;
  choose(flow: FlowKey): Chosen | undefined;
  tls: TlsAcceptor | undefined;
  counts: Counts;
}

export class StreamDoor {
  readonly flows = new Set<Flow>();
  whenEmpty: () => void = () => {};
  readonly #clock: Clock;
  readonly #wheel: Wheel;
  readonly #server: Server;
  readonly #handshakes = new Set<Handshake>();
  readonly #waiting: Socket[] = [];
  readonly #handshakeEvents: HandshakeEvents = {
    secured: (handshake, socket) => {
      this.#handshakes.delete(handshake);
      this.#join(socket);
    },
    failed: (handshake) => {
      this.#handshakes.delete(handshake);
      this.#running?.counts.add("handshakesFailed", 1);
    },
  };
  #running: CompiledStream | undefined;

  constructor(clock: Clock, wheel: Wheel) {
    this.#clock = clock;
    this.#wheel = wheel;
    this.#server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => this.#accept(socket));
  }

  /** Rejects with `PortInUse`. */
  async open(host: string, port: number, reusePort: boolean, onError: (error: Error) => void): Promise<void> {
    await listen(this.#server, { host, port, backlog, reusePort });
    this.#server.on("error", onError);
  }

  /** Runs `next` for connections from now on. */
  run(next: CompiledStream): void {
    this.#running = next;
    for (const socket of this.#waiting.splice(0)) this.#accept(socket);
  }

  /** Takes no more connections; those that are here go on. */
  stop(): void {
    this.#server.close();
    for (const socket of this.#waiting.splice(0)) socket.destroy();
    for (const handshake of this.#handshakes) handshake.destroy();
  }

  #accept(socket: Socket): void {
    const running = this.#running;
    if (running === undefined) {
      this.#waiting.push(socket);
    } else if (this.flows.size + this.#handshakes.size >= flowsMax) {
      running.counts.add("connectionsRejected", 1);
      socket.resetAndDestroy();
    } else if (running.tls === undefined) {
      this.#join(socket);
    } else {
      this.#handshakes.add(running.tls.accept(socket, this.#wheel, this.#handshakeEvents));
    }
  }

  #join(socket: Socket): void {
    const running = this.#running;
    const chosen = running?.choose(peerOf(socket));
    if (running === undefined || chosen === undefined) {
      // Without an endpoint NLB's node answers with a reset.
      running?.counts.add("connectionsRejected", 1);
      socket.destroy();
      return;
    }
    const { counts, config } = running;
    const secure = running.tls !== undefined;
    counts.add("connections", 1);
    counts.add("activeConnections", 1);
    if (secure) {
      counts.add("tlsConnections", 1);
      counts.add("activeTlsConnections", 1);
    }
    const flow = new Flow(socket, chosen, {
      clock: this.#clock,
      wheel: this.#wheel,
      counts,
      idleTimeoutMs: config.idleTimeoutMs,
      ended: (over, bytes) => {
        this.flows.delete(over);
        counts.add("activeConnections", -1);
        if (secure) {
          counts.add("activeTlsConnections", -1);
          counts.add("tlsBytes", bytes);
        }
        if (this.flows.size === 0) this.whenEmpty();
      },
    });
    this.flows.add(flow);
  }
}
