import { afterEach, describe, expect, it } from "vitest";
import { cluster, address, freePort, listener, Stage } from "./edge.suite.ts";
import type { CapPolicy } from "./policies.ts";
import type { EdgeConfig } from "./ports.ts";

const stage = new Stage();
afterEach(() => stage.strike());

/** An upstream that holds every request until it is let go, and counts those it has. */
async function holding() {
  const held: (() => void)[] = [];
  const seen = { now: 0, most: 0 };
  const port = await stage.http((_, response) => {
    seen.now += 1;
    seen.most = Math.max(seen.most, seen.now);
    held.push(() => {
      seen.now -= 1;
      response.end("done");
    });
  });
  return { port, seen, held, letGo: () => held.splice(0).forEach((release) => release()) };
}

function capped(port: number, upstream: number, cap: Partial<CapPolicy>, epoch = 1): EdgeConfig {
  const policy = { cap: { id: "cap", max: 3, answer: "alb", retryAfterSeconds: 1, ...cap } } as const;
  const action = { kind: "forward", targets: [{ clusterId: "slow", weight: 1 }] } as const;
  return {
    epoch,
    listeners: [listener(port, [{ id: "default", conditions: [], action, policy }])],
    clusters: [cluster("slow", [address(upstream)])],
  };
}

const get = async (port: number) => {
  const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: "close" } });
  return { status: response.status, text: await response.text(), retryAfter: response.headers.get("retry-after") };
};

describe.each([1, 2, 4])("a cap with %d workers", (workers) => {
  it("lets exactly so many in, and answers the others at once", async () => {
    const upstream = await holding();
    const port = await freePort();
    const edge = stage.edge({ workers });
    await edge.apply(capped(port, upstream.port, {}));
    for (let round = 0; round < 3; round += 1) {
      const statuses: number[] = [];
      const requests = Array.from({ length: 30 }, async () => statuses.push((await get(port)).status));
      await expect.poll(() => statuses.length, { timeout: 10_000 }).toBe(27);
      expect(new Set(statuses)).toEqual(new Set([502]));
      // The others may be answered before those that were let in are there.
      await expect.poll(() => upstream.seen, { timeout: 10_000 }).toEqual({ now: 3, most: 3 });
      upstream.letGo();
      await Promise.all(requests);
      expect(statuses.filter((status) => status === 200)).toHaveLength(3);
    }
  });
});

describe("a cap", () => {
  it.each([
    ["alb", 502, null],
    ["rest-api", 500, null],
    ["http-api", 503, null],
    ["native", 429, "7"],
  ] as const)("answers the excess as %s does: %d", async (answer, status, retryAfter) => {
    const port = await freePort();
    const edge = stage.edge();
    await edge.apply(capped(port, 1, { max: 0, answer, retryAfterSeconds: 7 }));
    expect(await get(port)).toMatchObject({ status, retryAfter });
  });

  it("counts requests of the routing before, and of a route that was gone meanwhile", async () => {
    const upstream = await holding();
    const port = await freePort();
    const edge = stage.edge({ workers: 2 });
    await edge.apply(capped(port, upstream.port, {}));
    const underWay = [get(port), get(port), get(port)];
    await expect.poll(() => upstream.seen.now).toBe(3);
    await edge.apply({ epoch: 2, listeners: [], clusters: [] });
    await edge.apply(capped(port, upstream.port, { max: 4 }, 3));
    let answered = 0;
    const more = [get(port), get(port), get(port)].map((request) => request.finally(() => (answered += 1)));
    await expect.poll(() => upstream.seen.now, { timeout: 10_000 }).toBe(4);
    // One that came after the others had been let go would have its place.
    await expect.poll(() => answered, { timeout: 10_000 }).toBe(2);
    upstream.letGo();
    expect((await Promise.all(more)).map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 502, 502]);
    expect((await Promise.all(underWay)).map(({ status }) => status)).toEqual([200, 200, 200]);
  });

  it("gives back what a worker had that died", async () => {
    const upstream = await holding();
    const port = await freePort();
    const edge = stage.edge({ workers: 1, testing: { dieOn: "/die" } });
    await edge.apply(capped(port, upstream.port, {}));
    const lost = [get(port), get(port), get(port)].map((request) => expect(request).rejects.toThrow("fetch failed"));
    await expect.poll(() => upstream.seen.now).toBe(3);
    await expect(fetch(`http://127.0.0.1:${port}/die`)).rejects.toThrow("fetch failed");
    await Promise.all(lost);
    upstream.letGo();
    const answered = expect.poll(() => get(port).then(({ status }) => status, String), { timeout: 10_000 });
    const releasing = setInterval(upstream.letGo, 10);
    await answered.toBe(200);
    clearInterval(releasing);
  });
});
