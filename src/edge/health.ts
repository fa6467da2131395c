/** Active health checks: one prober per endpoint on the main thread, its verdicts in memory that every worker reads. */
import { connect } from "node:net";
import type { Clock, Timer } from "../base/clock.ts";
import { errorCode } from "../base/errors.ts";
import type { Log } from "../telemetry/log.ts";
import {
  atVerdict,
  boardMemory,
  clearSlot,
  endpointsMax,
  healthBad,
  healthGood,
  healthUnknown,
  setVerdict,
  slotOf,
} from "./board.ts";
import { needMore, HeadScanner } from "./h1/scan.ts";
import type { ClusterConfig, EdgeConfig, EndpointConfig, EndpointHealth, HealthCheck } from "./ports.ts";
import { responseScan } from "./upstream.ts";

/** What one check found. */
export type ProbeResult = { ok: true } | { ok: false; reason: string; status?: number };
export type Probe = (host: string, port: number, check: HealthCheck, signal: AbortSignal) => Promise<ProbeResult>;

interface Watched {
  key: string;
  clusterId: string;
  endpoint: EndpointConfig;
  check: HealthCheck | undefined;
  slot: number;
  used: boolean;
  verdict: number;
  /** Checks in a row that said the same. */
  passes: number;
  failures: number;
  reason: string | undefined;
  status: number | undefined;
  timer: Timer | undefined;
  /** Aborts when the checks stop: the one under way is not counted. */
  stopping: AbortController;
  draining: boolean;
}

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
  probe?: Probe;
}

/** Statuses of a matcher: `200`, `200,202` or `200-299`. */
export function compileStatuses(matcher: string): (status: number) => boolean {
  const ranges = matcher.split(",").map((part) => {
    const [from = "", to = from] = part.trim().split("-");
    return [Number(from), Number(to)] as const;
  });
  return (status) => ranges.some(([from, to]) => status >= from && status <= to);
}

export function createProber({ clock, log, probe = probeOver(clock) }: ProberDeps): Prober {
  const memory = boardMemory();
  const board = new Int32Array(memory);
  const watched = new Map<string, Watched>();
  const freeSlots: number[] = [];
  let slotsTaken = 0;

  const takeSlot = () => {
    const slot = freeSlots.pop();
    if (slot !== undefined) return slot;
    if (slotsTaken === endpointsMax) throw new Error(`more than ${endpointsMax} endpoints`);
    slotsTaken += 1;
    return slotOf(slotsTaken - 1);
  };
  const say = (entry: Watched, verdict: number) => {
    if (entry.verdict === verdict && Atomics.load(board, entry.slot + atVerdict) === verdict) return;
    if (entry.verdict !== verdict && entry.verdict !== healthUnknown) {
      log.info(verdict === healthGood ? "an endpoint is healthy" : "an endpoint is not healthy", {
        clusterId: entry.clusterId,
        endpointId: entry.endpoint.id,
        reason: entry.reason,
      });
    }
    entry.verdict = verdict;
    setVerdict(board, entry.slot + atVerdict, verdict);
  };
  const stop = (entry: Watched) => {
    entry.timer?.cancel();
    entry.timer = undefined;
    entry.stopping.abort();
  };
  const start = (entry: Watched) => {
    stop(entry);
    entry.passes = 0;
    entry.failures = 0;
    entry.stopping = new AbortController();
    const { check, endpoint } = entry;
    const { signal } = entry.stopping;
    if (check === undefined || endpoint.kind === "function") {
      say(entry, healthGood);
      return;
    }
    if (!entry.used) {
      say(entry, healthUnknown);
      return;
    }
    const round = async () => {
      entry.timer = clock.after(check.intervalMs, () => void round());
      const result = await probe(endpoint.host, check.port ?? endpoint.port, check, signal);
      if (!signal.aborted) judge(entry, check, result);
    };
    void round();
  };
  const judge = (entry: Watched, check: HealthCheck, result: ProbeResult) => {
    if (result.ok) {
      entry.passes += 1;
      entry.failures = 0;
      entry.reason = undefined;
      entry.status = undefined;
      // One pass is enough for an endpoint that nothing is known of.
      if (entry.verdict === healthUnknown || entry.passes >= check.healthyCount) say(entry, healthGood);
      return;
    }
    entry.failures += 1;
    entry.passes = 0;
    entry.reason = result.reason;
    entry.status = result.status;
    if (entry.failures >= check.unhealthyCount) say(entry, healthBad);
  };

  const watchOne = (cluster: ClusterConfig, endpoint: EndpointConfig, used: boolean): Watched => {
    const key = JSON.stringify([cluster.id, endpoint]);
    const known = watched.get(key);
    const entry = known ?? newWatched(key, cluster.id, endpoint, takeSlot());
    const same = known !== undefined && known.used === used && sameCheck(known.check, cluster.health);
    entry.check = cluster.health;
    entry.used = used;
    const wasDraining = entry.draining;
    entry.draining = false;
    watched.set(key, entry);
    if (!same || wasDraining) start(entry);
    return entry;
  };
  const forget = (entry: Watched) => {
    stop(entry);
    watched.delete(entry.key);
    clearSlot(board, entry.slot);
    freeSlots.push(entry.slot);
  };
  const drain = (entry: Watched, drainMs: number) => {
    stop(entry);
    entry.draining = true;
    entry.timer = clock.after(drainMs, () => forget(entry));
  };

  let drainMsOf = new Map<string, number>();
  return {
    memory,
    watch(config, gone = "drain") {
      const used = usedClusters(config);
      const slots: Record<string, number[]> = {};
      const live = new Set<string>();
      for (const cluster of config.clusters) {
        slots[cluster.id] = cluster.endpoints.map((endpoint) => {
          const entry = watchOne(cluster, endpoint, used.has(cluster.id));
          live.add(entry.key);
          return entry.slot;
        });
      }
      for (const entry of watched.values()) {
        if (live.has(entry.key) || entry.draining) continue;
        if (gone === "forget") {
          forget(entry);
        } else {
          drain(entry, drainMsOf.get(entry.clusterId) ?? 0);
        }
      }
      drainMsOf = new Map(config.clusters.map(({ id, drainMs }) => [id, drainMs]));
      return slots;
    },
    health(clusterId) {
      return [...watched.values()].filter((entry) => entry.clusterId === clusterId).map(healthOf);
    },
    close() {
      for (const entry of watched.values()) stop(entry);
      watched.clear();
    },
  };
}

function newWatched(key: string, clusterId: string, endpoint: EndpointConfig, slot: number): Watched {
  return {
    key,
    clusterId,
    endpoint,
    check: undefined,
    slot,
    used: false,
    verdict: healthUnknown,
    passes: 0,
    failures: 0,
    reason: undefined,
    status: undefined,
    timer: undefined,
    stopping: new AbortController(),
    draining: false,
  };
}

function sameCheck(a: HealthCheck | undefined, b: HealthCheck | undefined): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** Clusters that a route forwards to, at whatever weight. */
function usedClusters(config: EdgeConfig): Set<string> {
  const used = new Set<string>();
  for (const { routes } of config.listeners) {
    for (const { action } of routes) {
      if (action.kind === "forward") for (const { clusterId } of action.targets) used.add(clusterId);
    }
  }
  return used;
}

function healthOf(entry: Watched): EndpointHealth {
  const health = { clusterId: entry.clusterId, endpointId: entry.endpoint.id };
  if (entry.draining) return { ...health, state: "draining" };
  if (!entry.used) return { ...health, state: "unused", reason: "not-in-use" };
  if (entry.verdict === healthGood) return { ...health, state: "healthy" };
  const status = entry.status === undefined ? {} : { status: entry.status };
  if (entry.verdict === healthBad)
    return { ...health, state: "unhealthy", reason: entry.reason ?? "failed", ...status };
  return { ...health, state: "initial", reason: "in-progress" };
}

/** Checks over the network: a new connection each time, as the real ones do. */
function probeOver(clock: Clock): Probe {
  return (host, port, check, signal) =>
    new Promise((resolve) => {
      const passes = compileStatuses(check.matcher);
      const scanner = new HeadScanner(responseScan);
      scanner.reset("response", responseScan);
      const socket = connect({ host, port, noDelay: true });
      const end = (result: ProbeResult) => {
        timer.cancel();
        socket.destroy();
        resolve(result);
      };
      signal.addEventListener("abort", () => end({ ok: false, reason: "stopped" }), { once: true });
      const timer = clock.after(check.timeoutMs, () => end({ ok: false, reason: "timeout" }));
      socket.on("connect", () => {
        if (check.protocol === "tcp") {
          end({ ok: true });
          return;
        }
        const authority = `${host.includes(":") ? `[${host}]` : host}:${port}`;
        socket.write(
          `GET ${check.path} HTTP/1.1\r\nHost: ${authority}\r\nConnection: close\r\n` +
            `User-Agent: ${check.userAgent}\r\nAccept-Encoding: gzip, compressed\r\n\r\n`,
        );
      });
      socket.on("data", (chunk: Buffer) => {
        const after = scanner.push(chunk, 0, chunk.length);
        if (after === needMore) return;
        if (after < 0) end({ ok: false, reason: "malformed-response" });
        else if (passes(scanner.status)) end({ ok: true });
        else end({ ok: false, reason: "status-mismatch", status: scanner.status });
      });
      socket.on("error", (error) =>
        end({ ok: false, reason: errorCode(error) === "ECONNREFUSED" ? "connection-refused" : "connection-failed" }),
      );
      socket.on("close", () => end({ ok: false, reason: "connection-failed" }));
    });
}
