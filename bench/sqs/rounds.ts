/** Rounds of calls in turns: figures of each subject are medians of its rounds, ratios those of the same rounds. */
import { median, residentMB, treeCpuSeconds } from "../measure.ts";
import type { Subject } from "./subjects.ts";

const rounds = 3;
const roundMs = 1_200;
/** Warm code, as a server that runs has it. */
const warmMs = 800;
/** As many senders as share one commit at most. */
const callers = 64;

export interface SqsFigures {
  measure: string;
  subject: string;
  durable: string;
  /** Messages per second. */
  "per second": number;
  /** Of all of the subject's processes, for a message. */
  "CPU us": number;
  "p50 ms": number;
  "p99 ms": number;
  /** Median of each round's ratio to the first entrant, in that round. */
  rate: number;
  "RAM MB": number;
}

export interface Round {
  perSecond: number;
  cpuUs: number;
  p50Ms: number;
  p99Ms: number;
}

/** Who takes turns: one work of one subject, `messages` at a time. */
export interface Entrant {
  name: string;
  subject: Subject;
  messages: number;
  work(): Promise<void>;
}

const at = (sorted: readonly number[], share: number) => sorted[Math.floor(sorted.length * share)] ?? Number.NaN;
const rounded = (value: number) => Number(value.toPrecision(3));

async function round({ subject, messages: each, work }: Entrant, ms: number): Promise<Round> {
  const times: number[] = [];
  const pid = subject.process.pid ?? 0;
  const cpuBefore = await treeCpuSeconds(pid);
  const startedAt = performance.now();
  const caller = async () => {
    while (performance.now() < startedAt + ms) {
      const before = performance.now();
      await work();
      times.push(performance.now() - before);
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  const seconds = (performance.now() - startedAt) / 1_000;
  const messages = times.length * each;
  const cpuUs = (((await treeCpuSeconds(pid)) - cpuBefore) * 1e6) / messages;
  return { perSecond: messages / seconds, cpuUs, ...latencyOf(times) };
}

export function latencyOf(times: readonly number[]): Pick<Round, "p50Ms" | "p99Ms"> {
  const sorted = times.toSorted((a, b) => a - b);
  return { p50Ms: at(sorted, 0.5), p99Ms: at(sorted, 0.99) };
}

export async function figuresOf(
  measure: string,
  { name, durable, process: child }: Subject,
  own: readonly Round[],
  first: readonly Round[],
): Promise<SqsFigures> {
  const of = (key: keyof Round) => rounded(median(own.map((one) => one[key])));
  const ratios = own.map((one, i) => one.perSecond / (first[i]?.perSecond ?? Number.NaN));
  return {
    measure,
    subject: name,
    durable,
    "per second": of("perSecond"),
    "CPU us": of("cpuUs"),
    "p50 ms": of("p50Ms"),
    "p99 ms": of("p99Ms"),
    rate: rounded(median(ratios)),
    "RAM MB": rounded(await residentMB(child.pid ?? 0)),
  };
}

/** All of them in turns; ratios are to the first. */
export async function takeTurns(entrants: readonly Entrant[]): Promise<SqsFigures[]> {
  const seen = entrants.map((entrant) => ({ entrant, own: [] as Round[] }));
  for (const entrant of entrants) await round(entrant, warmMs);
  for (let i = 0; i < rounds; i += 1) {
    // The order turns, so that none always runs after the same other.
    for (let place = 0; place < seen.length; place += 1) {
      const turn = seen[(place + i) % seen.length];
      if (turn !== undefined) turn.own.push(await round(turn.entrant, roundMs));
    }
  }
  const first = seen[0]?.own ?? [];
  return Promise.all(seen.map(({ entrant, own }) => figuresOf(entrant.name, entrant.subject, own, first)));
}
