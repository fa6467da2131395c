/** What destinations cost and saved: the memory that workers count in, and the sums over them. */
import { countsBlock, readCounts } from "../counts.ts";
import type { ClusterStats } from "../ports.ts";
import { clearMeter, meterBlock, readMeter } from "./meter.ts";
import type { EgressReport } from "./settings.ts";

/** Of one destination: a block for each worker. */
interface Blocks {
  counts: readonly SharedArrayBuffer[];
  meters: readonly SharedArrayBuffer[];
}

/** Destinations that are remembered; more than are gone to at once. Whoever was gone to longest ago is forgotten. */
const originsMax = 1_000;

export class EgressLedger {
  readonly #workers: number;
  /** The one that was asked for last is last. */
  readonly #blocks = new Map<string, Blocks>();

  constructor(workers: number) {
    this.#workers = workers;
  }

  /** Where `worker` counts of `origin`. */
  of(origin: string, worker: number): { counts: SharedArrayBuffer; meter: SharedArrayBuffer } {
    const { counts, meters } = this.#of(origin);
    return { counts: counts[worker] ?? countsBlock(), meter: meters[worker] ?? meterBlock() };
  }

  workerGone(worker: number): void {
    for (const { meters } of this.#blocks.values()) {
      const block = meters[worker];
      if (block !== undefined) clearMeter(block);
    }
  }

  /** Most requests first. `now` tells of those that are gone to at present. */
  report(now: (origin: string) => Pick<EgressReport, "protocol" | "addresses"> & Pick<ClusterStats, "edgeErrors">) {
    return [...this.#blocks]
      .map(([origin, blocks]): EgressReport => {
        const { requests, ownAnswers } = readCounts(origin, blocks.counts);
        const { tookMs, roundTrips, ...counts } = readMeter(blocks.meters);
        const each = (sum: number) => (counts.handshakes === 0 ? 0 : sum / counts.handshakes);
        return {
          origin,
          ...now(origin),
          requests,
          ownAnswers,
          ...counts,
          handshakeMs: rounded(each(tookMs)),
          savedMs: rounded(each(tookMs) * counts.reused),
          savedRoundTrips: Math.round(each(roundTrips) * counts.reused),
        };
      })
      .toSorted((a, b) => b.requests - a.requests);
  }

  #of(origin: string): Blocks {
    const found = this.#blocks.get(origin) ?? {
      counts: Array.from({ length: this.#workers }, () => countsBlock()),
      meters: Array.from({ length: this.#workers }, () => meterBlock()),
    };
    this.#blocks.delete(origin);
    this.#blocks.set(origin, found);
    for (const oldest of this.#blocks.keys()) if (this.#blocks.size > originsMax) this.#blocks.delete(oldest);
    return found;
  }
}

function rounded(ms: number): number {
  return Math.round(ms * 10) / 10;
}
