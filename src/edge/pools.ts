/** Memory that all workers share for the limits of a configuration, on the main thread: made, grown, and forgotten. */
import { randomBytes } from "node:crypto";
import { censusMemory, emptyCensus } from "./clients/census.ts";
import { censusPool, clientRate } from "./clients/guard.ts";
import { Bug } from "../base/errors.ts";
import { mirrorMemory, readMirror } from "./mirror-counts.ts";
import { growPermits, permitMemory, Permits, returnPermits } from "./permits.ts";
import type { EdgeConfig, MirrorStats, RateLimit } from "./ports.ts";
import { bucketMemory } from "./resilience/buckets.ts";
import { clearCount, countMemory, SharedCount } from "./resilience/counts.ts";

export interface Pools {
  /** Memory of every pool of `config`, by name; a pool that is there already is the same memory. */
  of(config: EdgeConfig): Record<string, SharedArrayBuffer>;
  /**
   * Lets go of the pools that neither `config` nor the configuration before it has, once nothing is out of them:
   * requests of an earlier epoch still count when a route with the same cap comes again.
   */
  keep(config: EdgeConfig): void;
  /** A worker is gone: what it had comes back. */
  workerGone(worker: number): void;
  /** What was mirrored to a cluster; undefined where nothing is. */
  mirrored(clusterId: string): MirrorStats | undefined;
}

/** The pool of a cap. */
export const capPool = (id: string) => `cap:${id}`;
/** The pool of a circuit breaker's limit. */
export const breakerPool = (of: "connections" | "pending" | "requests" | "retries", clusterId: string) =>
  `breaker-${of}:${clusterId}`;
/** The count of what a cluster has under way, or under way as retries. */
export const countPool = (of: "active" | "retrying", clusterId: string) => `${of}:${clusterId}`;
/** The buckets of a rate limit: one, or one for each key. */
export const ratePool = ({ id, by }: RateLimit) => `rate-${by.kind === "route" ? "one" : "keys"}:${id}`;
/** The counts of what is mirrored to a cluster. */
export const mirrorPool = (clusterId: string) => `mirror:${clusterId}`;

type Wanted =
  | { kind: "permits"; max: number }
  | { kind: "count" }
  | { kind: "buckets"; keyed: boolean }
  | { kind: "census" }
  | { kind: "mirror" };

interface Pool {
  kind: Wanted["kind"];
  memory: SharedArrayBuffer;
}

/** For so many workers. */
export function createPools(workers: number): Pools {
  const pools = new Map<string, Pool>();
  let former = new Set<string>();
  return {
    of(config) {
      const all: Record<string, SharedArrayBuffer> = {};
      for (const [name, wanted] of wantedBy(config)) {
        let pool = pools.get(name);
        if (pool === undefined) pools.set(name, (pool = { kind: wanted.kind, memory: memoryOf(wanted, workers) }));
        if (wanted.kind === "permits") growPermits(pool.memory, wanted.max);
        all[name] = pool.memory;
      }
      return all;
    },
    keep(config) {
      const wanted = wantedBy(config);
      for (const [name, pool] of pools) {
        if (!wanted.has(name) && !former.has(name) && !isInUse(pool)) pools.delete(name);
      }
      former = new Set(wanted.keys());
    },
    workerGone(worker) {
      for (const { kind, memory } of pools.values()) {
        if (kind === "permits") returnPermits(memory, worker);
        else if (kind === "count") clearCount(memory, worker);
        else if (kind === "census") emptyCensus(memory, worker);
      }
    },
    mirrored(clusterId) {
      const pool = pools.get(mirrorPool(clusterId));
      return pool === undefined ? undefined : readMirror(pool.memory);
    },
  };
}

function memoryOf(wanted: Wanted, workers: number): SharedArrayBuffer {
  switch (wanted.kind) {
    case "permits":
      return permitMemory(wanted.max);
    case "count":
      return countMemory();
    case "buckets":
      return bucketMemory(wanted.keyed, randomBytes(8).readBigInt64LE());
    case "census":
      return censusMemory(workers);
    case "mirror":
      return mirrorMemory();
    default:
      throw new Bug(`no such pool: ${JSON.stringify(wanted satisfies never)}`);
  }
}

function isInUse({ kind, memory }: Pool): boolean {
  if (kind === "permits") return new Permits(memory, 0, 0).out > 0;
  return kind === "count" && new SharedCount(memory, 0).total > 0;
}

/** Each pool by its name; of permits, with the most that any user of it wants. */
function wantedBy(config: EdgeConfig): Map<string, Wanted> {
  const wanted = new Map<string, Wanted>();
  const permits = (name: string, max: number) => {
    const before = wanted.get(name);
    wanted.set(name, { kind: "permits", max: Math.max(max, before?.kind === "permits" ? before.max : 0) });
  };
  const guarded = (clusterId: string) => {
    wanted.set(countPool("active", clusterId), { kind: "count" });
    wanted.set(countPool("retrying", clusterId), { kind: "count" });
  };
  for (const { id, breaker } of config.clusters) {
    if (breaker === undefined) continue;
    guarded(id);
    permits(breakerPool("connections", id), breaker.connectionsMax);
    permits(breakerPool("pending", id), breaker.pendingMax);
    permits(breakerPool("requests", id), breaker.requestsMax);
    permits(breakerPool("retries", id), breaker.retriesMax);
  }
  for (const listener of config.listeners) {
    if (listener.clients?.connectionsMax !== undefined) wanted.set(censusPool(listener.id), { kind: "census" });
    const rate = clientRate(listener);
    if (rate !== undefined) wanted.set(ratePool(rate), { kind: "buckets", keyed: true });
  }
  for (const { action, policy } of config.listeners.flatMap(({ routes }) => routes)) {
    if (policy?.cap !== undefined) permits(capPool(policy.cap.id), policy.cap.max);
    for (const limit of policy?.rateLimits ?? []) {
      wanted.set(ratePool(limit), { kind: "buckets", keyed: limit.by.kind !== "route" });
    }
    if (policy?.mirror !== undefined) wanted.set(mirrorPool(policy.mirror.clusterId), { kind: "mirror" });
    // Retries live on a share of what their cluster has under way.
    if (policy?.retry === undefined || action.kind !== "forward") continue;
    for (const { clusterId } of policy.failover?.levels.flat() ?? action.targets) guarded(clusterId);
  }
  return wanted;
}
