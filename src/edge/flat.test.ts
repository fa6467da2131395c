/** What a round of requests, tunnels, refusals and reloads leaves behind: nothing. `bench/soak.ts` asks the same of a million. */
import { readdirSync } from "node:fs";
import { afterEach, expect, it } from "vitest";
import { address, all, cluster, eventually, freePort, listener, Stage } from "./edge.suite.ts";
import type { EdgeConfig } from "./ports.ts";

const stage = new Stage();
afterEach(() => stage.strike());

const requests = 500;
const atOnce = 20;
const reloads = 10;

const descriptors = () => readdirSync("/proc/self/fd").length;
const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;

it.skipIf(process.platform !== "linux")(
  "a round of requests and reloads leaves no connection, no descriptor and no timer behind",
  { timeout: 120_000 },
  async () => {
    const upstream = await stage.http(({ url, socket }, response) => {
      if (url === "/broken") socket.destroy();
      else response.end("ok");
    });
    const port = await freePort();
    const edge = stage.edge({ workers: 2 });
    let epoch = 0;
    const retry = {
      on: ["reset" as const],
      statuses: [],
      retriesMax: 1,
      backoff: { kind: "exponential" as const, baseMs: 1, maxMs: 1 },
      bodyBytesMax: 0,
    };
    /** With endpoints, or none: then every connection to one ends. */
    const config = (endpoints: boolean): EdgeConfig => ({
      epoch: (epoch += 1),
      listeners: [listener(port, [{ ...all("c"), policy: { requestTimeoutMs: 10_000, retry } }])],
      clusters: [cluster("c", endpoints ? [address(upstream)] : [])],
    });
    const paths = ["/", "/broken", "/a?b", "/"];
    const client = async () => {
      const own = stage.client(port);
      for (let i = 0; i < requests / atOnce; i += 1) {
        await own.send(`GET ${paths[i % paths.length]} HTTP/1.1\r\nHost: a\r\n\r\n`).response();
      }
      own.destroy();
      // One that goes in the middle of its request.
      stage.client(port).send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx").destroy();
    };
    const round = async () => {
      await edge.apply(config(true));
      const load = Promise.all(Array.from({ length: atOnce }, client));
      for (let i = 0; i < reloads; i += 1) await edge.apply(config(true));
      await load;
      await edge.apply(config(false));
      await eventually(() => edge.loadBalancers()[0]?.activeConnections === 0 && edge.stats()[0]?.active === 0);
    };
    await round();
    const before = { descriptors: descriptors(), timers: timers() };
    await round();
    await round();
    // The ends of connections are heard in their own time; what has leaked stays.
    await eventually(() => descriptors() <= before.descriptors);
    expect(timers()).toBeLessThanOrEqual(before.timers);
  },
);
