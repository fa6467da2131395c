import { afterEach, describe, expect, it } from "vitest";
import { createMetrics } from "../telemetry/metrics.ts";
import { address, all, cluster, eventually, freePort, listener, Stage } from "./edge.suite.ts";
import type { Edge, EdgeConfig } from "./ports.ts";
import type { RawClient } from "./raw-client.suite.ts";
import { echoes } from "./websocket.suite.ts";

const stage = new Stage();
afterEach(() => stage.strike());

const get = (target = "/") => `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`;
const handshake =
  "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

const held = 20;

/** Two workers, and tunnels through both of them, as many as the cap of the route lets in. */
async function before() {
  const [upstream, port] = [await echoes(stage), await freePort()];
  const metrics = createMetrics();
  const edge = stage.edge({ workers: 2, metrics, testing: { dieOn: "/die", heapMbMax: 64 } });
  const cap = { id: "cap", max: held, answer: "native", retryAfterSeconds: 1 } as const;
  const config: EdgeConfig = {
    epoch: 1,
    listeners: [
      listener(port, [
        {
          id: "die",
          conditions: [{ kind: "path", patterns: ["/die"] }],
          action: { kind: "fixed", status: 200, contentType: "text/plain", body: "alive" },
        },
        { ...all("c"), policy: { cap } },
      ]),
    ],
    clusters: [cluster("c", [address(upstream)])],
  };
  await edge.apply(config);
  const tunnels = await Promise.all(Array.from({ length: held }, () => tunnel(port)));
  return { port, edge, tunnels, restarts: () => metrics.counter("edge_worker_restarts").value };
}

async function tunnel(port: number): Promise<RawClient> {
  const client = stage.client(port).send(handshake);
  expect((await client.response()).status).toBe(101);
  return client;
}

const statsOf = (edge: Edge) => edge.stats()[0];

describe("a worker that ends", () => {
  it.each([
    ["by an error", "/die"],
    ["of its heap", "/die?heap"],
    ["at once", "/die?exit"],
  ])(
    "%s takes only what it held with it, and gives its permits back",
    async (_, target) => {
      const { port, edge, tunnels, restarts } = await before();
      await stage.client(port).send(get(target)).all();
      await eventually(() => restarts() === 1);
      const lost = statsOf(edge)?.edgeErrors["worker-lost"] ?? 0;
      await eventually(() => tunnels.filter(({ closed }) => closed).length === lost);
      const alive = tunnels.filter(({ closed }) => !closed);
      expect([lost, alive.length]).toEqual([held - alive.length, statsOf(edge)?.active]);
      for (const client of alive) {
        client.send(Buffer.from([0x82, 0x81, 0, 0, 0, 0, 7]));
        await client.until((text) => text.endsWith("\x82\x01\x07"));
      }
      // Exactly what was lost is free again.
      for (let i = 0; i < lost; i += 1) await tunnel(port);
      expect((await stage.client(port).send(handshake).response()).status).toBe(429);
    },
    120_000,
  );
});
