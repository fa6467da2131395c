/**
 * AWS's cron: minutes, hours, day of month, month, day of week, year. One of the two days is `?`.
 * Source: EventBridge Scheduler user guide, "Schedule types"; EventBridge user guide, "Cron expressions".
 */
import type { WallMs } from "../base/time-zone.ts";

export interface Cron {
  minutes: readonly number[];
  hours: readonly number[];
  months: readonly number[];
  years: readonly number[];
  /** Days of a month that match, ascending. */
  daysOf(year: number, month: number): readonly number[];
}

interface Field {
  min: number;
  max: number;
  /** Names of the values from `min` on. */
  names?: readonly string[];
}

const monthNames = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const weekdayNames = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

const minuteField: Field = { min: 0, max: 59 };
const hourField: Field = { min: 0, max: 23 };
const dayField: Field = { min: 1, max: 31 };
const monthField: Field = { min: 1, max: 12, names: monthNames };
const weekdayField: Field = { min: 1, max: 7, names: weekdayNames };
const yearField: Field = { min: 1970, max: 2199 };

const minuteMs = 60_000;

/** Reads the six fields between the parentheses; undefined when they are none. */
export function parseCron(text: string): Cron | undefined {
  const fields = text.trim().toUpperCase().split(/\s+/);
  const [minute = "", hour = "", day = "", month = "", weekday = "", year = ""] = fields;
  if (fields.length !== 6 || (day === "?") === (weekday === "?")) return undefined;
  const minutes = valuesOf(minute, minuteField);
  const hours = valuesOf(hour, hourField);
  const months = valuesOf(month, monthField);
  const years = valuesOf(year, yearField);
  const daysOf = day === "?" ? weekdaysOf(weekday) : monthDaysOf(day);
  if (!minutes || !hours || !months || !years || !daysOf) return undefined;
  return { minutes, hours, months, years, daysOf };
}

/** The first whole minute after `wall` that the expression names; undefined when there is none up to the year 2199. */
export function cronAfter(cron: Cron, wall: WallMs): WallMs | undefined {
  const from = new Date(Math.floor(wall / minuteMs) * minuteMs + minuteMs);
  const [year, month, day] = [from.getUTCFullYear(), from.getUTCMonth() + 1, from.getUTCDate()];
  for (const y of cron.years) {
    if (y < year) continue;
    for (const m of cron.months) {
      if (y === year && m < month) continue;
      for (const d of cron.daysOf(y, m)) {
        const isFirst = y === year && m === month && d === day;
        if (y === year && m === month && d < day) continue;
        const minute = isFirst ? from.getUTCHours() * 60 + from.getUTCMinutes() : 0;
        const found = minuteFrom(cron, minute);
        if (found !== undefined) return Date.UTC(y, m - 1, d, 0, found);
      }
    }
  }
  return undefined;
}

/** The first minute of the day, from this one on. */
function minuteFrom({ hours, minutes }: Cron, from: number): number | undefined {
  for (const hour of hours) {
    const minute = minutes.find((candidate) => hour * 60 + candidate >= from);
    if (minute !== undefined) return hour * 60 + minute;
  }
  return undefined;
}

const byValue = (a: number, b: number) => a - b;

/** `1,5-10,0/15`: the values, ascending. */
function valuesOf(text: string, field: Field): readonly number[] | undefined {
  const values = new Set<number>();
  for (const part of text.split(",")) {
    const some = rangeOf(part, field);
    if (some === undefined) return undefined;
    for (const value of some) values.add(value);
  }
  return [...values].toSorted(byValue);
}

function rangeOf(text: string, field: Field): readonly number[] | undefined {
  const [, range = "", stepText] = /^([^/]+)(?:\/(\d{1,4}))?$/.exec(text) ?? [];
  const step = stepText === undefined ? 1 : Number(stepText);
  const [first = "", last, ...rest] = range.split("-");
  const isAll = range === "*";
  const from = isAll ? field.min : valueOf(first, field);
  const openEnd = isAll || stepText !== undefined ? field.max : from;
  const to = last === undefined ? openEnd : valueOf(last, field);
  if (from === undefined || to === undefined || rest.length > 0 || step === 0) return undefined;
  // `FRI-MON` goes over the end of the week; years do not come round.
  if (to < from && field === yearField) return undefined;
  const length = to >= from ? to - from : to - from + (field.max - field.min + 1);
  const count = Math.floor(length / step) + 1;
  return Array.from({ length: count }, (_, i) => {
    const value = from + i * step;
    return value > field.max ? value - (field.max - field.min + 1) : value;
  });
}

function valueOf(text: string, { min, max, names }: Field): number | undefined {
  const named = names?.indexOf(text) ?? -1;
  if (named >= 0) return min + named;
  if (!/^\d{1,4}$/.test(text)) return undefined;
  const value = Number(text);
  return value >= min && value <= max ? value : undefined;
}

const lengthOf = (year: number, month: number) => new Date(Date.UTC(year, month, 0)).getUTCDate();
/** 1 for Sunday. */
const weekdayOf = (year: number, month: number, day: number) =>
  new Date(Date.UTC(year, month - 1, day)).getUTCDay() + 1;

type DaysOf = Cron["daysOf"];

/** `15`, `1-7`, `L` (the last), `15W` (the weekday nearest to it), `LW` (the last weekday). */
function monthDaysOf(text: string): DaysOf | undefined {
  if (text === "L") return (year, month) => [lengthOf(year, month)];
  if (text === "LW") return (year, month) => [nearestWeekday(year, month, lengthOf(year, month))];
  const near = /^(\d{1,2})W$/.exec(text)?.[1];
  if (near !== undefined) {
    const wanted = valueOf(near, dayField);
    if (wanted === undefined) return undefined;
    return (year, month) => (wanted > lengthOf(year, month) ? [] : [nearestWeekday(year, month, wanted)]);
  }
  const days = valuesOf(text, dayField);
  if (days === undefined) return undefined;
  return (year, month) => days.filter((day) => day <= lengthOf(year, month));
}

/** Monday to Friday nearest to the day, in the same month. */
function nearestWeekday(year: number, month: number, day: number): number {
  const weekday = weekdayOf(year, month, day);
  if (weekday === 7) return day === 1 ? 3 : day - 1;
  if (weekday === 1) return day === lengthOf(year, month) ? day - 2 : day + 1;
  return day;
}

/** `MON-FRI`, `2#1` (the first Monday), `6L` (the last Friday), `L` (Saturday, the last of the week). */
function weekdaysOf(text: string): DaysOf | undefined {
  const [, name = "", nth] = /^([A-Z0-9]+)#([1-5])$/.exec(text) ?? [];
  const [, lastName] = /^([A-Z0-9]+)L$/.exec(text) ?? [];
  const only = nth === undefined ? lastName : name;
  if (only !== undefined) {
    const weekday = valueOf(only, weekdayField);
    if (weekday === undefined) return undefined;
    return (year, month) => {
      const days = weekdaysIn(year, month, [weekday]);
      const day = nth === undefined ? days.at(-1) : days[Number(nth) - 1];
      return day === undefined ? [] : [day];
    };
  }
  const weekdays = valuesOf(text === "L" ? "7" : text, weekdayField);
  return weekdays === undefined ? undefined : (year, month) => weekdaysIn(year, month, weekdays);
}

function weekdaysIn(year: number, month: number, weekdays: readonly number[]): readonly number[] {
  const days = Array.from({ length: lengthOf(year, month) }, (_, i) => i + 1);
  const first = weekdayOf(year, month, 1);
  return days.filter((day) => weekdays.includes(((first - 1 + day - 1) % 7) + 1));
}
