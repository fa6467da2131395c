/** What a schedule is set to: read from an operation's input, checked, and as it is kept. */
import type { FlexibleTimeWindowMode } from "@aws-sdk/client-scheduler";
import type { Instant } from "../../base/clock.ts";
import { timeZone, utc, type TimeZone } from "../../base/time-zone.ts";
import { must } from "../../base/errors.ts";
import type { InputOf, Received } from "../../kit/handlers.ts";
import { parseScheduleExpression, type ScheduleExpression } from "../../kit/schedule-expression.ts";
import { invalid } from "./faults.ts";
import { minuteMs, startPastMsMax } from "./limits.ts";
import { checkTarget } from "./targets.ts";

export type ScheduleInput = Received<InputOf<typeof import("@aws-sdk/client-scheduler"), "CreateSchedule">>;
export type Target = ScheduleInput["Target"];

export interface Settings {
  expression: string;
  /** As it was given; UTC without. */
  zone: string | null;
  startMs: number | null;
  endMs: number | null;
  description: string | null;
  kmsKeyArn: string | null;
  target: Target;
  window: { mode: FlexibleTimeWindowMode; minutes: number | null };
  afterCompletion: "NONE" | "DELETE";
}

/** Settings without anything that leaves their occurrences as they are. */
export const timingOf = ({ expression, zone, startMs, endMs, window }: Settings) =>
  JSON.stringify([expression, zone, startMs, endMs, window.mode, window.minutes]);

export const expressionOf = (settings: Settings): ScheduleExpression =>
  must(parseScheduleExpression(settings.expression, "scheduler"), settings.expression);

export const zoneOf = ({ zone }: Settings): TimeZone => (zone === null ? utc : must(timeZone(zone), zone));

/** 0 without a flexible window. */
export const windowMsOf = ({ window }: Settings) => (window.minutes ?? 0) * minuteMs;

/** @throws Fault `ValidationException` for what AWS does not take, and `NotImplemented` for targets that the house has not */
export function settingsOf(input: ScheduleInput, now: Instant): Settings {
  const { ScheduleExpression, ScheduleExpressionTimezone, StartDate, EndDate, Description, KmsKeyArn } = input;
  const expression = parseScheduleExpression(ScheduleExpression, "scheduler");
  if (expression === undefined) throw invalid(`Invalid Schedule Expression ${ScheduleExpression}.`);
  if (ScheduleExpressionTimezone !== undefined && timeZone(ScheduleExpressionTimezone) === undefined) {
    throw invalid(`Invalid ScheduleExpressionTimezone ${ScheduleExpressionTimezone}.`);
  }
  // "EventBridge Scheduler ignores StartDate and EndDate for one-time schedules."
  if (expression.kind !== "at") checkDates(StartDate, EndDate, now);
  checkTarget(input.Target);
  return {
    expression: ScheduleExpression,
    zone: ScheduleExpressionTimezone ?? null,
    startMs: StartDate?.getTime() ?? null,
    endMs: EndDate?.getTime() ?? null,
    description: Description ?? null,
    kmsKeyArn: KmsKeyArn ?? null,
    target: input.Target,
    window: windowOf(input.FlexibleTimeWindow),
    afterCompletion: input.ActionAfterCompletion ?? "NONE",
  };
}

function checkDates(start: Date | undefined, end: Date | undefined, now: Instant): void {
  if (start !== undefined && start.getTime() < now - startPastMsMax) {
    throw invalid("The StartDate you specify cannot be earlier than 5 minutes ago.");
  }
  if (start !== undefined && end !== undefined && start >= end) {
    throw invalid("The StartDate you specify must come before the EndDate.");
  }
}

function windowOf({ Mode, MaximumWindowInMinutes }: ScheduleInput["FlexibleTimeWindow"]): Settings["window"] {
  if (Mode === "FLEXIBLE" && MaximumWindowInMinutes === undefined) {
    throw invalid("MaximumWindowInMinutes must be set when the mode of FlexibleTimeWindow is FLEXIBLE.");
  }
  if (Mode === "OFF" && MaximumWindowInMinutes !== undefined) {
    throw invalid("MaximumWindowInMinutes must not be set when the mode of FlexibleTimeWindow is OFF.");
  }
  return { mode: Mode, minutes: MaximumWindowInMinutes ?? null };
}
