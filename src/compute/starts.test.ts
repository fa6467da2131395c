/** Why environments start, as the engine tells it. */
import { describe, expect, it } from "vitest";
import { specOf } from "./harness.suite.ts";
import { debugPendingMsMax, freezeMs, freezeSweepMs, pendingMsMax, startPatienceMs } from "./limits.ts";
import { openPuppets as open } from "./puppets.suite.ts";

/** The reasons of the starts so far, and the function's environments. */
const told = ({ engine }: ReturnType<typeof open>) => {
  const [report] = engine.functions();
  return report?.recent.map(({ reason }) => reason);
};

describe("a start is explained", () => {
  it("by first use, load, and time without use", async () => {
    const puppets = open();
    const { engine, clock, invoke, puppet } = puppets;
    const first = invoke("a");
    await clock.advance(40);
    puppet(0).events.ready();
    const second = invoke("b");
    await clock.advance(startPatienceMs);
    puppet(1).events.ready();
    puppet(0).answer();
    puppet(1).answer();
    await Promise.all([first, second]);
    expect(engine.functions()).toMatchObject([
      {
        functionName: "tiles",
        version: "$LATEST",
        idle: 2,
        coldStarts: 2,
        counts: { first: 1, "scale-out": 1 },
        recent: [
          { reason: "first", initMs: 40 },
          { reason: "scale-out", initMs: 0 },
        ],
      },
    ]);
    await clock.advance(freezeMs + 2 * freezeSweepMs);
    expect(engine.functions()).toMatchObject([{ idle: 2, frozen: 2 }]);
    await clock.advance(61_000);
    for (const index of [0, 1]) puppet(index).events.ended();
    void invoke("c");
    expect(told(puppets)).toEqual(["first", "scale-out", "idle"]);
  });

  it.each([
    ["timeout", "timeout"],
    ["memory", "memory"],
    ["crash", "crash"],
    ["init", "start-failed"],
  ] as const)("by an end before: %s", async (cause, reason) => {
    const puppets = open();
    const { invoke, puppet } = puppets;
    const answer = invoke("a");
    puppet(0).events.ready();
    const result = { payload: Buffer.from("x"), logTail: "", durationMs: 1, memoryUsedMiB: 1 };
    puppet(0).events.answered({ ...result, initialization: "on-demand", error: "unhandled", cause }, false);
    puppet(0).events.ended();
    await answer;
    void invoke("b");
    expect(told(puppets)).toEqual(["first", reason]);
  });

  it("by other code, a start that failed, and the second try", async () => {
    const puppets = open();
    const { engine, invoke, puppet, spec } = puppets;
    const answer = invoke("a");
    puppet(0).fail(true);
    expect(told(puppets)).toEqual(["first", "retry"]);
    puppet(1).fail(true);
    await answer;
    void invoke("b", specOf("/other"));
    expect(told(puppets)).toEqual(["first", "retry", "changed"]);
    expect(engine.functions()).toMatchObject([{ coldStarts: 3, recent: [{ failed: true }, { failed: true }, {}] }]);
    await engine.retire(spec.id);
  });

  it("by what is kept ready, and by what spills over", async () => {
    const puppets = open();
    const { engine, clock, invoke, puppet, spec } = puppets;
    engine.provision(spec, 1);
    puppet(0).events.ready();
    void invoke("a");
    void invoke("b");
    await clock.advance(startPatienceMs);
    expect(told(puppets)).toEqual(["provisioned", "spillover"]);
    expect(engine.functions()).toMatchObject([{ coldStarts: 1, provisioned: 1, busy: 1, starting: 1 }]);
  });
});

describe("a function that is debugged", () => {
  const debug = { port: 9229, wait: false };

  it("has one environment, which is not frozen, and whose invocations have patience", async () => {
    const puppets = open();
    const { engine, clock, invoke, made, puppet } = puppets;
    const spec = specOf("/code", { debug, timeoutMs: 3_600_000 });
    engine.provision(spec, 1);
    puppet(0).events.ready();
    expect([made.length, puppet(0).options.initialization]).toEqual([1, "on-demand"]);
    await clock.advance(freezeMs + 2 * freezeSweepMs);
    expect(puppet(0).freezes).toBe(0);
    const first = invoke("a", spec);
    const second = invoke("b", spec);
    await clock.advance(pendingMsMax + 10_000);
    expect(made).toHaveLength(1);
    puppet(0).answer();
    puppet(0).answer();
    expect(await Promise.all([first, second])).toEqual(["0:a", "0:b"]);
    expect(told(puppets)).toEqual(["debug"]);
    expect(engine.functions()).toMatchObject([{ coldStarts: 0 }]);
    void invoke("c", spec);
    const late = invoke("d", spec);
    const refused = expect(late).rejects.toMatchObject({ name: "ComputeFull" });
    await clock.advance(debugPendingMsMax + 10_000);
    await refused;
  });

  it("ends with a grace for what runs, and refuses what waits", async () => {
    const { engine, clock, invoke, puppet } = open();
    const spec = specOf("/code", { debug });
    engine.provision(spec, 1);
    puppet(0).events.ready();
    void invoke("a", spec);
    const refused = expect(invoke("b", spec)).rejects.toMatchObject({ name: "ComputeFull" });
    const retired = engine.retire(spec.id, 3_000);
    await clock.advance(2_999);
    expect(puppet(0).ends).toBe(0);
    await refused;
    await clock.advance(1);
    expect(puppet(0).ends).toBe(1);
    puppet(0).answer(false);
    puppet(0).events.ended();
    await retired;
  });
});
