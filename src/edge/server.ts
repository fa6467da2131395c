/** The HTTP engine as a server of one handler: the API endpoint, the Runtime API, the console. */
import { createServer, type Server, type Socket } from "node:net";
import type { Clock } from "../base/clock.ts";
import type { HttpHandler } from "../base/http.ts";
import type { Log } from "../telemetry/log.ts";
import { ClientConnection, type ConnectionOwner } from "./h1/connection.ts";
import { HandlerExchange, type HandlerDeps } from "./h1/handler.ts";
import { limitsOf, type H1Limits, type ListenerClass } from "./h1/limits.ts";
import type { RequestHead } from "./h1/request.ts";
import { ScannerPool, type Refusal } from "./h1/scan.ts";
import { createDateText, reasonOf } from "./h1/status.ts";
import { peerOf } from "./peer.ts";
import { listen } from "./port.ts";
import { Wheel } from "./wheel.ts";

export interface HttpServerOptions {
  handler: HttpHandler;
  /** Sets the timeouts: see `h1/limits.ts`. */
  class: ListenerClass;
  /** An IP address; `127.0.0.1`. */
  address: string;
  /** 0 takes a free one. */
  port: number;
  clock: Clock;
  log: Log;
  limits?: Partial<H1Limits>;
}

export interface HttpServer {
  readonly address: string;
  readonly port: number;
  /** Accepts no more, lets requests under way end for at most `graceMs` (default 0), then closes every connection. */
  close(graceMs?: number): Promise<void>;
}

/**
 * Serves `handler` over HTTP/1.1. Rejects with `PortInUse` (see `ports.ts`) where the port is taken.
 *
 * @example
 * const server = await createHttpServer({ handler, class: "api", address: "127.0.0.1", port: 4566, clock, log });
 */
export async function createHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { clock, log, address } = options;
  const limits = limitsOf(options.class, options.limits);
  const connections = new Set<ClientConnection>();
  const wheel = new Wheel(clock);
  const dateText = createDateText(clock);
  const deps: HandlerDeps = {
    handler: options.handler,
    log,
    now: () => clock.now(),
    dateText,
    bodyQueueBytesMax: limits.bodyQueueBytesMax,
  };
  const state = { ending: false, whenEmpty: () => {} };
  const owner: ConnectionOwner = {
    limits,
    clock,
    wheel,
    scanners: new ScannerPool(limits),
    get ending() {
      return state.ending;
    },
    dispatch: (connection, head) => dispatch(connection, head, deps),
    refuse: (_, refusal) => refusalText(refusal, dateText()),
    closed(connection) {
      connections.delete(connection);
      if (connections.size === 0) state.whenEmpty();
    },
  };
  const server = createServer({ noDelay: true }, (socket: Socket) => {
    connections.add(new ClientConnection(socket, owner));
  });
  server.maxConnections = limits.connectionsMax;
  await listen(server, { host: address, port: options.port, backlog: 1024 });
  server.on("error", (error) => log.error("a listener failed", { address, port: options.port, error }));

  return {
    address,
    port: portOf(server),
    async close(graceMs = 0) {
      state.ending = true;
      server.close();
      for (const connection of connections) connection.end();
      const ended = new Promise<void>((resolve) => {
        state.whenEmpty = resolve;
      });
      const timer = clock.after(graceMs, () => {
        for (const connection of connections) connection.destroy();
      });
      if (connections.size > 0) await ended;
      timer.cancel();
      wheel.close();
    },
  };
}

function dispatch(connection: ClientConnection, head: RequestHead, deps: HandlerDeps): HandlerExchange {
  const { socket } = connection;
  const localHost = `${socket.localAddress ?? "127.0.0.1"}:${socket.localPort ?? 0}`;
  if (head.upgrade?.split(/[,/]/)[0] !== "websocket") {
    return new HandlerExchange(connection, head, peerOf(socket), localHost, deps);
  }
  const handler: HttpHandler = () =>
    Promise.resolve({
      status: 501,
      headers: ["Content-Type", "text/plain; charset=utf-8"],
      body: Buffer.from("WebSocket is not implemented by this listener.\n"),
    });
  return new HandlerExchange(connection, head, peerOf(socket), localHost, { ...deps, handler });
}

/** The answer to what is no request: its reason in plain text, and the end of the connection. */
function refusalText({ status, reason }: Refusal, date: string): string {
  const body = `${status} ${reasonOf(status)}: ${reason}\n`;
  return (
    `HTTP/1.1 ${status} ${reasonOf(status)}\r\nContent-Type: text/plain; charset=utf-8\r\n` +
    `Content-Length: ${body.length}\r\nDate: ${date}\r\nConnection: close\r\n\r\n${body}`
  );
}

function portOf(server: Server): number {
  const bound = server.address();
  return bound !== null && typeof bound === "object" ? bound.port : 0;
}
