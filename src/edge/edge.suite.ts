/** An edge with its upstreams, for tests over real sockets. */
import { randomInt } from "node:crypto";
import { createServer as createHttp, type RequestListener, type Server } from "node:http";
import { createServer as createTcp, type AddressInfo, type Server as TcpServer, type Socket } from "node:net";
import { systemClock } from "../base/clock.ts";
import { silentLog } from "../telemetry/log.ts";
import { createMetrics } from "../telemetry/metrics.ts";
import { createEdge, type EdgeOptions } from "./edge.ts";
import { PortInUseError, tryPort } from "./port.ts";
import type {
  ClusterConfig,
  Edge,
  EdgeConfig,
  EndpointConfig,
  ForwardedHeaders,
  ListenerConfig,
  RouteConfig,
  WayOut,
} from "./ports.ts";
import { RawClient } from "./raw-client.suite.ts";

/** What a test opens is closed by {@link Stage.strike}. */
export class Stage {
  readonly #closers: (() => Promise<void> | void)[] = [];

  edge(options: Partial<EdgeOptions> = {}): Edge & WayOut {
    const edge = createEdge({
      workers: 1,
      clock: systemClock,
      log: silentLog,
      metrics: createMetrics(),
      ...options,
    });
    this.#closers.push(() => edge.close(0));
    return edge;
  }

  /** An upstream of node:http; gives its port. */
  async http(listener: RequestListener): Promise<number> {
    const server = createHttp({ keepAliveTimeout: 60_000 }, listener);
    const port = await this.#listen(server);
    this.#closers.push(() => server.closeAllConnections());
    return port;
  }

  /** An upstream that speaks the bytes it is told; gives its port. */
  async tcp(onSocket: (socket: Socket) => void): Promise<number> {
    const sockets = new Set<Socket>();
    const server = createTcp((socket) => {
      sockets.add(socket);
      socket.on("error", () => sockets.delete(socket));
      socket.on("close", () => sockets.delete(socket));
      onSocket(socket);
    });
    const port = await this.#listen(server);
    this.#closers.push(() => {
      for (const socket of sockets) socket.destroy();
    });
    return port;
  }

  client(port: number): RawClient {
    const client = new RawClient(port);
    this.#closers.push(() => client.destroy());
    return client;
  }

  /** Runs at the end. */
  later(close: () => Promise<void> | void): void {
    this.#closers.push(close);
  }

  async strike(): Promise<void> {
    for (const close of this.#closers.splice(0).toReversed()) await close();
  }

  async #listen(server: Server | TcpServer): Promise<number> {
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    this.#closers.push(() => void server.close());
    return (server.address() as AddressInfo).port;
  }
}

/**
 * Below those that the kernel gives out (from 32,768 on Linux): a port of those may be the local one of anybody's
 * connection, or another test's, before it is bound again.
 */
const portFirst = 10_240;
const portLast = 32_000;
let lastPort = randomInt(portFirst, portLast);

/** A port that nobody had a moment ago, and that this process has not given out lately. */
export async function freePort(): Promise<number> {
  for (;;) {
    lastPort = lastPort === portLast ? portFirst : lastPort + 1;
    try {
      return await tryPort("127.0.0.1", lastPort);
    } catch (error) {
      if (!(error instanceof PortInUseError)) throw error;
    }
  }
}

export const forwardedDefault: ForwardedHeaders = {
  xff: "append",
  preserveHost: false,
  dropInvalidNames: false,
  traceHeader: "X-Trace-Id",
};

export function listener(port: number, routes: readonly RouteConfig[], changes: Partial<ListenerConfig> = {}) {
  return {
    id: `listener-${port}`,
    address: "127.0.0.1",
    port,
    routes,
    forwarded: forwardedDefault,
    serverName: "edge/1",
    idleTimeoutMs: 60_000,
    keepAliveTimeoutMs: 60_000,
    ...changes,
  } satisfies ListenerConfig;
}

export function cluster(id: string, endpoints: readonly EndpointConfig[], changes: Partial<ClusterConfig> = {}) {
  return { id, endpoints, connectTimeoutMs: 2_000, drainMs: 1_000, ...changes } satisfies ClusterConfig;
}

export function address(port: number, id = `address-${port}`): EndpointConfig {
  return { kind: "address", id, host: "127.0.0.1", port };
}

/** The route of everything to one cluster. */
export function all(clusterId: string): RouteConfig {
  return { id: "default", conditions: [], action: { kind: "forward", targets: [{ clusterId, weight: 1 }] } };
}

/** A listener on `port` that forwards everything to an upstream. */
export function through(port: number, upstream: number, changes: Partial<ListenerConfig> = {}, epoch = 1): EdgeConfig {
  return { epoch, listeners: [listener(port, [all("c")], changes)], clusters: [cluster("c", [address(upstream)])] };
}

/** Resolves when `done` holds. */
export async function eventually(done: () => boolean): Promise<void> {
  while (!done()) {
    await new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
  }
}
