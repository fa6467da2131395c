/**
 * Visitors of the map: each waits for its answer before it asks again, over one connection that it keeps, and all
 * together keep to a rate. Nothing is retried: one failed request is one failed request in the report.
 */
import { Agent } from "node:http";
import { httpOrigin } from "./traffic/burst.ts";
import { exchange, type Exchange } from "./traffic/exchange.ts";
import { createTally, type Answer, type Report, type Tally } from "./traffic/tally.ts";
import { walk, type Kind, type Visit } from "./traffic/walk.ts";

export { burst, burstMax, type BurstOptions } from "./traffic/burst.ts";
export type { Exchange } from "./traffic/exchange.ts";
export type { Answer, ByServer, Counts, Report, ServerFigures } from "./traffic/tally.ts";
export type { Kind } from "./traffic/walk.ts";

export interface VisitorsOptions {
  /** `http://127.0.0.1:8080` */
  origin: string;
  /** 1 to {@link visitorsMax}. */
  visitors: number;
  /** Of all together; a ceiling: visitors who still wait do not ask. Over 0, up to 100,000. */
  requestsPerSecond: number;
  /** The same seed makes the same visitors, each asking for the same things in the same order. */
  seed: number;
  /** Until the last byte of an answer; 10,000 unless told. */
  timeoutMs?: number;
  /** Told of every answer, as it comes. */
  onAnswer?: (answer: Answer) => void;
}

export interface Visitors {
  start(): void;
  /** Sends no more, waits for what is under way, and gives the report of it all. */
  stop(): Promise<Report>;
  /** Since the start. */
  report(): Report;
  /** Since the last lap (or the start); begins the next. An answer counts in the lap in which it comes. */
  lap(): Report;
}

export const visitorsMax = 900;
/** How often the rate is looked at: fine enough that 500/s are two or three at a time, not a burst. */
const paceMs = 4;

interface Visitor {
  number: number;
  agent: Agent;
  visits: Generator<Visit, never>;
}

export function createVisitors(options: VisitorsOptions): Visitors {
  const { visitors, requestsPerSecond, seed, timeoutMs = 10_000, onAnswer } = options;
  const origin = httpOrigin(options.origin);
  check("visitors", visitors, 1, visitorsMax);
  check("requestsPerSecond", requestsPerSecond, Number.MIN_VALUE, 100_000);

  let total = createTally();
  let lap = createTally();
  const both = (count: (tally: Tally) => void) => [total, lap].forEach(count);
  const idle = Array.from({ length: visitors }, (_, number) => newVisitor(seed, number));
  const agents = idle.map((visitor) => visitor.agent);
  const underWay = new Set<Promise<void>>();
  let pacing: NodeJS.Timeout | undefined;

  const visit = async (visitor: Visitor) => {
    const next = visitor.visits.next().value;
    both((tally) => tally.sent(next.kind));
    const result = await exchange({ origin, path: next.path, timeoutMs, via: { agent: visitor.agent } });
    const answer: Answer = { ...next, ...result, visitor: visitor.number, ok: isGood(next.kind, result) };
    both((tally) => tally.answered(answer));
    idle.push(visitor);
    onAnswer?.(answer);
  };
  const dispatch = () => {
    const visitor = idle.shift();
    if (!visitor) return both((tally) => tally.heldBack());
    const run = visit(visitor).finally(() => underWay.delete(run));
    underWay.add(run);
  };

  return {
    start() {
      if (pacing) throw new Error("The visitors have started already.");
      [total, lap] = [createTally(), createTally()];
      pacing = startPacing(requestsPerSecond, dispatch);
    },
    async stop() {
      clearInterval(pacing);
      await Promise.all(underWay);
      for (const agent of agents) agent.destroy();
      return total.report();
    },
    report: () => total.report(),
    lap() {
      const ended = lap.report();
      lap = createTally();
      return ended;
    },
  };
}

function newVisitor(seed: number, number: number): Visitor {
  return { number, agent: new Agent({ keepAlive: true, maxSockets: 1 }), visits: walk(seed, number) };
}

/** Calls `dispatch` as often as the rate has it, by the time that passed and not by the number of ticks. */
function startPacing(requestsPerSecond: number, dispatch: () => void): NodeJS.Timeout {
  const startedAt = performance.now();
  let dispatched = 0;
  return setInterval(() => {
    const due = Math.floor(((performance.now() - startedAt) / 1000) * requestsPerSecond);
    for (; dispatched < due; dispatched++) dispatch();
  }, paceMs);
}

const typeOf: Record<Kind, RegExp> = {
  tile: /^application\/vnd\.mapbox-vector-tile$/,
  route: /^application\/json$/,
  spot: /^application\/json$/,
  page: /^text\//,
};

function isGood(kind: Kind, { status, contentType = "", bytes }: Exchange): boolean {
  // An empty tile is a good answer too.
  if (kind === "tile" && status === 204) return true;
  return status === 200 && bytes > 0 && typeOf[kind].test(contentType);
}

function check(name: string, value: number, min: number, max: number): void {
  if (!(value >= min && value <= max)) throw new RangeError(`${name} must be ${min} to ${max}; it is ${value}.`);
}

const percent = (share: number) => `${Math.round(share * 100)}%`;

/** `500/s, 0 failed; tiles: function 100% p50 1.2 ms p99 4.0 ms` */
export function figures(report: Report): string {
  const servers = Object.entries(report.tileServers).map(
    ([name, { share, p50Ms, p99Ms }]) =>
      `${name} ${percent(share)} (p50 ${p50Ms.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms)`,
  );
  const rate = `${Math.round(report.answersPerSecond)} requests/s, ${report.failed} failed`;
  return servers.length === 0 ? rate : `${rate}; tiles by ${servers.join(", ")}`;
}
