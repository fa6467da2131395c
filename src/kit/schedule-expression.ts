/**
 * When something is to happen: `rate(5 minutes)`, `cron(0 9 ? * MON-FRI *)`, `at(2026-11-22T09:00:00)`; of EventBridge's
 * rules and of Scheduler's schedules.
 * Source: EventBridge Scheduler user guide, "Schedule types"; EventBridge user guide, "Setting a schedule pattern".
 */
import type { Instant } from "../base/clock.ts";
import { utc, type TimeZone, type WallMs } from "../base/time-zone.ts";
import { cronAfter, parseCron, type Cron } from "./cron.ts";

export type ScheduleExpression =
  | { kind: "at"; wall: WallMs }
  | { kind: "rate"; everyMs: number }
  | { kind: "cron"; cron: Cron };

/** Rules have no `at`, and want `1 minute`, `2 minutes`; Scheduler takes either word. */
export type ScheduleGrammar = "rules" | "scheduler";

const unitMs: Readonly<Record<string, number>> = { minute: 60_000, hour: 3600_000, day: 24 * 3600_000 };
/** A rate that no instant could be counted with; AWS names no limit. */
const rateDigitsMax = 9;

/** Reads an expression; undefined when it is none of that grammar. */
export function parseScheduleExpression(text: string, grammar: ScheduleGrammar): ScheduleExpression | undefined {
  const [, word, inside = ""] = /^(at|rate|cron)\((.*)\)$/.exec(text) ?? [];
  if (word === "rate") return rateOf(inside, grammar);
  if (word === "at") return grammar === "scheduler" ? atOf(inside) : undefined;
  const cron = word === "cron" ? parseCron(inside) : undefined;
  return cron === undefined ? undefined : { kind: "cron", cron };
}

function rateOf(text: string, grammar: ScheduleGrammar): ScheduleExpression | undefined {
  const [, digits = "", unit = "", plural] = /^\s*(\d+)\s+(minute|hour|day)(s?)\s*$/.exec(text) ?? [];
  const value = Number(digits);
  if (value < 1 || digits.length > rateDigitsMax) return undefined;
  if (grammar === "rules" && (value === 1) === (plural === "s")) return undefined;
  return { kind: "rate", everyMs: value * (unitMs[unit] ?? 0) };
}

function atOf(text: string): ScheduleExpression | undefined {
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/.test(text)) return undefined;
  const wall = Date.parse(`${text}Z`);
  // The parser of dates carries the 31st of a short month over to the next.
  if (Number.isNaN(wall) || new Date(wall).toISOString().slice(0, text.length) !== text) return undefined;
  return { kind: "at", wall };
}

export interface Occurrences {
  /** Where `at` and `cron` are read; UTC when left out. A rate is the same everywhere: its day has 24 hours. */
  zone?: TimeZone;
  /** A rate counts from here: it falls on this instant, and on each multiple of it later. */
  anchor: Instant;
}

/**
 * The first occurrence later than `after`; undefined when there is none any more.
 *
 * Where the clocks are put forward, times of cron that do not exist are left out; where they are put back, those that come twice
 * are meant once, the first time. `at` in a missing hour is as much later as the clock leaps.
 *
 * @example
 * occurrenceAfter(expression, clock.now(), { zone: timeZone("Europe/Berlin"), anchor: createdMs });
 */
export function occurrenceAfter(
  expression: ScheduleExpression,
  after: Instant,
  { zone = utc, anchor }: Occurrences,
): Instant | undefined {
  if (expression.kind === "rate") {
    if (after < anchor) return anchor;
    return anchor + (Math.floor((after - anchor) / expression.everyMs) + 1) * expression.everyMs;
  }
  if (expression.kind === "at") {
    const instant = zone.instantNear(expression.wall);
    return instant > after ? instant : undefined;
  }
  return cronInstantAfter(expression.cron, after, zone);
}

function cronInstantAfter(cron: Cron, after: Instant, zone: TimeZone): Instant | undefined {
  let wall = cronAfter(cron, zone.wallAt(after));
  while (wall !== undefined) {
    const instant = zone.instantsAt(wall)[0];
    if (instant !== undefined && instant > after) return instant;
    // Missing in this zone, or past already when the hour comes for the second time. At most a day of minutes.
    wall = cronAfter(cron, wall);
  }
  return undefined;
}

/** How far {@link latestOccurrence} looks back at first. */
const lookBackMsMin = 2 * 60_000;

/**
 * The last occurrence from `from` up to `until`, both included; undefined when there is none. Looks back from the end, so
 * that what was missed for long costs little.
 */
export function latestOccurrence(
  expression: ScheduleExpression,
  from: Instant,
  until: Instant,
  occurrences: Occurrences,
): Instant | undefined {
  for (let backMs = lookBackMsMin; ; backMs *= 2) {
    const after = Math.max(from - 1, until - backMs);
    let latest: Instant | undefined;
    let next = occurrenceAfter(expression, after, occurrences);
    while (next !== undefined && next <= until) {
      latest = next;
      next = occurrenceAfter(expression, next, occurrences);
    }
    if (latest !== undefined || after < from) return latest;
  }
}
