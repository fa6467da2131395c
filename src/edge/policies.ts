/** Policies of routes and clusters: what AWS has no words for. Plain data; every worker gets them as they are. */

/** The resilience of a route. What is absent is off. */
export interface RoutePolicy {
  /** From the request's head to the end of the answer, retries included; then 504. */
  requestTimeoutMs?: number;
  /** Of one try; then it is retried, or 504. */
  perTryTimeoutMs?: number;
  /** In place of the listener's. */
  idleTimeoutMs?: number;
  retry?: RetryPolicy;
  cap?: CapPolicy;
  rateLimits?: readonly RateLimit[];
  mirror?: MirrorPolicy;
  fallback?: FallbackPolicy;
  /** Clusters in place of the action's, by priority: the next level takes over as the one before it loses health. */
  failover?: FailoverPolicy;
  cache?: CachePolicy;
}

/** Envoy's retry conditions, for requests that were provably not sent, or that may be sent twice (RFC 9110 section 9.2.2). */
export type RetryOn = "connect-failure" | "reset" | "gateway-error" | "5xx" | "retriable-4xx" | "unsent";

export interface RetryPolicy {
  on: readonly RetryOn[];
  /** Statuses beside those of `on`. */
  statuses: readonly number[];
  /** Retries, the first try not counted. 1-10. */
  retriesMax: number;
  /** Full jitter between 0 and `baseMs`, growing so, at most `maxMs`. */
  backoff: { kind: "exponential" | "fibonacci"; baseMs: number; maxMs: number };
  /** Bytes of a request body kept to send it again; a longer body is sent once. */
  bodyBytesMax: number;
  /** `Retry-After` of an answer, in seconds, is waited for where it is not longer than this; else it is not looked at. */
  retryAfterMsMax?: number;
}

/** Exactly this many requests at once over all workers, and no queue. */
export interface CapPolicy {
  /** Routes with the same id share the cap. */
  id: string;
  max: number;
  /** In whose manner the excess is answered: 502, 500, 503, or 429 with `Retry-After`. */
  answer: "alb" | "rest-api" | "http-api" | "native";
  retryAfterSeconds: number;
}

/** A token bucket over all workers. */
export interface RateLimit {
  id: string;
  /** One bucket for the route, for each client address, or for each value of a field. */
  by: { kind: "route" } | { kind: "client" } | { kind: "header"; name: string };
  requestsPerSecond: number;
  burst: number;
  answer: CapPolicy["answer"];
}

export interface MirrorPolicy {
  clusterId: string;
  /** 0-100. */
  percent: number;
  /** Only methods without effects, unless told otherwise. */
  methods: readonly string[];
  /** A longer body is not mirrored, and counted so. */
  bodyBytesMax: number;
}

export interface FallbackPolicy {
  clusterId: string;
  /** On an error of the edge's own (no endpoint, no connection, a reset, a timeout before the answer). */
  onError: boolean;
  /** On these statuses of the endpoint. */
  statuses: readonly number[];
  /** As in {@link RetryPolicy}. */
  bodyBytesMax: number;
}

/**
 * Envoy's priority levels: a level below `100 / overprovisioning` percent of health spills over. Within one its localities
 * share by weight, times what is healthy of them in the same way.
 */
export interface FailoverPolicy {
  /** In order of priority; each has a locality at least. */
  levels: readonly (readonly WeightedCluster[])[];
  /** Percent; Envoy's default is 140. */
  overprovisioning: number;
  /** Percent of healthy endpoints over all levels below which health is ignored; Envoy's default is 50. */
  panicPercent: number;
}

export interface WeightedCluster {
  clusterId: string;
  /** From 1. */
  weight: number;
}

/** RFC 9111, as a shared cache. */
export interface CachePolicy {
  /** Of all entries of the route in one worker. */
  bytesMax: number;
  entryBytesMax: number;
  /** Query parameters that are part of the key; all when absent. */
  queryParameters?: readonly string[];
  /** RFC 5861, where the answer does not say. */
  staleWhileRevalidateSeconds: number;
  staleIfErrorSeconds: number;
  /** How long a request waits for another one that fetches the same; 0: it does not. */
  coalesceMs: number;
}

/** Envoy's circuit breaker, exact over all workers. */
export interface BreakerPolicy {
  connectionsMax: number;
  /** Requests that wait for a connection. */
  pendingMax: number;
  requestsMax: number;
  retriesMax: number;
}

/** Envoy's outlier detection, with its defaults (envoy.config.cluster.v3.OutlierDetection). */
export interface OutlierPolicy {
  consecutive5xx: number;
  consecutiveGatewayErrors: number;
  consecutiveLocalOriginFailures: number;
  intervalMs: number;
  baseEjectionMs: number;
  maxEjectionMs: number;
  maxEjectionPercent: number;
  successRate?: { minimumHosts: number; requestVolume: number; stdevFactor: number };
  failurePercentage?: { threshold: number; minimumHosts: number; requestVolume: number };
}
