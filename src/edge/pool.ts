/** An endpoint with an address, and the connections of this thread to it: in use, or at rest for the next request. */
import type { Socket } from "node:net";
import type { UpstreamStream } from "./exchange.ts";
import type { ScannerPool } from "./h1/scan.ts";
import { placeText } from "./peer.ts";
import type { TargetTls } from "./tls/dial.ts";
import { UpstreamConnection } from "./upstream.ts";
import type { Clock, Timer } from "../base/clock.ts";
import type { Wheel } from "./wheel.ts";

/** Connections at rest to one endpoint in one thread; one more is closed instead. As many as may ask at once again. */
const restingMax = 1024;
/** A connection rests this long, where the endpoint does not say how long it waits itself. */
const restMsMax = 55_000;
/** An endpoint that says it closes after N seconds is left this much earlier, so that no request meets its close. */
const restMarginMs = 1_000;

/** What connections to endpoints share in a thread. */
export interface UpstreamDeps {
  clock: Clock;
  wheel: Wheel;
  scanners: ScannerPool;
  readBuffer: Buffer;
  /** Told of each connection. */
  meter?: ConnectionMeter;
}

export interface ConnectionMeter {
  /** A connection is being made. */
  dialled(socket: Socket): void;
}

/** What a request has to get before it can go out: nothing, its turn on a connection that is there, or a new one. */
export type Lack = "nothing" | "turn" | "connection";

/** What a request was let in by that lacked something. Each of its calls may come more than once. */
export interface Admission {
  /** It waits for what it lacked. */
  used: boolean;
  /** The wait is over. */
  stands(): void;
  /** The connection that was opened for it is closed; or there is none, and nobody waits. */
  gone(): void;
}

/** The connections of this thread to one endpoint, whatever protocol they speak. */
export interface Upstream {
  readonly host: string;
  readonly port: number;
  /** Host and port as one text. */
  readonly place: string;
  /** Bytes that the endpoint has not taken yet. */
  readonly heldBytes: number;
  /** No connection is left. */
  readonly empty: boolean;
  /** The way for one request: begun at once, it goes out on a connection that is there, or on a new one. */
  take(connectTimeoutMs: number): UpstreamStream;
  /** Likewise, but always on a new one. */
  open(connectTimeoutMs: number): UpstreamStream;
  /** Where tunnels go, if not here. */
  readonly tunnels?: Upstream;
  /** What the next request that is given to {@link take} has to wait for. */
  readonly lack: Lack;
  /** The next request that lacks something was counted. */
  admit(admission: Admission): void;
  /** No new requests come: what rests is closed at once, what is under way may go on for `drainMs`. */
  retire(drainMs: number): void;
  close(): void;
}

export class Http1Upstream implements Upstream {
  readonly host: string;
  readonly port: number;
  readonly place: string;
  /** Undefined in clear text. */
  readonly tls: TargetTls | undefined;
  readonly wheel: Wheel;
  readonly scanners: ScannerPool;
  readonly meter: ConnectionMeter | undefined;
  readonly #deps: UpstreamDeps;
  readonly #all = new Set<UpstreamConnection>();
  readonly #resting: UpstreamConnection[] = [];
  /** Those that do not stand yet, oldest first. */
  readonly #connecting = new Set<UpstreamConnection>();
  readonly #admissions = new WeakMap<UpstreamConnection, Admission>();
  #admitted: Admission | undefined;
  #retired = false;
  #drain: Timer | undefined;

  constructor(host: string, port: number, tls: TargetTls | undefined, deps: UpstreamDeps) {
    this.host = host;
    this.port = port;
    this.place = placeText(host, port);
    this.tls = tls;
    this.wheel = deps.wheel;
    this.scanners = deps.scanners;
    this.meter = deps.meter;
    this.#deps = deps;
  }

  /** A connection for one request: the one used last, which the endpoint is least likely to have closed, or a new one. */
  take(connectTimeoutMs: number): UpstreamConnection {
    for (let kept = this.#resting.pop(); kept !== undefined; kept = this.#resting.pop()) {
      this.wheel.set(kept.timer, 0, 0);
      if (kept.usable) return kept;
    }
    return this.open(connectTimeoutMs);
  }

  /** A new connection. */
  open(connectTimeoutMs: number): UpstreamConnection {
    const connection = new UpstreamConnection(this, this.#deps.readBuffer);
    this.#all.add(connection);
    this.#connecting.add(connection);
    if (this.#admitted !== undefined) {
      this.#admitted.used = true;
      this.#admissions.set(connection, this.#admitted);
      this.#admitted = undefined;
    }
    this.wheel.set(connection.timer, this.#deps.clock.monotonicMs(), connectTimeoutMs);
    return connection;
  }

  admit(admission: Admission): void {
    this.#admitted = admission;
  }

  get lack(): Lack {
    let last = this.#resting.at(-1);
    while (last !== undefined && !last.usable) {
      this.#resting.pop();
      last = this.#resting.at(-1);
    }
    return last === undefined ? "connection" : "nothing";
  }

  /** Puts a connection to rest. `keepAliveSeconds` is what the endpoint said of its own patience; 0: nothing. */
  rest(connection: UpstreamConnection, keepAliveSeconds: number): void {
    const restMs = keepAliveSeconds === 0 ? restMsMax : Math.min(restMsMax, keepAliveSeconds * 1000 - restMarginMs);
    if (this.#retired || restMs <= 0 || this.#resting.length >= restingMax) {
      connection.socket.destroy();
      return;
    }
    if (this.#serveWaiting(connection)) return;
    this.wheel.set(connection.timer, this.#deps.clock.monotonicMs(), restMs);
    // Reading goes on: an endpoint that closes is seen at once.
    if (connection.socket.isPaused()) connection.socket.resume();
    this.#resting.push(connection);
  }

  /** Monotonic milliseconds. */
  now(): number {
    return this.#deps.clock.monotonicMs();
  }

  /** A connection stands. */
  stands(connection: UpstreamConnection): void {
    this.#connecting.delete(connection);
    this.#admissions.get(connection)?.stands();
  }

  /**
   * Gives a free connection to the request that has waited longest for one of its own. After a change of routing all
   * clients ask a new endpoint at once; where its queue of connections runs over, the kernel tries again after seconds.
   */
  #serveWaiting(connection: UpstreamConnection): boolean {
    for (const waiting of this.#connecting) {
      if (waiting.handOver(connection)) return true;
    }
    return false;
  }

  /** A connection is closed. */
  gone(connection: UpstreamConnection): void {
    this.#connecting.delete(connection);
    this.#admissions.get(connection)?.gone();
    this.#all.delete(connection);
    const at = this.#resting.indexOf(connection);
    if (at >= 0) this.#resting.splice(at, 1);
    if (this.#retired && this.#all.size === 0) this.#drain?.cancel();
  }

  /** No new requests come: what rests is closed at once, what is under way may go on for `drainMs`. */
  retire(drainMs: number): void {
    if (this.#retired) return;
    this.#retired = true;
    for (const connection of this.#resting.splice(0)) connection.socket.destroy();
    if (this.#all.size === 0) return;
    this.#drain = this.#deps.clock.after(drainMs, () => {
      for (const connection of this.#all) connection.fail("drained");
    });
  }

  /** Bytes that the endpoint has not taken yet. */
  get heldBytes(): number {
    let bytes = 0;
    for (const { socket } of this.#all) bytes += socket.writableLength;
    return bytes;
  }

  /** No connection is left. */
  get empty(): boolean {
    return this.#all.size === 0;
  }

  close(): void {
    this.#drain?.cancel();
    for (const connection of this.#all) connection.fail("drained");
  }
}
