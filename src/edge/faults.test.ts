/** Targets that fail in every way, under load: failed requests without and with policies. And caps while workers die. */
import { Agent, request as httpRequest } from "node:http";
import type { Socket } from "node:net";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { address, all, cluster, freePort, listener, Stage } from "./edge.suite.ts";
import type { ClusterConfig, EdgeConfig, RoutePolicy } from "./ports.ts";

const stage = new Stage();
afterEach(() => stage.strike());

const requests = 100;
const atOnce = 20;

interface Asked {
  port: number;
  agent: Agent;
  method?: string;
}

/** The status of one request, or 0 when it got no whole answer. */
function ask({ port, agent, method = "GET" }: Asked): Promise<number> {
  return new Promise((resolve) => {
    const asked = httpRequest({ port, host: "127.0.0.1", agent, method, path: "/" }, (response) => {
      response.resume();
      response.on("end", () => resolve(response.statusCode ?? 0));
      response.on("error", () => resolve(0));
    });
    asked.on("error", () => resolve(0));
    asked.end();
  });
}

/** `requests` of them, `atOnce` at a time; gives how many failed. */
async function load(port: number): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: atOnce });
  let left = requests;
  let failed = 0;
  const client = async () => {
    while (left > 0) {
      left -= 1;
      if ((await ask({ port, agent })) !== 200) failed += 1;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, client));
  agent.destroy();
  return failed;
}

/** What half of the requests meet; a target that is well takes the others. */
const faults: Record<string, () => Promise<number>> = {
  "refuses connections": () => freePort(),
  "resets connections": () => stage.tcp((socket: Socket) => void socket.once("data", () => socket.resetAndDestroy())),
  "dies again and again": () => {
    let seen = 0;
    return stage.http((request, response) => {
      seen += 1;
      if (seen % 3 === 0) request.socket.destroy();
      else response.end("well");
    });
  },
  hangs: () => stage.tcp((socket) => void socket.resume()),
  "answers garbage": () => stage.tcp((socket) => void socket.on("data", () => socket.write("SSH-2.0-OpenSSH\r\n\r\n"))),
  "answers 503": () => stage.http((_, response) => void response.writeHead(503).end("busy")),
  "answers slowly": () =>
    stage.http((_, response) => {
      const timer = setTimeout(() => response.end("late"), 1_500);
      response.on("close", () => clearTimeout(timer));
    }),
};

const withoutPolicies: RoutePolicy = { requestTimeoutMs: 500 };
const withPolicies: RoutePolicy = {
  requestTimeoutMs: 10_000,
  perTryTimeoutMs: 300,
  retry: {
    on: ["connect-failure", "reset", "gateway-error"],
    statuses: [],
    retriesMax: 3,
    backoff: { kind: "exponential", baseMs: 5, maxMs: 20 },
    bodyBytesMax: 1024,
  },
};
/** As many retries as there are requests: half of the targets are bad here. */
const budget: Partial<ClusterConfig> = { retryBudget: { percent: 100, min: atOnce } };

function configOf(port: number, policy: RoutePolicy, targets: readonly number[]): EdgeConfig {
  return {
    epoch: 1,
    listeners: [listener(port, [{ ...all("c"), policy }])],
    clusters: [
      cluster(
        "c",
        targets.map((target) => address(target)),
        budget,
      ),
    ],
  };
}

describe("of requests to two targets, where one", () => {
  const table: { target: string; without: number; with: number }[] = [];
  afterAll(() => console.table(table));

  it.each(Object.keys(faults))("%s, none fails with policies", { timeout: 120_000 }, async (target) => {
    const well = await stage.http((_, response) => void response.end("well"));
    const bad = await (faults[target] as () => Promise<number>)();
    const failed = async (policy: RoutePolicy) => {
      const port = await freePort();
      await stage.edge().apply(configOf(port, policy, [well, bad]));
      return load(port);
    };
    const row = { target, without: await failed(withoutPolicies), with: await failed(withPolicies) };
    table.push(row);
    // The edge itself sends a request again whose kept-alive connection was closed as it was written.
    expect(row.without).toBeGreaterThan(target === "dies again and again" ? -1 : requests / 4);
    expect(row.with).toBe(0);
  });
});

describe.each([1, 2, 4])("a cap with %d workers that die", (workers) => {
  it("is never exceeded", { timeout: 120_000 }, async () => {
    const max = 5;
    const seen = { now: 0, most: 0, all: 0 };
    const upstream = await stage.http((_, response) => {
      seen.now += 1;
      seen.all += 1;
      let over = false;
      const end = () => {
        if (!over) seen.now -= 1;
        over = true;
      };
      response.on("close", end);
      // Looked at when the ends that came with it are known too.
      setImmediate(() => setImmediate(() => (seen.most = Math.max(seen.most, seen.now))));
      setTimeout(() => {
        end();
        response.end("done");
      }, 40);
    });
    const port = await freePort();
    const edge = stage.edge({ workers, testing: { dieOn: "/die" } });
    const policy: RoutePolicy = { cap: { id: "cap", max, answer: "alb", retryAfterSeconds: 1 } };
    await edge.apply(configOf(port, policy, [upstream]));
    const statuses = new Map<number, number>();
    const run = { going: true };
    const client = async () => {
      while (run.going) {
        const agent = new Agent({ keepAlive: false });
        const status = await ask({ port, agent });
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        if (status !== 200) await new Promise((resolve) => void setTimeout(resolve, 10));
      }
    };
    const clients = Array.from({ length: 20 }, client);
    for (let deaths = 0; deaths < 2; deaths += 1) {
      const before = statuses.get(200) ?? 0;
      await expect.poll(() => statuses.get(200) ?? 0, { timeout: 30_000 }).toBeGreaterThan(before + max);
      await expect(fetch(`http://127.0.0.1:${port}/die`)).rejects.toThrow("fetch failed");
    }
    const before = statuses.get(200) ?? 0;
    // All of the cap can be had again: nothing of it died with the workers.
    await expect.poll(() => statuses.get(200) ?? 0, { timeout: 30_000 }).toBeGreaterThan(before + 4 * max);
    run.going = false;
    await Promise.all(clients);
    expect(seen.most).toBe(max);
    expect(statuses.get(502)).toBeGreaterThan(0);
  });
});
