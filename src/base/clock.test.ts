import { describe, expect, it } from "vitest";
import { FakeClock } from "./clock.ts";
import { createScheduler } from "./scheduler.ts";

describe("the fake clock", () => {
  it("runs what falls due in order, also what is set on the way", async () => {
    const clock = new FakeClock(0);
    const order: string[] = [];
    clock.after(20, () => order.push("second"));
    clock.after(10, () => {
      order.push("first");
      clock.after(5, () => order.push("on the way"));
    });
    clock.after(100, () => order.push("never"));
    await clock.advance(30);
    expect(order).toEqual(["first", "on the way", "second"]);
    expect(clock.now()).toBe(30);
    expect(clock.waiting).toBe(1);
  });

  it("ends a sleep that is called off", async () => {
    const clock = new FakeClock();
    const ending = new AbortController();
    const sleep = clock.sleep(1_000, ending.signal);
    ending.abort(new Error("enough"));
    await expect(sleep).rejects.toThrow("enough");
    expect(clock.waiting).toBe(0);
  });
});

describe("the scheduler", () => {
  it("runs a job on its beat, at once when woken, again while there is more, and never twice at once", async () => {
    const clock = new FakeClock(0);
    const runs: number[] = [];
    let left = 2;
    const scheduler = createScheduler(clock, () => {});
    const job = scheduler.start({
      name: "beat",
      everyMs: 1_000,
      async run() {
        runs.push(clock.now());
        return { more: left-- > 0 };
      },
    });
    await clock.advance(1_000);
    expect(runs).toEqual([1_000, 1_000, 1_000]);
    job.wake();
    job.wake();
    await clock.advance(0);
    expect(runs).toHaveLength(4);
    await scheduler.stop();
    await clock.advance(10_000);
    expect(runs).toHaveLength(4);
  });

  it("reports a round that fails and tries again after a growing pause", async () => {
    const clock = new FakeClock(0);
    const failures: string[] = [];
    const scheduler = createScheduler(clock, (job, error) => failures.push(`${job} ${String(error)}`));
    let rounds = 0;
    scheduler.start({
      name: "brittle",
      everyMs: 10,
      async run() {
        rounds += 1;
        if (rounds <= 2) throw new Error("no");
      },
    });
    await clock.advance(10);
    await clock.advance(199);
    expect(rounds).toBe(1);
    await clock.advance(1);
    expect(rounds).toBe(2);
    await clock.advance(400);
    expect(rounds).toBe(3);
    expect(failures).toEqual(["brittle Error: no", "brittle Error: no"]);
    await scheduler.stop();
  });
});
