/** What came of the visits: counts by kind, shares and latencies by server, and the first failures in detail. */
import type { Exchange } from "./exchange.ts";
import { kinds, type Kind, type Visit } from "./walk.ts";

/** A visit and what came of it. */
export interface Answer extends Visit, Exchange {
  /** 0 to visitors - 1. */
  visitor: number;
  /** The answer was complete and of the kind that was asked for. */
  ok: boolean;
}

export interface Counts {
  sent: number;
  ok: number;
  failed: number;
}

export interface ServerFigures {
  /** Complete answers, whatever their status. */
  answers: number;
  /** Of all complete answers, 0 to 1. */
  share: number;
  /** Sending to last byte; within 2%. */
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
}

/** By the answer's `X-Served-By`; `nobody` is an answer without, made by what stands in front. */
export type ByServer = Readonly<Record<string, ServerFigures>>;

export interface Report extends Counts {
  seconds: number;
  /** Complete or failed, per second. */
  answersPerSecond: number;
  inFlight: number;
  /** Visits that were due when every visitor still waited for an answer: the rate was not reached by so many. */
  heldBack: number;
  kinds: Readonly<Record<Kind, Counts>>;
  servers: ByServer;
  /** The same of tiles alone. */
  tileServers: ByServer;
  /** The first {@link failuresMax}. */
  failures: readonly Answer[];
}

export const failuresMax = 10;
/** Names of servers that are told apart; any further one is counted as `others`. */
const serversMax = 8;

export interface Tally {
  sent(kind: Kind): void;
  heldBack(): void;
  answered(answer: Answer): void;
  report(): Report;
}

/** Begins to count now. */
export function createTally(): Tally {
  const startedAt = performance.now();
  const counts = Object.fromEntries(kinds.map((kind) => [kind, zero()])) as Record<Kind, Counts>;
  const servers = new Map<string, Latencies>();
  const tileServers = new Map<string, Latencies>();
  const failures: Answer[] = [];
  let heldBack = 0;
  return {
    sent: (kind) => void (counts[kind].sent += 1),
    heldBack: () => void (heldBack += 1),
    answered(answer) {
      counts[answer.kind][answer.ok ? "ok" : "failed"] += 1;
      if (!answer.ok && failures.length < failuresMax) failures.push(answer);
      if (answer.status === undefined) return;
      latenciesOf(servers, answer).record(answer.ms);
      if (answer.kind === "tile") latenciesOf(tileServers, answer).record(answer.ms);
    },
    report() {
      const seconds = (performance.now() - startedAt) / 1000;
      const total = Object.values(counts).reduce(sum, zero());
      const answered = total.ok + total.failed;
      return {
        ...total,
        seconds,
        answersPerSecond: seconds > 0 ? answered / seconds : 0,
        inFlight: Math.max(0, total.sent - answered),
        heldBack,
        kinds: structuredClone(counts),
        servers: figuresOf(servers),
        tileServers: figuresOf(tileServers),
        failures: [...failures],
      };
    },
  };
}

const zero = (): Counts => ({ sent: 0, ok: 0, failed: 0 });
const sum = (a: Counts, b: Counts): Counts => ({ sent: a.sent + b.sent, ok: a.ok + b.ok, failed: a.failed + b.failed });

function latenciesOf(servers: Map<string, Latencies>, answer: Answer): Latencies {
  const asked = answer.servedBy ?? "nobody";
  const name = servers.has(asked) || servers.size < serversMax ? asked : "others";
  let latencies = servers.get(name);
  if (!latencies) servers.set(name, (latencies = createLatencies()));
  return latencies;
}

function figuresOf(servers: Map<string, Latencies>): ByServer {
  const all = [...servers.values()].reduce((count, latencies) => count + latencies.count(), 0);
  const figures = [...servers].map(([name, latencies]): [string, ServerFigures] => [
    name,
    {
      answers: latencies.count(),
      share: latencies.count() / all,
      p50Ms: latencies.percentile(0.5),
      p99Ms: latencies.percentile(0.99),
      maxMs: latencies.percentile(1),
    },
  ]);
  return Object.fromEntries(figures);
}

/** Latencies in buckets that grow by 2%, from 10 us to over a minute: bounded, and as exact as anyone reads them. */
export interface Latencies {
  record(ms: number): void;
  count(): number;
  /** The value that `part` (0 to 1) of the records do not exceed; 0 without records. */
  percentile(part: number): number;
}

const bucketMsMin = 0.01;
const bucketGrowth = Math.log(1.02);
const bucketCount = 800;

export function createLatencies(): Latencies {
  const buckets = new Uint32Array(bucketCount);
  let count = 0;
  let maxMs = 0;
  return {
    record(ms) {
      const bucket = Math.ceil(Math.log(Math.max(ms, bucketMsMin) / bucketMsMin) / bucketGrowth);
      const at = Math.min(bucketCount - 1, bucket);
      buckets[at] = (buckets[at] ?? 0) + 1;
      count += 1;
      maxMs = Math.max(maxMs, ms);
    },
    count: () => count,
    percentile(part) {
      const rank = Math.max(1, Math.ceil(part * count));
      let seen = 0;
      for (let bucket = 0; bucket < bucketCount; bucket++) {
        seen += buckets[bucket] ?? 0;
        if (seen >= rank) return Math.min(maxMs, bucketMsMin * Math.exp(bucket * bucketGrowth));
      }
      return 0;
    },
  };
}
