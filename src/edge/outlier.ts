/** Outlier detection on the main thread: the clusters that have a policy for it, swept in their intervals. */
import type { Clock, Timer } from "../base/clock.ts";
import type { Log } from "../telemetry/log.ts";
import type { Counter } from "../telemetry/metrics.ts";
import { OutlierCluster, type EjectionCause } from "./outlier-cluster.ts";
import type { OutlierCause } from "./outcomes.ts";
import type { OutlierPolicy } from "./policies.ts";
import type { EdgeConfig } from "./ports.ts";

export interface OutlierDeps {
  clock: Clock;
  log: Log;
  board: Int32Array;
  ejections: Counter;
}

export interface OutlierDetector {
  /** Watches the clusters of `config`; `slots` are those of their endpoints, in order. */
  watch(config: EdgeConfig, slots: Readonly<Record<string, readonly number[]>>): void;
  /** A worker saw an endpoint reach a limit in a row. */
  report(slot: number, cause: OutlierCause): void;
  /** A health check of an endpoint has passed. */
  passed(slot: number): void;
  close(): void;
}

interface Watched {
  cluster: OutlierCluster;
  timer: Timer;
}

export function createOutlierDetector({ clock, log, board, ejections }: OutlierDeps): OutlierDetector {
  const watched = new Map<string, Watched>();
  let bySlot = new Map<number, { cluster: OutlierCluster; clusterId: string; endpointId: string }>();

  const changed = (slot: number, cause: EjectionCause | undefined) => {
    const { clusterId, endpointId } = bySlot.get(slot) ?? {};
    if (cause === undefined) {
      log.info("an endpoint is no longer ejected", { clusterId, endpointId });
      return;
    }
    ejections.add();
    log.warn("an endpoint is ejected for how its requests end", { clusterId, endpointId, cause });
  };
  const sweepLater = (entry: Watched) => {
    entry.timer = clock.after(entry.cluster.policy.intervalMs, () => {
      entry.cluster.sweep(clock.monotonicMs());
      sweepLater(entry);
    });
  };
  const watchOne = (
    id: string,
    policy: OutlierPolicy | undefined,
    slots: readonly number[],
  ): OutlierCluster | undefined => {
    const known = watched.get(id);
    if (policy === undefined) {
      known?.timer.cancel();
      known?.cluster.end();
      watched.delete(id);
      return undefined;
    }
    if (known === undefined) {
      const cluster = new OutlierCluster({ board, policy, slots, changed });
      const entry = { cluster, timer: { cancel: () => {} } };
      watched.set(id, entry);
      sweepLater(entry);
      return cluster;
    }
    const { intervalMs } = known.cluster.policy;
    known.cluster.run(policy, slots);
    if (intervalMs !== policy.intervalMs) {
      known.timer.cancel();
      sweepLater(known);
    }
    return known.cluster;
  };

  return {
    watch(config, slots) {
      const live = new Set(config.clusters.map(({ id }) => id));
      for (const id of watched.keys()) if (!live.has(id)) watchOne(id, undefined, []);
      const next: typeof bySlot = new Map();
      for (const { id: clusterId, endpoints, outlier } of config.clusters) {
        const own = slots[clusterId] ?? [];
        const cluster = watchOne(clusterId, outlier, own);
        if (cluster === undefined) continue;
        for (const [i, slot] of own.entries()) {
          next.set(slot, { cluster, clusterId, endpointId: endpoints[i]?.id ?? "" });
        }
      }
      bySlot = next;
    },
    report: (slot, cause) => bySlot.get(slot)?.cluster.report(slot, cause, clock.monotonicMs()),
    passed: (slot) => bySlot.get(slot)?.cluster.passed(slot),
    close() {
      for (const { timer } of watched.values()) timer.cancel();
      watched.clear();
    },
  };
}
