import { afterEach, describe, expect, it } from "vitest";
import { boardMemory, healthBad, healthGood } from "../board.ts";
import { FakeClock } from "../../base/clock.ts";
import { must } from "../../base/errors.ts";
import type { Cluster } from "../cluster.ts";
import { address, all, cluster, eventually, freePort, listener, Stage } from "../edge.suite.ts";
import { asked, clusterOf } from "./balance.suite.ts";
import { compileFailover, levelLoads, localityLoads, type Level } from "./failover.ts";

const stage = new Stage();
afterEach(() => stage.strike());

const envoy = { levels: [], overprovisioning: 140, panicPercent: 50 };
const alone = (clusterId: string) => ({ clusterId, weight: 1 });
const among =
  (...made: readonly { cluster: Cluster }[]) =>
  (id: string) =>
    must(made.find(({ cluster: { config } }) => config.id === id)?.cluster, id);
const levels = (...healthy: number[]): Level[] => healthy.map((percent) => ({ healthy: percent, total: 100 }));
const loads = (...healthy: number[]) => levelLoads(levels(...healthy), envoy).map(({ percent }) => percent);
const panics = (...healthy: number[]) => levelLoads(levels(...healthy), envoy).map(({ panic }) => panic);

describe("shares of priority levels", () => {
  // Envoy, "Priority levels": its three tables, all rows.
  it.each([
    [
      [100, 100],
      [100, 0],
    ],
    [
      [72, 100],
      [100, 0],
    ],
    [
      [71, 100],
      [99, 1],
    ],
    [
      [50, 100],
      [70, 30],
    ],
    [
      [25, 100],
      [35, 65],
    ],
    [
      [0, 100],
      [0, 100],
    ],
    [
      [72, 72],
      [100, 0],
    ],
    [
      [71, 71],
      [99, 1],
    ],
    [
      [50, 50],
      [70, 30],
    ],
    [
      [25, 25],
      [50, 50],
    ],
    [
      [100, 100, 100],
      [100, 0, 0],
    ],
    [
      [72, 72, 100],
      [100, 0, 0],
    ],
    [
      [71, 71, 100],
      [99, 1, 0],
    ],
    [
      [50, 50, 100],
      [70, 30, 0],
    ],
    [
      [25, 100, 100],
      [35, 65, 0],
    ],
    [
      [25, 25, 100],
      [35, 35, 30],
    ],
    [
      [25, 25, 20],
      [36, 36, 28],
    ],
  ])("with %j percent healthy are %j", (healthy, percents) => {
    expect(loads(...healthy)).toEqual(percents);
  });

  // Envoy, "Panic threshold". Two of its rows (50% and 60%; 25% and 100%) show other shares than its own algorithm gives.
  it.each([
    [
      [72, 100],
      [100, 0],
      [false, false],
    ],
    [
      [0, 100],
      [0, 100],
      [false, false],
    ],
    [
      [72, 72],
      [100, 0],
      [false, false],
    ],
    [
      [71, 71],
      [99, 1],
      [false, false],
    ],
    [
      [50, 60],
      [70, 30],
      [false, false],
    ],
    [
      [25, 100],
      [35, 65],
      [false, false],
    ],
    [
      [25, 25],
      [50, 50],
      [true, true],
    ],
    [
      [5, 65],
      [7, 93],
      [true, false],
    ],
    [
      [0, 0],
      [100, 0],
      [true, false],
    ],
  ])("%j: %j, panic %j", (healthy, percents, panic) => {
    expect(loads(...healthy)).toEqual(percents);
    expect(panics(...healthy)).toEqual(panic);
  });

  it("make 100 whatever is healthy, and nobody dead has one", () => {
    for (let a = 0; a <= 100; a += 7) {
      for (let b = 0; b <= 100; b += 9) {
        for (let c = 0; c <= 100; c += 11) {
          const percents = loads(a, b, c);
          expect(
            percents.reduce((sum, percent) => sum + percent, 0),
            `${a} ${b} ${c}`,
          ).toBe(100);
          if (a + b + c === 0) continue;
          for (const [i, healthy] of [a, b, c].entries()) if (healthy === 0) expect(percents[i]).toBe(0);
        }
      }
    }
  });

  it("are nobody's when nothing is healthy and there is no panic; an empty level has none", () => {
    expect(levelLoads(levels(0, 0), { ...envoy, panicPercent: 0 })).toEqual([
      { percent: 0, panic: false },
      { percent: 0, panic: false },
    ]);
    const empty = { healthy: 0, total: 0 };
    expect(levelLoads([empty, ...levels(0)], envoy)).toEqual([
      { percent: 0, panic: false },
      { percent: 100, panic: true },
    ]);
    expect(levelLoads([empty, ...levels(100)], envoy).map(({ percent }) => percent)).toEqual([0, 100]);
  });
});

describe("failover between clusters", () => {
  it("follows their health, request by request", () => {
    const board = new Int32Array(boardMemory(64));
    const one = clusterOf(4, {}, { id: "one", board });
    const two = clusterOf(4, {}, { id: "two", board, firstSlot: 10 });
    let turns = 12_345;
    const choose = compileFailover(
      { ...envoy, levels: [[alone("one")], [alone("two")]] },
      among(one, two),
      () => turns++,
    );
    const clock = new FakeClock();
    const shares = () => {
      const counts: Record<string, number> = { one: 0, two: 0, unhealthy: 0 };
      for (let i = 0; i < 100; i += 1) {
        const cluster = choose();
        const id = cluster?.config.id ?? "none";
        counts[id] = (counts[id] ?? 0) + 1;
        const endpoint = cluster?.pick(asked(clock));
        if (endpoint !== undefined && board[endpoint.slot] !== healthGood)
          counts["unhealthy"] = (counts["unhealthy"] ?? 0) + 1;
      }
      return counts;
    };
    expect(shares()).toEqual({ one: 100, two: 0, unhealthy: 0 });
    one.judge(0, healthBad);
    one.judge(1, healthBad);
    expect(shares()).toEqual({ one: 70, two: 30, unhealthy: 0 });
    one.judge(2, healthBad);
    one.judge(3, healthBad);
    expect(shares()).toEqual({ one: 0, two: 100, unhealthy: 0 });
    // The rest is too little for all: what little is healthy is not left alone with it.
    for (const index of [0, 1, 2]) two.judge(index, healthBad);
    one.judge(0, healthGood);
    expect(shares()).toEqual({ one: 50, two: 50, unhealthy: 75 });
    for (const index of [0, 1, 2, 3]) one.judge(index, healthGood);
    expect(shares()).toEqual({ one: 100, two: 0, unhealthy: 0 });
  });

  it("leaves the cluster as it is to other routes", () => {
    const { cluster, judge } = clusterOf(4);
    const choose = compileFailover(
      { ...envoy, levels: [[alone("c")]] },
      () => cluster,
      () => 0,
    );
    for (const index of [0, 1, 2]) judge(index, healthBad);
    const clock = new FakeClock();
    const ids = (from: typeof cluster | undefined) => new Set([1, 2, 3, 4].map(() => from?.pick(asked(clock))?.id));
    expect(ids(choose()).size).toBe(4);
    expect(ids(cluster)).toEqual(new Set(["e3"]));
  });
});

describe("localities of a level", () => {
  // Envoy, "Locality weighted load balancing": its table of two localities, of weights 1 and 2, the second all healthy.
  it.each([
    [100, 33],
    [70, 33],
    [69, 33],
    [50, 26],
    [25, 15],
    [0, 0],
  ])("with %d%% of the first healthy give it %d%%", (healthy, percent) => {
    const [first = 0, second = 0] = localityLoads(
      [
        { healthy, total: 100, weight: 1 },
        { healthy: 100, total: 100, weight: 2 },
      ],
      envoy,
      false,
    );
    expect(Math.round((100 * first) / (first + second))).toBe(percent);
  });

  it("share by endpoints in panic, and an empty one has nothing", () => {
    const localities = [
      { healthy: 0, total: 6, weight: 1 },
      { healthy: 1, total: 2, weight: 9 },
      { healthy: 0, total: 0, weight: 9 },
    ];
    expect(localityLoads(localities, envoy, true)).toEqual([6, 2, 0]);
    expect(localityLoads(localities, envoy, false)[2]).toBe(0);
  });

  it("get what their weight and health say, within what their level gets", () => {
    const board = new Int32Array(boardMemory(64));
    const [near, side, far] = [
      clusterOf(4, {}, { id: "0", board }),
      clusterOf(4, {}, { id: "1", board, firstSlot: 10 }),
      clusterOf(4, {}, { id: "2", board, firstSlot: 20 }),
    ];
    let turns = 54_321;
    const choose = compileFailover(
      { ...envoy, levels: [[alone("0"), { clusterId: "1", weight: 3 }], [alone("2")]] },
      among(near, side, far),
      () => turns++,
    );
    const shares = () => {
      const counts = [0, 0, 0];
      for (let i = 0; i < 10_000; i += 1) {
        const id = Number(choose()?.config.id);
        counts[id] = (counts[id] ?? 0) + 1;
      }
      return counts.map((count) => Math.round(count / 100));
    };
    expect(shares()).toEqual([25, 75, 0]);
    // 140% of a half of the second: 3 * 0.7 against 1. Together they still have health enough for all.
    side.judge(0, healthBad);
    side.judge(1, healthBad);
    expect(shares()).toEqual([32, 68, 0]);
    for (const index of [2, 3]) side.judge(index, healthBad);
    // 140% of a half of the level: the rest spills over.
    expect(shares()).toEqual([70, 0, 30]);
  });

  it("are met in turn, and not one after the other", () => {
    const board = new Int32Array(boardMemory(64));
    const [a, b] = [clusterOf(1, {}, { id: "a", board }), clusterOf(1, {}, { id: "b", board, firstSlot: 10 })];
    let turns = 0;
    const choose = compileFailover({ ...envoy, levels: [[alone("a"), alone("b")]] }, among(a, b), () => turns++);
    const ids = Array.from({ length: 200 }, () => choose()?.config.id);
    expect(ids.join("")).not.toMatch(/aaa|bbb/);
  });
});

describe("failover through an edge", () => {
  it("moves a route's requests as checks fail and pass again", async () => {
    const well = { near: true };
    const named = (name: string) =>
      stage.http((request, response) => {
        const ok = name === "far" || request.url !== "/well" || well.near;
        response.writeHead(ok ? 200 : 503).end(name);
      });
    const [near, far, front] = [await named("near"), await named("far"), await freePort()];
    const health = {
      protocol: "http" as const,
      path: "/well",
      intervalMs: 20,
      timeoutMs: 5_000,
      healthyCount: 1,
      unhealthyCount: 1,
      matcher: "200",
      userAgent: "checker/1",
    };
    const edge = stage.edge();
    const policy = { failover: { ...envoy, levels: [[alone("near")], [alone("far")]] } };
    await edge.apply({
      epoch: 1,
      listeners: [listener(front, [{ ...all("near"), policy }])],
      clusters: [cluster("near", [address(near)], { health }), cluster("far", [address(far)], { health })],
    });
    const state = (id: string) => edge.health(id)[0]?.state;
    const from = async () => {
      const request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
      return (await stage.client(front).send(request).response()).body.toString();
    };
    await eventually(() => state("near") === "healthy" && state("far") === "healthy");
    expect(await from()).toBe("near");
    well.near = false;
    await eventually(() => state("near") === "unhealthy");
    expect(await from()).toBe("far");
    well.near = true;
    await eventually(() => state("near") === "healthy");
    expect(await from()).toBe("near");
  });
});
