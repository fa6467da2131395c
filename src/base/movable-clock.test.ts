import { expect, it } from "vitest";
import { FakeClock } from "./clock.ts";
import { MovableClock } from "./movable-clock.ts";
import { createScheduler } from "./scheduler.ts";

const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

function open() {
  const machine = new FakeClock();
  const clock = new MovableClock(machine);
  const startMs = clock.now();
  const ran: string[] = [];
  const note = (name: string) => () => void ran.push(`${name} at ${clock.now() - startMs}`);
  return { machine, clock, startMs, ran, note };
}

it("passes as the machine's time does", async () => {
  const { machine, clock, startMs, ran, note } = open();
  clock.after(50, note("timer"));
  await machine.advance(60);
  expect(ran).toEqual(["timer at 50"]);
  expect([clock.now() - startMs, clock.aheadMs]).toEqual([60, 0]);
});

it("is moved ahead, running what falls due in its order, once", async () => {
  const { machine, clock, startMs, ran, note } = open();
  clock.after(200, note("late"));
  clock.after(100, note("early"));
  clock.after(100, note("second"));
  clock.after(5_000, note("after"));
  clock.after(150, note("called off")).cancel();
  await clock.advance(1_000, settle);
  expect(ran).toEqual(["early at 102", "second at 102", "late at 202"]);
  expect(clock.now() - startMs).toBe(1_000);
  expect(clock.monotonicMs() - machine.monotonicMs()).toBe(1_000);
  await machine.advance(3_999);
  expect(ran).toHaveLength(3);
  await machine.advance(1);
  expect(ran.at(-1)).toBe("after at 5000");
});

it("lets what ran set its next timer on the way", async () => {
  const { clock } = open();
  let rounds = 0;
  const scheduler = createScheduler(clock, (_, error) => expect.unreachable(String(error)));
  const job = { name: "each minute", everyMs: 60_000, run: async () => void (rounds += 1) };
  scheduler.start(job);
  await clock.advance(600_000, async () => {
    await scheduler.settled();
    await settle();
  });
  expect(rounds).toBeGreaterThanOrEqual(9);
  expect(rounds).toBeLessThanOrEqual(10);
  await scheduler.stop();
});

it("ends a move over years, and one beside work that always wants more", async () => {
  const { clock, startMs } = open();
  let rounds = 0;
  const again = () => {
    rounds += 1;
    clock.after(0, again);
  };
  clock.after(0, again);
  await clock.advance(10 * 365 * 86_400_000, settle);
  expect(clock.now() - startMs).toBe(10 * 365 * 86_400_000);
  expect(rounds).toBeLessThanOrEqual(1_000);
});

it("makes moves one after the other, and none back", async () => {
  const { clock, startMs, ran, note } = open();
  clock.after(150, note("timer"));
  await Promise.all([clock.advance(100, settle), clock.advance(100, settle)]);
  expect(ran).toEqual(["timer at 151"]);
  expect(clock.now() - startMs).toBe(200);
  expect(() => clock.advance(-1, settle)).toThrow(RangeError);
  expect(() => clock.advance(0.5, settle)).toThrow(RangeError);
});

it("goes back when it is told to, with what is set from then on", async () => {
  const { machine, clock, startMs, ran, note } = open();
  await clock.advance(10_000, settle);
  await clock.returnTo(startMs);
  expect([clock.now(), clock.aheadMs]).toEqual([startMs, 0]);
  clock.after(100, note("timer"));
  await machine.advance(100);
  expect(ran).toEqual(["timer at 100"]);
});
