/**
 * The endpoints of one cluster, and which of them are ejected for how their requests end: Envoy's algorithm (Envoy,
 * "Outlier detection"; envoy.config.cluster.v3.OutlierDetection). Has no timer of its own.
 */
import {
  atAnswers,
  atBadAnswers,
  atEjected,
  atGatewayErrors,
  atLocalFailures,
  atServerErrors,
  atUnanswered,
  setVerdict,
} from "./board.ts";
import { splitsOrigins, type OutlierCause } from "./outcomes.ts";
import type { OutlierPolicy } from "./policies.ts";

export type EjectionCause = OutlierCause | "success-rate" | "failure-percentage";

interface Host {
  slot: number;
  /** While it is ejected. Monotonic. */
  ejectedMs: number | undefined;
  /** Ejections in a row: each makes the next one longer. */
  multiplier: number;
  /** What the counts were when they were last looked at. */
  seen: Sums;
}

interface Sums {
  answers: number;
  bad: number;
  unanswered: number;
}

/** How an endpoint did over an interval. */
export interface HostRate {
  slot: number;
  /** 0-100. */
  successRate: number;
  requests: number;
}

export interface OutlierClusterParts {
  board: Int32Array;
  policy: OutlierPolicy;
  slots: readonly number[];
  /** Hears of each ejection with its cause, and of each return. */
  changed(slot: number, cause: EjectionCause | undefined): void;
}

export class OutlierCluster {
  readonly #board: Int32Array;
  readonly #changed: OutlierClusterParts["changed"];
  #policy: OutlierPolicy;
  #hosts = new Map<number, Host>();

  constructor({ board, policy, slots, changed }: OutlierClusterParts) {
    this.#board = board;
    this.#policy = policy;
    this.#changed = changed;
    this.run(policy, slots);
  }

  get policy(): OutlierPolicy {
    return this.#policy;
  }

  /** Other rules, or other endpoints; what is known of those that stay, stays. */
  run(policy: OutlierPolicy, slots: readonly number[]): void {
    this.#policy = policy;
    const before = this.#hosts;
    this.#hosts = new Map(
      slots.map((slot) => [
        slot,
        before.get(slot) ?? { slot, ejectedMs: undefined, multiplier: 0, seen: this.#sums(slot) },
      ]),
    );
    // One that goes may come back, and then has no past.
    for (const host of before.values())
      if (host.ejectedMs !== undefined && !this.#hosts.has(host.slot)) this.#return(host);
  }

  /** An endpoint has reached a limit in a row. */
  report(slot: number, cause: OutlierCause, nowMs: number): void {
    const host = this.#hosts.get(slot);
    if (host === undefined) return;
    this.#eject(host, cause, nowMs);
    Atomics.store(this.#board, slot + cellOf[cause], 0);
  }

  /** A check of the endpoint has passed: it is back, and nothing is held against it. */
  passed(slot: number): void {
    const host = this.#hosts.get(slot);
    if (host?.ejectedMs === undefined) return;
    for (const cell of Object.values(cellOf)) Atomics.store(this.#board, slot + cell, 0);
    this.#return(host);
  }

  /** What there is to do once in an interval. */
  sweep(nowMs: number): void {
    const { baseEjectionMs, maxEjectionMs } = this.#policy;
    const counted: { host: Host; sums: Sums }[] = [];
    for (const host of this.#hosts.values()) {
      if (host.ejectedMs === undefined) host.multiplier = Math.max(0, host.multiplier - 1);
      else {
        const longMs = Math.min(baseEjectionMs * host.multiplier, Math.max(baseEjectionMs, maxEjectionMs));
        if (nowMs - host.ejectedMs >= longMs) this.#return(host);
      }
      const sums = this.#sums(host.slot);
      const { seen } = host;
      host.seen = sums;
      counted.push({
        host,
        sums: {
          answers: (sums.answers - seen.answers) | 0,
          bad: (sums.bad - seen.bad) | 0,
          unanswered: (sums.unanswered - seen.unanswered) | 0,
        },
      });
    }
    const rated = counted.filter(({ host }) => host.ejectedMs === undefined);
    const split = splitsOrigins(this.#policy);
    this.#judge(
      rated.map(({ host: { slot }, sums: { answers, bad, unanswered } }) =>
        split ? rateOf(slot, answers, bad) : rateOf(slot, answers + unanswered, bad + unanswered),
      ),
      nowMs,
    );
    if (!split) return;
    this.#judge(
      rated.map(({ host: { slot }, sums: { answers, unanswered } }) => rateOf(slot, answers + unanswered, unanswered)),
      nowMs,
    );
  }

  /** Brings everybody back. */
  end(): void {
    for (const host of this.#hosts.values()) if (host.ejectedMs !== undefined) this.#return(host);
  }

  #judge(rates: readonly HostRate[], nowMs: number): void {
    const { successRate, failurePercentage } = this.#policy;
    if (successRate !== undefined) {
      for (const slot of belowTheOthers(rates, successRate)) this.#ejectSlot(slot, "success-rate", nowMs);
    }
    if (failurePercentage === undefined) return;
    const { threshold, minimumHosts, requestVolume } = failurePercentage;
    const valid = rates.filter(({ requests }) => requests > 0 && requests >= requestVolume);
    if (valid.length === 0 || valid.length < minimumHosts) return;
    for (const rate of valid) {
      if (100 - rate.successRate >= threshold) this.#ejectSlot(rate.slot, "failure-percentage", nowMs);
    }
  }

  #ejectSlot(slot: number, cause: EjectionCause, nowMs: number): void {
    const host = this.#hosts.get(slot);
    if (host !== undefined) this.#eject(host, cause, nowMs);
  }

  #eject(host: Host, cause: EjectionCause, nowMs: number): void {
    if (host.ejectedMs !== undefined || !this.#mayEject()) return;
    const { baseEjectionMs, maxEjectionMs } = this.#policy;
    host.ejectedMs = nowMs;
    // Not past the longest ejection: it is to shrink again as soon as the endpoint is well.
    if (baseEjectionMs * (host.multiplier + 1) < maxEjectionMs + baseEjectionMs) host.multiplier += 1;
    setVerdict(this.#board, host.slot + atEjected, 1);
    this.#changed(host.slot, cause);
  }

  /** One may always be; more only below the share that the policy allows. */
  #mayEject(): boolean {
    let ejected = 0;
    for (const { ejectedMs } of this.#hosts.values()) if (ejectedMs !== undefined) ejected += 1;
    return ejected === 0 || (100 * ejected) / this.#hosts.size < Math.min(100, this.#policy.maxEjectionPercent);
  }

  #return(host: Host): void {
    host.ejectedMs = undefined;
    setVerdict(this.#board, host.slot + atEjected, 0);
    this.#changed(host.slot, undefined);
  }

  #sums(slot: number): Sums {
    const at = (cell: number) => Atomics.load(this.#board, slot + cell);
    return { answers: at(atAnswers), bad: at(atBadAnswers), unanswered: at(atUnanswered) };
  }
}

const cellOf: Record<OutlierCause, number> = {
  "consecutive-5xx": atServerErrors,
  "consecutive-gateway-errors": atGatewayErrors,
  "consecutive-local-origin-failures": atLocalFailures,
};

function rateOf(slot: number, requests: number, failures: number): HostRate {
  return { slot, requests, successRate: requests === 0 ? 0 : (100 * (requests - failures)) / requests };
}

/** Those whose success rate is further below the mean than so many standard deviations. */
export function belowTheOthers(
  rates: readonly HostRate[],
  { minimumHosts, requestVolume, stdevFactor }: NonNullable<OutlierPolicy["successRate"]>,
): number[] {
  const valid = rates.filter(({ requests }) => requests > 0 && requests >= requestVolume);
  if (valid.length === 0 || valid.length < minimumHosts) return [];
  const mean = valid.reduce((sum, { successRate }) => sum + successRate, 0) / valid.length;
  const variance = valid.reduce((sum, { successRate }) => sum + (successRate - mean) ** 2, 0) / valid.length;
  const threshold = mean - stdevFactor * Math.sqrt(variance);
  return valid.filter(({ successRate }) => successRate < threshold).map(({ slot }) => slot);
}
