import { describe, expect, it } from "vitest";
import { specOf } from "./harness.suite.ts";
import { openPuppets } from "./puppets.suite.ts";

/** Two that are ready, of a function of its own. */
function openWithTwo() {
  const opened = openPuppets({ startsAtOnceMax: 4 });
  opened.engine.provision(opened.spec, 2);
  for (const { events } of opened.made) events.ready();
  return opened;
}

describe("provisioned environments", () => {
  it("start ahead of any invocation, so many at once, and say how far they are", () => {
    const { engine, spec, made, puppet } = openPuppets();
    expect(engine.provisioned(spec.id)).toEqual({ requested: 0, allocated: 0, available: 0 });
    engine.provision(spec, 3);
    expect(made).toHaveLength(2);
    expect(engine.provisioned(spec.id)).toEqual({ requested: 3, allocated: 2, available: 0 });
    puppet(0).events.ready();
    expect(engine.provisioned(spec.id)).toEqual({ requested: 3, allocated: 3, available: 1 });
    puppet(1).events.ready();
    puppet(2).events.ready();
    expect(engine.provisioned(spec.id)).toEqual({ requested: 3, allocated: 3, available: 3 });
    expect(made.map(({ options }) => options)).toEqual(
      made.map(() => ({ initMsMax: 130_000, initialization: "provisioned-concurrency" })),
    );
  });

  it("have the function's timeout to start when that is longer", () => {
    const { engine, puppet } = openPuppets();
    engine.provision(specOf("/slow", { timeoutMs: 900_000 }), 1);
    expect(puppet(0).options.initMsMax).toBe(900_000);
  });

  it("are taken first; others start when all are busy, and do the rest", async () => {
    const { engine, spec, puppet, made, clock } = openWithTwo();
    const kinds = ["a", "b", "c"].map(async () => {
      const requestId = "00000000-0000-4000-8000-000000000000";
      const traceHeader = "Root=1-0;Sampled=0";
      const invocation = { requestId, payload: Buffer.from("{}"), invokedArn: "arn", traceHeader };
      return (await engine.invoke(spec, invocation)).initialization;
    });
    await clock.advance(10);
    expect(made).toHaveLength(3);
    puppet(2).events.ready();
    for (const one of made) one.answer();
    expect(await Promise.all(kinds)).toEqual(["provisioned-concurrency", "provisioned-concurrency", "on-demand"]);
    expect(engine.provisioned(spec.id)).toEqual({ requested: 2, allocated: 2, available: 2 });
  });

  it("do not serve as the start that an invocation waits for", async () => {
    const { engine, spec, invoke, puppet } = openPuppets();
    engine.provision(spec, 1);
    const first = invoke("a");
    expect(puppet(1).options.initialization).toBe("on-demand");
    // Yet whichever is ready first takes it.
    puppet(0).events.ready();
    puppet(0).answer();
    expect(await first).toBe("0:a");
  });

  it("stay however long nobody uses them, and whoever else needs a place", async () => {
    const { engine, spec, made, puppet, invoke, clock } = openPuppets({ environmentsMax: 3, startsAtOnceMax: 4 });
    engine.provision(spec, 2);
    for (const { events } of made) events.ready();
    await clock.advance(600_000);
    const others = [invoke("a", specOf("/one")), invoke("b", specOf("/two"))];
    expect(made).toHaveLength(3);
    puppet(2).events.ready();
    puppet(2).answer();
    expect(made.map(({ ends }) => ends)).toEqual([0, 0, 1]);
    puppet(2).events.ended();
    puppet(3).events.ready();
    puppet(3).answer();
    expect(await Promise.all(others)).toEqual(["2:a", "3:b"]);
    expect(engine.provisioned(spec.id).available).toBe(2);
  });

  it("are replaced when they die", async () => {
    const { engine, spec, made, puppet, invoke } = openWithTwo();
    const answer = invoke("a");
    puppet(1).answer(false);
    expect(await answer).toBe("1:a");
    puppet(1).events.ended();
    expect(made).toHaveLength(3);
    expect(engine.provisioned(spec.id)).toEqual({ requested: 2, allocated: 2, available: 1 });
  });

  it("that fail to start are tried again, ever later, and say why", async () => {
    const { engine, spec, made, puppet, clock } = openPuppets();
    engine.provision(spec, 1);
    const failure = { cause: "init", reason: "FUNCTION_ERROR_INIT_FAILURE" };
    puppet(0).fail(true);
    expect(engine.provisioned(spec.id)).toEqual({ requested: 1, allocated: 0, available: 0, failure });
    await clock.advance(999);
    expect(made).toHaveLength(1);
    await clock.advance(1);
    puppet(1).fail(false);
    await clock.advance(1_999);
    expect(made).toHaveLength(2);
    await clock.advance(1);
    puppet(2).events.ready();
    expect(engine.provisioned(spec.id)).toEqual({ requested: 1, allocated: 1, available: 1 });
  });

  it("that die before they did anything are not replaced in a circle", async () => {
    const { engine, spec, made, puppet, clock } = openPuppets();
    engine.provision(spec, 1);
    puppet(0).events.ready();
    puppet(0).events.ended();
    await clock.advance(999);
    expect(made).toHaveLength(1);
    await clock.advance(1);
    expect(made).toHaveLength(2);
  });

  it("end with the count: free ones now, busy ones when they are free", async () => {
    const { engine, spec, puppet, invoke } = openWithTwo();
    const answer = invoke("a");
    engine.provision(spec, 0);
    expect([puppet(0).ends, puppet(1).ends]).toEqual([1, 0]);
    puppet(1).answer();
    expect(await answer).toBe("1:a");
    expect(puppet(1).ends).toBe(1);
    for (const index of [0, 1]) puppet(index).events.ended();
    expect(engine.stats()).toEqual([]);
    expect(engine.provisioned(spec.id)).toEqual({ requested: 0, allocated: 0, available: 0 });
  });

  it("end when the function is retired, even between two tries", async () => {
    const { engine, spec, puppet } = openPuppets();
    engine.provision(spec, 1);
    puppet(0).fail(true);
    await engine.retire(spec.id);
    expect(engine.stats()).toEqual([]);
  });

  it("leave a part of the node to the other functions", () => {
    const { engine, spec, made } = openPuppets({ environmentsMax: 10, startsAtOnceMax: 20 });
    engine.provision(spec, 20);
    expect(made).toHaveLength(9);
    expect(engine.provisioned(spec.id)).toMatchObject({
      requested: 20,
      allocated: 9,
      failure: { cause: "full", reason: "The node runs at most 9 provisioned environments." },
    });
  });
});
