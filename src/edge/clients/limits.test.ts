import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { createMetrics } from "../../telemetry/metrics.ts";
import type { EdgeOptions } from "../edge.ts";
import { eventually, freePort, Stage, through } from "../edge.suite.ts";
import type { ClientLimits, ListenerConfig } from "../ports.ts";
import { fieldOf } from "../raw-client.suite.ts";

const stage = new Stage();
afterEach(() => stage.strike());

const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const metrics = createMetrics();
const shed = (reason: string) => metrics.counter("edge_shed", { reason }).value;

interface Given {
  clients?: ClientLimits;
  changes?: Partial<ListenerConfig>;
  options?: Partial<EdgeOptions>;
}

const long = Buffer.alloc(32 << 20);

async function before({ clients, changes, options }: Given): Promise<number> {
  const upstream = await stage.http(({ url }, response) => response.end(url === "/long" ? long : "ok"));
  const port = await freePort();
  const edge = stage.edge({ metrics, ...options });
  await edge.apply(through(port, upstream, { ...changes, ...(clients === undefined ? {} : { clients }) }));
  return port;
}

/** Connects from an address of the loopback network. */
async function from(localAddress: string, port: number): Promise<Socket> {
  const socket = connect({ host: "127.0.0.1", port, localAddress });
  socket.on("error", () => {});
  stage.later(() => void socket.destroy());
  await once(socket, "connect");
  return socket;
}

/** The connections of an address that are let in: each asks, and hears, or is closed. */
async function letIn(sockets: Socket[]): Promise<Socket[]> {
  const answered = sockets.map(
    (socket) =>
      new Promise<Socket[]>((resolve) => {
        socket.write(get);
        socket.once("data", () => resolve([socket]));
        socket.once("close", () => resolve([]));
      }),
  );
  return (await Promise.all(answered)).flat();
}

describe("a client", () => {
  it.each([1, 2])("has no more connections than it may, over %d workers", async (workers) => {
    const port = await before({ clients: { connectionsMax: 5 }, options: { workers } });
    const refusedBefore = shed("client-connections");
    const many = await Promise.all(Array.from({ length: 20 }, () => from("127.0.0.1", port)));
    const open = await letIn(many);
    // Two workers that are asked in the same instant may both refuse the last.
    expect(open.length).toBeLessThanOrEqual(5);
    expect(open.length).toBeGreaterThanOrEqual(workers === 1 ? 5 : 4);
    expect(await letIn([await from("127.0.0.2", port)])).toHaveLength(1);
    for (const socket of open) socket.destroy();
    let again: Socket[] = [];
    while (again.length === 0) again = await letIn([await from("127.0.0.1", port)]);
    await eventually(() => shed("client-connections") >= refusedBefore + 15);
  });

  it("asks no more often than it may: 429, and when to come again", async () => {
    const port = await before({ clients: { requestsPerSecond: 0.01, burst: 2 } });
    const client = stage.client(port);
    const statuses: number[] = [];
    for (let i = 0; i < 5; i += 1) statuses.push((await client.send(get).response()).status);
    expect(statuses.filter((status) => status === 200).length).toBeLessThanOrEqual(3);
    expect(statuses.slice(3)).toEqual([429, 429]);
    expect(fieldOf(await client.send(get).response(), "retry-after")).toMatch(/^\d+$/);
    const [other] = await letIn([await from("127.0.0.2", port)]);
    expect(other).toBeDefined();
  });
});

describe("a worker that holds too much for slow clients", () => {
  it("refuses requests and connections until they have taken it", async () => {
    const port = await before({ options: { testing: { heldBytesMax: 100_000 } } });
    const resting = stage.client(port);
    expect((await resting.send(get).response()).status).toBe(200);
    const slow = await Promise.all(Array.from({ length: 8 }, () => from("127.0.0.1", port)));
    for (const socket of slow) socket.pause().write(get.replace("/", "/long"));
    while ((await resting.send(get).response()).status !== 503);
    expect(await letIn([await from("127.0.0.1", port)])).toEqual([]);
    for (const socket of slow) socket.destroy();
    while ((await resting.send(get).response()).status !== 200);
    expect(await letIn([await from("127.0.0.1", port)])).toHaveLength(1);
    await eventually(() => shed("memory") > 1);
  });
});
