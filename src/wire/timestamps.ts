/** Timestamps in the three forms of Smithy: epoch seconds, RFC 3339 date-time, IMF-fixdate. */
import type { ScalarName } from "./table.ts";

/** ECMAScript's own range: 100,000,000 days to either side of the epoch. */
const epochMsMax = 8.64e15;

const dateTime = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)$/;
/** AWS accepts ISO 8601 basic dates and dates alone in query parameters too. */
const basicDateTime = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/;
const dateOnly = /^\d{4}-\d\d-\d\d$/;
const httpDate =
  /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d(?:\.\d{1,9})? GMT$/;
const epochText = /^-?\d{1,13}(?:\.\d{1,9})?$/;

/** The date of an epoch-seconds number, or undefined when it is out of range. */
export function dateOfEpoch(seconds: number): Date | undefined {
  const ms = Math.round(seconds * 1000);
  return Number.isFinite(ms) && Math.abs(ms) <= epochMsMax ? new Date(ms) : undefined;
}

/** The date of a text in any of the forms, or undefined. Clients mix the forms, and AWS takes what it can read. */
export function dateOfText(text: string): Date | undefined {
  const basic = basicDateTime.exec(text);
  if (basic !== null) return valid(new Date(`${basic.slice(1, 4).join("-")}T${basic.slice(4).join(":")}Z`));
  if (dateTime.test(text) || dateOnly.test(text) || httpDate.test(text)) return valid(new Date(text));
  return epochText.test(text) ? dateOfEpoch(Number(text)) : undefined;
}

const valid = (date: Date) => (Number.isNaN(date.getTime()) ? undefined : date);

/** The form that a timestamp takes; `place` decides for those without a form of their own. */
export function timestampForm(scalar: ScalarName, place: "date-time" | "http-date" | "epoch-seconds"): typeof place {
  return scalar === "date-time" || scalar === "http-date" || scalar === "epoch-seconds" ? scalar : place;
}

/** Writes a date in its form; epoch seconds keep their milliseconds. */
export function textOfDate(date: Date, form: "date-time" | "http-date" | "epoch-seconds"): string {
  if (form === "http-date") return date.toUTCString();
  if (form === "epoch-seconds") return String(date.getTime() / 1000);
  return date.toISOString();
}
