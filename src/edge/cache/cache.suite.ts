/** A listener with a response cache before an endpoint that answers in turn as it is told, for tests over real sockets. */
import { request as httpRequest, type IncomingHttpHeaders, type RequestListener } from "node:http";
import { must } from "../../base/errors.ts";
import { address, all, cluster, freePort, listener, type Stage } from "../edge.suite.ts";
import type { CachePolicy, ClusterConfig, Edge, RoutePolicy } from "../ports.ts";

export const policy = (changes: Partial<CachePolicy> = {}): CachePolicy => ({
  bytesMax: 65_536,
  entryBytesMax: 16_384,
  staleWhileRevalidateSeconds: 0,
  staleIfErrorSeconds: 0,
  coalesceMs: 0,
  ...changes,
});

export interface Seen {
  method: string | undefined;
  url: string | undefined;
  headers: IncomingHttpHeaders;
}

export interface Asked {
  method?: string;
  path?: string;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** One edge for many tests: each has a listener, and so a cache, of its own. */
export class CacheBench {
  readonly #stage: Stage;
  readonly #edge: () => Edge;
  #epoch = 0;

  /** What a test opens is closed with `stage`. */
  constructor(stage: Stage, edge: () => Edge) {
    this.#stage = stage;
    this.#edge = edge;
  }

  nextEpoch(): number {
    return (this.#epoch += 1);
  }

  /** An edge with a cache before an endpoint that answers in turn as it is told; the last turn stays. */
  async front(
    turns: readonly RequestListener[],
    changes: Partial<CachePolicy> = {},
    others: RoutePolicy = {},
    inCluster: Partial<ClusterConfig> = {},
  ) {
    const seen: Seen[] = [];
    const upstream = await this.#stage.http((request, response) => {
      const turn = turns[Math.min(seen.length, turns.length - 1)];
      seen.push({ method: request.method, url: request.url, headers: request.headers });
      turn?.(request, response);
    });
    const port = await freePort();
    const route = { ...all("c"), policy: { ...others, cache: policy(changes) } };
    const config = { listeners: [listener(port, [route])], clusters: [cluster("c", [address(upstream)], inCluster)] };
    const apply = () => this.#edge().apply({ epoch: this.nextEpoch(), ...config });
    await apply();
    const ask = ({ method = "GET", path = "/a", headers = {}, signal }: Asked = {}) =>
      new Promise<{ status: number; headers: IncomingHttpHeaders; text: string }>((resolve, reject) => {
        httpRequest({ port, host: "127.0.0.1", method, path, headers, agent: false, signal }, (response) => {
          let text = "";
          response.on("data", (chunk: Buffer) => (text += chunk.toString()));
          response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
          response.on("error", reject);
        })
          .on("error", reject)
          .end();
      });
    const texts = async (...asked: Asked[]) => {
      const got: string[] = [];
      for (const each of asked) got.push((await ask(each)).text);
      return got;
    };
    const balancer = () =>
      must(
        this.#edge()
          .loadBalancers()
          .find(({ loadBalancerId }) => loadBalancerId === `listener-${port}`),
        "the counts of the listener",
      );
    const counts = () => {
      const { cacheHits, cacheStale, cacheMisses, cacheRevalidated } = balancer();
      return { hits: cacheHits, stale: cacheStale, misses: cacheMisses, revalidated: cacheRevalidated };
    };
    const waits = () => balancer().cacheWaits;
    return { ask, texts, seen, counts, waits, apply, port };
  }
}

/** Answers `text` with these fields. */
export const says =
  (text: string, headers: Record<string, string | string[]>, status = 200): RequestListener =>
  (_, response) =>
    response.writeHead(status, headers).end(text);

export const fresh = { "Cache-Control": "max-age=60" };
