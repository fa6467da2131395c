/** Active health checks: each endpoint is watched on the main thread, its verdict in memory that every worker reads. */
import type { Clock } from "../base/clock.ts";
import type { Log } from "../telemetry/log.ts";
import { boardMemory, clearSlot, endpointsMax, slotOf } from "./board.ts";
import { EndpointWatch, type WatchDeps } from "./health-watch.ts";
import type { ClusterConfig, EdgeConfig, EndpointHealth, HealthCheck, RouteConfig } from "./ports.ts";
import { createProbe } from "./probes/network.ts";
import type { CallFunction, Probe, ProbeTarget } from "./probes/probe.ts";
import { ContextStore } from "./tls/contexts.ts";
import { targetTls } from "./tls/dial.ts";

export interface Prober {
  /** See `board.ts`. */
  readonly memory: SharedArrayBuffer;
  /**
   * Watches the endpoints of `config`; gives their slots, by cluster. Others are drained, then forgotten; at once, if
   * they were never run (`gone: "forget"`).
   */
  watch(config: EdgeConfig, gone?: "drain" | "forget"): Record<string, number[]>;
  health(clusterId: string): EndpointHealth[];
  close(): void;
}

export interface ProberDeps {
  clock: Clock;
  log: Log;
  /** Reaches the functions behind endpoints. */
  call?: CallFunction;
  probe?: Probe;
  /** From 0 to less than 1. */
  random?: () => number;
  /** A check of the endpoint at `slot` has passed, and it is healthy. */
  passed?: (slot: number) => void;
}

export function createProber({
  clock,
  log,
  call = () => undefined,
  probe = createProbe({ clock, call }),
  random = Math.random,
  passed = () => {},
}: ProberDeps): Prober {
  const memory = boardMemory();
  const board = new Int32Array(memory);
  const watches = new Map<string, EndpointWatch>();
  const freeSlots: number[] = [];
  let slotsTaken = 0;
  let contexts = new ContextStore();

  const takeSlot = () => {
    const slot = freeSlots.pop();
    if (slot !== undefined) return slot;
    if (slotsTaken === endpointsMax) throw new Error(`more than ${endpointsMax} endpoints`);
    slotsTaken += 1;
    return slotOf(slotsTaken - 1);
  };
  const peers = function* (clusterId: string) {
    for (const watch of watches.values()) if (watch.clusterId === clusterId) yield watch;
  };
  const targetOf = (cluster: ClusterConfig, check: HealthCheck) => probeTarget(cluster, check, contexts);
  const deps: WatchDeps = { clock, log, board, probe, random, targetOf, peers, passed };
  const forget = (key: string, watch: EndpointWatch) => {
    watch.stop();
    watches.delete(key);
    clearSlot(board, watch.slot);
    freeSlots.push(watch.slot);
  };

  let drainMsOf = new Map<string, number>();
  return {
    memory,
    watch(config, gone = "drain") {
      const used = usedClusters(config);
      const slots: Record<string, number[]> = {};
      const live = new Set<string>();
      contexts = new ContextStore(contexts);
      for (const cluster of config.clusters) {
        slots[cluster.id] = cluster.endpoints.map((endpoint) => {
          const key = JSON.stringify([cluster.id, endpoint]);
          const watch = watches.get(key) ?? new EndpointWatch(cluster.id, endpoint, takeSlot(), deps);
          watches.set(key, watch);
          live.add(key);
          watch.run(cluster, used.has(cluster.id), gone === "forget");
          return watch.slot;
        });
      }
      contexts.settle();
      for (const [key, watch] of watches) {
        if (live.has(key) || watch.draining) continue;
        if (gone === "forget") forget(key, watch);
        else watch.drain(drainMsOf.get(watch.clusterId) ?? 0, () => forget(key, watch));
      }
      drainMsOf = new Map(config.clusters.map(({ id, drainMs }) => [id, drainMs]));
      return slots;
    },
    health: (clusterId) => Array.from(peers(clusterId), ({ health }) => health),
    close() {
      for (const watch of watches.values()) watch.stop();
      watches.clear();
    },
  };
}

function probeTarget(
  { tls, protocol = "http1" }: ClusterConfig,
  check: HealthCheck,
  contexts: ContextStore,
): Omit<ProbeTarget, "endpoint"> {
  const secured = check.protocol === "https" || (check.protocol === "grpc" && tls !== undefined);
  const alpn = protocol === "http1" && check.protocol !== "grpc" ? ["http/1.1"] : ["h2"];
  return { check, protocol, tls: secured ? targetTls(tls ?? { verify: false }, alpn, contexts) : undefined };
}

/** Clusters that may get a request or a connection, at whatever weight. */
function usedClusters({ listeners, streamListeners = [] }: EdgeConfig): Set<string> {
  const streams = streamListeners.flatMap(({ targets }) => targets.map(({ clusterId }) => clusterId));
  return new Set([...listeners.flatMap(({ routes }) => routes.flatMap(clustersOf)), ...streams]);
}

function clustersOf({ action, policy }: RouteConfig): string[] {
  const targets = action.kind === "forward" ? action.targets.map(({ clusterId }) => clusterId) : [];
  const others = [policy?.fallback?.clusterId, policy?.mirror?.clusterId].filter((id) => id !== undefined);
  return [...targets, ...others, ...(policy?.failover?.levels.flat() ?? []).map(({ clusterId }) => clusterId)];
}
