import { describe, expect, it } from "vitest";
import { FakeClock } from "../../base/clock.ts";
import { atCut, atEjected, atSlowSince, healthBad, healthGood } from "../board.ts";
import type { ClusterConfig } from "../ports.ts";
import { asked, clusterOf } from "./balance.suite.ts";
import { Outstanding } from "./pickers.ts";

type Made = ReturnType<typeof clusterOf>;

/** How often each of the endpoints is picked in `times` requests. */
function counts({ cluster }: Made, times: number, clock = new FakeClock()): number[] {
  const picked = Array.from({ length: cluster.total }, () => 0);
  for (let i = 0; i < times; i += 1) {
    const index = Number(cluster.pick(asked(clock))?.id.slice(1));
    picked[index] = (picked[index] ?? 0) + 1;
  }
  return picked;
}

/** A sequence that fills [0, 1) evenly, in place of chance. */
function even(): () => number {
  let at = 0;
  return () => (at = (at + 0.618_033_988_749) % 1);
}

describe("round robin", () => {
  it("gives each its turn, beginning anywhere", () => {
    expect(counts(clusterOf(3), 9)).toEqual([3, 3, 3]);
    const firsts = [0, 0.3, 0.7, 0.99].map(
      (at) => clusterOf(4, {}, { random: () => at }).cluster.pick(asked(new FakeClock()))?.id,
    );
    expect(new Set(firsts).size).toBe(4);
  });

  it("is fair over workers that each begin anywhere", () => {
    const random = even();
    const sums = [0, 0, 0];
    for (let worker = 0; worker < 300; worker += 1) {
      for (const [i, count] of counts(clusterOf(3, {}, { random }), 1).entries()) sums[i] = (sums[i] ?? 0) + count;
    }
    for (const sum of sums) expect(Math.abs(sum - 100)).toBeLessThan(5);
  });

  it("passes by what is not healthy, or ejected", () => {
    const made = clusterOf(4);
    made.judge(0, healthBad);
    made.judge(2, 1, atEjected);
    expect(counts(made, 6)).toEqual([0, 3, 0, 3]);
    made.judge(0, healthGood);
    made.judge(2, 0, atEjected);
    expect(counts(made, 8)).toEqual([2, 2, 2, 2]);
  });

  it("goes to another endpoint when a request is tried again, where there is one", () => {
    const { cluster } = clusterOf(2);
    const request = asked(new FakeClock());
    const first = cluster.pick(request);
    request.cluster = cluster;
    request.endpoint = first;
    cluster.pick(asked(new FakeClock()));
    expect(cluster.pick(request)).not.toBe(first);
    const alone = clusterOf(1).cluster;
    request.cluster = alone;
    request.endpoint = alone.pick(request);
    expect(alone.pick(request)?.id).toBe("e0");
  });
});

describe("fail-open", () => {
  it.each([
    [undefined, 3, [0, 4]],
    [undefined, 4, [1, 1, 1, 1]],
    [{ count: 2, percent: 0 }, 2, [0, 0, 2, 2]],
    [{ count: 2, percent: 0 }, 3, [1, 1, 1, 1]],
    [{ count: 1, percent: 50 }, 2, [0, 0, 2, 2]],
    [{ count: 1, percent: 51 }, 2, [1, 1, 1, 1]],
    [{ count: 1, percent: 75 }, 2, [1, 1, 1, 1]],
  ])("with a minimum of %j and %d of 4 unhealthy", (healthyMin, bad, expected) => {
    const made = clusterOf(4, healthyMin === undefined ? {} : { healthyMin });
    for (let i = 0; i < bad; i += 1) made.judge(i, healthBad);
    const picked = counts(made, 4);
    expect(expected.length === 2 ? [picked[0], picked[3]] : picked).toEqual(expected);
  });

  it("does not bring an ejected one back while others are healthy; does when all are ejected", () => {
    const made = clusterOf(2);
    made.judge(0, 1, atEjected);
    expect(counts(made, 2)).toEqual([0, 2]);
    made.judge(1, 1, atEjected);
    expect(counts(made, 2)).toEqual([1, 1]);
  });
});

describe("least outstanding requests", () => {
  const least: Partial<ClusterConfig> = { balance: "least-outstanding" };

  it("go to who has the fewest under way, and round among equals", () => {
    const clock = new FakeClock();
    const { cluster } = clusterOf(3, least);
    const open = Array.from({ length: 7 }, () => {
      const request = asked(clock);
      return { request, id: cluster.pick(request)?.id };
    });
    const of = (id: string) => open.filter((each) => each.id === id);
    expect(["e0", "e1", "e2"].map((id) => of(id).length).sort((a, b) => a - b)).toEqual([2, 2, 3]);
    for (const { request } of of("e1")) request.end();
    const next = [1, 2].map(() => cluster.pick(asked(clock))?.id);
    expect(next).toEqual(["e1", "e1"]);
  });

  it("are known over a change of configuration", () => {
    const clock = new FakeClock();
    const outstanding = new Outstanding();
    const before = clusterOf(2, least, { outstanding }).cluster;
    const slow = asked(clock);
    const busy = before.pick(slow)?.id;
    const after = clusterOf(2, least, { outstanding }).cluster;
    const other = busy === "e0" ? "e1" : "e0";
    for (let i = 0; i < 3; i += 1) {
      const request = asked(clock);
      expect(after.pick(request)?.id).toBe(other);
      request.end();
    }
    slow.end();
    const ids = [1, 2].map(() => after.pick(asked(clock))?.id);
    expect(new Set(ids).size).toBe(2);
  });

  it("are even when all end at once", () => {
    const clock = new FakeClock();
    const { cluster } = clusterOf(4, least);
    const seen: (string | undefined)[] = [];
    for (let i = 0; i < 40; i += 1) {
      const request = asked(clock);
      seen.push(cluster.pick(request)?.id);
      request.end();
    }
    for (const id of ["e0", "e1", "e2", "e3"]) expect(seen.filter((each) => each === id)).toHaveLength(10);
  });

  it("never differ by more than one, whatever ends when (a slow endpoint gets less)", () => {
    const clock = new FakeClock();
    const { cluster } = clusterOf(5, least);
    const open = new Map<string, ReturnType<typeof asked>[]>();
    const random = even();
    for (let i = 0; i < 2_000; i += 1) {
      const request = asked(clock);
      const id = cluster.pick(request)?.id ?? "";
      const before = [...Array(5).keys()].map((n) => open.get(`e${n}`)?.length ?? 0);
      expect(before[Number(id.slice(1))]).toBe(Math.min(...before));
      open.set(id, [...(open.get(id) ?? []), request]);
      for (const [who, requests] of open) {
        // e0 answers seldom, the others often.
        if (requests.length > 0 && random() < (who === "e0" ? 0.02 : 0.25)) requests.shift()?.end();
      }
    }
  });
});

describe("weighted random", () => {
  const weighted: Partial<ClusterConfig> = { balance: "weighted-random" };

  it("gives each the same", () => {
    for (const count of counts(clusterOf(4, weighted, { random: even() }), 4_000)) {
      expect(Math.abs(count - 1_000)).toBeLessThan(20);
    }
  });

  it("takes from an endpoint what is cut of its share", () => {
    const made = clusterOf(4, weighted, { random: Math.random });
    made.judge(2, 800, atCut);
    const [a = 0, b = 0, c = 0, d = 0] = counts(made, 20_000);
    // A fifth of the others' share.
    expect(c / ((a + b + d) / 3)).toBeGreaterThan(0.15);
    expect(c / ((a + b + d) / 3)).toBeLessThan(0.25);
  });

  it("ends its draws where all is cut", () => {
    const made = clusterOf(2, weighted, { random: even() });
    made.judge(0, 1000, atCut);
    made.judge(1, 1000, atCut);
    expect(counts(made, 3).reduce((a, b) => a + b, 0)).toBe(3);
  });
});

describe("slow start", () => {
  const slowStartMs = 100_000;

  it("grows evenly to the full share", async () => {
    const clock = new FakeClock();
    const made = clusterOf(4, { slowStartMs }, { clock });
    made.judge(3, clock.now() / 1000, atSlowSince);
    for (const part of [0, 0.25, 0.5, 0.75, 1]) {
      const [a = 0, b = 0, c = 0, slow = 0] = counts(made, 3_000 + 1_000 * part, clock);
      for (const full of [a, b, c]) expect(Math.abs(full - 1_000)).toBeLessThan(5);
      expect(Math.abs(slow - 1_000 * part)).toBeLessThan(5);
      await clock.advance(slowStartMs / 4);
    }
    expect(counts(made, 400, clock)).toEqual([100, 100, 100, 100]);
  });

  it("counts for nothing where nobody else could serve", () => {
    const clock = new FakeClock();
    const made = clusterOf(2, { slowStartMs }, { clock });
    for (const index of [0, 1]) made.judge(index, clock.now() / 1000, atSlowSince);
    expect(counts(made, 10, clock)).toEqual([5, 5]);
    made.judge(0, healthBad);
    expect(counts(made, 10, clock)).toEqual([0, 10]);
  });
});
