/** What is counted of requests beside that they were: `cloudwatch-metrics.ts` of the service says which metric each is. */
import { afterEach, describe, expect, it } from "vitest";
import { FakeClock } from "../base/clock.ts";
import { healthBad } from "./board.ts";
import { asked, clusterOf } from "./balance/balance.suite.ts";
import { Counts, countsBlock, Ledger, readCounts } from "./counts.ts";
import { all, cluster, eventually, forwardedDefault, freePort, listener, Stage, through } from "./edge.suite.ts";
import { limitsOf } from "./h1/limits.ts";
import { HeadScanner } from "./h1/scan.ts";
import { readRequestHead } from "./h2/request.ts";

const stage = new Stage();
afterEach(() => stage.strike());

const get = (...fields: string[]) => `${["GET / HTTP/1.1", "Host: a", ...fields].join("\r\n")}\r\n\r\n`;

describe("requests with fields whose names are not valid", () => {
  it.each([
    [true, { invalidFieldsDropped: 1, invalidFieldsForwarded: 0 }],
    [false, { invalidFieldsDropped: 0, invalidFieldsForwarded: 1 }],
  ])("are counted by what became of those: dropped %s", async (dropInvalidNames, counts) => {
    const upstream = await stage.http((_, response) => response.end("ok"));
    const port = await freePort();
    const edge = stage.edge();
    await edge.apply(through(port, upstream, { forwarded: { ...forwardedDefault, dropInvalidNames } }));
    const client = stage.client(port).send(get("X-Plain: 1") + get("x_y: 1", "x.z: 2", "X-Plain: 1"));
    for (let i = 0; i < 2; i += 1) expect((await client.response()).status).toBe(200);
    expect(edge.loadBalancers()[0]).toMatchObject({ requests: 2, ...counts });
  });

  it("are found wherever a name is cut in two by the network", () => {
    const scanner = new HeadScanner(limitsOf("public"));
    for (const [name, plain] of [
      ["X_abc", false],
      ["Xab_c", false],
      ["X-abc", true],
    ] as const) {
      const bytes = Buffer.from(get(`${name}: 1`, "X-Last: 1"));
      for (let cut = 1; cut < bytes.length; cut += 1) {
        scanner.reset("request", limitsOf("public"));
        scanner.push(bytes, 0, cut);
        scanner.push(bytes, cut, bytes.length);
        expect([name, cut, scanner.plainNames]).toEqual([name, cut, plain]);
      }
    }
  });

  it.each([
    ["x-plain", true],
    ["x_y", false],
  ])("are found over HTTP/2: %s", (name, plainNames) => {
    const raw = [":method", "GET", ":scheme", "https", ":path", "/", ":authority", "a", name, "1"];
    const rules = { limits: limitsOf("public"), desync: "defensive" as const };
    expect(readRequestHead(raw, true, rules)).toMatchObject({ head: { plainNames } });
  });
});

it("a request that sticks to nothing yet is counted, one that has its endpoint is not", () => {
  const clock = new FakeClock();
  const { cluster: c, judge } = clusterOf(2, { stickiness: { kind: "lb-cookie", durationMs: 60_000 } }, { clock });
  const counted = (cookies: string[]) => {
    const request = asked(clock, cookies);
    const block = countsBlock();
    Object.assign(request.listener, { counts: new Counts(block) });
    const id = c.pick(request)?.id;
    const [cookie = ""] = /AWSALB=[^;]+/.exec(request.responseLines) ?? [];
    return { id, cookie: `Cookie: ${cookie}`, count: readCounts("lb", [block]).nonStickyRequests };
  };
  const first = counted([]);
  expect(first.count).toBe(1);
  expect(counted([first.cookie])).toMatchObject({ id: first.id, count: 0 });
  expect(counted(["Cookie: AWSALB=nonsense"]).count).toBe(1);
  // Its endpoint is not healthy any more.
  judge(first.id === "e0" ? 0 : 1, healthBad);
  expect(counted([first.cookie]).count).toBe(1);
});

it("requests that fail open are counted by cluster", async () => {
  const upstream = await stage.http((_, response) => response.end("ok"));
  const port = await freePort();
  let healthy = true;
  const edge = stage.edge({
    testing: { probe: async () => (healthy ? { ok: true } : { ok: false, reason: "timeout" }) },
  });
  const health = {
    protocol: "http" as const,
    path: "/",
    intervalMs: 20,
    timeoutMs: 10,
    healthyCount: 1,
    unhealthyCount: 1,
    matcher: "200",
    userAgent: "",
  };
  const config = through(port, upstream);
  await edge.apply({ ...config, clusters: config.clusters.map((group) => ({ ...group, health })) });
  const state = () => edge.health("c")[0]?.state;
  const client = stage.client(port);
  await eventually(() => state() === "healthy");
  await client.send(get()).response();
  expect(edge.stats()[0]).toMatchObject({ requests: 1, failedOpen: 0 });
  healthy = false;
  await eventually(() => state() === "unhealthy");
  await client.send(get()).response();
  expect(edge.stats()[0]).toMatchObject({ requests: 2, failedOpen: 1 });
});

it("bytes to and from functions are counted by cluster", async () => {
  const port = await freePort();
  const edge = stage.edge();
  edge.register("f", async () => ({ status: 200, headers: [], body: Buffer.alloc(10_000) }));
  await edge.apply({
    epoch: 1,
    listeners: [listener(port, [all("f")])],
    clusters: [cluster("f", [{ kind: "function", id: "f", requestBytesMax: 10_000 }])],
  });
  const request = `${get("Content-Length: 5000").replace("GET", "POST")}${"x".repeat(5_000)}`;
  await stage.client(port).send(request).response();
  const [stats] = edge.stats();
  expect(stats?.functionBytes).toBeGreaterThan(15_000);
  expect(stats?.functionBytes).toBeLessThan(16_000);
});

it("what a worker that is gone had open is open no more", () => {
  const ledger = new Ledger(1);
  const { lb = countsBlock() } = ledger.of(["lb"], 0);
  const counts = new Counts(lb);
  for (const name of ["connections", "activeConnections", "tlsConnections", "activeTlsConnections"] as const)
    counts.add(name, 1);
  ledger.workerGone(0);
  expect(ledger.read()).toMatchObject([
    { connections: 1, activeConnections: 0, tlsConnections: 1, activeTlsConnections: 0 },
  ]);
});
