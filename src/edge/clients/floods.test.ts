/** Clients that are slow, or many, at real sockets and with small limits: what they cost is bounded, and others are served. */
import { once } from "node:events";
import { connect as connectH2, constants } from "node:http2";
import { connect, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { systemClock } from "../../base/clock.ts";
import { Door } from "../door.ts";
import { address, all, cluster, eventually, freePort, listener, Stage } from "../edge.suite.ts";
import { answered } from "../exchange.ts";
import { limitsOf } from "../h1/limits.ts";
import { ScannerPool } from "../h1/scan.ts";
import { streamsMax } from "../h2/limits.ts";
import { ask, get } from "../h2/session.suite.ts";
import type { Edge, ListenerConfig } from "../ports.ts";
import { createMetrics } from "../../telemetry/metrics.ts";
import { testAuthority, tlsOf } from "../tls/authority.suite.ts";
import { Wheel } from "../wheel.ts";

const stage = new Stage();
afterEach(() => stage.strike());

const answerBytes = 256 * 2 ** 20;
/** What the kernels on the way hold of an answer that nobody reads, and the edge's own buffers, at the very most. */
const heldBytesMax = 32 * 2 ** 20;

/** An endpoint whose `/large` is {@link answerBytes} long; how much of it has been taken. */
async function endpoint() {
  const taken = { bytes: 0 };
  const piece = Buffer.alloc(2 ** 16);
  const port = await stage.http(({ url }, response) => {
    if (url !== "/large") {
      response.end("ok");
      return;
    }
    let left = answerBytes;
    const write = () => {
      while (left > 0 && !response.destroyed) {
        left -= piece.length;
        taken.bytes += piece.length;
        if (!response.write(piece)) {
          response.once("drain", write);
          return;
        }
      }
      response.end();
    };
    write();
  });
  return { port, taken };
}

async function front(upstream: number, changes: Partial<ListenerConfig>): Promise<{ port: number; edge: Edge }> {
  const port = await freePort();
  const edge = stage.edge();
  const listeners = [listener(port, [all("c")], changes)];
  await edge.apply({ epoch: 1, listeners, clusters: [cluster("c", [address(upstream)])] });
  return { port, edge };
}

async function open(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  stage.later(() => void socket.destroy());
  await once(socket, "connect");
  return socket;
}

const isServed = async (port: number) =>
  (await stage.client(port).send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").response()).status;

describe("a client that stops reading a large answer", () => {
  it("is ended after the idle timeout, and counted; nobody else waits, and little is held for it", async () => {
    const upstream = await endpoint();
    const { port, edge } = await front(upstream.port, { idleTimeoutMs: 1_000 });
    const memoryBefore = process.memoryUsage().rss;
    const slow = await Promise.all(Array.from({ length: 4 }, () => open(port)));
    for (const socket of slow) socket.pause().write("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    await eventually(() => edge.stats()[0]?.active === slow.length);
    expect(await isServed(port)).toBe(200);
    await eventually(() => edge.stats()[0]?.edgeErrors["client-stalled"] === slow.length);
    expect(edge.stats()[0]?.active).toBe(0);
    expect(upstream.taken.bytes).toBeLessThan(slow.length * heldBytesMax);
    // Endpoint, edge and clients are all in this process.
    expect(process.memoryUsage().rss - memoryBefore).toBeLessThan(slow.length * heldBytesMax);
  });
});

describe("clients that send their heads slowly", () => {
  it("hear 408 when their time is over, and others are served meanwhile", async () => {
    const upstream = await endpoint();
    const { port, edge } = await front(upstream.port, { idleTimeoutMs: 1_000 });
    const slow = await Promise.all(Array.from({ length: 200 }, () => open(port)));
    const heard = slow.map(async (socket) => {
      let text = "";
      socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
      await once(socket, "close");
      return text.slice(0, 12);
    });
    let ended = 0;
    for (const each of heard) void each.then(() => (ended += 1));
    for (const socket of slow) socket.write("GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ");
    while (ended < slow.length) {
      // A byte now and then does not move the deadline of a head.
      for (const socket of slow) if (socket.writable) socket.write("x");
      expect(await isServed(port)).toBe(200);
    }
    expect(new Set(await Promise.all(heard))).toEqual(new Set(["HTTP/1.1 408"]));
    expect(edge.stats()[0]?.edgeErrors).toEqual({});
  });
});

describe("a flood of connections that say nothing", () => {
  it("is turned away past the limit of the listener, and let in again when others go", async () => {
    const shed: string[] = [];
    const wheel = new Wheel(systemClock);
    const door = new Door({
      clock: systemClock,
      wheel,
      scanners: new ScannerPool(limitsOf("public")),
      readBuffer: Buffer.alloc(2 ** 16),
      dispatch: () => answered,
      pressure: { high: false },
      shed: (reason) => shed.push(reason),
      connectionsMax: 10,
    });
    const port = await freePort();
    await door.open("127.0.0.1", port, false, (error) => expect(error).toBeUndefined());
    stage.later(() => {
      door.stop();
      wheel.close();
    });
    const sockets = await Promise.all(Array.from({ length: 25 }, () => open(port)));
    await eventually(() => shed.length === 15);
    expect(new Set(shed)).toEqual(new Set(["connections"]));
    await eventually(() => sockets.filter((socket) => socket.closed).length === 15);
  });

  it("is closed by the idle timeout, so that who speaks is served", async () => {
    const upstream = await endpoint();
    const { port } = await front(upstream.port, { idleTimeoutMs: 500, clients: { connectionsMax: 50 } });
    const idle = await Promise.all(Array.from({ length: 50 }, () => open(port)));
    const refused = await open(port);
    await eventually(() => refused.closed);
    await eventually(() => idle.every((socket) => socket.closed));
    expect(await isServed(port)).toBe(200);
  });
});

describe("what waits on one connection", () => {
  const mib = 2 ** 20;

  it("over HTTP/1.1 is the answers of few requests: the next are read when those were taken", async () => {
    const port = await freePort();
    const edge = stage.edge();
    let calls = 0;
    edge.register("f", async () => {
      calls += 1;
      return { status: 200, headers: [], body: Buffer.alloc(mib) };
    });
    await edge.apply({
      epoch: 1,
      listeners: [listener(port, [all("f")])],
      clusters: [cluster("f", [{ kind: "function", id: "f", requestBytesMax: 0 }])],
    });
    const requests = 40;
    const greedy = (await open(port)).pause();
    greedy.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(requests));
    // Whoever asks after it is served after what it asked for has come to rest.
    for (let round = 0; round < 20; round += 1) expect(await isServed(port)).toBe(200);
    expect(calls - 20).toBeLessThan(requests / 2);
    let bytes = 0;
    greedy.on("data", (piece: Buffer) => {
      bytes += piece.length;
    });
    greedy.resume();
    await eventually(() => bytes >= requests * mib);
    expect(calls).toBe(requests + 20);
  });

  it("over HTTP/2 is bounded: past it requests and answers of functions are 503, and counted", async () => {
    const { ca, issue } = testAuthority();
    const port = await freePort();
    const metrics = createMetrics();
    const edge = stage.edge({ metrics });
    edge.register("f", async () => ({ status: 200, headers: [], body: Buffer.alloc(mib) }));
    await edge.apply({
      epoch: 1,
      listeners: [listener(port, [all("f")], { tls: tlsOf([issue(["example.com"])]), http2: true })],
      clusters: [cluster("f", [{ kind: "function", id: "f", requestBytesMax: 0 }])],
    });
    const session = connectH2(`https://127.0.0.1:${port}`, { ca, servername: "example.com" });
    session.on("error", () => session.destroy());
    stage.later(() => session.destroy());
    const most = limitsOf("public").connectionBytesMax / mib;
    const statuses: (number | undefined)[] = [];
    const asks = (count: number) => {
      for (let i = 0; i < count; i += 1) {
        const stream = session.request(get());
        stream.on("error", () => {});
        stream.on("response", (headers) => statuses.push(headers[":status"])).pause();
      }
    };
    asks(2 * most);
    await eventually(() => statuses.length === 2 * most);
    const served = statuses.filter((status) => status === 200).length;
    expect(served).toBeGreaterThanOrEqual(most);
    // One answer that still fits, and what the client's own windows have taken.
    expect(served).toBeLessThanOrEqual(most + 4);
    expect(edge.stats()[0]?.edgeErrors).toMatchObject({ "connection-full": 2 * most - served });
    statuses.length = 0;
    asks(3);
    await eventually(() => statuses.length === 3);
    expect(statuses).toEqual([503, 503, 503]);
    await eventually(() => metrics.counter("edge_shed", { reason: "connection-memory" }).value === 3); // Others have nothing to do with it.
    const other = connectH2(`https://127.0.0.1:${port}`, { ca, servername: "example.com" });
    other.on("error", () => other.destroy());
    stage.later(() => other.destroy());
    expect(await ask(other, get())).toMatchObject({ status: 200 });
  });
});

describe("an HTTP/2 client that opens streams and never reads", () => {
  const { ca, issue } = testAuthority();

  it("holds no more than its windows; its streams are reset after the idle timeout, and counted", async () => {
    const upstream = await endpoint();
    const tls = tlsOf([issue(["example.com"])]);
    const { port, edge } = await front(upstream.port, { idleTimeoutMs: 1_000, tls, http2: true });
    const client = (settings = {}) => {
      const session = connectH2(`https://127.0.0.1:${port}`, { ca, servername: "example.com", settings });
      session.on("error", () => session.destroy());
      stage.later(() => session.destroy());
      return session;
    };
    const slow = client({ initialWindowSize: 1_000 });
    const codes: (number | undefined)[] = [];
    const streams = Array.from({ length: 16 }, () => slow.request(get("/large")));
    for (const stream of streams) {
      stream.on("error", () => {});
      // Paused: it reads nothing, and so opens no window.
      stream.on("close", () => codes.push(stream.rstCode)).pause();
    }
    await eventually(() => edge.stats()[0]?.active === streams.length);
    expect(await ask(client(), get())).toMatchObject({ status: 200, body: "ok" });
    await eventually(() => edge.stats()[0]?.edgeErrors["client-stalled"] === streams.length);
    await eventually(() => codes.length === streams.length);
    expect(codes).toEqual(streams.map(() => constants.NGHTTP2_INTERNAL_ERROR));
    expect(streams.length).toBeLessThanOrEqual(streamsMax);
    expect(upstream.taken.bytes).toBeLessThan(streams.length * heldBytesMax);
    // The session is good for who reads.
    expect(await ask(slow, get())).toMatchObject({ status: 200 });
  });
});
