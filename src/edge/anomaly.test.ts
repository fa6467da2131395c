import { afterEach, describe, expect, it } from "vitest";
import { FakeClock } from "../base/clock.ts";
import { anomalous, anomalyIntervalMs, createAnomalyDetector, nextCut } from "./anomaly.ts";
import { atAnomalous, atCut, atVerdict, boardMemory, healthBad, healthGood, setVerdict, slotOf } from "./board.ts";
import { address, all, cluster, eventually, freePort, listener, Stage } from "./edge.suite.ts";
import { Outcomes } from "./outcomes.ts";

const stage = new Stage();
afterEach(() => stage.strike());

const rates = (...failures: number[]) => failures.map((each, slot) => ({ slot, requests: 100, failures: each }));

describe("endpoints that fail out of proportion", () => {
  it.each([
    [[0, 0, 0, 20], [3]],
    [[0, 0, 0, 5], [3]],
    [[0, 0, 0, 4], []],
    [[10, 10, 10, 18], []],
    [[10, 10, 10, 22], [3]],
    [[50, 50, 50, 50], []],
    [[0, 0, 90], [2]],
    [[0, 90], []],
    [[90], []],
    [
      [0, 0, 0, 90, 80, 100],
      [5, 3, 4],
    ],
    [
      [0, 40, 90, 95],
      [3, 2],
    ],
  ])("of %j in a hundred are %j", (failures, slots) => {
    expect([...anomalous(rates(...failures))]).toEqual(slots);
  });

  it("need requests to be judged by", () => {
    expect(anomalous([...rates(0, 0), { slot: 2, requests: 9, failures: 9 }]).size).toBe(0);
    expect(anomalous([...rates(0, 0), { slot: 2, requests: 10, failures: 9 }]).size).toBe(1);
  });

  it("lose half of their share each time, down to a hundredth; and get a tenth back each time", () => {
    const cuts = (steps: boolean[], from = 0) => steps.map((bad) => (from = nextCut(from, bad)));
    expect(cuts(Array.from({ length: 8 }, () => true))).toEqual([500, 750, 875, 938, 969, 985, 990, 990]);
    expect(cuts([false, false, true, false], 990)).toEqual([890, 790, 895, 795]);
    expect(cuts([false, false], 60)).toEqual([0, 0]);
  });
});

describe("the detector", () => {
  const setUp = (mitigate: boolean, count = 4) => {
    const clock = new FakeClock();
    const board = new Int32Array(boardMemory(16));
    const slots = Array.from({ length: count }, (_, i) => slotOf(i));
    for (const slot of slots) setVerdict(board, slot + atVerdict, healthGood);
    const detector = createAnomalyDetector({ clock, board });
    stage.later(() => detector.close());
    const watch = (balance: "weighted-random" | "round-robin" = "weighted-random") =>
      detector.watch({ epoch: 1, listeners: [], clusters: [cluster("c", [], { balance, mitigate })] }, { c: slots });
    watch();
    const serve = (index: number, good: number, bad: number) => {
      const outcomes = new Outcomes({ board, slot: slots[index] ?? 0, policy: undefined, report: () => {} });
      for (let i = 0; i < good; i += 1) outcomes.ended(200, undefined);
      for (let i = 0; i < bad; i += 1) outcomes.ended(i % 2 === 0 ? 500 : 0, i % 2 === 0 ? undefined : "reset");
    };
    const state = () => slots.map((slot) => [board[slot + atAnomalous], board[slot + atCut]]);
    return { clock, board, slots, watch, serve, state };
  };
  const well = [0, 0];

  it("cuts the share of who fails, and gives it back", async () => {
    const { clock, serve, state } = setUp(true);
    for (const cut of [500, 750]) {
      for (const index of [0, 1, 2]) serve(index, 50, 0);
      serve(3, 30, 20);
      await clock.advance(anomalyIntervalMs);
      expect(state()).toEqual([well, well, well, [1, cut]]);
    }
    await clock.advance(anomalyIntervalMs);
    expect(state()[3]).toEqual([0, 650]);
    await clock.advance(7 * anomalyIntervalMs);
    expect(state()[3]).toEqual(well);
  });

  it("only tells where nothing is to be mitigated", async () => {
    const { clock, serve, state } = setUp(false);
    for (const index of [0, 1, 2]) serve(index, 50, 0);
    serve(3, 30, 20);
    await clock.advance(anomalyIntervalMs);
    expect(state()[3]).toEqual([1, 0]);
  });

  it("looks at nobody where fewer than three are healthy, and not at who is unhealthy", async () => {
    const { clock, board, slots, serve, state } = setUp(true, 3);
    setVerdict(board, (slots[0] ?? 0) + atVerdict, healthBad);
    serve(1, 50, 0);
    serve(2, 0, 50);
    await clock.advance(anomalyIntervalMs);
    expect(state()).toEqual([well, well, well]);
  });

  it("leaves nothing behind when the algorithm changes", async () => {
    const { clock, serve, state, watch } = setUp(true);
    for (const index of [0, 1, 2]) serve(index, 50, 0);
    serve(3, 30, 20);
    await clock.advance(anomalyIntervalMs);
    watch("round-robin");
    expect(state()[3]).toEqual(well);
    expect(clock.waiting).toBe(1);
    await clock.advance(anomalyIntervalMs);
    expect(clock.waiting).toBe(0);
    watch();
    expect(clock.waiting).toBe(1);
  });

  it("is told of what requests through an edge met", async () => {
    const ports = await Promise.all(
      [200, 200, 500].map((status) => stage.http((_, response) => void response.writeHead(status).end())),
    );
    const front = await freePort();
    // Time flies for main alone: an interval is over as soon as there were enough requests.
    const clock = new FakeClock();
    const edge = stage.edge({ clock });
    const endpoints = ports.map((port) => address(port));
    const clusters = [cluster("c", endpoints, { balance: "weighted-random", mitigate: true })];
    await edge.apply({ epoch: 1, listeners: [listener(front, [all("c")])], clusters });
    for (let i = 0; i < 90; i += 1) {
      await stage.client(front).send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").response();
    }
    await clock.advance(anomalyIntervalMs);
    await eventually(() => edge.health("c")[2]?.anomaly?.anomalous === true);
    expect(edge.health("c").map(({ anomaly }) => anomaly)).toEqual([
      { anomalous: false, mitigated: false },
      { anomalous: false, mitigated: false },
      { anomalous: true, mitigated: true },
    ]);
  });
});
