/**
 * The edge as others see it: configuration in, health and counts out. Envoy's model: listener -> route -> cluster ->
 * endpoint. Types only; nothing here knows AWS.
 */
import type { Headers, HttpHandler } from "../base/http.ts";
import type { EgressPolicy } from "./egress/settings.ts";
import type { BreakerPolicy, OutlierPolicy, RoutePolicy } from "./policies.ts";

/** Everything that load-balancer listeners run, at one epoch. Plain data: it is posted to the workers as it is. */
export interface EdgeConfig {
  /** Grows with every change of routing. */
  epoch: number;
  listeners: readonly ListenerConfig[];
  /** Connections that are passed on as they are: network load balancers. */
  streamListeners?: readonly StreamListenerConfig[];
  clusters: readonly ClusterConfig[];
  /**
   * What the keys of stickiness cookies are derived from: the same on every node, and after a restart. Without it, one
   * that lasts as long as the edge.
   */
  cookieSecret?: string;
  /** Policies of the way out. */
  egress?: readonly EgressPolicy[];
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
  /** TLS ends here; clear text when absent. */
  tls?: ListenerTls;
  /** HTTP/2 is offered to clients, over TLS by ALPN. */
  http2?: boolean;
  /** What becomes of requests that may be read in two ways. Default `defensive`. */
  desync?: DesyncMode;
  /** Fields of the answers on their way to the client. */
  response?: ResponseFields;
  /** What a client may take of this listener. */
  clients?: ClientLimits;
  /** Requests are reported one by one, for the access log. */
  accessLog?: boolean;
  /** Whose requests these are, in counts and in the access log: an ARN. Default: {@link id}. */
  loadBalancerId?: string;
}

/** A listener that passes bytes on and knows nothing of what they say: TCP, or TLS where {@link tls} is there. */
export interface StreamListenerConfig {
  /** As of {@link ListenerConfig}; a port is of one listener, of either kind. */
  id: string;
  address: string;
  port: number;
  /** Whose connections these are, in counts and logs: an ARN. */
  loadBalancerId: string;
  /** A connection is given a cluster by weight, and keeps it. */
  targets: readonly WeightedTarget[];
  /** TLS ends here; the endpoint's own is in its cluster. */
  tls?: ListenerTls;
  /** What ALPN offers, best first: NLB's policies (`HTTP2Preferred` is h2, http/1.1). Nothing when absent. */
  alpn?: readonly string[];
  /** A connection without a byte from either side for this long is forgotten: 60,000-6,000,000; NLB's default is 350,000. */
  idleTimeoutMs: number;
}

/** What of a cluster matters to the connections of {@link StreamListenerConfig}. */
export interface StreamPolicy {
  /** Connections begin with PROXY protocol v2 (`proxy_protocol_v2.enabled`). */
  proxyProtocol: boolean;
  /** Clients of one address go to one endpoint (`stickiness.type` `source_ip`); else each flow is on its own. */
  stickToSource: boolean;
  /** Connections end with the drain (`deregistration_delay.connection_termination.enabled`). */
  endAfterDrain: boolean;
  /** Connections to an endpoint that turns unhealthy end (`target_health_state.unhealthy.connection_termination.enabled`). */
  endWhenUnhealthy: boolean;
}

/** ALB's desync mitigation modes (ALB user guide, "Desync mitigation mode"). */
export type DesyncMode = "monitor" | "defensive" | "strictest";

export interface ListenerTls {
  /** The first is the one for clients that name none of the others. */
  certificates: readonly Certificate[];
  /** `TLSv1` ... `TLSv1.3`. */
  minVersion: "TLSv1" | "TLSv1.1" | "TLSv1.2" | "TLSv1.3";
  maxVersion: "TLSv1.2" | "TLSv1.3";
  /** OpenSSL's names, in order of preference, colons between; those of TLS 1.3 begin with `TLS_`. */
  ciphers: string;
  /** OpenSSL's names of the groups for the exchange of keys, likewise; its own choice when absent. */
  groups?: string;
}

export interface Certificate {
  /** ARN. */
  id: string;
  /** PEM: the certificate, then its chain. */
  certificate: string;
  /** PEM, not encrypted. */
  privateKey: string;
  /** DNS names it stands for, lower case; the first label may be `*`. */
  names: readonly string[];
}

export interface ResponseFields {
  /** The edge's own `Server` is not written. */
  hideServer: boolean;
  /** Written in place of what the endpoint says: name, value, name, value ... */
  set: Headers;
}

/** Bounds for one client address on one listener, over all workers. What is absent has no bound. */
export interface ClientLimits {
  /** Connections at once; one more is closed. */
  connectionsMax?: number;
  /** Requests in a second, with `burst` more at once; more is answered 429. */
  requestsPerSecond?: number;
  burst?: number;
}

/** What the edge adds to a request on its way to an endpoint. */
export interface ForwardedHeaders {
  /** X-Forwarded-For: add the client to what is there, leave it, or take it away. -Proto and -Port are always ours. */
  xff: "append" | "preserve" | "remove";
  /** X-Forwarded-For names the client's port too. */
  clientPort?: boolean;
  /** Names of the fields that tell the endpoint the version and cipher of the client's TLS. None when absent. */
  tlsFields?: { version: string; cipherSuite: string };
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
  /** Of the rule, 1-50,000; 0 of the default. For logs. */
  priority?: number;
  /** A token without which the request is refused. */
  jwt?: JwtCheck;
  /** How the request's host and URL are rewritten, once the route is chosen. */
  rewrites?: Rewrites;
  /** What AWS has no words for. */
  policy?: RoutePolicy;
}

/** In patterns `*` is any run of characters and `?` is one; any of the values may match. `regex` finds a match anywhere. */
export type Condition =
  | { kind: "path-regex" | "host-regex"; regexes: readonly string[] }
  | { kind: "header-regex"; name: string; regexes: readonly string[] }
  | { kind: "path"; patterns: readonly string[] }
  | { kind: "host"; patterns: readonly string[] }
  | { kind: "method"; methods: readonly string[] }
  | { kind: "header"; name: string; patterns: readonly string[] }
  | { kind: "query"; pairs: readonly { key?: string; value: string }[] }
  | { kind: "source-ip"; cidrs: readonly string[] };

export type RouteAction =
  | { kind: "forward"; targets: readonly WeightedTarget[]; stickyMs?: number }
  /** Each part may hold `#{protocol} #{host} #{port} #{path} #{query}`. */
  | { kind: "redirect"; status: 301 | 302; protocol: string; host: string; port: string; path: string; query: string }
  | { kind: "fixed"; status: number; contentType: string; body: string };

/** `stickyMs` above: a client keeps the cluster that it was given first for this long (`AWSALBTG`). */
export interface WeightedTarget {
  clusterId: string;
  /** 0-999. */
  weight: number;
}

/** ALB user guide, "Verify JWTs": RS256, `iss` and `exp` demanded, `nbf` and `iat` checked where present. */
export interface JwtCheck {
  issuer: string;
  /** The key set, as fetched: JSON Web Keys. Empty: nothing passes. */
  keys: readonly JsonWebKey[];
  claims: readonly {
    name: string;
    format: "single-string" | "string-array" | "space-separated";
    values: readonly string[];
  }[];
}

/** A public key of a JSON Web Key Set (RFC 7517); `n` and `e` of RSA in base64url. */
export interface JsonWebKey {
  kid: string;
  n: string;
  e: string;
}

/** Regular expressions in the linear-time subset that ALB takes; `$1` ... in `replace` are its groups. */
export interface Rewrites {
  host?: { regex: string; replace: string };
  url?: { regex: string; replace: string };
}

export interface ClusterConfig {
  id: string;
  endpoints: readonly EndpointConfig[];
  health?: HealthCheck;
  /** A TCP connection must stand after this long. */
  connectTimeoutMs: number;
  /** In-flight requests to an endpoint that was taken out may go on this long. */
  drainMs: number;
  /** What the endpoints speak. Default `http1`. */
  protocol?: "http1" | "http2" | "grpc";
  /** Endpoints are reached over TLS. */
  tls?: ClusterTls;
  /** Default `round-robin`. `weighted-random` with `mitigate` is ALB's automatic target weights. */
  balance?: "round-robin" | "least-outstanding" | "weighted-random";
  mitigate?: boolean;
  /** An endpoint's share grows from little to full over this long after it became healthy. */
  slowStartMs?: number;
  stickiness?: { kind: "lb-cookie"; durationMs: number } | { kind: "app-cookie"; name: string; durationMs: number };
  /** With fewer healthy endpoints than either, requests go to all (fail-open). Default: 1. */
  healthyMin?: { count: number; percent: number };
  /** For stream listeners; without it: no PROXY protocol, flows by hash, `endWhenUnhealthy`. */
  stream?: StreamPolicy;
  breaker?: BreakerPolicy;
  outlier?: OutlierPolicy;
  /** Retries under way, as a share of requests under way, with a floor. Envoy's default: 20%, 3. */
  retryBudget?: { percent: number; min: number };
}

export interface ClusterTls {
  /** Certificates are verified; ALB does not. */
  verify: boolean;
  /** For SNI and verification; the endpoint's host when absent. */
  serverName?: string;
  /** PEM, beside the system's. */
  ca?: string;
}

/** An address that the edge dials, or a function registered with {@link Edge.register}. */
export type EndpointConfig =
  | { kind: "address"; id: string; host: string; port: number }
  | { kind: "function"; id: string; requestBytesMax: number };

export interface HealthCheck {
  /**
   * `http` and `https` ask in the version that the cluster speaks. `grpc` calls `path` as a method without arguments, and
   * looks at `grpc-status`. A function is called, whatever is said here.
   */
  protocol: "http" | "https" | "tcp" | "grpc";
  path: string;
  /** The endpoint's own port when absent. */
  port?: number;
  intervalMs: number;
  timeoutMs: number;
  healthyCount: number;
  unhealthyCount: number;
  /** Statuses that pass, as `200`, `200,202` or `200-299`; of gRPC `0` or `0-99`. */
  matcher: string;
  userAgent: string;
}

export type HealthState = "initial" | "healthy" | "unhealthy" | "draining" | "unused";

export interface EndpointHealth {
  clusterId: string;
  endpointId: string;
  state: HealthState;
  /**
   * Why it is not healthy: `in-progress`, `not-in-use`, or what its checks found: `timeout`, `status-mismatch`,
   * `connection-refused`, `connection-failed`, `handshake-failed`, `malformed-response`, `function-failed`.
   */
  reason?: string;
  /** `status-mismatch`: the status that came. */
  status?: number;
  /** It gets no requests for a while, for how those before them ended: see {@link ClusterConfig.outlier}. */
  ejected?: true;
  /** With `weighted-random`: its requests fail more often than the others'; and its share is cut for that. */
  anomaly?: { anomalous: boolean; mitigated: boolean };
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
  /** Requests that went to any endpoint, because too few are healthy. */
  failedOpen: number;
  /** Of requests to functions and their answers, with their fields. */
  functionBytes: number;
  latencyMs: { p50: number; p99: number };
  /** Of a cluster that requests are mirrored to. */
  mirror?: MirrorStats;
}

export interface MirrorStats {
  mirrored: number;
  /** Of those, the ones that an endpoint answered, and the ones that none did. */
  answered: number;
  failed: number;
  /** By reason: `method`, `upgrade`, `sampled-out`, `body-too-large`, `busy`, `incomplete`. */
  notMirrored: Readonly<Record<string, number>>;
}

/** Counts of a load balancer since the node started, over all listeners and workers. */
export interface LoadBalancerStats {
  loadBalancerId: string;
  /** Requests for which an endpoint was chosen. */
  requests: number;
  grpcRequests: number;
  ipv6Requests: number;
  /** Connections that came, those that are open, and those that were too many. */
  connections: number;
  activeConnections: number;
  connectionsRejected: number;
  handshakesFailed: number;
  /** Of requests and answers that are over, with their heads. */
  receivedBytes: number;
  sentBytes: number;
  rulesEvaluated: number;
  fixedResponses: number;
  redirects: number;
  desyncRequests: number;
  resetsByClient: number;
  resetsByEndpoint: number;
  resetsByEdge: number;
  connectionsUnrouted: number;
  portsExhausted: number;
  /** Of stream listeners with TLS; `connections`, `activeConnections` and the bytes have them as well. */
  tlsConnections: number;
  activeTlsConnections: number;
  tlsBytes: number;
  /** Requests with a field whose name has other characters than `-A-Za-z0-9`, by what became of it. */
  invalidFieldsDropped: number;
  invalidFieldsForwarded: number;
  /** Requests to a cluster whose clients stick, that were given an endpoint anew. */
  nonStickyRequests: number;
  /** Redirects that were answered 500, because their URL is longer than it may be. */
  redirectsTooLong: number;
  /** Requests that response caches answered, fresh and stale; those they asked about; and what then proved still right. */
  cacheHits: number;
  cacheStale: number;
  cacheMisses: number;
  cacheRevalidated: number;
  /** Requests that waited for another one to bring what they wanted; each is one of the others as well. */
  cacheWaits: number;
  /** Answers that no endpoint made, by status; 460 is a client that left. */
  ownAnswers: Readonly<Record<string, number>>;
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
  loadBalancers(): readonly LoadBalancerStats[];
  /** Has `take` called with the lines of access logs, in batches. Gives what ends that. */
  onAccessLog(take: (batch: AccessLogBatch) => void): () => void;
  /** Accepts no more connections, lets requests under way end for at most `graceMs`, then closes. */
  close(graceMs?: number): Promise<void>;
}

/** Lines of the access log of one load balancer, in AWS's format, each with its end; in the order they ended in one worker. */
export interface AccessLogBatch {
  /** {@link ListenerConfig.loadBalancerId} */
  loadBalancerId: string;
  text: string;
  lines: number;
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
export type * from "./policies.ts";
export type * from "./egress/settings.ts";
