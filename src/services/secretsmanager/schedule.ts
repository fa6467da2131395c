/** When a secret rotates next. Source: user guide, "Schedule expressions in Secrets Manager rotation". */
import { invalid, notYet } from "./faults.ts";
import { dayMs, hourMs, rotationDaysMax } from "./limits.ts";
import type { RotationRules } from "./tables.ts";

interface GivenRules {
  AutomaticallyAfterDays?: number | undefined;
  Duration?: string | undefined;
  ScheduleExpression?: string | undefined;
}

const rate = /^rate\((\d{1,4}) (hour|hours|day|days)\)$/;

/** The rules as they are kept; exactly one of days and expression. */
export function checkRules(given: GivenRules): RotationRules {
  const { AutomaticallyAfterDays: days, ScheduleExpression: expression, Duration } = given;
  if (days !== undefined && expression !== undefined) {
    throw invalid("You can't specify both AutomaticallyAfterDays and ScheduleExpression in RotationRules.");
  }
  if (days === undefined && expression === undefined) {
    throw invalid("You must specify AutomaticallyAfterDays or ScheduleExpression in RotationRules.");
  }
  if (days !== undefined && (days < 1 || days > rotationDaysMax)) {
    throw invalid(`AutomaticallyAfterDays must be between 1 and ${rotationDaysMax}.`);
  }
  if (expression !== undefined && expression.startsWith("cron(")) throw notYet("cron expressions in RotationRules");
  if (expression !== undefined && intervalMs({ ScheduleExpression: expression }) === undefined) {
    throw invalid("The ScheduleExpression is not a valid rate expression.");
  }
  return {
    ...(days === undefined ? {} : { AutomaticallyAfterDays: days }),
    ...(expression === undefined ? {} : { ScheduleExpression: expression }),
    ...(Duration === undefined ? {} : { Duration }),
  };
}

/** The time between two rotations. AWS's shortest is four hours. */
export function intervalMs({ AutomaticallyAfterDays, ScheduleExpression }: RotationRules): number | undefined {
  if (AutomaticallyAfterDays !== undefined) return AutomaticallyAfterDays * dayMs;
  const [, count = "0", unit = ""] = rate.exec(ScheduleExpression ?? "") ?? [];
  const ms = Number(count) * (unit.startsWith("hour") ? hourMs : dayMs);
  return ms >= 4 * hourMs && ms <= rotationDaysMax * dayMs ? ms : undefined;
}
