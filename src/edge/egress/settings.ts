/** The way out as others see it: what it is told, and what it tells. Types only. */
import type { RoutePolicy } from "../policies.ts";
import type { ClusterConfig } from "../ports.ts";

/** A listener whose requests name their destination: `Host: example.com.ccnproxy-https` goes to `https://example.com`. */
export interface EgressSettings {
  /** 0 takes a free one. */
  port: number;
  /** Default 127.0.0.1: who may call may go wherever the lists below let it. */
  address?: string;
  /** Certificates of destinations are verified, where no policy says otherwise. Default true. */
  verify?: boolean;
  /** PEM, beside the system's. */
  ca?: string;
  /** Link-local addresses, the machine's metadata among them, are gone to. Default false. */
  allowLinkLocal?: boolean;
  /**
   * Host names (`example.com`; `*.example.com` for all below it) and CIDR blocks that may be gone to; everything else is
   * refused, where there are any. A block allows link-local addresses too.
   */
  allow?: readonly string[];
  /** Likewise, those that may not; they outweigh {@link allow}. */
  refuse?: readonly string[];
  /** HTTP/2 is spoken with destinations that do. Default true. */
  http2?: boolean;
}

/** What is done for requests to some destinations: a route's policies, and those of its cluster. */
export interface EgressPolicy {
  /** A host name; `*.` in front of one: all below it; `*`: all that no other entry names. */
  host: string;
  /** An id of a cap or a rate limit that begins with `/` is each destination's own. */
  route: RoutePolicy;
  cluster: Partial<Pick<ClusterConfig, "connectTimeoutMs" | "breaker" | "retryBudget" | "outlier" | "tls">>;
}

/** A destination since the node started, over all workers. */
export interface EgressReport {
  /** `https://example.com` */
  origin: string;
  protocol: "HTTP/1.1" | "HTTP/2";
  /** That its name has now; 0 for one that was forgotten, for nobody went there for long. */
  addresses: number;
  /** Requests that an endpoint was chosen for. */
  requests: number;
  /** Requests that the destination did not answer: the edge's own answers, by status. */
  ownAnswers: Readonly<Record<string, number>>;
  /** Why; tries that were made again are among them. */
  edgeErrors: Readonly<Record<string, number>>;
  /** Connections that are open. */
  connections: number;
  /** Connections made; each is a handshake of TCP, and with https one of TLS. */
  handshakes: number;
  /** Of these, the ones that resumed a session of TLS. */
  resumed: number;
  /** Requests, and tries of them, on a connection that was there already. */
  reused: number;
  /** Mean of a handshake: the connection, and TLS. */
  handshakeMs: number;
  savedMs: number;
  /** TCP is one, TLS 1.3 one more, TLS 1.2 two, or one with a session. */
  savedRoundTrips: number;
}

export interface EgressSummary {
  /** It listens there. */
  address: string;
  port: number;
  /** Of requests that did not get as far as a destination, by status: 400, 403, 502, 503, 504, 508. */
  ownAnswers: Readonly<Record<string, number>>;
  /** Most requests first. */
  destinations: readonly EgressReport[];
}

/** The way out, from the main thread. */
export interface WayOut {
  /**
   * Opens it, once, and gives its port. Rejects with `PortInUse`, or for a list that cannot be read.
   *
   * @example
   * await edge.openEgress({ port: 9000 });
   * // curl -H 'Host: example.com.ccnproxy-https' http://127.0.0.1:9000/
   */
  openEgress(settings: EgressSettings): Promise<number>;
  /** What it saves; undefined where it is not open. */
  egressReport(): EgressSummary | undefined;
}
