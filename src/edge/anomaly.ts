/**
 * Endpoints that fail more often than their peers though their checks pass, and the share of the requests that this costs
 * them: ALB's Automatic Target Weights. What is documented is kept (three healthy endpoints at least; 5xx and connection
 * errors; a share that shrinks again and again, and comes back little by little); the figures are ours.
 * (ALB user guide, "Automatic Target Weights"; AWS blog "Improving availability with Application Load Balancer automatic
 * target weights".)
 */
import type { Clock, Timer } from "../base/clock.ts";
import {
  atAnomalous,
  atAnswers,
  atBadAnswers,
  atCut,
  atUnanswered,
  atVerdict,
  healthGood,
  setVerdict,
} from "./board.ts";
import type { EdgeConfig } from "./ports.ts";

/** How often rates are compared. */
export const anomalyIntervalMs = 10_000;
const healthyMin = 3;
/** An endpoint with fewer requests in the interval says nothing of itself. */
const requestsMin = 10;
/** Its failures are this many times the others', and at least this much more of its requests. */
const timesOthers = 2;
const moreThanOthers = 0.05;
/** In thousandths of the full share: what is left in the worst case, and what comes back in an interval. */
const shareMin = 10;
const shareBack = 100;

/** How an endpoint did over an interval. */
export interface EndpointRate {
  slot: number;
  requests: number;
  failures: number;
}

/** Slots of those that fail out of proportion: at most half, the worst. */
export function anomalous(rates: readonly EndpointRate[]): Set<number> {
  if (rates.length < healthyMin) return new Set();
  const allRequests = rates.reduce((sum, { requests }) => sum + requests, 0);
  const allFailures = rates.reduce((sum, { failures }) => sum + failures, 0);
  const found: { slot: number; rate: number }[] = [];
  for (const { slot, requests, failures } of rates) {
    if (requests < requestsMin) continue;
    const rate = failures / requests;
    const others = (allFailures - failures) / Math.max(1, allRequests - requests);
    if (rate >= others * timesOthers && rate >= others + moreThanOthers) found.push({ slot, rate });
  }
  found.sort((a, b) => b.rate - a.rate);
  return new Set(found.slice(0, Math.floor(rates.length / 2)).map(({ slot }) => slot));
}

/** What is cut of a share next, in thousandths. */
export function nextCut(cut: number, isAnomalous: boolean): number {
  const share = 1000 - cut;
  return 1000 - (isAnomalous ? Math.max(shareMin, Math.floor(share / 2)) : Math.min(1000, share + shareBack));
}

export interface AnomalyDetector {
  /** Watches the clusters of `config` that choose by weighted chance. */
  watch(config: EdgeConfig, slots: Readonly<Record<string, readonly number[]>>): void;
  close(): void;
}

interface Watched {
  slots: readonly number[];
  mitigate: boolean;
}

export function createAnomalyDetector({ clock, board }: { clock: Clock; board: Int32Array }): AnomalyDetector {
  const seen = new Map<number, { requests: number; failures: number }>();
  let watched: Watched[] = [];
  let timer: Timer | undefined;

  const at = (slot: number, cell: number) => Atomics.load(board, slot + cell);
  const write = (slot: number, cell: number, value: number) => {
    if (at(slot, cell) !== value) setVerdict(board, slot + cell, value);
  };
  const countsOf = (slot: number) => {
    const unanswered = at(slot, atUnanswered);
    return { requests: at(slot, atAnswers) + unanswered, failures: at(slot, atBadAnswers) + unanswered };
  };
  const rateOf = (slot: number): EndpointRate => {
    const counts = countsOf(slot);
    const before = seen.get(slot) ?? counts;
    seen.set(slot, counts);
    // The counts wrap.
    return {
      slot,
      requests: (counts.requests - before.requests) | 0,
      failures: (counts.failures - before.failures) | 0,
    };
  };
  const compare = () => {
    for (const { slots, mitigate } of watched) {
      const found = anomalous(slots.map(rateOf).filter(({ slot }) => at(slot, atVerdict) === healthGood));
      for (const slot of slots) {
        write(slot, atAnomalous, found.has(slot) ? 1 : 0);
        write(slot, atCut, mitigate ? nextCut(at(slot, atCut), found.has(slot)) : 0);
      }
    }
    compareLater();
  };
  const compareLater = () => {
    timer = watched.length === 0 ? undefined : clock.after(anomalyIntervalMs, compare);
  };

  return {
    watch(config, slots) {
      watched = config.clusters
        .filter(({ balance }) => balance === "weighted-random")
        .map(({ id, mitigate = false }) => ({ slots: slots[id] ?? [], mitigate }));
      const live = new Set(watched.flatMap((cluster) => cluster.slots));
      for (const slot of seen.keys()) {
        if (live.has(slot)) continue;
        seen.delete(slot);
        write(slot, atAnomalous, 0);
        write(slot, atCut, 0);
      }
      for (const slot of live) if (!seen.has(slot)) seen.set(slot, countsOf(slot));
      if (timer === undefined) compareLater();
    },
    close() {
      timer?.cancel();
      watched = [];
    },
  };
}
