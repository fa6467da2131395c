import { afterEach, describe, expect, it } from "vitest";
import { FakeClock } from "../base/clock.ts";
import { silentLog } from "../telemetry/log.ts";
import { atSlowSince, healthBad, healthChanges, healthGood } from "./board.ts";
import { address, all, cluster, eventually, freePort, listener, Stage } from "./edge.suite.ts";
import { createProber } from "./health.ts";
import { compileStatuses, type ProbeResult, type ProbeTarget } from "./probes/probe.ts";
import type { RoutePolicy } from "./policies.ts";
import type { ClusterConfig, EdgeConfig, HealthCheck } from "./ports.ts";
import { fieldOf } from "./raw-client.suite.ts";

const stage = new Stage();
afterEach(() => stage.strike());

const check: HealthCheck = {
  protocol: "http",
  path: "/healthy",
  intervalMs: 30_000,
  timeoutMs: 5_000,
  healthyCount: 3,
  unhealthyCount: 2,
  matcher: "200-299",
  userAgent: "edge-health/1",
};

function config(clusters: ClusterConfig[], used: string[] = clusters.map(({ id }) => id), epoch = 1): EdgeConfig {
  return {
    epoch,
    listeners: [
      listener(
        1,
        used.map((id) => all(id)),
      ),
    ],
    clusters,
  };
}

/** A prober whose checks say what `say` holds. */
function prober() {
  const clock = new FakeClock();
  const say: { result: ProbeResult } = { result: { ok: true } };
  const asked: string[] = [];
  const probe = ({ endpoint, check: { port } }: ProbeTarget) => {
    if (endpoint.kind === "address") asked.push(`${endpoint.host}:${port ?? endpoint.port}`);
    return Promise.resolve(say.result);
  };
  const made = createProber({ clock, log: silentLog, probe, random: () => 0 });
  stage.later(() => made.close());
  const verdicts = new Int32Array(made.memory);
  return { clock, say, asked, prober: made, verdicts };
}

const settled = () =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

describe("verdicts", () => {
  it("one pass makes a new endpoint healthy; then it takes several of either kind", async () => {
    const { clock, say, prober: probes, verdicts } = prober();
    const slots = probes.watch(config([cluster("c", [address(80)], { health: check })]));
    expect(probes.health("c")).toMatchObject([{ state: "initial", reason: "in-progress" }]);
    await settled();
    expect(probes.health("c")).toEqual([{ clusterId: "c", endpointId: "address-80", state: "healthy" }]);
    const slot = slots["c"]?.[0] ?? 0;
    expect(verdicts[slot]).toBe(healthGood);

    say.result = { ok: false, reason: "status-mismatch", status: 500 };
    await clock.advance(30_000);
    expect(probes.health("c")[0]?.state).toBe("healthy");
    const changes = verdicts[healthChanges];
    await clock.advance(30_000);
    expect(probes.health("c")[0]).toMatchObject({ state: "unhealthy", reason: "status-mismatch", status: 500 });
    expect([verdicts[slot], verdicts[healthChanges]]).toEqual([healthBad, (changes ?? 0) + 1]);

    say.result = { ok: true };
    await clock.advance(60_000);
    expect(probes.health("c")[0]?.state).toBe("unhealthy");
    await clock.advance(30_000);
    expect(probes.health("c")[0]?.state).toBe("healthy");
  });

  it("a new endpoint that fails is unhealthy only after its count", async () => {
    const { clock, say, prober: probes } = prober();
    say.result = { ok: false, reason: "timeout" };
    probes.watch(config([cluster("c", [address(80)], { health: check })]));
    await settled();
    expect(probes.health("c")[0]?.state).toBe("initial");
    await clock.advance(30_000);
    expect(probes.health("c")[0]).toMatchObject({ state: "unhealthy", reason: "timeout" });
  });

  it("stay over a change that is not theirs, and nobody is asked twice", async () => {
    const { asked, prober: probes } = prober();
    const c = cluster("c", [address(80)], { health: check });
    probes.watch(config([c]));
    await settled();
    probes.watch(config([c, cluster("d", [address(81)])], ["c", "d"], 2));
    await settled();
    expect(asked).toEqual(["127.0.0.1:80"]);
    expect(probes.health("c")[0]?.state).toBe("healthy");
    expect(probes.health("d")[0]?.state).toBe("healthy");
  });

  it("are not made of what no route uses", async () => {
    const { asked, prober: probes } = prober();
    const c = cluster("c", [address(80)], { health: check });
    probes.watch(config([c], []));
    await settled();
    expect([asked, probes.health("c")]).toMatchObject([[], [{ state: "unused", reason: "not-in-use" }]]);
    probes.watch(config([c], ["c"], 2));
    expect(probes.health("c")[0]?.state).toBe("initial");
    await settled();
    expect(probes.health("c")[0]?.state).toBe("healthy");
  });

  it("end when an endpoint goes: it drains for its time, then nobody knows it", async () => {
    const { clock, asked, prober: probes } = prober();
    const both = cluster("c", [address(80), address(81)], { health: check, drainMs: 300_000 });
    probes.watch(config([both]));
    await settled();
    probes.watch(config([{ ...both, endpoints: [address(81)] }], ["c"], 2));
    expect(probes.health("c").map(({ state }) => state)).toEqual(["draining", "healthy"]);
    asked.length = 0;
    await clock.advance(299_000);
    expect(asked).not.toContain("127.0.0.1:80");
    expect(probes.health("c")).toHaveLength(2);
    await clock.advance(1_000);
    expect(probes.health("c").map(({ endpointId }) => endpointId)).toEqual(["address-81"]);
  });

  it("use the port of the check where it has one", async () => {
    const { asked, prober: probes } = prober();
    probes.watch(config([cluster("c", [address(80)], { health: { ...check, port: 9000 } })]));
    await settled();
    expect(asked).toEqual(["127.0.0.1:9000"]);
  });

  it.each<[string, Partial<RoutePolicy>]>([
    ["fallback", { fallback: { clusterId: "other", onError: true, statuses: [], bodyBytesMax: 0 } }],
    ["mirror", { mirror: { clusterId: "other", percent: 1, methods: [], bodyBytesMax: 0 } }],
    [
      "failover",
      { failover: { levels: [[{ clusterId: "other", weight: 1 }]], overprovisioning: 140, panicPercent: 50 } },
    ],
  ])("are made of what a route uses by its %s alone", async (_, policy) => {
    const { asked, prober: probes } = prober();
    const clusters = [cluster("c", []), cluster("other", [address(80)], { health: check })];
    probes.watch({ epoch: 1, listeners: [listener(1, [{ ...all("c"), policy }])], clusters });
    await settled();
    expect(asked).toEqual(["127.0.0.1:80"]);
  });

  it("are made of what connections are passed on to", async () => {
    const { asked, prober: probes } = prober();
    const targets = [{ clusterId: "c", weight: 1 }];
    const stream = { id: "s", address: "127.0.0.1", port: 1, loadBalancerId: "n", targets, idleTimeoutMs: 350_000 };
    const clusters = [cluster("c", [address(80)], { health: { ...check, protocol: "tcp" } })];
    probes.watch({ epoch: 1, listeners: [], streamListeners: [stream], clusters });
    await settled();
    expect([asked, probes.health("c")[0]?.state]).toEqual([["127.0.0.1:80"], "healthy"]);
  });

  it("that break are failures, and the next one comes", async () => {
    const clock = new FakeClock();
    const results: (() => Promise<ProbeResult>)[] = [
      () => Promise.reject(new Error("broken")),
      () => Promise.reject(new Error("broken")),
      () => Promise.resolve({ ok: true }),
    ];
    const probe = () => (results.shift() ?? (() => Promise.resolve({ ok: true } as const)))();
    const made = createProber({ clock, log: silentLog, random: () => 0, probe });
    stage.later(() => made.close());
    made.watch(config([cluster("c", [address(80)], { health: { ...check, healthyCount: 1 } })]));
    await settled();
    await clock.advance(30_000);
    expect(made.health("c")[0]).toMatchObject({ state: "unhealthy", reason: "connection-failed" });
    await clock.advance(30_000);
    expect(made.health("c")[0]?.state).toBe("healthy");
  });

  it("of an endpoint that comes back while it drains begin anew", async () => {
    const { say, prober: probes } = prober();
    const c = cluster("c", [address(80)], { health: check });
    probes.watch(config([c]));
    await settled();
    probes.watch(config([{ ...c, endpoints: [] }], ["c"], 2));
    say.result = { ok: false, reason: "timeout" };
    probes.watch(config([c], ["c"], 3));
    await settled();
    expect(probes.health("c")[0]?.state).toBe("initial");
  });

  it("are spread over the interval from the second on", async () => {
    const clock = new FakeClock();
    const times: number[] = [];
    const startMs = clock.now();
    const probe = () => {
      times.push(clock.now() - startMs);
      return Promise.resolve({ ok: true } as const);
    };
    const made = createProber({ clock, log: silentLog, probe, random: () => 0.5 });
    stage.later(() => made.close());
    made.watch(config([cluster("c", [address(80)], { health: check })]));
    await settled();
    await clock.advance(90_000);
    expect(times).toEqual([0, 22_500, 52_500, 82_500]);
  });

  it.each([
    ["200", [200], [201, 404]],
    ["200,202", [200, 202], [201]],
    ["200-299", [200, 299], [199, 300]],
    ["200-204,302", [203, 302], [301]],
  ])("matcher %s", (matcher, good, bad) => {
    const passes = compileStatuses(matcher);
    expect(good.every(passes)).toBe(true);
    expect(bad.some(passes)).toBe(false);
  });
});

describe("slow start", () => {
  const slow = { health: check, slowStartMs: 60_000 };
  const started = () => {
    const made = prober();
    const seconds = (slots: Record<string, number[]>) => slots["c"]?.map((slot) => made.verdicts[slot + atSlowSince]);
    return { ...made, seconds };
  };
  const nowS = (clock: FakeClock) => Math.floor(clock.now() / 1000);

  it("is for those who join, not for those who come together to an empty cluster", async () => {
    const { clock, prober: probes, seconds } = started();
    let slots = probes.watch(config([cluster("c", [address(80), address(81)], slow)]));
    await settled();
    expect(seconds(slots)).toEqual([0, 0]);
    await clock.advance(5_000);
    slots = probes.watch(config([cluster("c", [address(80), address(81), address(82)], slow)], ["c"], 2));
    await settled();
    expect(seconds(slots)).toEqual([0, 0, nowS(clock)]);
  });

  it("is not while nobody healthy is past it", async () => {
    const { clock, say, prober: probes, seconds } = started();
    say.result = { ok: false, reason: "timeout" };
    probes.watch(config([cluster("c", [address(80)], slow)]));
    await settled();
    await clock.advance(60_000);
    const slots = probes.watch(config([cluster("c", [address(80), address(81)], slow)], ["c"], 2));
    say.result = { ok: true };
    await clock.advance(120_000);
    expect(probes.health("c").map(({ state }) => state)).toEqual(["healthy", "healthy"]);
    // The second passes at its first check, with nobody healthy; the first comes back among the healthy.
    expect(seconds(slots)?.[1]).toBe(0);
    expect(seconds(slots)?.[0]).toBeGreaterThan(0);
  });

  it("is over for one that fails, and begins again when it comes back", async () => {
    const clock = new FakeClock();
    const bad = new Set<string>();
    const made = createProber({
      clock,
      log: silentLog,
      random: () => 0,
      probe: ({ endpoint }) => Promise.resolve(bad.has(endpoint.id) ? { ok: false, reason: "timeout" } : { ok: true }),
    });
    stage.later(() => made.close());
    const board = new Int32Array(made.memory);
    const slots = made.watch(config([cluster("c", [address(80, "a"), address(81, "b")], slow)]));
    const since = () => board[(slots["c"]?.[1] ?? 0) + atSlowSince];
    await settled();
    bad.add("b");
    await clock.advance(60_000);
    expect([since(), made.health("c")[1]?.state]).toEqual([0, "unhealthy"]);
    bad.clear();
    await clock.advance(90_000);
    expect([since(), made.health("c")[1]?.state]).toEqual([nowS(clock), "healthy"]);
    bad.add("b");
    await clock.advance(60_000);
    expect(since()).toBe(0);
  });
});

describe("checks over the network", () => {
  const quick: HealthCheck = { ...check, intervalMs: 20, timeoutMs: 200, healthyCount: 2 };

  it("ask as they are told, on a connection of their own each time", async () => {
    const seen: string[] = [];
    const port = await stage.http((request, response) => {
      const { method, url, headers, socket } = request;
      seen.push(`${method} ${url} ${headers["user-agent"]} ${headers.host} ${headers.connection} ${socket.remotePort}`);
      response.end();
    });
    const [front, edge] = [await freePort(), stage.edge()];
    const clusters = [cluster("c", [address(port)], { health: quick })];
    await edge.apply({ epoch: 1, listeners: [listener(front, [all("c")])], clusters });
    await eventually(() => seen.length >= 3);
    expect(seen[0]).toMatch(new RegExp(`^GET /healthy edge-health/1 127.0.0.1:${port} close \\d+$`));
    expect(new Set(seen).size).toBe(seen.length);
  });

  it.each([
    ["status-mismatch", 500],
    ["connection-refused", undefined],
    ["timeout", undefined],
  ])("find %s", async (reason, status) => {
    const up =
      reason === "connection-refused"
        ? await freePort()
        : await stage.http((_, response) => void (status === undefined || response.writeHead(status).end()));
    const [front, edge] = [await freePort(), stage.edge()];
    const clusters = [cluster("c", [address(up)], { health: { ...quick, timeoutMs: 50, unhealthyCount: 1 } })];
    await edge.apply({ epoch: 1, listeners: [listener(front, [all("c")])], clusters });
    await eventually(() => edge.health("c")[0]?.state === "unhealthy");
    expect(edge.health("c")[0]).toEqual({
      clusterId: "c",
      endpointId: `address-${up}`,
      state: "unhealthy",
      reason,
      ...(status === undefined ? {} : { status }),
    });
  });

  it("keep requests away from what is not healthy; and go on where nothing is", async () => {
    const well = { one: true, two: true };
    const named = (name: "one" | "two") =>
      stage.http((request, response) => {
        const ok = request.url !== "/healthy" || well[name];
        response.writeHead(ok ? 200 : 503, { "X-From": name }).end();
      });
    const [one, two, front] = [await named("one"), await named("two"), await freePort()];
    const edge = stage.edge();
    const clusters = [cluster("c", [address(one, "one"), address(two, "two")], { health: quick })];
    await edge.apply({ epoch: 1, listeners: [listener(front, [all("c")])], clusters });
    const states = () =>
      edge
        .health("c")
        .map(({ state }) => state)
        .join();
    const from = async () => {
      const client = stage.client(front);
      const names = new Set<string | undefined>();
      for (let i = 0; i < 6; i += 1) {
        const response = await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").response();
        expect(response.status).toBe(200);
        names.add(fieldOf(response, "x-from"));
      }
      return [...names].filter((name) => name !== undefined).sort();
    };
    await eventually(() => states() === "healthy,healthy");
    expect(await from()).toEqual(["one", "two"]);
    well.one = false;
    await eventually(() => states() === "unhealthy,healthy");
    expect(await from()).toEqual(["two"]);
    well.two = false;
    await eventually(() => states() === "unhealthy,unhealthy");
    expect(await from()).toEqual(["one", "two"]);
    well.one = true;
    await eventually(() => states() === "healthy,unhealthy");
    expect(await from()).toEqual(["one"]);
  });

  it("of functions call them, and the answer counts", async () => {
    const [front, edge] = [await freePort(), stage.edge()];
    const seen: unknown[] = [];
    const answer = { status: 503 };
    edge.register("f", ({ method, target, headers }) => {
      seen.push([method, target, headers]);
      return Promise.resolve({ status: answer.status, headers: [], body: undefined });
    });
    const endpoint = { kind: "function", id: "f", requestBytesMax: 1 } as const;
    const clusters = [cluster("c", [endpoint], { health: { ...quick, healthyCount: 1, unhealthyCount: 1 } })];
    await edge.apply({ epoch: 1, listeners: [listener(front, [all("c")])], clusters });
    await eventually(() => edge.health("c")[0]?.state === "unhealthy");
    expect(edge.health("c")[0]).toMatchObject({ reason: "status-mismatch", status: 503 });
    expect(seen[0]).toEqual(["GET", "/healthy", ["user-agent", "edge-health/1"]]);
    answer.status = 200;
    await eventually(() => edge.health("c")[0]?.state === "healthy");
  });
});
