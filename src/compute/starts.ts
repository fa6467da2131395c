/** Why environments of a function were started, and how long that took: what explains its cold starts. */
import type { Instant } from "../base/clock.ts";
import type { EnvironmentStart, FunctionSpec, FunctionStarts, InvocationResult, StartReason } from "./ports.ts";

/** Functions whose starts are remembered; the one that started longest ago goes first. */
const functionsMax = 2_000;
/** Starts of a function that are remembered one by one. */
const recentMax = 20;

/** How the last environment of a function ended that another one now has to replace. */
export type EndReason = Extract<StartReason, "idle" | "evicted" | "timeout" | "crash" | "memory" | "start-failed">;

/** Of those answers after which an environment is not used again. */
export function endReasonOf({ cause }: InvocationResult): EndReason {
  if (cause === "timeout" || cause === "memory") return cause;
  return cause === "init" ? "start-failed" : "crash";
}

/** What there is beside the environment that starts. */
export interface Situation {
  purpose: "pending" | "within" | "provisioned";
  /** Others of the function start, wait or work. */
  others: boolean;
  /** Some are kept ready. */
  provisioned: boolean;
}

/** Those for whom nobody waits. */
const ahead: ReadonlySet<StartReason> = new Set(["provisioned", "debug"]);

export class StartHistory {
  readonly spec: FunctionSpec;
  readonly #recent: EnvironmentStart[] = [];
  readonly #counts = new Map<StartReason, number>();
  #lastSpecId: string | undefined;
  #lastEnd: EndReason | undefined;

  constructor(spec: FunctionSpec) {
    this.spec = spec;
  }

  /** The start's record, to which whoever starts it adds how it went. */
  began(spec: FunctionSpec, situation: Situation, at: Instant): EnvironmentStart {
    const reason = this.#reasonOf(spec, situation);
    const start: EnvironmentStart = { at, reason };
    if (spec.debug === undefined) {
      this.#lastSpecId = spec.id;
      this.#lastEnd = undefined;
    }
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + 1);
    this.#recent.push(start);
    if (this.#recent.length > recentMax) this.#recent.shift();
    return start;
  }

  ended(reason: EndReason): void {
    this.#lastEnd = reason;
  }

  get starts(): FunctionStarts {
    const counts = Object.fromEntries(this.#counts);
    const cold = Array.from(this.#counts, ([reason, count]) => (ahead.has(reason) ? 0 : count));
    return { coldStarts: cold.reduce((sum, count) => sum + count, 0), counts, recent: [...this.#recent] };
  }

  #reasonOf({ id, debug }: FunctionSpec, { purpose, others, provisioned }: Situation): StartReason {
    if (debug !== undefined) return "debug";
    if (purpose === "provisioned") return "provisioned";
    if (purpose === "within") return "retry";
    if (provisioned) return "spillover";
    if (others) return "scale-out";
    if (this.#lastSpecId === undefined) return "first";
    return this.#lastSpecId === id ? (this.#lastEnd ?? "idle") : "changed";
  }
}

/** The histories of all functions, by name and version: those of one outlive its code. */
export function createStartLedger() {
  const histories = new Map<string, StartHistory>();
  return {
    of(spec: FunctionSpec): StartHistory {
      const key = functionKey(spec);
      const history = histories.get(key) ?? new StartHistory(spec);
      histories.delete(key);
      for (const oldest of histories.size < functionsMax ? [] : histories.keys()) {
        histories.delete(oldest);
        break;
      }
      histories.set(key, history);
      return history;
    },
    all: () => [...histories.values()],
  };
}

/** One text for a version of a function. */
export const functionKey = ({ account, region, functionName, version }: FunctionSpec) =>
  `${account}/${region}/${functionName}/${version}`;
