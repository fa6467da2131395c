import { Worker } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import { growPermits, permitMemory, Permits, returnPermits } from "./permits.ts";

describe("permits", () => {
  it("are given out up to the number, and again when they come back", () => {
    const pool = new Permits(permitMemory(3), 0, 3);
    const taken = [pool.take(), pool.take(), pool.take()];
    expect(new Set(taken)).toEqual(new Set([0, 1, 2]));
    expect(pool.take()).toBe(-1);
    pool.give(1);
    expect(pool.take()).toBe(1);
    expect(pool.out).toBe(3);
  });

  it("are none where the number is 0", () => {
    expect(new Permits(permitMemory(0), 0, 0).take()).toBe(-1);
  });

  it("of a worker that is gone come back, and no others", () => {
    const memory = permitMemory(4);
    const [one, two] = [new Permits(memory, 0, 4), new Permits(memory, 1, 4)];
    one.take();
    one.take();
    two.take();
    returnPermits(memory, 0);
    expect(two.out).toBe(1);
    expect([two.take(), two.take(), two.take()].every((permit) => permit >= 0)).toBe(true);
    expect(two.take()).toBe(-1);
  });

  it("count those that are out of a pool that was larger", () => {
    const memory = permitMemory(4);
    const before = new Permits(memory, 0, 4);
    const taken = [before.take(), before.take(), before.take(), before.take()];
    const after = new Permits(memory, 0, 2);
    // Slots below the new number come free first: two of the old are still out.
    before.give(taken.find((slot) => slot === 0) ?? -1);
    before.give(taken.find((slot) => slot === 1) ?? -1);
    expect(after.take()).toBe(-1);
    before.give(3);
    expect(after.take()).toBeGreaterThanOrEqual(0);
    expect(after.take()).toBe(-1);
  });

  it("become more in the memory they have", () => {
    const memory = permitMemory(1);
    const before = new Permits(memory, 0, 1);
    expect(before.take()).toBe(0);
    growPermits(memory, 3);
    const after = new Permits(memory, 1, 3);
    expect([after.take(), after.take()]).toEqual([1, 2]);
    expect(after.take()).toBe(-1);
    before.give(0);
    expect(after.take()).toBe(0);
  });

  it("never are more than the number at once, whoever takes them", async () => {
    const max = 1;
    const memory = permitMemory(max);
    const gauge = new SharedArrayBuffer(12);
    const source = `
      const { workerData } = require("node:worker_threads");
      import(workerData.module).then(({ Permits }) => {
        const pool = new Permits(workerData.memory, workerData.owner, workerData.max);
        const gauge = new Int32Array(workerData.gauge);
        Atomics.add(gauge, 2, 1);
        while (Atomics.load(gauge, 2) < 4);
        for (let i = 0; i < 400_000; i += 1) {
          const permit = pool.take();
          if (permit < 0) continue;
          const now = Atomics.add(gauge, 0, 1) + 1;
          for (let seen = Atomics.load(gauge, 1); now > seen; seen = Atomics.load(gauge, 1)) {
            Atomics.compareExchange(gauge, 1, seen, now);
          }
          Atomics.sub(gauge, 0, 1);
          pool.give(permit);
        }
      });`;
    const module = new URL("permits.ts", import.meta.url).href;
    await Promise.all(
      [0, 1, 2, 3].map(
        (owner) =>
          new Promise((resolve, reject) => {
            const worker = new Worker(source, { eval: true, workerData: { module, memory, gauge, owner, max } });
            worker.once("error", reject);
            worker.once("exit", resolve);
          }),
      ),
    );
    const [left, most] = new Int32Array(gauge);
    expect(left).toBe(0);
    expect(most).toBeLessThanOrEqual(max);
    expect(most).toBeGreaterThan(0);
    expect(new Permits(memory, 0, max).out).toBe(0);
  });
});
