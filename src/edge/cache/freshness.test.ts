/** How old an answer is and how long it may be given out, on a clock that stands still. */
import { describe, expect, it } from "vitest";
import { FakeClock } from "../../base/clock.ts";
import { dateOf } from "./fields.ts";
import { ageMsOf, coversError, freshnessOf, useOf, wantedOf } from "./freshness.ts";

const policy = { staleWhileRevalidateSeconds: 10, staleIfErrorSeconds: 20 };

function kept(clock: FakeClock, fields: readonly string[], delayMs = 0) {
  const arrival = { nowMs: clock.now(), monotonicMs: clock.monotonicMs(), delayMs };
  const freshness = freshnessOf(200, fields, policy, arrival);
  if (freshness === undefined) throw new Error("it is not kept");
  return freshness;
}

const anything = wantedOf([]);
if (anything === undefined) throw new Error("it stays out of the cache");

describe("the age of an answer", () => {
  it("is what it says or what its date says, the larger, and grows", async () => {
    const clock = new FakeClock();
    const date = new Date(clock.now() - 5_000).toUTCString();
    const control = ["Cache-Control", "max-age=60"];
    expect(kept(clock, [...control, "Age", "3", "Date", date], 400).ageMs).toBe(5_000);
    const freshness = kept(clock, [...control, "Age", "7", "Date", date], 400);
    await clock.advance(2_000);
    expect(ageMsOf(freshness, clock.monotonicMs())).toBe(9_400);
  });

  it("reads dates in three forms, and nothing else", () => {
    const forms = ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"];
    expect(forms.map(dateOf)).toEqual(Array(3).fill(Date.UTC(1994, 10, 6, 8, 49, 37)));
    expect(["0", "1994-11-06", "Sun, 06 Nov 1994 08:49:37 CET", undefined].map(dateOf)).toEqual(
      Array(4).fill(undefined),
    );
  });
});

it("an answer is fresh, then stale while it is asked about, then there for errors, then of no use", async () => {
  const clock = new FakeClock();
  const freshness = kept(clock, ["Cache-Control", "max-age=5"]);
  const now = () => [
    useOf(freshness, anything, clock.monotonicMs()),
    coversError(freshness, anything, clock.monotonicMs()),
  ];
  await clock.advance(4_999);
  expect(now()).toEqual(["give", true]);
  await clock.advance(1);
  expect(now()).toEqual(["give-stale", true]);
  await clock.advance(10_000);
  expect(now()).toEqual(["ask", true]);
  await clock.advance(10_000);
  expect(now()).toEqual(["ask", false]);
});

it("an answer's own words on staleness come before the policy's", () => {
  const clock = new FakeClock();
  const of = (control: string) => {
    const { whileRevalidateMs, ifErrorMs } = kept(clock, ["Cache-Control", control]);
    return [whileRevalidateMs, ifErrorMs];
  };
  expect(of("max-age=5, stale-while-revalidate=1, stale-if-error=0")).toEqual([1_000, 0]);
  expect(of("s-maxage=5")).toEqual([0, 0]);
  expect(of("s-maxage=5, stale-if-error=30")).toEqual([0, 30_000]);
  expect(of("max-age=5, must-revalidate, stale-if-error=30")).toEqual([0, 0]);
});
