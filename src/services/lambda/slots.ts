/** Who may run now: reserved concurrency per function, and the account's pool for the rest; exact on this node. */
import { accountConcurrency } from "./limits.ts";
import { keyOf, type FunctionKey } from "./names.ts";

/** Why not, as TooManyRequestsException's `Reason` says it. */
export type Refusal = "ReservedFunctionConcurrentInvocationLimitExceeded" | "ConcurrentInvocationLimitExceeded";

export interface Slot {
  /** Must be called once, when the invocation has ended. */
  release(): void;
}

export interface Demand extends FunctionKey {
  /** The function's reservation; null takes from the account's pool. */
  reserved: number | null;
  /** What all functions of the account have reserved together. */
  accountReserved: number;
}

export interface Slots {
  /** A slot, or the reason why there is none: never waits. */
  take(demand: Demand): Slot | Refusal;
  running(key: FunctionKey): number;
}

/** Executions at once on one node, whatever the accounts allow: each is a process of its own. */
const nodeConcurrency = 4_000;

class Counts {
  readonly #counts = new Map<string, number>();

  of(key: string): number {
    return this.#counts.get(key) ?? 0;
  }

  add(key: string, by: 1 | -1): void {
    const next = this.of(key) + by;
    if (next === 0) this.#counts.delete(key);
    else this.#counts.set(key, next);
  }
}

export function createSlots(nodeMax = nodeConcurrency): Slots {
  const perFunction = new Counts();
  /** Executions that count against an account's pool. */
  const unreserved = new Counts();
  let total = 0;
  return {
    take(demand) {
      const key = keyOf(demand);
      const pool = `${demand.account}/${demand.region}`;
      const inPool = demand.reserved === null;
      if (demand.reserved !== null && perFunction.of(key) >= demand.reserved) {
        return "ReservedFunctionConcurrentInvocationLimitExceeded";
      }
      const poolIsFull = inPool && unreserved.of(pool) >= accountConcurrency - demand.accountReserved;
      if (poolIsFull || total >= nodeMax) return "ConcurrentInvocationLimitExceeded";
      total += 1;
      perFunction.add(key, 1);
      if (inPool) unreserved.add(pool, 1);
      return {
        release() {
          total -= 1;
          perFunction.add(key, -1);
          // Back to where it came from, also when the function's reservation has changed meanwhile.
          if (inPool) unreserved.add(pool, -1);
        },
      };
    },
    running: (key) => perFunction.of(keyOf(key)),
  };
}
