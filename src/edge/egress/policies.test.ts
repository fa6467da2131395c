/** Policies of destinations, under real faults; the destinations have several addresses of this machine. */
import { createServer, type RequestListener } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { eventually } from "../edge.suite.ts";
import type { EgressPolicy, RetryPolicy } from "../ports.ts";
import { ask, at, EgressStage } from "./egress.suite.ts";
import { policyTable } from "./policies.ts";

const stage = new EgressStage();
afterEach(() => stage.strike());

const linux = process.platform === "linux";
const retry: RetryPolicy = {
  on: ["connect-failure", "reset", "gateway-error"],
  statuses: [],
  retriesMax: 3,
  backoff: { kind: "exponential", baseMs: 1, maxMs: 5 },
  bodyBytesMax: 1024,
};
const outlier = {
  consecutive5xx: 2,
  consecutiveGatewayErrors: 0,
  consecutiveLocalOriginFailures: 0,
  intervalMs: 60_000,
  baseEjectionMs: 60_000,
  maxEjectionMs: 60_000,
  maxEjectionPercent: 50,
};
const breaker = { connectionsMax: 10, pendingMax: 10, requestsMax: 10, retriesMax: 10 };

const policy = (
  host: string,
  route: EgressPolicy["route"] = {},
  cluster: EgressPolicy["cluster"] = {},
): EgressPolicy => ({ host, route, cluster });

/** One server on each of the addresses, all with one port; gives it. */
async function servers(listeners: Record<string, RequestListener>): Promise<number> {
  let port = 0;
  for (const [address, listener] of Object.entries(listeners)) {
    const server = createServer({ keepAliveTimeout: 60_000 }, listener);
    await new Promise<void>((resolve) => {
      server.listen(port, address, resolve);
    });
    const bound = server.address();
    if (typeof bound === "object" && bound !== null) ({ port } = bound);
    stage.later(() => {
      server.close();
      server.closeAllConnections();
    });
  }
  return port;
}

const ok: RequestListener = (_, response) => response.end("ok");

async function statuses(port: number, host: string, requests: number): Promise<Record<number, number>> {
  const counts: Record<number, number> = {};
  for (let i = 0; i < requests; i += 1) {
    const { status } = await ask(port, host);
    counts[status] = (counts[status] ?? 0) + 1;
  }
  return counts;
}

describe.skipIf(!linux)("several addresses of a name", () => {
  const resolve = async () => at("127.0.0.1", "127.0.0.2");

  it("stand in for one that refuses connections, without a word of anybody's; and it is left alone", async () => {
    const port = await servers({ "127.0.0.1": ok });
    const egress = await stage.open({ resolve });
    expect(await statuses(egress.port, `a.ccnproxy:${port}`, 30)).toEqual({ 200: 30 });
    expect(egress.report()).toMatchObject({ addresses: 2, requests: 30, ownAnswers: {}, handshakes: 1, reused: 29 });
    // Three failures in a row, and it was ejected; main hears of the third a moment later.
    expect(egress.report()?.edgeErrors["connect-refused"]).toBeGreaterThanOrEqual(3);
    expect(egress.report()?.edgeErrors["connect-refused"]).toBeLessThan(8);
  });

  it("fail without policies, and not with them: resets, 503s, silence", async () => {
    const faults: RequestListener[] = [
      (request) => request.socket.destroy(),
      (_, response) => response.writeHead(503).end(),
      () => {},
    ];
    for (const fault of faults) {
      const port = await servers({ "127.0.0.1": ok, "127.0.0.2": fault });
      const host = `a.ccnproxy:${port}`;
      const egress = await stage.open({ resolve });
      await egress.policies(policy("*", { perTryTimeoutMs: 100 }));
      expect((await statuses(egress.port, host, 8))[200]).toBe(4);
      await egress.policies(policy("*", { perTryTimeoutMs: 100, retry }, { retryBudget: { percent: 100, min: 3 } }));
      expect(await statuses(egress.port, host, 8)).toEqual({ 200: 8 });
    }
  });

  it("lose one that answers badly, over all workers", async () => {
    let bad = 0;
    const port = await servers({
      "127.0.0.1": ok,
      "127.0.0.2": (_, response) => {
        bad += 1;
        response.writeHead(500).end();
      },
    });
    const egress = await stage.open({ resolve }, { workers: 2 });
    await egress.policies(policy("a", {}, { outlier }));
    await expect.poll(async () => (await statuses(egress.port, `a.ccnproxy:${port}`, 6))[200]).toBe(6);
    expect(await statuses(egress.port, `a.ccnproxy:${port}`, 20)).toEqual({ 200: 20 });
    // Main hears of the second a moment later than its client.
    expect(bad).toBeLessThan(6);
  });

  it("change with the DNS: what is gone gets no new request", async () => {
    const seen = new Set<string>();
    const named =
      (name: string): RequestListener =>
      (_, response) => {
        seen.add(name);
        response.end(name);
      };
    const port = await servers({ "127.0.0.1": named("one"), "127.0.0.2": named("two") });
    let asked = 0;
    const egress = await stage.open({
      async resolve() {
        asked += 1;
        return { ...at(asked === 1 ? "127.0.0.1" : "127.0.0.2"), ttlSeconds: 1 };
      },
    });
    expect((await ask(egress.port, `a.ccnproxy:${port}`)).body).toBe("one");
    await expect.poll(async () => (await ask(egress.port, `a.ccnproxy:${port}`)).body, { timeout: 5_000 }).toBe("two");
    seen.clear();
    expect(await statuses(egress.port, `a.ccnproxy:${port}`, 5)).toEqual({ 200: 5 });
    expect([...seen]).toEqual(["two"]);
  });
});

describe("policies of a destination", () => {
  /** A destination that answers when it is told. */
  async function held() {
    const waiting: (() => void)[] = [];
    const port = await stage.http((_, response) => void waiting.push(() => response.end("ok")));
    return { port, waiting, letGo: () => waiting.splice(0).forEach((go) => go()) };
  }

  it("are exact over all workers: a breaker, and a cap of each destination's own", async () => {
    const one = await held();
    const egress = await stage.open({}, { workers: 2 });
    await egress.policies(
      policy("broken", {}, { breaker: { ...breaker, requestsMax: 3 } }),
      policy("*", { cap: { id: "/cap", max: 2, answer: "native", retryAfterSeconds: 7 } }),
    );
    for (const [host, most, excess] of [
      ["broken", 3, 503],
      ["a", 2, 429],
      ["b", 2, 429],
    ] as const) {
      const asked = Array.from({ length: 8 }, () => ask(egress.port, `${host}.ccnproxy:${one.port}`));
      await eventually(() => one.waiting.length === most);
      const refused = await Promise.all(
        Array.from({ length: 3 }, () => ask(egress.port, `${host}.ccnproxy:${one.port}`)),
      );
      expect(refused.map(({ status }) => status)).toEqual([excess, excess, excess]);
      one.letGo();
      const answers = (await Promise.all(asked)).map(({ status }) => status);
      expect(answers.filter((status) => status === 200)).toHaveLength(most);
      expect(answers.filter((status) => status === excess)).toHaveLength(8 - most);
    }
    expect(egress.edge.egressReport()?.destinations.find(({ origin }) => origin.includes("//a"))).toMatchObject({
      requests: 2,
      ownAnswers: { 429: 9 },
    });
  });

  it("limit rates, and give up what takes too long", async () => {
    const { port } = await held();
    const egress = await stage.open();
    await egress.policies(
      policy("*", {
        requestTimeoutMs: 60,
        rateLimits: [{ id: "/0", by: { kind: "route" }, requestsPerSecond: 0.001, burst: 1, answer: "native" }],
      }),
    );
    expect(await statuses(egress.port, `a.ccnproxy:${port}`, 3)).toEqual({ 504: 2, 429: 1 });
    expect(await statuses(egress.port, `b.ccnproxy:${port}`, 1)).toEqual({ 504: 1 });
  });

  it("change while requests are under way, and cut none of them off", async () => {
    const { port, waiting, letGo } = await held();
    const egress = await stage.open({}, { workers: 2 });
    const asked = Array.from({ length: 6 }, () => ask(egress.port, `a.ccnproxy:${port}`));
    await eventually(() => waiting.length === 6);
    await egress.policies(policy("a", { cap: { id: "/cap", max: 0, answer: "alb", retryAfterSeconds: 1 } }));
    expect(await statuses(egress.port, `a.ccnproxy:${port}`, 3)).toEqual({ 502: 3 });
    letGo();
    expect((await Promise.all(asked)).map(({ status }) => status)).toEqual(Array(6).fill(200));
    await egress.policies();
    const again = ask(egress.port, `a.ccnproxy:${port}`);
    await eventually(() => waiting.length === 1);
    letGo();
    expect((await again).status).toBe(200);
  });

  it("say whom to believe", async () => {
    const port = await stage.shop(ok);
    const egress = await stage.open();
    const host = `other.example.ccnproxy-https:${port}`;
    expect((await ask(egress.port, host)).status).toBe(502);
    await egress.policies(policy("other.example", {}, { tls: { verify: true, serverName: "shop.example" } }));
    // It is the authority of the settings that issued it.
    expect((await ask(egress.port, host)).status).toBe(200);
    await egress.policies(policy("other.example", {}, { tls: { verify: true, ca: "no certificate" } }));
    expect((await ask(egress.port, host)).status).toBe(502);
  });

  it("keep to the rules", async () => {
    const port = await stage.http(ok);
    const egress = await stage.open({
      refuse: ["secret.example"],
      resolve: async (name) => at(name === "metadata.example" ? "169.254.169.254" : "127.0.0.1"),
    });
    const status = async (host: string) => (await ask(egress.port, `${host}.ccnproxy:${port}`)).status;
    expect(await status("169.254.169.254")).toBe(403);
    expect(await status("metadata.example")).toBe(403);
    expect(await status("secret.example")).toBe(403);
    expect(await status("other.example")).toBe(200);
  });

  it("are those of the entry that names it most closely", () => {
    const policyOf = policyTable(
      ["*", "*.b.c", "*.a.b.c", "x.a.b.c"].map((host, i) => policy(host, { requestTimeoutMs: i + 1 })),
    );
    const timeOf = (hostname: string) => policyOf({ origin: `http://${hostname}`, hostname }).route.requestTimeoutMs;
    expect(["c", "b.c", "a.b.c", "y.a.b.c", "x.a.b.c"].map(timeOf)).toEqual([1, 1, 2, 3, 4]);
  });
});
