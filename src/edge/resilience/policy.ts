/** The policies of a route, made ready to run in one worker; a route without any has none, and its requests pay nothing. */
import { must } from "../../base/errors.ts";
import type { Clock } from "../../base/clock.ts";
import type { Cluster } from "../cluster.ts";
import { compileMirror, type MirrorDeps, type Tap } from "../mirror.ts";
import type { FallbackPolicy, RetryPolicy } from "../policies.ts";
import type { RouteConfig } from "../ports.ts";
import type { Wheel } from "../wheel.ts";
import type { ReplayMemory } from "./replay.ts";

export interface Resilience {
  requestTimeoutMs: number | undefined;
  perTryTimeoutMs: number | undefined;
  idleTimeoutMs: number | undefined;
  retry: (RetryPolicy & { honoursRetryAfter: boolean; waitMsMax: number }) | undefined;
  fallback: (Omit<FallbackPolicy, "clusterId"> & { cluster: Cluster }) | undefined;
  tap: Tap | undefined;
  /** The longest body that is kept for another try; the longest that any policy wants. */
  bodyBytesMax: number;
  memory: ReplayMemory;
  wheel: Wheel;
  clock: Clock;
  /** From 0 to less than 1. */
  random(): number;
}

export interface ResilienceDeps extends MirrorDeps {
  clock: Clock;
  wheel: Wheel;
  replays: ReplayMemory;
  random(): number;
}

/** The policies of `route`; undefined when its requests need no supervision. */
export function compileResilience(
  { policy = {} }: RouteConfig,
  clusters: ReadonlyMap<string, Cluster>,
  deps: ResilienceDeps,
): Resilience | undefined {
  const { requestTimeoutMs, perTryTimeoutMs, idleTimeoutMs, retry, fallback, mirror } = policy;
  const wanted = [requestTimeoutMs, perTryTimeoutMs, idleTimeoutMs, retry, fallback, mirror];
  if (wanted.every((part) => part === undefined)) return undefined;
  const clusterOf = (clusterId: string) => must(clusters.get(clusterId), `cluster ${clusterId}`);
  return {
    requestTimeoutMs,
    perTryTimeoutMs,
    idleTimeoutMs,
    retry:
      retry === undefined
        ? undefined
        : {
            ...retry,
            honoursRetryAfter: retry.retryAfterMsMax !== undefined,
            waitMsMax: Math.max(retry.backoff.maxMs, retry.retryAfterMsMax ?? 0),
          },
    fallback: fallback === undefined ? undefined : { ...fallback, cluster: clusterOf(fallback.clusterId) },
    tap: mirror === undefined ? undefined : compileMirror(mirror, clusterOf(mirror.clusterId), deps),
    bodyBytesMax: Math.max(retry?.bodyBytesMax ?? 0, fallback?.bodyBytesMax ?? 0),
    memory: deps.replays,
    wheel: deps.wheel,
    clock: deps.clock,
    random: deps.random,
  };
}
