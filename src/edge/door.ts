/** A listening socket of one worker, and the connections that came through it. */
import { createServer, type Server, type Socket } from "node:net";
import type { Clock } from "../base/clock.ts";
import { pageOf } from "./answers.ts";
import type { CompiledListener } from "./compile.ts";
import { ClientConnection, type ConnectionOwner, type Exchange } from "./h1/connection.ts";
import { limitsOf, type H1Limits } from "./h1/limits.ts";
import type { RequestHead } from "./h1/request.ts";
import type { ScannerPool } from "./h1/scan.ts";
import type { Wheel } from "./wheel.ts";

/** From a request to what answers it. */
export type Dispatch = (listener: CompiledListener, connection: ClientConnection, head: RequestHead) => Exchange;

export interface DoorDeps {
  clock: Clock;
  wheel: Wheel;
  scanners: ScannerPool;
  dispatch: Dispatch;
}

/** A socket of a listener. Before its first configuration runs it only holds who came. */
export class Door implements ConnectionOwner {
  readonly server: Server;
  readonly connections = new Set<ClientConnection>();
  readonly clock: Clock;
  readonly wheel: Wheel;
  readonly scanners: ScannerPool;
  ending = false;
  listener: CompiledListener | undefined;
  whenEmpty: () => void = () => {};
  readonly #dispatch: Dispatch;
  readonly #waiting: Socket[] = [];

  constructor({ clock, wheel, scanners, dispatch }: DoorDeps) {
    this.#dispatch = dispatch;
    this.clock = clock;
    this.wheel = wheel;
    this.scanners = scanners;
    this.server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
    this.server.maxConnections = limitsOf("public").connectionsMax;
  }

  get limits(): H1Limits {
    return this.#running().limits;
  }

  dispatch(connection: ClientConnection, head: RequestHead): Exchange {
    return this.#dispatch(this.#running(), connection, head);
  }

  refuse(_: ClientConnection, { status }: { status: number }): string {
    return this.#running().answerer.last(pageOf(status));
  }

  closed(connection: ClientConnection): void {
    this.connections.delete(connection);
    if (this.connections.size === 0) this.whenEmpty();
  }

  /** Runs `listener` from the next request on. */
  run(listener: CompiledListener): void {
    this.listener = listener;
    for (const socket of this.#waiting.splice(0)) this.#accept(socket);
  }

  /** Takes no more connections; each that is here ends with the request it has. */
  stop(): void {
    this.ending = true;
    this.server.close();
    for (const socket of this.#waiting.splice(0)) socket.destroy();
    for (const connection of this.connections) connection.end();
  }

  #running(): CompiledListener {
    if (this.listener === undefined) throw new Error("a listener without a configuration got a request");
    return this.listener;
  }

  #accept(socket: Socket): void {
    if (this.listener === undefined) this.#waiting.push(socket);
    else this.connections.add(new ClientConnection(socket, this));
  }
}
