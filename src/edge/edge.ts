/** The edge, from the main thread: takes configurations, and has every worker run them together or not at all. */
import { randomBytes } from "node:crypto";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { createAnomalyDetector } from "./anomaly.ts";
import { createTurns } from "./balance/turns.ts";
import type { ShedCounts } from "./clients/sheds.ts";
import { placeOf } from "./compile.ts";
import { Ledger, ownersOf } from "./counts.ts";
import { createCrew, type Member } from "./crew.ts";
import { createEgress, type Egress } from "./egress/egress.ts";
import type { Resolve } from "./egress/names.ts";
import { createFunctions } from "./functions.ts";
import { createProber } from "./health.ts";
import { sizeOf, type AccessLogMessage } from "./access-log/batches.ts";
import type { FromWorker, PrepareMessage } from "./messages.ts";
import { createOutlierDetector } from "./outlier.ts";
import { PortInUseError, tryPort } from "./port.ts";
import type { Probe } from "./probes/probe.ts";
import type {
  AccessLogBatch,
  ClusterStats,
  Edge,
  EdgeConfig,
  EgressSettings,
  EgressSummary,
  LoadBalancerStats,
  WayOut,
} from "./ports.ts";
import { createPools } from "./pools.ts";
import { Rounds, type MessageFor, type Step } from "./rounds.ts";
import { RunningEpochs } from "./running-epochs.ts";
import { StatsLedger } from "./stats.ts";

export interface EdgeOptions {
  /** Edge worker threads; one where the platform cannot share a port between sockets. */
  workers: number;
  clock: Clock;
  log: Log;
  metrics: Metrics;
  /** Every listener is logged, whatever its configuration says. */
  accessLog?: boolean;
  /** Keeps a thread ready to take the place of a worker that dies, for about 15 MB. Default false. */
  spare?: boolean;
  /** How long every worker may take to run a new configuration before apply fails and names it. */
  applyMsMax?: number;
  /** For tests. */
  testing?: {
    /** How long each worker sits on a configuration before it runs it. */
    swapDelayMs?: (worker: number) => number;
    probe?: Probe;
    /** Bytes a worker may hold for slow clients. */
    heldBytesMax?: number;
    /** See `crew.ts`. */
    heapMbMax?: number;
    /** A worker that gets a request for this target dies: of an error, or with `?heap` or `?exit` behind it of that. */
    dieOn?: string;
    /** What the way out asks of names. */
    resolve?: Resolve;
  };
}

const applyMsMaxDefault = 10_000;
const closeGraceMs = 5_000;
/** Platforms on which several sockets may share one port, the kernel spreading connections over them. */
const sharesPorts = process.platform === "linux";

/**
 * @example
 * const edge = createEdge({ workers: 1, clock, log, metrics });
 * await edge.apply({ epoch: 1, listeners: [...], clusters: [...] });
 */
export function createEdge(options: EdgeOptions): Edge & WayOut {
  return new MainEdge(options);
}

const nothing: EdgeConfig = { epoch: 0, listeners: [], clusters: [] };

class MainEdge implements Edge, WayOut {
  readonly #options: EdgeOptions;
  readonly #crew;
  readonly #functions;
  readonly #prober;
  readonly #outliers;
  readonly #anomalies;
  readonly #size: number;
  readonly #limitMs: number;
  #applied: EdgeConfig | undefined;
  #slots: Record<string, number[]> = {};
  readonly #stats: StatsLedger;
  readonly #pools;
  readonly #turns = createTurns();
  /** Where the configuration brings none. */
  readonly #cookieSecret = randomBytes(32).toString("hex");
  readonly #rounds: Rounds;
  /** Applies run one after another. */
  #queue: Promise<unknown> = Promise.resolve();
  readonly #epochs = new RunningEpochs();
  readonly #ledger: Ledger;
  readonly #accessLogs = new Set<(batch: AccessLogBatch) => void>();
  #egress: Egress | undefined;
  #whenClosed = new Map<number, () => void>();
  #closed = false;

  constructor(options: EdgeOptions) {
    const { clock, log, metrics, testing } = options;
    this.#options = options;
    this.#size = sharesPorts ? Math.max(1, options.workers) : 1;
    this.#limitMs = options.applyMsMax ?? applyMsMaxDefault;
    this.#pools = createPools(this.#size);
    this.#ledger = new Ledger(this.#size);
    this.#stats = new StatsLedger(this.#size);
    this.#rounds = new Rounds(clock, this.#limitMs);
    this.#functions = createFunctions(log);
    const ticketSecret = randomBytes(32);
    const { check: call } = this.#functions;
    this.#prober = createProber({
      clock,
      log,
      call,
      passed: (slot) => this.#outliers.passed(slot),
      ...(testing?.probe === undefined ? {} : { probe: testing.probe }),
    });
    const board = new Int32Array(this.#prober.memory);
    this.#anomalies = createAnomalyDetector({ clock, board });
    this.#outliers = createOutlierDetector({
      clock,
      log,
      board,
      ejections: metrics.counter("edge_outlier_ejections"),
    });
    this.#crew = createCrew({
      size: this.#size,
      spare: options.spare === true,
      ...(testing?.heapMbMax === undefined ? {} : { heapMbMax: testing.heapMbMax }),
      clock,
      log,
      restarts: metrics.counter("edge_worker_restarts"),
      startOf: (index) => ({
        index,
        health: this.#prober.memory,
        reusePort: sharesPorts,
        ticketSecret,
        swapDelayMs: testing?.swapDelayMs?.(index) ?? 0,
        ...(testing?.heldBytesMax === undefined ? {} : { heldBytesMax: testing.heldBytesMax }),
        ...(testing?.dieOn === undefined ? {} : { dieOn: testing.dieOn }),
      }),
      received: (member, message) => this.#received(member, message),
      lost: (index) => this.#lost(index),
      replaced: (member) => {
        this.#queue = this.#queue.then(() => this.#catchUp(member));
      },
    });
  }

  apply(config: EdgeConfig): Promise<void> {
    return this.#enqueue(() => this.#apply(config));
  }

  openEgress(settings: EgressSettings): Promise<number> {
    return this.#enqueue(() => this.#openEgress(settings));
  }

  egressReport(): EgressSummary | undefined {
    return this.#egress?.report(this.stats());
  }

  /** One change at a time. */
  #enqueue<T>(change: () => T | Promise<T>): Promise<T> {
    const changed = this.#queue.then(change);
    this.#queue = changed.catch(() => {});
    return changed;
  }

  register(endpointId: string, handler: Parameters<Edge["register"]>[1]): void {
    this.#functions.register(endpointId, handler);
  }

  unregister(endpointId: string): void {
    this.#functions.unregister(endpointId, this.#applied?.epoch ?? 0);
    this.#settle();
  }

  health(clusterId: string): ReturnType<Edge["health"]> {
    return this.#prober.health(clusterId);
  }

  stats(): ClusterStats[] {
    return this.#stats
      .read((clusterId) => this.#functionReasons(clusterId))
      .map((stats) => {
        const mirror = this.#pools.mirrored(stats.clusterId);
        return mirror === undefined ? stats : { ...stats, mirror };
      });
  }

  loadBalancers(): LoadBalancerStats[] {
    return this.#ledger.read();
  }

  onAccessLog(take: (batch: AccessLogBatch) => void): () => void {
    this.#accessLogs.add(take);
    return () => void this.#accessLogs.delete(take);
  }

  async close(graceMs = closeGraceMs): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#egress?.close();
    await this.#queue;
    this.#prober.close();
    this.#outliers.close();
    this.#anomalies.close();
    const { members } = this.#crew;
    const closed = Promise.all(
      members.map(
        ({ index }) =>
          new Promise<void>((resolve) => {
            this.#whenClosed.set(index, resolve);
          }),
      ),
    );
    for (const member of members) member.post({ kind: "close", graceMs });
    const late = new Promise<void>((resolve) => {
      this.#options.clock.after(graceMs + 1_000, resolve);
    });
    await Promise.race([closed, late]);
    await this.#crew.stop();
  }

  async #apply(config: EdgeConfig): Promise<void> {
    if (this.#closed) throw new Error("the edge is closed");
    const before = this.#applied;
    // A later change of routing holds every earlier one.
    if (before !== undefined && config.epoch < before.epoch) return;
    const listens = config.listeners.length + (config.streamListeners ?? []).length > 0;
    if (!listens && before === undefined && this.#egress === undefined) {
      this.#adopt(config);
      return;
    }
    const startedMs = this.#options.clock.monotonicMs();
    await this.#tryPorts(config, before);
    await this.#startCrew();
    const oldSlots = this.#slots;
    const slots = this.#prober.watch(this.#whole(config));
    this.#stats.make(config.clusters);
    this.#slots = slots;
    let round: number;
    try {
      round = await this.#askAll("prepare", (number, { index }) => this.#prepareMessage(number, config, index));
    } catch (error) {
      this.#slots = oldSlots;
      for (const member of this.#crew.members) member.post({ kind: "abandon" });
      this.#prober.watch(this.#whole(before ?? nothing), "forget");
      throw error;
    }
    // From here on it is the configuration: a worker that dies meanwhile comes back with it.
    this.#adopt(config, slots);
    await this.#askAll("commit", () => ({ kind: "commit", round }), round);
    if (this.#egress !== undefined && JSON.stringify(before?.egress) !== JSON.stringify(config.egress))
      await this.#tellPolicies(this.#egress);
    this.#options.metrics.gauge("edge_epoch").set(config.epoch);
    this.#options.metrics.histogram("edge_apply_ms").record(this.#options.clock.monotonicMs() - startedMs);
  }

  /** `config`, and the destinations of the way out: all that main looks after. */
  #whole(config: EdgeConfig): EdgeConfig {
    return this.#egress?.within(config) ?? config;
  }

  #adopt(config: EdgeConfig, slots = this.#prober.watch(this.#whole(config))): void {
    this.#epochs.supersede(config.epoch);
    this.#applied = config;
    this.#watch(this.#whole(config), slots);
    this.#ledger.keep(ownersOf(config));
  }

  /** From now on it is the endpoints of `whole`, at `slots`, that are judged and counted. */
  #watch(whole: EdgeConfig, slots: Record<string, number[]>): void {
    this.#slots = slots;
    this.#outliers.watch(whole, slots);
    this.#anomalies.watch(whole, slots);
    this.#stats.keep(whole.clusters);
    this.#pools.keep(whole);
  }

  async #openEgress(settings: EgressSettings): Promise<number> {
    if (this.#closed || this.#egress !== undefined) throw new Error("the way out is open, or the edge is closed");
    const { clock, log, testing } = this.#options;
    const { address = "127.0.0.1" } = settings;
    const port = await tryPort(address, settings.port);
    const egress = createEgress(settings, port, {
      clock,
      log,
      workers: this.#size,
      exclusively: (change) => this.#enqueue(change),
      listeners: () => this.#crew.members,
      policies: () => this.#applied?.egress,
      changed: () => {
        const whole = this.#whole(this.#applied ?? nothing);
        this.#watch(whole, this.#prober.watch(whole));
      },
      sharedOf: (config, clusterId, worker) => ({
        slots: this.#slots[clusterId] ?? [],
        stats: this.#stats.of(clusterId, worker),
        permits: this.#pools.of(config),
      }),
      ...(testing?.resolve === undefined ? {} : { resolve: testing.resolve }),
    });
    await this.#startCrew();
    await this.#askAll("prepare", (round, { index }) => egress.messageFor(round, index));
    this.#egress = egress;
    return port;
  }

  /** Resolves when every worker goes by the policies in force. */
  async #tellPolicies(egress: Egress): Promise<void> {
    await this.#askAll("prepare", (round, { index }) => egress.policiesFor(round, index));
  }

  /** Binds each new port once, for itself alone: workers share theirs, and would share it with a second node too. */
  async #tryPorts(config: EdgeConfig, before: EdgeConfig | undefined): Promise<void> {
    const bound = new Set([...(before?.listeners ?? []), ...(before?.streamListeners ?? [])].map(placeOf));
    const wanted = new Set<string>();
    for (const { address, port, ...listener } of [...config.listeners, ...(config.streamListeners ?? [])]) {
      const place = placeOf({ address, port });
      if (wanted.has(place)) throw new PortInUseError(port, `another listener (${listener.id})`);
      wanted.add(place);
      if (bound.has(place)) continue;
      await tryPort(address, port);
    }
  }

  #prepareMessage(round: number, config: EdgeConfig, worker: number): PrepareMessage {
    const stats = Object.fromEntries(config.clusters.map(({ id }) => [id, this.#stats.of(id, worker)] as const));
    const whole = { cookieSecret: this.#cookieSecret, ...config };
    if (this.#options.accessLog === true)
      whole.listeners = config.listeners.map((listener) => ({ ...listener, accessLog: true }));
    const shared = { turns: this.#turns.of(config), permits: this.#pools.of(config), slots: this.#slots };
    const counts = this.#ledger.of(ownersOf(config), worker);
    return { kind: "prepare", round, config: whole, stats, counts, ...shared };
  }

  /** The workers are there, and ready; or it takes too long. */
  async #startCrew(): Promise<void> {
    const waiting = new AbortController();
    const limitMs = this.#limitMs;
    const late = this.#options.clock.sleep(limitMs, waiting.signal).then(
      () => {
        throw new Error(`the edge workers did not start within ${limitMs} ms`);
      },
      () => {},
    );
    await Promise.race([this.#crew.start(), late]);
    waiting.abort();
  }

  #askAll(step: Step, messageFor: MessageFor, number?: number): Promise<number> {
    return this.#rounds.ask(this.#crew.members, step, messageFor, number);
  }

  #received(member: Member, message: FromWorker): void {
    switch (message.kind) {
      case "prepared":
        this.#rounds.heard(member.index, message.round);
        break;
      case "running":
        this.#epochs.runs(member.index, message.epoch);
        this.#rounds.heard(member.index, message.round);
        break;
      case "refused":
        this.#rounds.heard(
          member.index,
          message.round,
          message.portInUse === undefined ? new Error(message.message) : new PortInUseError(message.portInUse),
        );
        break;
      case "destination":
        this.#egress?.ask(member, message.destination);
        break;
      case "outlier":
        this.#outliers.report(message.slot, message.cause);
        break;
      case "retired":
        this.#epochs.retired(member.index, message.epoch);
        this.#settle();
        break;
      case "calls":
        for (const call of message.calls) {
          if (call.kind === "call") this.#functions.call(member.index, call, (reply) => member.reply(reply));
          else this.#functions.callOff(member.index, call.call, call.reason);
        }
        break;
      case "log":
        this.#options.log[message.level](message.message, { worker: member.index, ...message.fields });
        break;
      case "accessLog":
        this.#takeAccessLog(message);
        member.post({ kind: "accessLogTaken", size: sizeOf(message) });
        break;
      case "shed":
        this.#takeSheds(member.index, message.counts);
        break;
      case "closed":
        this.#whenClosed.get(member.index)?.();
        break;
      case "ready":
    }
  }

  #takeAccessLog({ batches, dropped }: AccessLogMessage): void {
    for (const batch of batches) for (const take of this.#accessLogs) take(batch);
    if (dropped === 0) return;
    this.#options.metrics.counter("edge_access_log_dropped").add(dropped);
    this.#options.log.warn("lines of access logs were dropped: they came faster than they are taken", { dropped });
  }

  #takeSheds(worker: number, counts: ShedCounts): void {
    const { metrics, log } = this.#options;
    for (const [reason, count] of Object.entries(counts)) metrics.counter("edge_shed", { reason }).add(count);
    log.warn("the edge turned clients away", { worker, ...counts });
  }

  #lost(index: number): void {
    this.#functions.workerGone(index);
    this.#pools.workerGone(index);
    this.#egress?.workerGone(index);
    this.#epochs.workerGone(index);
    this.#settle();
    this.#whenClosed.get(index)?.();
    this.#ledger.workerGone(index);
    this.#stats.workerGone(index);
    this.#rounds.lost(index);
  }

  /** Gives a new worker the configuration in force. Never rejects: applies wait behind it. */
  async #catchUp(member: Member): Promise<void> {
    const config = this.#applied;
    const egress = this.#egress;
    if (this.#closed) return;
    try {
      if (egress !== undefined)
        await this.#rounds.ask([member], "prepare", (number) => egress.messageFor(number, member.index));
      if (config === undefined) return;
      const round = await this.#rounds.ask([member], "prepare", (number) =>
        this.#prepareMessage(number, config, member.index),
      );
      await this.#rounds.ask([member], "commit", () => ({ kind: "commit", round }), round);
    } catch (error) {
      this.#options.log.error("a new edge worker does not run the configuration", { worker: member.index, error });
    }
  }

  /** Functions that no request can call any more are let go. */
  #settle(): void {
    this.#functions.settled(this.#epochs.oldest(this.#applied?.epoch ?? 0));
  }

  #functionReasons(clusterId: string): Map<string, number> {
    const sums = new Map<string, number>();
    const cluster = this.#applied?.clusters.find(({ id }) => id === clusterId);
    for (const endpoint of cluster?.endpoints ?? []) {
      if (endpoint.kind !== "function") continue;
      for (const [reason, count] of this.#functions.reasons(endpoint.id))
        sums.set(reason, (sums.get(reason) ?? 0) + count);
    }
    return sums;
  }
}
