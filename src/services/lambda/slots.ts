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
/** Functions whose growth is remembered; beyond that those with nothing running start anew. */
const growthsMax = 10_000;
/** As compute keeps an environment that nobody uses: concurrency reached within it needs no new ones. */
const warmMs = 5 * 60_000;

class Counts {
  readonly #counts = new Map<string, number>();

  of(key: string): number {
    return this.#counts.get(key) ?? 0;
  }

  add(key: string, by: number): void {
    const next = this.of(key) + by;
    if (next === 0) this.#counts.delete(key);
    else this.#counts.set(key, next);
  }
}

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

const poolOf = ({ account, region }: Omit<FunctionKey, "name">) => `${account}/${region}`;
const versionKey = (of: FunctionKey & { version: string }) => `${keyOf(of)}:${of.version}`;

export function createSlots({ clock, accountMax = accountConcurrencyDefault, nodeMax }: SlotsOptions): Slots {
  const totalMax = nodeMax ?? Math.max(nodeConcurrency, accountMax);
  const perFunction = new Counts();
  /** Executions beyond what is provisioned, per function. */
  const onDemand = new Counts();
  /** Executions in environments started ahead, per version. */
  const ahead = new Counts();
  /** Executions of functions without a reservation, per account: all, and those beyond what is provisioned. */
  const unreserved = new Counts();
  const pooled = new Counts();
  const growths = new Map<string, Growth>();
  let allotted = { versions: new Counts(), functions: new Counts(), pools: new Counts() };
  let total = 0;

  const growthOf = (key: string, nowMs: number): Growth => {
    const known = growths.get(key);
    if (known !== undefined) return known;
    if (growths.size >= growthsMax) {
      for (const other of growths.keys()) if (perFunction.of(other) === 0) growths.delete(other);
    }
    const growth = new Growth(nowMs);
    growths.set(key, growth);
    return growth;
  };

  /** Why `demand` may not run beyond what is provisioned; undefined when it may. */
  const refusalOnDemand = ({ reserved, accountReserved, ...of }: Demand): Refusal | undefined => {
    const key = keyOf(of);
    if (reserved !== null) {
      if (onDemand.of(key) >= reserved - allotted.functions.of(key)) {
        return "ReservedFunctionConcurrentInvocationLimitExceeded";
      }
    } else if (pooled.of(poolOf(of)) >= accountMax - accountReserved - allotted.pools.of(poolOf(of))) {
      return "ConcurrentInvocationLimitExceeded";
    }
    const nowMs = clock.monotonicMs();
    return growthOf(key, nowMs).admit(onDemand.of(key), nowMs) ? undefined : "FunctionInvocationRateLimitExceeded";
  };

  return {
    take(demand) {
      const key = keyOf(demand);
      const version = versionKey(demand);
      const pool = poolOf(demand);
      const inPool = demand.reserved === null;
      if (demand.reserved !== null && perFunction.of(key) >= demand.reserved) {
        return "ReservedFunctionConcurrentInvocationLimitExceeded";
      }
      const poolIsFull = inPool && unreserved.of(pool) >= accountMax - demand.accountReserved;
      if (poolIsFull || total >= totalMax) return "ConcurrentInvocationLimitExceeded";
      const isAhead = ahead.of(version) < allotted.versions.of(version);
      const refusal = isAhead ? undefined : refusalOnDemand(demand);
      if (refusal !== undefined) return refusal;
      const count = (by: 1 | -1) => {
        total += by;
        perFunction.add(key, by);
        // Back to where it came from, also when the function's reservation has changed meanwhile.
        if (inPool) unreserved.add(pool, by);
        if (isAhead) ahead.add(version, by);
        else onDemand.add(key, by);
        if (inPool && !isAhead) pooled.add(pool, by);
      };
      count(1);
      return { release: () => count(-1) };
    },
    allot(allotments) {
      const next = { versions: new Counts(), functions: new Counts(), pools: new Counts() };
      for (const one of allotments) {
        next.versions.add(versionKey(one), one.count);
        next.functions.add(keyOf(one), one.count);
        if (!one.reserved) next.pools.add(poolOf(one), one.count);
      }
      allotted = next;
    },
    running: (key) => perFunction.of(keyOf(key)),
  };
}
