import { createServer } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import type { HttpHandler } from "../base/http.ts";
import type { Log } from "../telemetry/log.ts";
import { silentLog } from "../telemetry/log.ts";
import { createMetrics } from "../telemetry/metrics.ts";
import { address, all, cluster, eventually, freePort, listener, Stage, through } from "./edge.suite.ts";
import type { EdgeConfig, EndpointConfig } from "./ports.ts";
import { fieldOf } from "./raw-client.suite.ts";

const stage = new Stage();
afterEach(() => stage.strike());

const get = (target = "/") => `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`;
const named = (name: string) => stage.http((_, response) => response.setHeader("X-From", name).end(name));

/** An upstream that answers when it is told; `here` resolves with how, once a request is there. */
async function slow(name: string) {
  let arrived: (answer: () => void) => void = () => {};
  const next = () =>
    new Promise<() => void>((resolve) => {
      arrived = resolve;
    });
  let coming = next();
  const port = await stage.http((_, response) => arrived(() => response.setHeader("X-From", name).end(name)));
  return {
    port,
    async here() {
      const answer = await coming;
      coming = next();
      return answer;
    },
  };
}

/** Clients that ask without a pause, each on a connection it keeps, until told to stop; gives what they saw. */
function load(port: number, connections: number) {
  const seen = { requests: 0, failed: [] as string[], from: new Map<string, number>() };
  const state = { stop: false };
  const visitors = Array.from({ length: connections }, async () => {
    const client = stage.client(port);
    while (!state.stop) {
      try {
        const response = await client.send(get()).response();
        const from = fieldOf(response, "x-from") ?? "nobody";
        if (response.status !== 200) seen.failed.push(`${response.status} from ${from}`);
        seen.from.set(from, (seen.from.get(from) ?? 0) + 1);
      } catch (error) {
        seen.failed.push(String(error));
        return;
      }
      seen.requests += 1;
    }
    client.destroy();
  });
  return {
    seen,
    async stop() {
      state.stop = true;
      await Promise.all(visitors);
      return seen;
    },
  };
}

describe.each([1, 4])("with %d workers, one of them 200 ms late", (workers) => {
  const swapDelayMs = (worker: number) => (worker === workers - 1 ? 200 : 0);

  it("routes flip between two upstreams and not one request fails", async () => {
    const [one, two, port] = [await named("one"), await named("two"), await freePort()];
    const edge = stage.edge({ workers, testing: { swapDelayMs } });
    await edge.apply(through(port, one, {}, 1));
    const running = load(port, 16);
    for (let epoch = 2; epoch <= 9; epoch += 1) {
      const target = epoch % 2 === 0 ? two : one;
      await edge.apply(through(port, target, {}, epoch));
      // Every worker runs it: from here on nobody is sent to the other one.
      const name = epoch % 2 === 0 ? "two" : "one";
      const fresh = Array.from({ length: 8 }, () => stage.client(port).send(get()).response());
      for (const response of await Promise.all(fresh)) expect(fieldOf(response, "x-from")).toBe(name);
    }
    const { failed, requests, from } = await running.stop();
    expect(failed).toEqual([]);
    expect(requests).toBeGreaterThan(200);
    expect([...from.keys()].sort()).toEqual(["one", "two"]);
  });

  it("a route goes to a function and back, and not one request fails", async () => {
    const [monolith, port] = [await named("monolith"), await freePort()];
    const edge = stage.edge({ workers, testing: { swapDelayMs } });
    const handler: HttpHandler = async () => ({ status: 200, headers: ["X-From", "function"], body: Buffer.from("f") });
    const config = (epoch: number, endpoint: EndpointConfig): EdgeConfig => ({
      epoch,
      listeners: [listener(port, [all(endpoint.id)])],
      clusters: [cluster(endpoint.id, [endpoint])],
    });
    await edge.apply(config(1, address(monolith)));
    const running = load(port, 16);
    for (let epoch = 2; epoch <= 7; epoch += 2) {
      const id = `f${epoch}`;
      edge.register(id, handler);
      await edge.apply(config(epoch, { kind: "function", id, requestBytesMax: 1000 }));
      await edge.apply(config(epoch + 1, address(monolith)));
      edge.unregister(id);
    }
    const { failed, from } = await running.stop();
    expect(failed).toEqual([]);
    expect([...from.keys()].sort()).toEqual(["function", "monolith"]);
  });
});

describe("a request", () => {
  it("keeps the function that it began with, though the function is unregistered", async () => {
    const [monolith, port] = [await named("monolith"), await freePort()];
    const edge = stage.edge();
    edge.register("f", async () => ({ status: 200, headers: ["X-From", "function"], body: undefined }));
    await edge.apply({
      epoch: 1,
      listeners: [listener(port, [all("f")])],
      clusters: [cluster("f", [{ kind: "function", id: "f", requestBytesMax: 100 }])],
    });
    const client = stage.client(port).send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel");
    await eventually(() => edge.stats()[0]?.active === 1);
    await edge.apply(through(port, monolith, {}, 2));
    edge.unregister("f");
    client.send("lo");
    expect(fieldOf(await client.response(), "x-from")).toBe("function");
    expect(fieldOf(await client.send(get()).response(), "x-from")).toBe("monolith");
  });

  it("may end at an endpoint that is gone, for as long as that may drain", async () => {
    const [one, two, port] = [await slow("one"), await named("two"), await freePort()];
    const edge = stage.edge();
    await edge.apply(through(port, one.port, {}, 1));
    const [patient, unlucky] = [stage.client(port), stage.client(port)];
    patient.send(get());
    const answer = await one.here();
    await edge.apply(through(port, two, {}, 2));
    expect(edge.health("c").map(({ endpointId, state }) => [endpointId, state])).toEqual([
      [`address-${one.port}`, "draining"],
      [`address-${two}`, "healthy"],
    ]);
    answer();
    expect(fieldOf(await patient.response(), "x-from")).toBe("one");
    // The second is not answered in time.
    const hurried = [cluster("c", [address(one.port)], { drainMs: 100 })];
    await edge.apply({ ...through(port, one.port, {}, 3), clusters: hurried });
    unlucky.send(get());
    await one.here();
    await edge.apply(through(port, two, {}, 4));
    expect((await unlucky.response()).status).toBe(502);
    expect(edge.stats()[0]?.edgeErrors).toEqual({ drained: 1 });
  });
});

describe("listeners", () => {
  it("that stay keep their connections; one that goes lets its request end", async () => {
    const [up, stays, goes] = [await named("up"), await freePort(), await freePort()];
    const late = await slow("slow");
    const edge = stage.edge({ workers: 2 });
    const clusters = [cluster("up", [address(up)]), cluster("slow", [address(late.port)])];
    await edge.apply({ epoch: 1, listeners: [listener(stays, [all("up")]), listener(goes, [all("slow")])], clusters });
    const kept = stage.client(stays);
    await kept.send(get()).response();
    const last = stage.client(goes).send(get());
    const answer = await late.here();
    await edge.apply({ epoch: 2, listeners: [listener(stays, [all("up")])], clusters });
    expect((await kept.send(get()).response()).body.toString()).toBe("up");
    const refused = stage.client(goes);
    await refused.all();
    expect(refused.error?.message).toContain("ECONNREFUSED");
    answer();
    const response = await last.response();
    expect([response.body.toString(), fieldOf(response, "connection")]).toEqual(["slow", "close"]);
  });

  it("hand their socket to another one at the same place", async () => {
    const [up, port] = [await named("up"), await freePort()];
    const edge = stage.edge();
    await edge.apply(through(port, up, { id: "old" }, 1));
    const client = stage.client(port);
    await client.send(get()).response();
    await edge.apply(through(port, up, { id: "new", serverName: "new/1" }, 2));
    expect((await client.send(get()).response()).status).toBe(200);
    client.send(get().replace("GET", "TRACE"));
    expect(fieldOf(await client.response(), "server")).toBe("new/1");
  });

  it("on a port that is taken fail the apply, and the former routing stays", async () => {
    const [one, two, port] = [await named("one"), await named("two"), await freePort()];
    const squatter = createServer();
    await new Promise<void>((resolve) => {
      squatter.listen(0, "127.0.0.1", resolve);
    });
    stage.later(() => void squatter.close());
    const taken = (squatter.address() as { port: number }).port;
    const edge = stage.edge({ workers: 2 });
    await edge.apply(through(port, one, {}, 1));
    const config = through(port, two, {}, 2);
    const more = { ...config, listeners: [...config.listeners, listener(taken, [all("c")])] };
    await expect(edge.apply(more)).rejects.toMatchObject({
      name: "PortInUse",
      port: taken,
      holder: `node (pid ${process.pid})`,
    });
    expect(fieldOf(await stage.client(port).send(get()).response(), "x-from")).toBe("one");
    await edge.apply(config);
    expect(fieldOf(await stage.client(port).send(get()).response(), "x-from")).toBe("two");
  });

  it("of a second node on the same port fail too, though workers share theirs", async () => {
    const [up, port] = [await named("up"), await freePort()];
    await stage.edge({ workers: 2 }).apply(through(port, up));
    await expect(stage.edge().apply(through(port, up))).rejects.toMatchObject({ name: "PortInUse", port });
  });

  it("twice on one port are refused", async () => {
    const [up, port] = [await named("up"), await freePort()];
    const config = through(port, up);
    const twice = { ...config, listeners: [...config.listeners, ...config.listeners] };
    await expect(stage.edge().apply(twice)).rejects.toMatchObject({ name: "PortInUse", port });
  });
});

describe("apply", () => {
  it("names the worker that is late", async () => {
    const [up, port] = [await named("up"), await freePort()];
    const slow = { swapDelayMs: (worker: number) => (worker === 1 ? 60_000 : 0) };
    const edge = stage.edge({ workers: 2, applyMsMax: 6_000, testing: slow });
    await expect(edge.apply(through(port, up))).rejects.toThrow("edge worker 1 did not commit within 6000 ms");
  });

  it("fails for a route to a cluster that is not there, and changes nothing", async () => {
    const [up, port] = [await named("up"), await freePort()];
    const edge = stage.edge();
    await edge.apply(through(port, up, {}, 1));
    const broken = { epoch: 2, listeners: [listener(port, [all("nowhere")])], clusters: [] };
    await expect(edge.apply(broken)).rejects.toThrow("cluster nowhere is missing");
    expect((await stage.client(port).send(get()).response()).status).toBe(200);
  });

  it("of an older epoch is overtaken, and changes nothing", async () => {
    const [one, two, port] = [await named("one"), await named("two"), await freePort()];
    const edge = stage.edge();
    const applied = [edge.apply(through(port, two, {}, 5)), edge.apply(through(port, one, {}, 4))];
    await Promise.all(applied);
    expect(fieldOf(await stage.client(port).send(get()).response(), "x-from")).toBe("two");
  });

  it("starts no thread before there is a listener", async () => {
    const edge = stage.edge({ applyMsMax: 1 });
    await edge.apply({ epoch: 1, listeners: [], clusters: [cluster("c", [])] });
    expect(edge.stats()).toMatchObject([{ clusterId: "c", requests: 0 }]);
  });
});

it("a worker that dies is replaced, and said to be", async () => {
  const [up, port] = [await named("up"), await freePort()];
  const errors: string[] = [];
  const log: Log = { ...silentLog, error: (message) => errors.push(message) };
  const metrics = createMetrics();
  const edge = stage.edge({ workers: 2, log, metrics, testing: { dieOn: "/die" } });
  edge.register("f", async () => ({ status: 200, headers: [], body: undefined }));
  await edge.apply(through(port, up));
  const victim = stage.client(port).send(get("/die"));
  await victim.all();
  await eventually(() => metrics.counter("edge_worker_restarts").value === 1);
  expect(errors).toEqual(["an edge worker died and is replaced"]);
  const survivors = Array.from({ length: 20 }, () => stage.client(port).send(get()).response());
  for (const response of await Promise.all(survivors)) expect(response.status).toBe(200);
  // And the new one takes part in what comes next.
  await edge.apply(through(port, up, {}, 2));
  expect(edge.stats()[0]?.active).toBe(0);
});

it("close lets what is under way end", async () => {
  const [late, port] = [await slow("slow"), await freePort()];
  const edge = stage.edge();
  await edge.apply(through(port, late.port));
  const client = stage.client(port).send(get());
  const answer = await late.here();
  const closing = edge.close(5_000);
  answer();
  expect((await client.response()).body.toString()).toBe("slow");
  await closing;
  await expect(edge.apply(through(port, late.port, {}, 2))).rejects.toThrow("closed");
});
