import { describe, expect, it } from "vitest";
import { bucketMemory, Buckets } from "./buckets.ts";

const one = (requestsPerSecond: number, burst: number, memory = bucketMemory(false, 1n)) =>
  new Buckets(memory, { requestsPerSecond, burst });

describe("a bucket", () => {
  it("lets a burst in at once, then so many in a second, and says how long to wait", () => {
    const buckets = one(10, 2);
    expect([1, 2, 3].map(() => buckets.take("", 1_000))).toEqual([0, 0, 0]);
    expect(buckets.take("", 1_000)).toBeCloseTo(100);
    expect(buckets.take("", 1_099)).toBeCloseTo(1);
    expect(buckets.take("", 1_100)).toBe(0);
    expect(buckets.take("", 1_100)).toBeCloseTo(100);
  });

  it("is never fuller than full", () => {
    const buckets = one(10, 0);
    expect(buckets.take("", 100_000)).toBe(0);
    expect(buckets.take("", 100_000)).toBeGreaterThan(0);
  });

  it("is one for all that look at its memory", () => {
    const memory = bucketMemory(false, 1n);
    expect(one(1, 0, memory).take("", 5)).toBe(0);
    expect(one(1, 0, memory).take("", 5)).toBeGreaterThan(0);
  });

  it("outlives a clock that was set back", () => {
    const buckets = one(1, 1);
    buckets.take("", 3_600_000);
    expect(buckets.take("", 1_000)).toBe(0);
  });
});

describe("buckets with keys", () => {
  const keyed = () => new Buckets(bucketMemory(true, 0x1234_5678_9abc_def0n), { requestsPerSecond: 1, burst: 0 });

  it("are apart", () => {
    const buckets = keyed();
    const keys = Array.from({ length: 1_000 }, (_, i) => `10.0.${i >> 8}.${i & 255}`);
    expect(keys.filter((key) => buckets.take(key, 1_000) !== 0)).toEqual([]);
    expect(keys.filter((key) => buckets.take(key, 1_000) === 0)).toEqual([]);
  });

  it("let more keys than there is room for pass, rather than refuse or grow", () => {
    const buckets = keyed();
    const refused = Array.from({ length: 100_000 }, (_, i) => buckets.take(`key-${i}`, 1_000)).filter((ms) => ms > 0);
    expect(refused).toEqual([]);
  });
});
