/** The connections of one thread to one address of a destination: HTTP/2 where it speaks that, metered either way. */
import type { UpstreamStream } from "../exchange.ts";
import { Http2Upstream } from "../h2/pool.ts";
import { Http1Upstream, type Admission, type Lack, type Upstream, type UpstreamDeps } from "../pool.ts";
import { targetTls } from "../tls/dial.ts";
import type { ClusterTls } from "../ports.ts";
import type { ContextStore } from "../tls/contexts.ts";
import type { Meter } from "./meter.ts";

export interface Place {
  host: string;
  port: number;
  tls: ClusterTls | undefined;
  http2: boolean;
}

export class EgressUpstream implements Upstream {
  readonly host: string;
  readonly port: number;
  readonly place: string;
  /** Tunnels go over HTTP/1.1, whatever else is spoken. */
  readonly tunnels: Upstream;
  readonly #http2: Http2Upstream | undefined;
  readonly #meter: Meter;

  constructor({ host, port, tls, http2 }: Place, contexts: ContextStore, meter: Meter, shared: UpstreamDeps) {
    const deps = { ...shared, meter };
    const target = (protocol: string) => tls && targetTls(tls, [protocol], contexts);
    this.host = host;
    this.port = port;
    this.tunnels = new Http1Upstream(host, port, target("http/1.1"), deps);
    this.place = this.tunnels.place;
    // One that has stopped speaking HTTP/2 is spoken to in HTTP/1.1 at once; main finds out when it asks again.
    this.#http2 = http2 ? new Http2Upstream(host, port, target("h2"), deps, this.tunnels) : undefined;
    this.#meter = meter;
  }

  take(connectTimeoutMs: number): UpstreamStream {
    const stream = this.#requests.take(connectTimeoutMs);
    if (stream.uses > 0) this.#meter.reused();
    return stream;
  }

  open(connectTimeoutMs: number): UpstreamStream {
    return this.#requests.open(connectTimeoutMs);
  }

  get heldBytes(): number {
    return this.#sum(({ heldBytes }) => heldBytes);
  }

  get empty(): boolean {
    return this.tunnels.empty && this.#http2?.empty !== false;
  }

  get lack(): Lack {
    return this.#requests.lack;
  }

  admit(admission: Admission): void {
    this.#requests.admit(admission);
  }

  retire(drainMs: number): void {
    for (const upstream of this.#all) upstream.retire(drainMs);
  }

  close(): void {
    for (const upstream of this.#all) upstream.close();
  }

  get #requests(): Upstream {
    return this.#http2?.unspoken === false ? this.#http2 : this.tunnels;
  }

  get #all(): readonly Upstream[] {
    return this.#http2 === undefined ? [this.tunnels] : [this.#http2, this.tunnels];
  }

  #sum(of: (upstream: Upstream) => number): number {
    let sum = 0;
    for (const upstream of this.#all) sum += of(upstream);
    return sum;
  }
}
