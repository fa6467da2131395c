/**
 * The edge as others see it: configuration in, health and counts out. Envoy's model: listener -> route -> cluster ->
 * endpoint. Types only; nothing here knows AWS.
 */
import type { Headers, HttpHandler } from "../base/http.ts";

/** Everything that load-balancer listeners run, at one epoch. Plain data: it is posted to the workers as it is. */
export interface EdgeConfig {
  /** Grows with every change of routing. */
  epoch: number;
  listeners: readonly ListenerConfig[];
  clusters: readonly ClusterConfig[];
}

export interface ListenerConfig {
  /** Stable over changes; a listener with the same id, address and port keeps its socket and connections. */
  id: string;
  address: string;
  port: number;
  /** In the order they are tried; the last has no conditions. */
  routes: readonly RouteConfig[];
  forwarded: ForwardedHeaders;
  /** `Server` header of the answers that the edge makes itself. */
  serverName: string;
  /** Both sides of a connection: closed after this long without a byte while a request waits. 1,000-4,000,000. */
  idleTimeoutMs: number;
  /** A client connection that rests between requests is closed after this long. */
  keepAliveTimeoutMs: number;
}

/** What the edge adds to a request on its way to an endpoint. */
export interface ForwardedHeaders {
  /** X-Forwarded-For: add the client to what is there, leave it, or take it away. -Proto and -Port are always ours. */
  xff: "append" | "preserve" | "remove";
  /** Keep `Host` as the client sent it; else port 80/443 is dropped and any other listener port is appended. */
  preserveHost: boolean;
  /** Drop fields whose name has other characters than `-A-Za-z0-9`. */
  dropInvalidNames: boolean;
  /** Name of the trace header that is started, or given a `Self=` in front of the `Root=` it came with. */
  traceHeader?: string;
}

export interface RouteConfig {
  id: string;
  /** All must hold. */
  conditions: readonly Condition[];
  action: RouteAction;
}

/** In patterns `*` is any run of characters and `?` is one; any of the values may match. */
export type Condition =
  | { kind: "path"; patterns: readonly string[] }
  | { kind: "host"; patterns: readonly string[] }
  | { kind: "method"; methods: readonly string[] }
  | { kind: "header"; name: string; patterns: readonly string[] }
  | { kind: "query"; pairs: readonly { key?: string; value: string }[] }
  | { kind: "source-ip"; cidrs: readonly string[] };

export type RouteAction =
  | { kind: "forward"; targets: readonly { clusterId: string; weight: number }[] }
  /** Each part may hold `#{protocol} #{host} #{port} #{path} #{query}`. */
  | { kind: "redirect"; status: 301 | 302; protocol: string; host: string; port: string; path: string; query: string }
  | { kind: "fixed"; status: number; contentType: string; body: string };

export interface ClusterConfig {
  id: string;
  endpoints: readonly EndpointConfig[];
  health?: HealthCheck;
  /** A TCP connection must stand after this long. */
  connectTimeoutMs: number;
  /** In-flight requests to an endpoint that was taken out may go on this long. */
  drainMs: number;
}

/** An address that the edge dials, or a function registered with {@link Edge.register}. */
export type EndpointConfig =
  | { kind: "address"; id: string; host: string; port: number }
  | { kind: "function"; id: string; requestBytesMax: number };

export interface HealthCheck {
  protocol: "http" | "tcp";
  path: string;
  /** The endpoint's own port when absent. */
  port?: number;
  intervalMs: number;
  timeoutMs: number;
  healthyCount: number;
  unhealthyCount: number;
  /** Statuses that pass, as `200`, `200,202` or `200-299`. */
  matcher: string;
  userAgent: string;
}

export type HealthState = "initial" | "healthy" | "unhealthy" | "draining" | "unused";

export interface EndpointHealth {
  clusterId: string;
  endpointId: string;
  state: HealthState;
  /** Why it is not healthy: `timeout`, `connection-refused`, `status-mismatch`, `in-progress`, `not-in-use`. */
  reason?: string;
  /** `status-mismatch`: the status that came. */
  status?: number;
}

/** Counts of a cluster since the node started, over all workers. */
export interface ClusterStats {
  clusterId: string;
  requests: number;
  /** By the first digit of the status that the endpoint gave: [2xx, 3xx, 4xx, 5xx]. */
  endpointStatus: readonly [number, number, number, number];
  /** Answers that the edge made itself, by reason: `connect-timeout`, `no-endpoints`, `reset` ... */
  edgeErrors: Readonly<Record<string, number>>;
  active: number;
  latencyMs: { p50: number; p99: number };
}

export interface Edge {
  /**
   * Makes `config` the routing of every worker, and resolves when all run its epoch. A listener whose port is taken
   * rejects with {@link PortInUse} and leaves the former routing in force. Requests under way keep theirs.
   */
  apply(config: EdgeConfig): Promise<void>;
  /** What endpoints of kind `function` with this id call, on the main thread. */
  register(endpointId: string, handler: HttpHandler): void;
  /** Of no more use from the routing that is now in force on; requests that began under an earlier one still reach it. */
  unregister(endpointId: string): void;
  health(clusterId: string): readonly EndpointHealth[];
  stats(): readonly ClusterStats[];
  /** Accepts no more connections, lets requests under way end for at most `graceMs`, then closes. */
  close(graceMs?: number): Promise<void>;
}

/** The port is bound by somebody else. */
export interface PortInUse extends Error {
  name: "PortInUse";
  port: number;
  /** `node (pid 4711)`, where the platform tells. */
  holder?: string;
}

/** An answer of a function endpoint may carry this field to name the reason of an error in logs; it is not passed on. */
export const errorReasonHeader = "mikan-error-reason";

export type { Headers };
