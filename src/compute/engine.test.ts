import { describe, expect, it } from "vitest";
import { specOf } from "./harness.suite.ts";
import { pendingMax, pendingMsMax, startPatienceMs } from "./limits.ts";
import { openPuppets as open } from "./puppets.suite.ts";

const settle = () =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

describe("environments of a function", () => {
  it("are used again, the last one used first", async () => {
    const { made, invoke, puppet, engine, spec } = open();
    const first = [invoke("a"), invoke("b")];
    for (const { events } of made) events.ready();
    puppet(0).answer();
    puppet(1).answer();
    expect(await Promise.all(first)).toEqual(["0:a", "1:b"]);
    const next = invoke("c");
    puppet(1).answer();
    expect(await next).toBe("1:c");
    expect(engine.stats()).toEqual([{ specId: spec.id, starting: 0, idle: 2, busy: 0 }]);
  });

  it("start for each that waits, so many at once", async () => {
    const { made, invoke, puppet } = open();
    const answers = ["a", "b", "c", "d"].map((id) => invoke(id));
    expect(made).toHaveLength(2);
    puppet(0).events.ready();
    // One lives: the others get a new one only once they have waited.
    expect(made).toHaveLength(2);
    puppet(1).events.ready();
    puppet(0).answer();
    puppet(1).answer();
    puppet(0).answer();
    puppet(1).answer();
    expect(await Promise.all(answers)).toEqual(["0:a", "1:b", "0:c", "1:d"]);
    expect(made).toHaveLength(2);
  });

  it("start beside busy ones for those that lose patience, and only for those", async () => {
    const { made, invoke, puppet, clock } = open();
    const answers = [invoke("a")];
    puppet(0).events.ready();
    answers.push(invoke("b"));
    await clock.advance(startPatienceMs - 1);
    answers.push(invoke("c"));
    expect(made).toHaveLength(1);
    await clock.advance(1);
    expect(made).toHaveLength(2);
    // Whichever is free first takes the first in the queue.
    puppet(0).answer();
    puppet(1).events.ready();
    expect([puppet(0).runs.at(-1)?.requestId, puppet(1).runs.at(-1)?.requestId]).toEqual(["b", "c"]);
    puppet(0).answer();
    puppet(1).answer();
    expect(await Promise.all(answers)).toEqual(["0:a", "0:b", "1:c"]);
    await clock.advance(10 * startPatienceMs);
    expect(made).toHaveLength(2);
  });

  it("that became ready too late wait for the next", async () => {
    const { made, invoke, puppet, clock } = open();
    const first = invoke("a");
    puppet(0).events.ready();
    const second = invoke("b");
    await clock.advance(startPatienceMs);
    puppet(0).answer();
    puppet(0).answer();
    await Promise.all([first, second]);
    puppet(1).events.ready();
    const third = invoke("c");
    puppet(1).answer();
    expect(await third).toBe("1:c");
    expect(made).toHaveLength(2);
  });

  it("that are spent are not used again", async () => {
    const { invoke, puppet } = open();
    const first = invoke("a");
    puppet(0).events.ready();
    puppet(0).answer(false);
    expect(await first).toBe("0:a");
    const second = invoke("b");
    puppet(0).events.ended();
    puppet(1).events.ready();
    puppet(1).answer();
    expect(await second).toBe("1:b");
  });

  it("end when nobody used them for a while", async () => {
    const { invoke, puppet, clock, engine } = open();
    const first = [invoke("a"), invoke("b")];
    for (const index of [0, 1]) puppet(index).events.ready();
    for (const index of [0, 1]) puppet(index).answer();
    await Promise.all(first);
    await clock.advance(30_000);
    const again = invoke("c");
    puppet(1).answer();
    await again;
    await clock.advance(30_000);
    expect([puppet(0).ends, puppet(1).ends]).toEqual([1, 0]);
    await clock.advance(30_000);
    expect(puppet(1).ends).toBe(1);
    for (const index of [0, 1]) puppet(index).events.ended();
    expect(engine.stats()).toEqual([]);
    expect(clock.waiting).toBeLessThanOrEqual(2);
    await clock.advance(10_000);
    expect(clock.waiting).toBe(0);
  });

  it("are frozen when nobody used them for a moment, each once", async () => {
    const { invoke, puppet, clock } = open({ freezeMs: 100 });
    const first = [invoke("a"), invoke("b")];
    for (const index of [0, 1]) puppet(index).events.ready();
    for (const index of [0, 1]) puppet(index).answer();
    await Promise.all(first);
    for (let i = 0; i < 10; i += 1) {
      const again = invoke("c");
      puppet(1).answer();
      await again;
      await clock.advance(60);
    }
    expect([puppet(0).freezes, puppet(1).freezes]).toEqual([1, 0]);
    await clock.advance(1_000);
    expect([puppet(0).freezes, puppet(1).freezes]).toEqual([1, 1]);
    const thawed = invoke("d");
    puppet(1).answer();
    await thawed;
    await clock.advance(1_000);
    expect([puppet(0).freezes, puppet(1).freezes]).toEqual([1, 2]);
  });

  it("are looked at while they work", async () => {
    const { invoke, puppet, clock } = open();
    const first = invoke("a");
    await clock.advance(100);
    puppet(0).events.ready();
    await clock.advance(100);
    const samples = puppet(0).samples;
    expect(samples).toBeGreaterThanOrEqual(3);
    puppet(0).answer();
    await first;
    await clock.advance(1_000);
    expect(puppet(0).samples).toBe(samples);
  });
});

describe("a start that fails", () => {
  it("is tried once more with the function's own time, then fails who waited", async () => {
    const { made, invoke, puppet } = open({ initMsMax: 10_000 });
    const first = invoke("a");
    puppet(0).fail(true);
    expect(made.map(({ options }) => options.initMsMax)).toEqual([10_000, 3_000]);
    puppet(1).fail(true);
    expect(await first).toBe("failed 1:a");
    expect(made).toHaveLength(2);
  });

  it("is tried again as a part of the invocation that waits longest, and of no other", async () => {
    const { made, invoke, puppet, clock } = open({ startsAtOnceMax: 1 });
    const answers = [invoke("a"), invoke("b")];
    puppet(0).fail(true);
    expect(made.map(({ options }) => options.within?.requestId)).toEqual([undefined, "a"]);
    // It runs its invocation by itself as soon as it is ready; the other gets a start of its own.
    puppet(1).events.ready();
    expect(puppet(1).runs).toEqual([]);
    await clock.advance(startPatienceMs);
    expect(made.map(({ options }) => options.within?.requestId)).toEqual([undefined, "a", undefined]);
    puppet(2).events.ready();
    puppet(2).answer();
    puppet(1).answer();
    expect(await Promise.all(answers)).toEqual(["1:undefined", "2:b"]);
  });

  it("fails all that waited for it, when nothing else could serve them, and not who came later", async () => {
    const { made, invoke, puppet, clock } = open({ startsAtOnceMax: 1 });
    const waited = [invoke("a"), invoke("b")];
    await clock.advance(1);
    const later = invoke("c");
    puppet(0).fail(false);
    expect(await Promise.all(waited)).toEqual(["failed 0:a", "failed 0:b"]);
    puppet(1).events.ready();
    puppet(1).answer();
    expect(await later).toBe("1:c");
    expect(made).toHaveLength(2);
  });

  it("fails one while others start, who may serve the rest", async () => {
    const { invoke, puppet } = open();
    const answers = [invoke("a"), invoke("b")];
    puppet(0).fail(false);
    puppet(1).events.ready();
    puppet(1).answer();
    expect(await Promise.all(answers)).toEqual(["failed 0:a", "1:b"]);
  });
});

describe("the bounds over all functions", () => {
  it("make room by ending what was free longest, of whichever function", async () => {
    const { made, invoke, puppet, clock } = open({ environmentsMax: 2 });
    const [one, two, three] = [specOf("/one"), specOf("/two"), specOf("/three")];
    for (const [index, spec] of [one, two].entries()) {
      const answer = invoke("warm", spec);
      puppet(index).events.ready();
      puppet(index).answer();
      await answer;
      await clock.advance(10);
    }
    const third = invoke("c", three);
    expect([puppet(0).ends, puppet(1).ends, made.length]).toEqual([1, 0, 2]);
    puppet(0).events.ended();
    expect(made).toHaveLength(3);
    puppet(2).events.ready();
    puppet(2).answer();
    expect(await third).toBe("2:c");
  });

  it("let functions start in turn", async () => {
    const { made, invoke } = open({ startsAtOnceMax: 1 });
    const [one, two] = [specOf("/one"), specOf("/two")];
    for (const id of ["a", "b", "c"]) void invoke(id, one);
    void invoke("d", two);
    made[0]?.events.ready();
    expect(made.map(({ spec }) => spec.codeDir)).toEqual(["/one", "/two"]);
    await settle();
  });

  it("make an invocation fail that waits too long with nothing starting for it", async () => {
    const { invoke, puppet, clock } = open({ environmentsMax: 1 });
    const [one, two] = [specOf("/one"), specOf("/two")];
    const busy = invoke("a", one);
    puppet(0).events.ready();
    const waiting = expect(invoke("b", two)).rejects.toMatchObject({ name: "ComputeFull" });
    await clock.advance(pendingMsMax + 1_000);
    await waiting;
    puppet(0).answer();
    expect(await busy).toBe("0:a");
  });

  it("refuse more waiting invocations than they allow", async () => {
    const { engine, invoke, made } = open();
    const waiting = Array.from({ length: pendingMax }, (_, index) => invoke(String(index)).catch(String));
    await expect(invoke("one more")).rejects.toMatchObject({ name: "ComputeFull" });
    const closing = engine.close(0);
    expect(new Set(await Promise.all(waiting))).toEqual(new Set(["ComputeClosed: the node is closing"]));
    for (const puppet of made) puppet.fail(true);
    await closing;
  });

  it("drop an invocation whose invoker has gone before its turn", async () => {
    const { invoke, puppet, spec } = open();
    const gone = new AbortController();
    const first = invoke("a");
    puppet(0).events.ready();
    const second = expect(invoke("b", spec, { signal: gone.signal })).rejects.toThrow("gone");
    const third = invoke("c");
    gone.abort(new Error("gone"));
    puppet(0).answer();
    await second;
    puppet(0).answer();
    expect(await Promise.all([first, third])).toEqual(["0:a", "0:c"]);
    await expect(invoke("d", spec, { signal: gone.signal })).rejects.toThrow("gone");
  });
});

describe("retiring a function", () => {
  it("ends free environments now, busy ones when they are free, and still runs what waits", async () => {
    const { engine, invoke, puppet, spec } = open();
    const warm = [invoke("a"), invoke("b")];
    for (const index of [0, 1]) puppet(index).events.ready();
    for (const index of [0, 1]) puppet(index).answer();
    await Promise.all(warm);
    const busy = [invoke("c"), invoke("d"), invoke("e")];
    puppet(1).answer();
    let retired = false;
    const retiring = engine.retire(spec.id).then(() => (retired = true));
    expect([puppet(0).ends, puppet(1).ends]).toEqual([0, 0]);
    puppet(0).answer();
    expect(puppet(0).ends).toBe(1);
    puppet(1).answer();
    expect(await Promise.all(busy)).toEqual(["1:c", "0:d", "1:e"]);
    puppet(0).events.ended();
    await settle();
    expect(retired).toBe(false);
    puppet(1).events.ended();
    await retiring;
    expect(engine.stats()).toEqual([]);
  });
});

describe("closing", () => {
  it("refuses what waits, lets the busy end, and ends the rest", async () => {
    const { engine, invoke, puppet, isClosed } = open({ startsAtOnceMax: 1 });
    const busy = invoke("a");
    puppet(0).events.ready();
    const waiting = expect(invoke("b")).rejects.toMatchObject({ name: "ComputeClosed" });
    const closing = engine.close(1_000);
    await waiting;
    await expect(invoke("c")).rejects.toMatchObject({ name: "ComputeClosed" });
    puppet(0).answer();
    expect(await busy).toBe("0:a");
    expect(puppet(0).ends).toBe(1);
    expect(isClosed()).toBe(false);
    puppet(0).events.ended();
    await closing;
    expect(isClosed()).toBe(true);
  });

  it("kills who is still busy after the grace", async () => {
    const { engine, invoke, puppet, clock } = open();
    const busy = invoke("a");
    puppet(0).events.ready();
    const closing = engine.close(1_000);
    await clock.advance(999);
    expect(puppet(0).ends).toBe(0);
    await clock.advance(1);
    expect(puppet(0).ends).toBe(1);
    puppet(0).answer(false);
    puppet(0).events.ended();
    await closing;
    expect(await busy).toBe("0:a");
  });
});
