import { once } from "node:events";
import type { Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { address, all, cluster, eventually, freePort, listener, Stage, through } from "./edge.suite.ts";
import type { Edge, EdgeConfig, ListenerConfig } from "./ports.ts";
import { fieldOf } from "./raw-client.suite.ts";
import { echoes, frame, opcode } from "./websocket.suite.ts";

const stage = new Stage();
afterEach(() => stage.strike());

const handshake =
  "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n" +
  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

async function before(upstream: number, changes: Partial<ListenerConfig> = {}): Promise<{ port: number; edge: Edge }> {
  const port = await freePort();
  const edge = stage.edge();
  await edge.apply(through(port, upstream, changes));
  return { port, edge };
}

/** An endpoint that agrees to any upgrade, and gives the socket, and what it was asked. */
async function agreeing(
  answer = switching,
): Promise<{ port: number; tunnel: Promise<{ socket: Socket; head: string }> }> {
  const { promise, resolve } = Promise.withResolvers<{ socket: Socket; head: string }>();
  const port = await stage.tcp((socket) => {
    socket.allowHalfOpen = true;
    socket.once("data", (chunk: Buffer) => {
      socket.write(answer, "latin1");
      resolve({ socket, head: chunk.toString("latin1") });
    });
  });
  return { port, tunnel: promise };
}

async function opened(port: number, protocols: string[] = []): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/chat`, protocols);
  stage.later(() => socket.close());
  await once(socket, "open");
  return socket;
}

async function said(socket: WebSocket): Promise<unknown> {
  const [event] = (await once(socket, "message")) as [MessageEvent];
  return event.data;
}

const statsOf = (edge: Edge) => edge.stats()[0];

describe("a WebSocket", () => {
  it("talks through the listener as if it were not there", async () => {
    const { port, edge } = await before(await echoes(stage));
    const socket = await opened(port);
    socket.binaryType = "arraybuffer";
    socket.send("hello");
    expect(await said(socket)).toBe("hello");
    const long = Buffer.alloc(300_000, "x");
    socket.send(long);
    expect(Buffer.from((await said(socket)) as ArrayBuffer).equals(long)).toBe(true);
    expect(statsOf(edge)).toMatchObject({ requests: 1, active: 1, endpointStatus: [0, 0, 0, 0], edgeErrors: {} });
    socket.close(1000, "bye");
    const [closed] = (await once(socket, "close")) as [CloseEvent];
    expect([closed.code, closed.reason, closed.wasClean]).toEqual([1000, "bye", true]);
    await eventually(() => statsOf(edge)?.active === 0);
    expect(statsOf(edge)?.edgeErrors).toEqual({});
  });

  it("has its subprotocol and extensions settled by the endpoint", async () => {
    const lines = () => "Sec-WebSocket-Protocol: second\r\n";
    const { port } = await before(await echoes(stage, { lines }));
    const socket = await opened(port, ["first", "second"]);
    expect(socket.protocol).toBe("second");
  });

  it("is asked for in the client's words, with what every request gets", async () => {
    const { port: upstream, tunnel } = await agreeing();
    const { port } = await before(upstream);
    const client = stage.client(port).send(handshake);
    const { status, fields } = await client.response();
    const { head } = await tunnel;
    expect(head).toContain("GET /chat HTTP/1.1\r\n");
    expect(head).toContain("\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n");
    expect(head).toContain("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
    expect(head).toContain("X-Forwarded-For: 127.0.0.1\r\n");
    expect(status).toBe(101);
    expect(Object.fromEntries(fields)).toMatchObject({ connection: "Upgrade", upgrade: "websocket" });
  });

  it("that the endpoint refuses is an ordinary answer, and the connection goes on", async () => {
    const { port } = await before(
      await stage.http((_, response) => response.writeHead(426, { "Content-Length": 2 }).end("no")),
    );
    const client = stage.client(port).send(handshake);
    const refused = await client.response();
    expect([refused.status, refused.body.toString(), fieldOf(refused, "connection")]).toEqual([
      426,
      "no",
      "keep-alive",
    ]);
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    expect((await client.response()).status).toBe(426);
  });

  it("has what the client sent too early, and nothing of it before the endpoint agreed", async () => {
    const { port: upstream, tunnel } = await agreeing();
    const { port } = await before(upstream);
    stage.client(port).send(`${handshake}early`);
    const { socket, head } = await tunnel;
    expect(head.endsWith("\r\n\r\n")).toBe(true);
    const [chunk] = (await once(socket, "data")) as [Buffer];
    expect(chunk.toString()).toBe("early");
  });

  it("to a function is refused", async () => {
    const port = await freePort();
    const edge = stage.edge();
    edge.register("f", () => Promise.resolve({ status: 200, headers: [], body: undefined }));
    const endpoints = [{ kind: "function", id: "f", requestBytesMax: 100 }] as const;
    await edge.apply({ epoch: 1, listeners: [listener(port, [all("c")])], clusters: [cluster("c", endpoints)] });
    expect((await stage.client(port).send(handshake).response()).status).toBe(400);
  });
});

describe("an upgrade", () => {
  it.each([
    ["of HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"],
    [
      "to HTTP/2",
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n\r\n",
    ],
    ["that Connection does not name", "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n"],
  ])("%s is not passed on", async (_, request) => {
    let seen: string[] = [];
    const upstream = await stage.http((incoming, response) => {
      seen = incoming.rawHeaders.map((name) => name.toLowerCase());
      response.end("plain");
    });
    const { port } = await before(upstream);
    expect((await stage.client(port).send(request).response()).status).toBe(200);
    expect(seen.filter((name) => name === "upgrade" || name === "http2-settings")).toEqual([]);
  });

  it.each([
    ["to what was not asked for", "HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n"],
    ["to nothing", "HTTP/1.1 101 X\r\nConnection: Upgrade\r\n\r\n"],
    ["that Connection does not name", "HTTP/1.1 101 X\r\nUpgrade: websocket\r\n\r\n"],
  ])("%s is no answer: 502", async (_, answer) => {
    const { port: upstream } = await agreeing(answer);
    const { port, edge } = await before(upstream);
    expect((await stage.client(port).send(handshake).response()).status).toBe(502);
    expect(statsOf(edge)?.edgeErrors).toEqual({ "malformed-response": 1 });
  });

  it("that nobody asked for is no answer: 502", async () => {
    const { port: upstream } = await agreeing();
    const { port } = await before(upstream);
    expect((await stage.client(port).send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").response()).status).toBe(502);
  });

  it("to any other protocol is a tunnel too", async () => {
    const { port: upstream, tunnel } = await agreeing("HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: My/1\r\n\r\n");
    const { port } = await before(upstream);
    const client = stage
      .client(port)
      .send("POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: my/1\r\nContent-Length: 2\r\n\r\nhi");
    expect(fieldOf(await client.response(), "upgrade")).toBe("My/1");
    const { socket } = await tunnel;
    socket.write(Buffer.from([0, 255, 13, 10]));
    await client.until((text) => text.length >= 4);
    expect([...client.received]).toEqual([0, 255, 13, 10]);
  });
});

describe("a tunnel", () => {
  async function tunnelled(changes: Partial<ListenerConfig> = {}) {
    const { port: upstream, tunnel } = await agreeing();
    const { port, edge } = await before(upstream, changes);
    const client = stage.client(port).send(handshake);
    expect((await client.response()).status).toBe(101);
    return { client, edge, endpoint: (await tunnel).socket };
  }

  it("whose client has no more to say still brings it what the endpoint says", async () => {
    const { client, endpoint, edge } = await tunnelled();
    endpoint.on("data", () => {});
    client.socket.allowHalfOpen = true;
    client.socket.end("last");
    await once(endpoint, "end");
    expect(statsOf(edge)?.active).toBe(1);
    endpoint.end("and goodbye");
    expect(await client.all()).toBe("and goodbye");
    await eventually(() => statsOf(edge)?.active === 0);
  });

  it("whose endpoint has no more to say still brings it what the client says", async () => {
    const { client, endpoint, edge } = await tunnelled();
    let heard = "";
    endpoint.on("data", (chunk: Buffer) => (heard += chunk.toString()));
    client.socket.allowHalfOpen = true;
    endpoint.end("bye");
    await once(client.socket, "end");
    client.socket.end("more");
    await once(endpoint, "end");
    expect(heard).toBe("more");
    await eventually(() => statsOf(edge)?.active === 0 && client.closed);
    expect(statsOf(edge)?.edgeErrors).toEqual({});
  });

  it("is cut where either side is", async () => {
    const first = await tunnelled();
    first.endpoint.resetAndDestroy();
    await first.client.all();
    await eventually(() => statsOf(first.edge)?.active === 0);
    const second = await tunnelled();
    second.endpoint.on("data", () => {});
    second.client.socket.resetAndDestroy();
    await once(second.endpoint, "end");
    await eventually(() => statsOf(second.edge)?.active === 0);
  });

  it("ends when neither side has said anything for the idle timeout, and not while one talks", async () => {
    const { client, endpoint, edge } = await tunnelled({ idleTimeoutMs: 1_000 });
    endpoint.on("error", () => {});
    for (let i = 0; i < 15; i += 1) {
      endpoint.write("tick");
      await client.until((text) => text.length >= 4 * (i + 1));
      await new Promise((resolve) => {
        setTimeout(resolve, 100);
      });
    }
    expect([client.closed, client.received.length]).toEqual([false, 60]);
    await client.all();
    expect(statsOf(edge)).toMatchObject({ active: 0, edgeErrors: { "idle-timeout": 1 } });
  });

  it.each(["client", "endpoint"] as const)("holds the sender back while the %s does not read", async (side) => {
    const { client, endpoint } = await tunnelled();
    const [reader, writer] = side === "client" ? [client.socket, endpoint] : [endpoint, client.socket];
    reader.pause();
    const piece = Buffer.alloc(1 << 16, "x");
    let sent = 0;
    // More than all socket buffers on the way can hold.
    while (sent < 1 << 28 && (writer.write(piece) || (await Promise.race([once(writer, "drain"), quiet()])))) {
      sent += piece.length;
    }
    expect(sent).toBeLessThan(64 << 20);
    sent += piece.length;
    let got = 0;
    reader.removeAllListeners("data");
    reader.on("data", (chunk: Buffer) => (got += chunk.length));
    reader.resume();
    await eventually(() => got === sent);
  });

  async function quiet(): Promise<false> {
    await new Promise((resolve) => {
      setTimeout(resolve, 500);
    });
    return false;
  }
});

describe("a change of routing", () => {
  const config = (epoch: number, port: number, upstream: number, drainMs = 60_000): EdgeConfig => ({
    epoch,
    listeners: [listener(port, [all(`c${upstream}`)])],
    clusters: [cluster(`c${upstream}`, [address(upstream)], { drainMs })],
  });

  it("leaves tunnels alone, and lets those of an endpoint that goes last as long as it may drain", async () => {
    const first = await echoes(stage);
    const second = await echoes(stage);
    const port = await freePort();
    const edge = stage.edge();
    await edge.apply(config(1, port, first, 300));
    const socket = await opened(port);
    for (let epoch = 2; epoch < 20; epoch += 1) {
      await edge.apply(config(epoch, port, first, 300));
      socket.send(String(epoch));
      expect(await said(socket)).toBe(String(epoch));
    }
    await edge.apply(config(20, port, second));
    socket.send("still");
    expect(await said(socket)).toBe("still");
    await once(socket, "close");
    expect(edge.stats()[0]).toMatchObject({ clusterId: `c${second}`, active: 0 });
  });

  it("that takes the listener away gives its tunnels the same time", async () => {
    const upstream = await echoes(stage);
    const port = await freePort();
    const edge = stage.edge();
    await edge.apply(config(1, port, upstream, 300));
    const socket = await opened(port);
    await edge.apply({ ...config(2, port, upstream), listeners: [] });
    socket.send("still");
    expect(await said(socket)).toBe("still");
    await once(socket, "close");
  });

  it("lets functions go that tunnels of their time do not need", async () => {
    const upstream = await echoes(stage);
    const port = await freePort();
    const edge = stage.edge();
    edge.register("f", () => Promise.resolve({ status: 204, headers: [], body: undefined }));
    await edge.apply(config(1, port, upstream));
    const socket = await opened(port);
    await edge.apply(config(2, port, upstream));
    edge.unregister("f");
    await edge.apply(config(3, port, upstream));
    socket.send("still");
    expect(await said(socket)).toBe("still");
  });
});

it("frames of every length pass, cut anywhere", async () => {
  const { port } = await before(await echoes(stage));
  const client = stage.client(port).send(handshake);
  expect((await client.response()).status).toBe(101);
  const mask = Buffer.from([1, 2, 3, 4]);
  let expected = Buffer.alloc(0);
  let seed = 7;
  const random = (max: number) => (seed = (seed * 48_271) % 2_147_483_647) % max;
  for (const length of [0, 1, 125, 126, 127, 65_535, 65_536, 65_537, 8_191, 8_192, 8_193, 200_000]) {
    const payload = Buffer.alloc(length, random(256));
    const sent = frame(opcode.binary, payload, mask);
    expected = Buffer.concat([expected, frame(opcode.binary, payload)]);
    for (let at = 0; at < sent.length;) {
      const end = Math.min(sent.length, at + 1 + random(20_000));
      client.send(sent.subarray(at, end));
      at = end;
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
    await client.until((text) => text.length >= expected.length);
    expect(client.received.equals(expected)).toBe(true);
  }
});
