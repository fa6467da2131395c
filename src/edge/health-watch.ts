/** One endpoint under watch: checked again and again, judged, and its verdict written where all workers see it. */
import type { Clock, Timer } from "../base/clock.ts";
import type { Log } from "../telemetry/log.ts";
import {
  atAnomalous,
  atCut,
  atEjected,
  atSlowSince,
  atVerdict,
  healthBad,
  healthGood,
  healthUnknown,
  setVerdict,
} from "./board.ts";
import type { ClusterConfig, EndpointConfig, EndpointHealth, HealthCheck } from "./ports.ts";
import type { Probe, ProbeFailure, ProbeResult, ProbeTarget } from "./probes/probe.ts";

export interface WatchDeps {
  clock: Clock;
  log: Log;
  board: Int32Array;
  probe: Probe;
  /** From 0 to less than 1. */
  random(): number;
  /** What a check of an endpoint of `cluster` is to know beside the endpoint. */
  targetOf(cluster: ClusterConfig, check: HealthCheck): Omit<ProbeTarget, "endpoint">;
  /** The other endpoints of a cluster, and itself. */
  peers(clusterId: string): Iterable<EndpointWatch>;
  /** A check has passed, and the endpoint is healthy. */
  passed(slot: number): void;
}

export class EndpointWatch {
  readonly clusterId: string;
  readonly endpoint: EndpointConfig;
  readonly slot: number;
  draining = false;
  readonly #deps: WatchDeps;
  #cluster: ClusterConfig | undefined;
  #used = false;
  #verdict = healthUnknown;
  /** Checks in a row that said the same. */
  #passes = 0;
  #failures = 0;
  #reason: ProbeFailure | undefined;
  #status: number | undefined;
  /** It gets its share little by little when it becomes healthy. */
  #startsSlow = false;
  #slowSinceMs = 0;
  #timer: Timer | undefined;
  /** Aborts when the checks stop: the one under way is not counted. */
  #stopping = new AbortController();

  constructor(clusterId: string, endpoint: EndpointConfig, slot: number, deps: WatchDeps) {
    this.clusterId = clusterId;
    this.endpoint = endpoint;
    this.slot = slot;
    this.#deps = deps;
  }

  /**
   * Watches by the rules of `cluster`. What is known stays known where they are the same; of one that had gone nothing is
   * known, unless it never should have (`restored`).
   */
  run(cluster: ClusterConfig, used: boolean, restored: boolean): void {
    const before = this.#cluster;
    const same = before !== undefined && this.#used === used && !this.draining && sameChecks(before, cluster);
    // Only what joins those that serve already starts slowly (ALB user guide, "Slow start mode").
    if (before === undefined || this.draining) this.#startsSlow = this.#othersServe(cluster);
    this.#cluster = cluster;
    this.#used = used;
    if (this.draining && !restored) this.#say(healthUnknown);
    this.draining = false;
    if (!same) this.#start(cluster);
  }

  /** It gets no requests any more; after `drainMs`, `forget`. */
  drain(drainMs: number, forget: () => void): void {
    this.stop();
    this.draining = true;
    this.#timer = this.#deps.clock.after(drainMs, forget);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#stopping.abort();
  }

  get health(): EndpointHealth {
    const health = { clusterId: this.clusterId, endpointId: this.endpoint.id, ...this.#passive() };
    if (this.draining) return { ...health, state: "draining" };
    if (!this.#used) return { ...health, state: "unused", reason: "not-in-use" };
    if (this.#verdict === healthGood) return { ...health, state: "healthy" };
    const status = this.#status === undefined ? {} : { status: this.#status };
    if (this.#verdict === healthBad)
      return { ...health, state: "unhealthy", reason: this.#reason ?? "connection-failed", ...status };
    return { ...health, state: "initial", reason: "in-progress" };
  }

  /** What its requests have shown. */
  #passive(): Pick<EndpointHealth, "ejected" | "anomaly"> {
    const at = (cell: number) => Atomics.load(this.#deps.board, this.slot + cell);
    return {
      ...(at(atEjected) === 1 ? { ejected: true } : {}),
      ...(this.#cluster?.balance === "weighted-random"
        ? { anomaly: { anomalous: at(atAnomalous) === 1, mitigated: at(atCut) > 0 } }
        : {}),
    };
  }

  /** Healthy, and past its slow start. */
  serves(slowStartMs: number): boolean {
    if (this.draining || this.#verdict !== healthGood) return false;
    return this.#slowSinceMs === 0 || this.#deps.clock.now() - this.#slowSinceMs >= slowStartMs;
  }

  #start(cluster: ClusterConfig): void {
    this.stop();
    this.#passes = 0;
    this.#failures = 0;
    this.#stopping = new AbortController();
    const { health: check } = cluster;
    if (check === undefined) this.#say(healthGood);
    else if (this.#used) void this.#check(check, this.#deps.targetOf(cluster, check), this.#stopping.signal, true);
    else this.#say(healthUnknown);
  }

  async #check(
    check: HealthCheck,
    target: Omit<ProbeTarget, "endpoint">,
    signal: AbortSignal,
    first: boolean,
  ): Promise<void> {
    const { clock, probe, random } = this.#deps;
    const startedMs = clock.monotonicMs();
    const result = await probe({ ...target, endpoint: this.endpoint }, signal).catch((error: unknown) =>
      this.#unmade(error),
    );
    if (signal.aborted) return;
    this.#judge(check, result);
    // The first check is at once, so that an endpoint serves soon; from the second on they are spread over the interval,
    // so that those which came together are not asked together for ever.
    const intervalMs = first ? check.intervalMs * (1 - random() / 2) : check.intervalMs;
    const leftMs = Math.max(0, startedMs + intervalMs - clock.monotonicMs());
    this.#timer = clock.after(leftMs, () => void this.#check(check, target, signal, false));
  }

  /** Nothing is found by a check that breaks: the endpoint is not known to be well, and the next check comes. */
  #unmade(error: unknown): ProbeResult {
    const { clusterId, endpoint, slot } = this;
    this.#deps.log.error("a health check could not be made", { clusterId, endpointId: endpoint.id, slot, error });
    return { ok: false, reason: "connection-failed" };
  }

  #judge(check: HealthCheck, result: ProbeResult): void {
    if (result.ok) {
      this.#passes += 1;
      this.#failures = 0;
      this.#reason = undefined;
      this.#status = undefined;
      // One pass is enough for an endpoint that nothing is known of.
      if (this.#verdict === healthUnknown || this.#passes >= check.healthyCount) this.#say(healthGood);
      if (this.#verdict === healthGood) this.#deps.passed(this.slot);
      return;
    }
    this.#failures += 1;
    this.#passes = 0;
    this.#reason = result.reason;
    this.#status = result.status;
    if (this.#failures >= check.unhealthyCount) this.#say(healthBad);
  }

  #say(verdict: number): void {
    const { board, log } = this.#deps;
    const before = this.#verdict;
    if (before === verdict && Atomics.load(board, this.slot + atVerdict) === verdict) return;
    if (before !== verdict && before !== healthUnknown) {
      log.info(verdict === healthGood ? "an endpoint is healthy" : "an endpoint is not healthy", {
        clusterId: this.clusterId,
        endpointId: this.endpoint.id,
        reason: this.#reason,
      });
    }
    this.#verdict = verdict;
    this.#markSlow(before, verdict);
    setVerdict(board, this.slot + atVerdict, verdict);
  }

  #markSlow(before: number, verdict: number): void {
    const cluster = this.#cluster;
    const begins = verdict === healthGood && cluster !== undefined && (this.#startsSlow || before === healthBad);
    this.#slowSinceMs = begins && this.#othersServe(cluster) ? this.#deps.clock.now() : 0;
    Atomics.store(this.#deps.board, this.slot + atSlowSince, Math.floor(this.#slowSinceMs / 1000) | 0);
  }

  #othersServe({ slowStartMs }: ClusterConfig): boolean {
    if (slowStartMs === undefined) return false;
    for (const peer of this.#deps.peers(this.clusterId)) if (peer !== this && peer.serves(slowStartMs)) return true;
    return false;
  }
}

function sameChecks(a: ClusterConfig, b: ClusterConfig): boolean {
  if (a === b) return true;
  const of = ({ health, protocol, tls }: ClusterConfig) => JSON.stringify([health, protocol, tls]);
  return of(a) === of(b);
}
