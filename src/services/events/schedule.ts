/** When a rule with a schedule runs: `rate(5 minutes)`, `cron(0 12 * * ? *)`; all in UTC. */
import { occurrenceAfter, parseScheduleExpression, type ScheduleExpression } from "../../kit/schedule-expression.ts";
import { invalid } from "./faults.ts";

export interface Schedule {
  /** The first run of a rule that is made, or enabled, at `nowMs`; undefined where there is none. */
  first(nowMs: number): number | undefined;
  /** The run after the one that was due at `dueMs`, later than `nowMs`. */
  following(dueMs: number, nowMs: number): number | undefined;
}

/** Throws AWS's words for what is no schedule. */
export function parseSchedule(text: string): Schedule {
  const expression = read(text);
  if (expression === undefined) throw invalid("Parameter ScheduleExpression is not valid.");
  const after = (anchor: number, nowMs: number) => occurrenceAfter(expression, nowMs, { anchor });
  return {
    // A rate counts from the moment that the rule was made: its first run is one period later.
    first: (nowMs) => after(nowMs, nowMs),
    following: after,
  };
}

/** Rules take no white space that Scheduler takes. */
function read(text: string): ScheduleExpression | undefined {
  if (text.startsWith("rate(") && !/^rate\(\d+ [a-z]+\)$/.test(text)) return undefined;
  return parseScheduleExpression(text, "rules");
}
