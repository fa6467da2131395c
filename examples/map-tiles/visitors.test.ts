import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { createLatencies, failuresMax } from "./traffic/tally.ts";
import { walk, type Kind } from "./traffic/walk.ts";
import { parseTilePath } from "./tiles/pyramid.ts";
import { burst, burstMax, createVisitors, type Answer, type Visitors } from "./visitors.ts";

const servers: Server[] = [];

async function serve(listener: RequestListener): Promise<{ origin: string; server: Server }> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => {
      server.close(resolve);
    });
  }
});

/** Starts visitors and stops them when `count` answers have come. */
async function visit(
  origin: string,
  count: number,
  more: { seed?: number; visitors?: number; timeoutMs?: number } = {},
) {
  const answers: Answer[] = [];
  let enough = () => {};
  const reached = new Promise<void>((resolve) => {
    enough = resolve;
  });
  const options = { origin, visitors: 8, requestsPerSecond: 2000, seed: 1, ...more };
  const onAnswer = (answer: Answer) => {
    answers.push(answer);
    if (answers.length === count) enough();
  };
  const visitors: Visitors = createVisitors({ ...options, onAnswer });
  visitors.start();
  await reached;
  return { report: await visitors.stop(), answers, visitors };
}

const kindOf = (url = "/"): Kind =>
  url.startsWith("/map/") ? "tile" : url.startsWith("/routes") ? "route" : url.startsWith("/spots") ? "spot" : "page";

const types: Record<Kind, string> = {
  tile: "application/vnd.mapbox-vector-tile",
  route: "application/json",
  spot: "application/json",
  page: "text/html; charset=utf-8",
};

const good: RequestListener = (request, response) => {
  const kind = kindOf(request.url);
  response.setHeader("X-Served-By", kind === "tile" ? "function" : "monolith");
  response.setHeader("Content-Type", types[kind]);
  response.end("x");
};

describe("a walk", () => {
  const take = (seed: number, visitor: number, count: number) => {
    const visits = walk(seed, visitor);
    return Array.from({ length: count }, () => visits.next().value);
  };

  it("is the same for the same seed and visitor, and another for others", () => {
    expect(take(7, 3, 200)).toEqual(take(7, 3, 200));
    expect(take(7, 3, 50)).not.toEqual(take(7, 4, 50));
    expect(take(7, 3, 50)).not.toEqual(take(8, 3, 50));
  });

  it("asks for tiles that exist, in about 60% of its visits", () => {
    const visits = Array.from({ length: 10 }, (_, visitor) => take(1, visitor, 1000)).flat();
    const tiles = visits.filter((visit) => visit.kind === "tile");
    expect(tiles.length / visits.length).toBeGreaterThan(0.57);
    expect(tiles.length / visits.length).toBeLessThan(0.63);
    for (const { path } of tiles) expect(parseTilePath(path), path).toHaveProperty("tile");
    // Not one corner of the map only.
    expect(new Set(tiles.map((tile) => tile.path)).size).toBeGreaterThan(500);
  });
});

describe("visitors", () => {
  it("count what they sent and got, by kind and by server", async () => {
    const seen: string[] = [];
    const { origin } = await serve((request, response) => {
      seen.push(String(request.url));
      good(request, response);
    });
    const { report, answers } = await visit(origin, 400);
    expect(report.sent).toBe(seen.length);
    expect(report.ok).toBe(seen.length);
    expect(report).toMatchObject({ failed: 0, inFlight: 0, failures: [] });
    for (const kind of ["tile", "route", "spot", "page"] as const) {
      const count = seen.filter((url) => kindOf(url) === kind).length;
      expect(report.kinds[kind]).toEqual({ sent: count, ok: count, failed: 0 });
    }
    expect(Object.keys(report.tileServers)).toEqual(["function"]);
    expect(report.servers["function"]?.answers).toBe(report.kinds.tile.sent);
    const shares = Object.values(report.servers).map((server) => server.share);
    expect(shares.reduce((a, b) => a + b)).toBeCloseTo(1);
    expect(report.servers["function"]?.p99Ms).toBeGreaterThan(0);
    expect(answers.every((answer) => answer.ok)).toBe(true);
  });

  it("are the same visitors for the same seed", async () => {
    const { origin } = await serve(good);
    const pathsOf = async (seed: number) => {
      const { answers } = await visit(origin, 300, { seed });
      return (visitor: number) => answers.filter((answer) => answer.visitor === visitor).map((answer) => answer.path);
    };
    const [first, second] = [await pathsOf(5), await pathsOf(5)];
    for (const visitor of [0, 7]) {
      const both = Math.min(first(visitor).length, second(visitor).length);
      expect(both).toBeGreaterThan(10);
      expect(first(visitor).slice(0, both)).toEqual(second(visitor).slice(0, both));
    }
  });

  it("keep their connections, one each", async () => {
    let connections = 0;
    const { origin, server } = await serve(good);
    server.on("connection", () => (connections += 1));
    await visit(origin, 300, { visitors: 6 });
    expect(connections).toBe(6);
  });

  it("wait for their answers: never more under way than there are visitors", async () => {
    let open = 0;
    let most = 0;
    const { origin } = await serve((request, response) => {
      most = Math.max(most, (open += 1));
      setTimeout(() => {
        open -= 1;
        good(request, response);
      }, 20);
    });
    const { report } = await visit(origin, 60, { visitors: 3 });
    expect(most).toBe(3);
    expect(report.heldBack).toBeGreaterThan(0);
  });

  it("count as failed what is an error, what breaks off, and what is not what they asked for", async () => {
    const { origin } = await serve((request, response) => {
      const kind = kindOf(request.url);
      if (kind === "tile") response.writeHead(502, { "Content-Type": "text/html" }).end("<h1>502</h1>");
      else if (kind === "route") response.writeHead(200, { "Content-Length": 10 }).write("x", () => response.destroy());
      else if (kind === "spot") response.writeHead(200, { "Content-Type": "text/html" }).end("not json");
      else good(request, response);
    });
    const { report, answers } = await visit(origin, 300);
    for (const kind of ["tile", "route", "spot"] as const) {
      expect(report.kinds[kind]).toMatchObject({ ok: 0, failed: report.kinds[kind].sent });
    }
    expect(report.kinds.page).toMatchObject({ failed: 0 });
    expect(report.failures).toHaveLength(failuresMax);
    expect(report.failures).toEqual(answers.filter((answer) => !answer.ok).slice(0, failuresMax));
    expect(answers.find((answer) => answer.kind === "tile")).toMatchObject({ status: 502, ok: false });
    expect(answers.find((answer) => answer.kind === "route")?.error).toContain("ECONNRESET");
    // The 502 has no X-Served-By: it counts under nobody.
    expect(report.tileServers["nobody"]?.share).toBe(1);
  });

  it("say when nobody listens, and when nobody answers", async () => {
    const { origin, server } = await serve(good);
    await new Promise((resolve) => {
      server.close(resolve);
    });
    servers.splice(0);
    const gone = await visit(origin, 5);
    expect(gone.report.ok).toBe(0);
    expect(gone.report.failures[0]?.error).toContain("ECONNREFUSED");
    const silent = await serve(() => {});
    const late = await visit(silent.origin, 2, { visitors: 2, timeoutMs: 50 });
    expect(late.report.failures[0]?.error).toBe("timeout after 50 ms");
  });

  it("give laps that add up to the whole", async () => {
    const { origin } = await serve(good);
    const { report, visitors } = await visit(origin, 100);
    const [first, second] = [visitors.lap(), visitors.lap()];
    expect(first.ok).toBe(report.ok);
    expect(second).toMatchObject({ sent: 0, ok: 0, servers: {} });
    expect(visitors.report().ok).toBe(report.ok);
  });

  it("refuse what they cannot do", () => {
    const options = { origin: "http://127.0.0.1:1", visitors: 1, requestsPerSecond: 1, seed: 1 };
    expect(() => createVisitors({ ...options, visitors: 0 })).toThrow(RangeError);
    expect(() => createVisitors({ ...options, requestsPerSecond: Number.NaN })).toThrow(RangeError);
    expect(() => createVisitors({ ...options, origin: "https://127.0.0.1:1" })).toThrow("not https");
  });
});

describe("a burst", () => {
  it("sends all at once, each on its own connection", async () => {
    const waiting: (() => void)[] = [];
    const ports = new Set<number | undefined>();
    const { origin } = await serve((request, response) => {
      ports.add(request.socket.remotePort);
      waiting.push(() => response.writeHead(200, { "X-Served-By": "function" }).end("x"));
      // Answered only when all are here: one after another would never get that far.
      if (waiting.length === 40) for (const answer of waiting) answer();
    });
    const answers = await burst({ origin, path: "/map/0/0/0.mvt?slow=100", count: 40 });
    expect(answers.map((answer) => answer.status)).toEqual(Array.from({ length: 40 }, () => 200));
    expect(answers.every((answer) => answer.ms > 0 && answer.servedBy === "function")).toBe(true);
    expect(ports.size).toBe(40);
  });

  it("reports those that fail among those that do not", async () => {
    let count = 0;
    const { origin } = await serve((_, response) => {
      count += 1;
      if (count % 2 === 0) response.destroy();
      else response.end("x");
    });
    const answers = await burst({ origin, path: "/", count: 10 });
    expect(answers.filter((answer) => answer.status === 200)).toHaveLength(5);
    expect(answers.filter((answer) => answer.error?.includes("ECONNRESET"))).toHaveLength(5);
  });

  it("reports a port where nobody listens, and refuses a silly count", async () => {
    const { origin, server } = await serve(good);
    await new Promise((resolve) => {
      server.close(resolve);
    });
    servers.splice(0);
    const [answer] = await burst({ origin, path: "/", count: 1 });
    expect(answer?.error).toContain("ECONNREFUSED");
    await expect(burst({ origin, path: "/", count: burstMax + 1 })).rejects.toThrow(RangeError);
  });
});

describe("latencies", () => {
  it("are within 2% of the true percentile", () => {
    const latencies = createLatencies();
    for (let ms = 1; ms <= 1000; ms++) latencies.record(ms);
    for (const part of [0.5, 0.9, 0.99]) {
      expect(latencies.percentile(part) / (part * 1000)).toBeGreaterThan(0.98);
      expect(latencies.percentile(part) / (part * 1000)).toBeLessThan(1.021);
    }
    expect(latencies.percentile(1)).toBe(1000);
    expect(createLatencies().percentile(0.5)).toBe(0);
  });
});
