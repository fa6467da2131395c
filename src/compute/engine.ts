/** The pools of all functions under common bounds, and the watch over their memory and their idleness. */
import { availableParallelism, totalmem } from "node:os";
import type { Clock, Timer } from "../base/clock.ts";
import type { Log } from "../telemetry/log.ts";
import type { Counter, Gauge, Histogram, Metrics } from "../telemetry/metrics.ts";
import type { Driver, Environment } from "./environment.ts";
import { ClosedError, FullError } from "./errors.ts";
import * as limits from "./limits.ts";
import { Pool, type PoolDeps } from "./pool.ts";
import { createStartLedger, functionKey } from "./starts.ts";
import type {
  Compute,
  FunctionReport,
  ResolvedImage,
  FunctionSpec,
  Invocation,
  InvocationResult,
  ProvisionedStatus,
} from "./ports.ts";

/** The bounds that an operator may set. */
export interface Bounds {
  /** Environments that start at the same time. Default: two for each core. */
  startsAtOnceMax?: number;
  /** Environments over all functions. Default: one for each 64 MiB of the machine, 16-1,000. */
  environmentsMax?: number;
  /** An environment unused for this long is ended. Default: 5 minutes. */
  idleMs?: number;
  /** An environment free for this long is frozen. Default: 100 ms; `Infinity` freezes none. */
  freezeMs?: number;
  /** Time to become ready, before the one further try. Default: 10 s. */
  initMsMax?: number;
}

export interface EngineOptions extends Bounds {
  clock: Clock;
  log: Log;
  metrics: Metrics;
  /** How the environments of a function are made. */
  driverOf(spec: FunctionSpec): Driver;
  /** See {@link Compute.findImage}. */
  findImage(reference: string): Promise<ResolvedImage>;
  /** See {@link Compute.debugHindrance}. */
  debugHindrance(spec: FunctionSpec): Promise<string | undefined>;
  /** The last environment is gone. */
  onClosed(): void | Promise<void>;
}

const mebibyte = 1024 * 1024;

function defaultEnvironmentsMax(): number {
  return Math.min(1_000, Math.max(16, Math.floor(totalmem() / (64 * mebibyte))));
}

export class Engine implements Compute {
  readonly #options: EngineOptions;
  readonly #pools = new Map<string, Pool>();
  /** Pools that want to start environments, in the order they asked. */
  readonly #hungry = new Set<Pool>();
  /** Pools that want to start provisioned ones, which they do when no invocation needs the place. */
  readonly #keepers = new Set<Pool>();
  readonly #startsAtOnceMax: number;
  readonly #environmentsMax: number;
  readonly #provisionedMax: number;
  readonly #idleMs: number;
  readonly #freezeMs: number;
  readonly #meters: Meters;
  readonly #starts = createStartLedger();
  #environments = 0;
  #provisioned = 0;
  #starting = 0;
  #pending = 0;
  #closed = false;
  #tidyTimer: Timer | undefined;
  #memoryTimer: Timer | undefined;
  #freezeTimer: Timer | undefined;
  /** Where the next round of memory samples begins. */
  #sampleFrom = 0;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#startsAtOnceMax = options.startsAtOnceMax ?? 2 * availableParallelism();
    this.#environmentsMax = options.environmentsMax ?? defaultEnvironmentsMax();
    this.#provisionedMax = Math.floor(this.#environmentsMax * limits.provisionedShareMax);
    this.#idleMs = options.idleMs ?? limits.idleMs;
    this.#freezeMs = options.freezeMs ?? limits.freezeMs;
    this.#meters = metersOf(options.metrics);
  }

  invoke(spec: FunctionSpec, invocation: Invocation): Promise<InvocationResult> {
    if (this.#closed) return Promise.reject(new ClosedError());
    if (this.#pending >= limits.pendingMax) {
      return Promise.reject(new FullError(`${this.#pending} invocations wait for an environment`));
    }
    this.#meters.invocations.add();
    return new Promise((resolve, reject) => {
      invocation.signal?.throwIfAborted();
      const sinceMs = this.#options.clock.monotonicMs();
      this.#pool(spec).add({ invocation, sinceMs, resolve, reject });
    });
  }

  provision(spec: FunctionSpec, count: number): void {
    if (this.#closed || (count === 0 && !this.#pools.has(spec.id))) return;
    this.#pool(spec).provision(count);
  }

  findImage(reference: string): Promise<ResolvedImage> {
    return this.#options.findImage(reference);
  }

  provisioned(specId: string): ProvisionedStatus {
    return this.#pools.get(specId)?.provisioned ?? { requested: 0, allocated: 0, available: 0 };
  }

  async retire(specId: string, graceMs?: number): Promise<void> {
    const pool = this.#pools.get(specId);
    const retired = pool?.retire();
    const grace = graceMs === undefined ? undefined : this.#options.clock.after(graceMs, () => pool?.kill());
    await retired;
    grace?.cancel();
  }

  debugHindrance(spec: FunctionSpec): Promise<string | undefined> {
    return this.#options.debugHindrance(spec);
  }

  stats() {
    return Array.from(this.#pools.values(), (pool) => pool.stats);
  }

  functions(): FunctionReport[] {
    const none = { starting: 0, idle: 0, frozen: 0, busy: 0, provisioned: 0 };
    const now = new Map<string, typeof none>();
    for (const { spec, report } of this.#pools.values()) {
      const sum = now.get(functionKey(spec)) ?? { ...none };
      for (const name of ["starting", "idle", "frozen", "busy", "provisioned"] as const) sum[name] += report[name];
      now.set(functionKey(spec), sum);
    }
    return this.#starts.all().map(({ spec, starts }) => {
      const { account, region, functionName, version } = spec;
      return { account, region, functionName, version, ...(now.get(functionKey(spec)) ?? none), ...starts };
    });
  }

  async close(graceMs: number = limits.closeGraceMs): Promise<void> {
    this.#closed = true;
    this.#tidyTimer?.cancel();
    this.#memoryTimer?.cancel();
    this.#freezeTimer?.cancel();
    const pools = [...this.#pools.values()];
    for (const pool of pools) pool.close(new ClosedError());
    const empty = Promise.all(pools.map((pool) => pool.whenEmpty())).then(() => true);
    if (!(await this.#within(empty, graceMs))) {
      for (const pool of pools) pool.kill();
      if (!(await this.#within(empty, limits.killMsMax))) {
        this.#options.log.error("environments do not end; the next start of the node will end them", {
          environments: this.#environments,
        });
      }
    }
    await this.#options.onClosed();
  }

  /** True when `done` came first. */
  async #within(done: Promise<boolean>, waitMs: number): Promise<boolean> {
    const over = new AbortController();
    const waited = this.#options.clock.sleep(waitMs, over.signal).then(
      () => false,
      () => true,
    );
    const first = await Promise.race([done, waited]);
    over.abort();
    return first;
  }

  #pool(spec: FunctionSpec): Pool {
    const found = this.#pools.get(spec.id);
    if (found !== undefined) return found;
    const pool: Pool = new Pool(
      this.#poolDeps(spec, () => pool),
      spec,
    );
    this.#pools.set(spec.id, pool);
    this.#armTidy();
    return pool;
  }

  #poolDeps(spec: FunctionSpec, self: () => Pool): PoolDeps {
    const { clock, driverOf, initMsMax = limits.initMsMax } = this.#options;
    return {
      clock,
      driver: driverOf(spec),
      initMsMax,
      history: this.#starts.of(spec),
      onWanted: () => {
        this.#hungry.add(self());
        this.#feed();
      },
      onProvisionWanted: () => {
        this.#keepers.add(self());
        this.#feed();
      },
      onStarting: (provisioned) => {
        this.#starting += 1;
        this.#count(1);
        if (provisioned) this.#provisioned += 1;
        this.#meters.starts.add();
        this.#armMemory();
      },
      onStarted: (ms) => {
        this.#starting -= 1;
        if (ms === undefined) this.#meters.startFailures.add();
        else this.#meters.startMs.record(ms);
        this.#feed();
      },
      onBusy: () => this.#armMemory(),
      onFree: () => {
        this.#armFreeze();
        this.#feed();
      },
      onQueued: () => {
        this.#pending += 1;
      },
      onDequeued: () => {
        this.#pending -= 1;
      },
      onEnded: (provisioned) => {
        this.#count(-1);
        if (provisioned) this.#provisioned -= 1;
        this.#feed();
      },
      onEmpty: () => {
        if (this.#pools.get(spec.id) === self()) this.#pools.delete(spec.id);
        this.#hungry.delete(self());
        this.#keepers.delete(self());
      },
    };
  }

  #count(by: 1 | -1): void {
    this.#environments += by;
    this.#meters.environments.set(this.#environments);
  }

  /** Starts environments while the bounds allow: one for each hungry pool in turn, so that none starves the others. */
  #feed(): void {
    if (this.#closed) return;
    while (this.#hungry.size > 0) {
      for (const pool of this.#hungry) {
        if (pool.startsWanted(this.#options.clock.monotonicMs(), 1) === 0) {
          this.#hungry.delete(pool);
          continue;
        }
        if (this.#starting >= this.#startsAtOnceMax || !this.#hasRoom()) return;
        pool.start();
      }
    }
    this.#feedKeepers();
  }

  #feedKeepers(): void {
    while (this.#keepers.size > 0) {
      for (const pool of this.#keepers) {
        if (!pool.provisionWanted) {
          this.#keepers.delete(pool);
          continue;
        }
        if (this.#provisioned >= this.#provisionedMax) {
          pool.lacksRoom(`The node runs at most ${this.#provisionedMax} provisioned environments.`);
          return;
        }
        if (this.#starting >= this.#startsAtOnceMax || !this.#hasRoom()) return;
        pool.startProvisioned();
      }
    }
  }

  /** Whether one more environment may start; if not, ends the one that was free longest, and says so when it is gone. */
  #hasRoom(): boolean {
    if (this.#environments < this.#environmentsMax) return true;
    let ending = 0;
    let oldest: Pool | undefined;
    for (const pool of this.#pools.values()) {
      ending += pool.endingCount;
      if ((pool.freeSinceMs ?? Infinity) < (oldest?.freeSinceMs ?? Infinity)) oldest = pool;
    }
    if (ending === 0) oldest?.evict();
    return false;
  }

  #armTidy(): void {
    const { clock } = this.#options;
    this.#tidyTimer ??= clock.after(Math.min(limits.tidyMs, this.#idleMs), () => {
      this.#tidyTimer = undefined;
      const nowMs = clock.monotonicMs();
      for (const pool of this.#pools.values()) pool.tidy(nowMs, nowMs - this.#idleMs);
      if (this.#pools.size > 0) this.#armTidy();
    });
  }

  #armFreeze(): void {
    if (this.#closed || this.#freezeMs === Infinity) return;
    const { clock } = this.#options;
    this.#freezeTimer ??= clock.after(Math.min(limits.freezeSweepMs, this.#freezeMs), () => {
      this.#freezeTimer = undefined;
      const freeBefore = clock.monotonicMs() - this.#freezeMs;
      let warm = 0;
      for (const pool of this.#pools.values()) warm += pool.freeze(freeBefore);
      if (warm > 0) this.#armFreeze();
    });
  }

  #armMemory(): void {
    this.#memoryTimer ??= this.#options.clock.after(limits.memorySampleMs, () => {
      this.#memoryTimer = undefined;
      const atWork: Environment[] = [];
      for (const pool of this.#pools.values()) pool.eachAtWork((environment) => atWork.push(environment));
      if (atWork.length === 0) return;
      const count = Math.min(atWork.length, limits.memorySamplesMax);
      for (let i = 0; i < count; i += 1) atWork[(this.#sampleFrom + i) % atWork.length]?.sampleMemory();
      this.#sampleFrom = (this.#sampleFrom + count) % atWork.length;
      this.#armMemory();
    });
  }
}

interface Meters {
  invocations: Counter;
  starts: Counter;
  startFailures: Counter;
  startMs: Histogram;
  environments: Gauge;
}

function metersOf(metrics: Metrics): Meters {
  return {
    invocations: metrics.counter("compute_invocations"),
    starts: metrics.counter("compute_starts"),
    startFailures: metrics.counter("compute_start_failures"),
    startMs: metrics.histogram("compute_start_ms"),
    environments: metrics.gauge("compute_environments"),
  };
}
