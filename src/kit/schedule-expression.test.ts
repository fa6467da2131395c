/** Expressions, their calendar, and the two nights of the year when clocks are changed. */
import { describe, expect, it } from "vitest";
import { timeZone } from "../base/time-zone.ts";
import { must } from "../base/errors.ts";
import {
  latestOccurrence,
  occurrenceAfter,
  parseScheduleExpression,
  type ScheduleGrammar,
} from "./schedule-expression.ts";

const instant = (text: string) => Date.parse(text);
const shown = (ms: number | undefined) =>
  ms === undefined ? undefined : `${new Date(ms).toISOString().slice(0, 16)}Z`;

/** The next `count` occurrences after `from`. */
function series(text: string, from: string, count: number, zoneName = "UTC", anchor = from): (string | undefined)[] {
  const expression = must(parseScheduleExpression(text, "scheduler"), text);
  const zone = must(timeZone(zoneName), zoneName);
  const times: (string | undefined)[] = [];
  let after = instant(from);
  for (let i = 0; i < count; i += 1) {
    const next = occurrenceAfter(expression, after, { zone, anchor: instant(anchor) });
    times.push(shown(next));
    if (next === undefined) break;
    after = next;
  }
  return times;
}

const days = (text: string, from: string, count: number) =>
  series(text, `${from}T00:00:00Z`, count).map((time) => time?.slice(0, 10));

describe("cron", () => {
  it.each([
    ["cron(0 9 ? * MON-FRI *)", ["2026-01-01T09:00Z", "2026-01-02T09:00Z", "2026-01-05T09:00Z"]],
    ["cron(0/15 8-9 * * ? *)", ["2026-01-01T08:00Z", "2026-01-01T08:15Z", "2026-01-01T08:30Z"]],
    ["cron(*/20 * * * ? *)", ["2026-01-01T00:20Z", "2026-01-01T00:40Z", "2026-01-01T01:00Z"]],
    ["cron(10-50/20 3 * * ? *)", ["2026-01-01T03:10Z", "2026-01-01T03:30Z", "2026-01-01T03:50Z"]],
    ["cron(5,1,3 22 * * ? *)", ["2026-01-01T22:01Z", "2026-01-01T22:03Z", "2026-01-01T22:05Z"]],
    ["cron(0 0 1 jan,JUL ? 2026-2027)", ["2026-07-01T00:00Z", "2027-01-01T00:00Z", "2027-07-01T00:00Z", undefined]],
    ["cron(0 12 29 2 ? *)", ["2028-02-29T12:00Z", "2032-02-29T12:00Z"]],
    ["cron(0 0 31 * ? *)", ["2026-01-31T00:00Z", "2026-03-31T00:00Z", "2026-05-31T00:00Z"]],
    ["cron(0 0 30 2 ? *)", [undefined]],
    ["cron(15 10 ? * 6L 2022-2023)", [undefined]],
  ])("%s", (text, times) => {
    expect(series(text, "2026-01-01T00:00:00Z", times.length)).toEqual(times);
  });

  it.each([
    ["cron(0 0 L * ? *)", "2026-01-05", ["2026-01-31", "2026-02-28", "2026-03-31"]],
    ["cron(0 0 LW * ? *)", "2026-01-05", ["2026-01-30", "2026-02-27", "2026-03-31"]],
    // The 1st is a Saturday in August 2026 and a Sunday in November.
    ["cron(0 0 1W 8,11 ? *)", "2026-01-05", ["2026-08-03", "2026-11-02"]],
    ["cron(0 0 15W 2,3,8 ? *)", "2026-01-05", ["2026-02-16", "2026-03-16", "2026-08-14"]],
    // May 31st 2026 is a Sunday: the nearest weekday of the same month is the 29th. June has no 31st.
    ["cron(0 0 31W 5,6,7 ? *)", "2026-01-05", ["2026-05-29", "2026-07-31"]],
    ["cron(0 0 ? * 2#1 *)", "2026-01-06", ["2026-02-02", "2026-03-02", "2026-04-06"]],
    ["cron(0 0 ? * FRI#5 *)", "2026-01-05", ["2026-01-30", "2026-05-29", "2026-07-31"]],
    ["cron(0 0 ? * 6L *)", "2026-01-05", ["2026-01-30", "2026-02-27", "2026-03-27"]],
    ["cron(0 0 ? * FRIL *)", "2026-01-05", ["2026-01-30", "2026-02-27", "2026-03-27"]],
    ["cron(0 0 ? * L *)", "2026-01-05", ["2026-01-10", "2026-01-17"]],
    ["cron(0 0 ? * FRI-MON *)", "2026-01-06", ["2026-01-09", "2026-01-10", "2026-01-11", "2026-01-12", "2026-01-16"]],
  ])("%s after %s", (text, from, dates) => {
    expect(days(text, from, dates.length)).toEqual(dates);
  });

  it("is later than the second it is asked for", () => {
    expect(series("cron(30 6 * * ? *)", "2026-01-01T06:30:00Z", 1)).toEqual(["2026-01-02T06:30Z"]);
    expect(series("cron(30 6 * * ? *)", "2026-01-01T06:29:59.999Z", 1)).toEqual(["2026-01-01T06:30Z"]);
  });
});

describe("clocks put forward and back", () => {
  it.each([
    ["Europe/Berlin", "cron(30 2 * * ? *)", "2026-03-28T12:00:00Z", ["2026-03-30T00:30Z", "2026-03-31T00:30Z"]],
    [
      "Europe/Berlin",
      "cron(0/30 1-3 29 3 ? *)",
      "2026-03-28T12:00:00Z",
      ["2026-03-29T00:00Z", "2026-03-29T00:30Z", "2026-03-29T01:00Z", "2026-03-29T01:30Z"],
    ],
    ["Europe/Berlin", "cron(30 2 * * ? *)", "2026-10-24T12:00:00Z", ["2026-10-25T00:30Z", "2026-10-26T01:30Z"]],
    ["Europe/Berlin", "cron(0 9 * * ? *)", "2026-03-27T12:00:00Z", ["2026-03-28T08:00Z", "2026-03-29T07:00Z"]],
    ["America/New_York", "cron(15 2 * * ? *)", "2026-03-07T12:00:00Z", ["2026-03-09T06:15Z", "2026-03-10T06:15Z"]],
    ["America/New_York", "cron(15 1 * * ? *)", "2026-10-31T12:00:00Z", ["2026-11-01T05:15Z", "2026-11-02T06:15Z"]],
    // Every half hour: the second time from 1 to 2 is left out.
    ["America/New_York", "cron(0/30 * * * ? *)", "2026-11-01T05:00:00Z", ["2026-11-01T05:30Z", "2026-11-01T07:00Z"]],
    // Lord Howe's clocks are put forward by half an hour, from 2:00 to 2:30, and back from 2:00 to 1:30.
    ["Australia/Lord_Howe", "cron(15 2 * * ? *)", "2026-10-02T20:00:00Z", ["2026-10-04T15:15Z", "2026-10-05T15:15Z"]],
    ["Australia/Lord_Howe", "cron(45 1 * * ? *)", "2026-04-03T20:00:00Z", ["2026-04-04T14:45Z", "2026-04-05T15:15Z"]],
  ])("in %s: %s after %s", (zone, text, from, times) => {
    expect(series(text, from, times.length, zone)).toEqual(times);
  });

  it("goes on while the hour comes for the second time", () => {
    expect(series("cron(30 1 * * ? *)", "2026-11-01T06:10:00Z", 1, "America/New_York")).toEqual(["2026-11-02T06:30Z"]);
  });

  it("reads a one-time schedule in its zone", () => {
    const at = (text: string, zone: string) => series(`at(${text})`, "2026-01-01T00:00:00Z", 1, zone)[0];
    expect(at("2026-07-01T09:00:00", "Europe/Berlin")).toBe("2026-07-01T07:00Z");
    expect(at("2026-03-29T02:30:00", "Europe/Berlin")).toBe("2026-03-29T01:30Z");
    expect(at("2026-10-25T02:30:00", "Europe/Berlin")).toBe("2026-10-25T00:30Z");
    expect(at("2025-12-31T23:00:00", "UTC")).toBeUndefined();
  });
});

it("counts a rate from its beginning, days by 24 hours", () => {
  const from = "2026-03-28T10:20:30Z";
  expect(series("rate(1 days)", from, 2, "Europe/Berlin")).toEqual(["2026-03-29T10:20Z", "2026-03-30T10:20Z"]);
  expect(series("rate(7 minutes)", "2026-01-01T01:00:00Z", 2, "UTC", "2026-01-01T00:00:00Z")).toEqual([
    "2026-01-01T01:03Z",
    "2026-01-01T01:10Z",
  ]);
  expect(series("rate(1 hour)", "2026-01-01T01:00:00Z", 1, "UTC", "2026-02-01T00:00:00Z")).toEqual([
    "2026-02-01T00:00Z",
  ]);
});

describe("what is no expression", () => {
  it.each([
    "rate(0 minutes)",
    "rate(-1 minutes)",
    "rate(1.5 hours)",
    "rate(5 seconds)",
    "rate(5minutes)",
    "rate(5 minutes",
    "cron(0 9 * * *)",
    "cron(0 9 * * * *)",
    "cron(0 9 ? * ? *)",
    "cron(0 9 1 * 2 *)",
    "cron(60 9 * * ? *)",
    "cron(0 24 * * ? *)",
    "cron(0 9 0 * ? *)",
    "cron(0 9 32 * ? *)",
    "cron(0 9 * 13 ? *)",
    "cron(0 9 ? * 8 *)",
    "cron(0 9 ? * 3#6 *)",
    "cron(0 9 ? * 3#1,6#3 *)",
    "cron(0 9 * * ? 1969)",
    "cron(0 9 * * ? 2030-2020)",
    "cron(0/0 9 * * ? *)",
    "cron(0-5-7 9 * * ? *)",
    "cron(0 9 40W * ? *)",
    "cron(0 9 * FEBR ? *)",
    "cron(, 9 * * ? *)",
    "at(2026-02-30T00:00:00)",
    "at(2026-02-20T24:00:00)",
    "at(2026-02-20T10:00)",
    "at(2026-02-20T10:00:00Z)",
    "every day",
    "",
  ])("%s", (text) => {
    expect(parseScheduleExpression(text, "scheduler")).toBeUndefined();
  });

  it.each<[string, ScheduleGrammar, boolean]>([
    ["rate(1 minute)", "rules", true],
    ["rate(1 minutes)", "rules", false],
    ["rate(2 minute)", "rules", false],
    ["rate(1 minutes)", "scheduler", true],
    ["at(2026-01-01T00:00:00)", "rules", false],
  ])("%s for %s: %s", (text, grammar, isOne) => {
    expect(parseScheduleExpression(text, grammar) !== undefined).toBe(isOne);
  });

  it.each(["+02:00", "Mars/Phobos", "", "UTC+2"])("no zone is called %s", (name) => {
    expect(timeZone(name)).toBeUndefined();
  });
});

it.each([
  ["rate(5 minutes)", "2026-01-01T00:00:00Z", "2026-01-03T10:07:00Z", "2026-01-03T10:05Z"],
  ["cron(* * * * ? *)", "2025-01-01T00:00:00Z", "2026-01-03T10:07:30Z", "2026-01-03T10:07Z"],
  ["cron(0 0 1 1 ? *)", "2020-01-01T00:00:00Z", "2026-05-03T00:00:00Z", "2026-01-01T00:00Z"],
  ["at(2026-01-01T00:00:00)", "2026-01-01T00:00:00Z", "2026-05-03T00:00:00Z", "2026-01-01T00:00Z"],
  ["cron(0 0 1 1 ? *)", "2026-01-02T00:00:00Z", "2026-05-03T00:00:00Z", undefined],
])("%s from %s: the last up to %s is %s", (text, from, until, latest) => {
  const expression = must(parseScheduleExpression(text, "scheduler"), text);
  expect(shown(latestOccurrence(expression, instant(from), instant(until), { anchor: instant(from) }))).toBe(latest);
});
