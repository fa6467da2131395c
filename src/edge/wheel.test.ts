import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FakeClock } from "../base/clock.ts";
import { Wheel, WheelEntry } from "./wheel.ts";

describe("the wheel", () => {
  it("runs each entry once, at its time or a tick later, whatever was asked before", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(200_000), fc.nat(4), fc.integer({ min: -1, max: 120_000 })), { maxLength: 30 }),
        async (moves) => {
          const clock = new FakeClock(0);
          const wheel = new Wheel(clock);
          const due = new Map<number, number>();
          const late: string[] = [];
          const entries = Array.from({ length: 5 }, (_, index) => {
            return new WheelEntry(() => {
              const at = due.get(index) ?? Infinity;
              due.delete(index);
              if (clock.now() < at || clock.now() > at + 101) late.push(`${index}: due ${at}, ran ${clock.now()}`);
            });
          });
          for (const [waitMs, index, delayMs] of moves) {
            await clock.advance(waitMs % 20_000);
            wheel.set(entries[index] as WheelEntry, clock.monotonicMs(), delayMs);
            if (delayMs > 0) due.set(index, clock.now() + delayMs);
            else due.delete(index);
          }
          await clock.advance(130_000);
          expect(late).toEqual([]);
          expect(due.size).toBe(0);
          expect(clock.waiting).toBe(0);
        },
      ),
      { numRuns: 200 },
    );
  });

  it("forgets what is removed, and runs what an entry sets in its own turn", async () => {
    const clock = new FakeClock(0);
    const wheel = new Wheel(clock);
    const ran: string[] = [];
    const again: WheelEntry = new WheelEntry(() => {
      ran.push(`again ${clock.now()}`);
      if (ran.length < 3) wheel.set(again, clock.monotonicMs(), 100);
    });
    const removed = new WheelEntry(() => ran.push("removed"));
    wheel.set(removed, 0, 100);
    wheel.set(again, 0, 100);
    wheel.remove(removed);
    await clock.advance(1_000);
    expect(ran).toEqual(["again 150", "again 300", "again 450"]);
    wheel.close();
    expect(clock.waiting).toBe(0);
  });
});
