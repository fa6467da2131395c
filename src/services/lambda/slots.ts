/** Who may run now: reserved and provisioned concurrency, the account's pool for the rest, and how fast a function may grow; exact on this node. */
import type { Clock } from "../../base/clock.ts";
import { accountConcurrencyDefault, environmentsBurst, environmentsPerSecond } from "./limits.ts";
import { keyOf, type FunctionKey } from "./names.ts";

/** Why not, as TooManyRequestsException's `Reason` says it. */
export type Refusal =
  | "ReservedFunctionConcurrentInvocationLimitExceeded"
  | "ConcurrentInvocationLimitExceeded"
  | "FunctionInvocationRateLimitExceeded";

export interface Slot {
  /** Must be called once, when the invocation has ended. */
  release(): void;
}

export interface Demand extends FunctionKey {
  /** `$LATEST` or a number: provisioned concurrency is a version's. */
  version: string;
  /** The function's reservation; null takes from the account's pool. */
  reserved: number | null;
  /** What all functions of the account have reserved together. */
  accountReserved: number;
}

/** Environments of one version that were started ahead. */
export interface Allotment extends FunctionKey {
  version: string;
  count: number;
  /** Taken from the function's reservation, or else from the account's pool. */
  reserved: boolean;
}

export interface Slots {
  /** A slot, or the reason why there is none: never waits. */
  take(demand: Demand): Slot | Refusal;
  /** Sets what is allotted to versions; those that are not named have nothing. What runs stays counted. */
  allot(allotments: readonly Allotment[]): void;
  /** Whether environments of the version were started ahead. */
  isProvisioned(of: FunctionKey & { version: string }): boolean;
  running(key: FunctionKey): number;
}

export interface SlotsOptions {
  clock: Pick<Clock, "monotonicMs">;
  /** Executions at once of an account in a region. */
  accountMax?: number;
  /** Executions at once on this node, whatever the accounts allow: each is a process of its own. */
  nodeMax?: number;
}

const nodeConcurrency = 4_000;
/** Functions that are remembered; beyond that those with nothing running are forgotten, and may grow anew. */
const functionsMax = 10_000;
/** As compute keeps an environment that nobody uses: concurrency reached within it needs no new ones. */
const warmMs = 5 * 60_000;

/** How fast one function may grow: a bucket of new environments. Source: Lambda guide, "Concurrency scaling rate". */
class Growth {
  #tokens = environmentsBurst;
  #filledMs: number;
  /** Most that ran at once since the turn before last: these have environments. */
  #peak = 0;
  #formerPeak = 0;
  #turnedMs: number;

  constructor(nowMs: number) {
    this.#filledMs = nowMs;
    this.#turnedMs = nowMs;
  }

  /** Whether one more may run beside `running`; takes a new environment from the bucket where it needs one. */
  admit(running: number, nowMs: number): boolean {
    if (nowMs - this.#turnedMs >= warmMs) {
      this.#formerPeak = nowMs - this.#turnedMs >= 2 * warmMs ? running : Math.max(this.#peak, running);
      this.#peak = running;
      this.#turnedMs = nowMs;
    }
    if (running >= Math.max(this.#peak, this.#formerPeak)) {
      const grown = ((nowMs - this.#filledMs) / 1_000) * environmentsPerSecond;
      this.#tokens = Math.min(environmentsBurst, this.#tokens + grown);
      this.#filledMs = nowMs;
      if (this.#tokens < 1) return false;
      this.#tokens -= 1;
    }
    this.#peak = Math.max(this.#peak, running + 1);
    return true;
  }
}

/** Functions without a reservation, of one account in a region. */
interface PoolUse {
  running: number;
  /** Beyond what is provisioned. */
  onDemand: number;
  allotted: number;
}

/** One version that has environments started ahead. */
interface VersionUse {
  running: number;
  allotted: number;
}

interface FunctionUse {
  running: number;
  /** Beyond what is provisioned. */
  onDemand: number;
  allotted: number;
  /** Only of versions that have, or had while something ran, an allotment. */
  versions: Map<string, VersionUse>;
  pool: PoolUse;
  growth: Growth;
}

export function createSlots({ clock, accountMax = accountConcurrencyDefault, nodeMax }: SlotsOptions): Slots {
  const totalMax = nodeMax ?? Math.max(nodeConcurrency, accountMax);
  const uses = new Map<string, FunctionUse>();
  const pools = new Map<string, PoolUse>();
  let total = 0;

  const poolOf = ({ account, region }: FunctionKey): PoolUse => {
    const key = `${account}/${region}`;
    const known = pools.get(key);
    if (known !== undefined) return known;
    const pool = { running: 0, onDemand: 0, allotted: 0 };
    pools.set(key, pool);
    return pool;
  };

  const forgetUnused = () => {
    for (const [key, { running, allotted }] of uses) if (running === 0 && allotted === 0) uses.delete(key);
  };

  const useOf = (of: FunctionKey): FunctionUse => {
    const key = keyOf(of);
    const known = uses.get(key);
    if (known !== undefined) return known;
    if (uses.size >= functionsMax) forgetUnused();
    const growth = new Growth(clock.monotonicMs());
    const use = { running: 0, onDemand: 0, allotted: 0, versions: new Map(), pool: poolOf(of), growth };
    uses.set(key, use);
    return use;
  };

  /** Why `demand` may not run beyond what is provisioned; undefined when it may. */
  const refusalOnDemand = (use: FunctionUse, { reserved, accountReserved }: Demand): Refusal | undefined => {
    if (reserved !== null) {
      if (use.onDemand >= reserved - use.allotted) return "ReservedFunctionConcurrentInvocationLimitExceeded";
    } else if (use.pool.onDemand >= accountMax - accountReserved - use.pool.allotted) {
      return "ConcurrentInvocationLimitExceeded";
    }
    const grows = use.growth.admit(use.onDemand, clock.monotonicMs());
    return grows ? undefined : "FunctionInvocationRateLimitExceeded";
  };

  return {
    take(demand) {
      const use = useOf(demand);
      const { pool } = use;
      const inPool = demand.reserved === null;
      if (demand.reserved !== null && use.running >= demand.reserved) {
        return "ReservedFunctionConcurrentInvocationLimitExceeded";
      }
      const poolIsFull = inPool && pool.running >= accountMax - demand.accountReserved;
      if (poolIsFull || total >= totalMax) return "ConcurrentInvocationLimitExceeded";
      const version = use.versions.get(demand.version);
      const ahead = version !== undefined && version.running < version.allotted ? version : undefined;
      const refusal = ahead === undefined ? refusalOnDemand(use, demand) : undefined;
      if (refusal !== undefined) return refusal;
      const count = (by: 1 | -1) => {
        total += by;
        use.running += by;
        // Back to where it came from, also when the function's reservation has changed meanwhile.
        if (inPool) pool.running += by;
        if (ahead !== undefined) ahead.running += by;
        else use.onDemand += by;
        if (inPool && ahead === undefined) pool.onDemand += by;
      };
      count(1);
      return { release: () => count(-1) };
    },
    allot(allotments) {
      for (const pool of pools.values()) pool.allotted = 0;
      for (const use of uses.values()) {
        use.allotted = 0;
        for (const [version, one] of use.versions) {
          if (one.running === 0) use.versions.delete(version);
          one.allotted = 0;
        }
      }
      for (const one of allotments) {
        const use = useOf(one);
        const version = use.versions.get(one.version) ?? { running: 0, allotted: 0 };
        use.versions.set(one.version, version);
        version.allotted += one.count;
        use.allotted += one.count;
        if (!one.reserved) use.pool.allotted += one.count;
      }
    },
    isProvisioned: (of) => (uses.get(keyOf(of))?.versions.get(of.version)?.allotted ?? 0) > 0,
    running: (key) => uses.get(keyOf(key))?.running ?? 0,
  };
}
