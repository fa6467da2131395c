import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { address, all, cluster, eventually, freePort, listener, Stage, through } from "./edge.suite.ts";
import type { Edge, ListenerConfig } from "./ports.ts";
import { fieldOf } from "./raw-client.suite.ts";

const stage = new Stage();
afterEach(() => stage.strike());

const get = (target = "/") => `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`;

async function before(upstream: number, changes: Partial<ListenerConfig> = {}): Promise<{ port: number; edge: Edge }> {
  const port = await freePort();
  const edge = stage.edge();
  await edge.apply(through(port, upstream, changes));
  return { port, edge };
}

/** An upstream that answers each request's head with the same bytes. */
function answering(bytes: string, onHead: (socket: Socket) => void = () => {}): Promise<number> {
  return stage.tcp((socket) => {
    let received = "";
    socket.on("data", (chunk: Buffer) => {
      received += chunk.toString("latin1");
      while (received.includes("\r\n\r\n")) {
        received = received.slice(received.indexOf("\r\n\r\n") + 4);
        socket.write(bytes, "latin1");
        onHead(socket);
      }
    });
  });
}

/** A port whose owner sleeps, and whose queue is full: a connection to it never stands. */
async function deafPort(): Promise<number> {
  const script = `
    const { createServer } = require("node:net");
    const server = createServer().listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => {
      require("node:fs").writeSync(1, String(server.address().port));
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    });`;
  const child = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  stage.later(() => void child.kill("SIGKILL"));
  const [output] = (await once(child.stdout, "data")) as [Buffer];
  const port = Number(output.toString());
  await fillQueue(port);
  return port;
}

/** An endpoint that is busy for a while as soon as it has its first request; it says which connection it answers on. */
async function slowAcceptor(): Promise<{ port: number; blocked: Promise<unknown> }> {
  const script = `
    const { writeSync } = require("node:fs");
    let connections = 0;
    const server = require("node:net").createServer((socket) => {
      const answer = "connection " + (connections += 1);
      socket.on("error", () => {});
      socket.on("data", () => {
        if (answer === "connection 1" && !server.blocked) {
          server.blocked = true;
          writeSync(1, "blocked");
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 700);
        }
        socket.write("HTTP/1.1 200 OK\\r\\nContent-Length: " + answer.length + "\\r\\n\\r\\n" + answer);
      });
    }).listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => writeSync(1, String(server.address().port)));`;
  const child = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  stage.later(() => void child.kill("SIGKILL"));
  const [output] = (await once(child.stdout, "data")) as [Buffer];
  return { port: Number(output.toString()), blocked: once(child.stdout, "data") };
}

/** Fills the queue of a listener of backlog 1, which holds two: resolves when they are in, and more wait outside. */
async function fillQueue(port: number): Promise<void> {
  const fillers = Array.from({ length: 4 }, () => connect(port, "127.0.0.1"));
  for (const filler of fillers) {
    filler.on("error", () => filler.destroy());
    stage.later(() => void filler.destroy());
  }
  await Promise.all(fillers.slice(0, 2).map((filler) => once(filler, "connect")));
}

describe("responses", () => {
  it.each([
    ["counted", "HTTP/1.1 200 Fine\r\nContent-Length: 5\r\nX-A:  1\r\n\r\nhello", "hello", "Fine"],
    [
      "chunked",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\nX-T: 1\r\n\r\n",
      "hello",
      "OK",
    ],
    ["without a reason", "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", "hello", "OK"],
    [
      "after others",
      "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
      "hello",
      "",
    ],
  ])("pass: %s", async (_, bytes, body, reason) => {
    const { port } = await before(await answering(bytes));
    const client = stage.client(port).send(get() + get());
    const all = await client.until(
      (text) => text.split("hello").length > 2 || text.split("llo\r\n0\r\nX-T: 1\r\n\r\n").length > 2,
    );
    expect(all).toContain(`HTTP/1.1 200 ${reason}`);
    for (let i = 0; i < 2; i += 1) {
      let response = await client.response();
      if (response.status === 103) response = await client.response();
      expect([response.status, response.body.toString(), fieldOf(response, "connection")]).toEqual([
        200,
        body,
        "keep-alive",
      ]);
      expect(fieldOf(response, "date")).toBeDefined();
    }
  });

  it("that end with their connection become chunks, and stay as they are for HTTP/1.0", async () => {
    const { port } = await before(await answering("HTTP/1.0 200 OK\r\n\r\nhello", (socket) => socket.end()));
    const response = await stage.client(port).send(get()).response();
    expect([fieldOf(response, "transfer-encoding"), response.body.toString()]).toEqual(["chunked", "hello"]);
    const old = await stage.client(port).send("GET / HTTP/1.0\r\n\r\n").all();
    expect(old).toContain("Connection: close");
    expect(old.endsWith("\r\n\r\nhello")).toBe(true);
  });

  it("to HTTP/1.0 have no chunks, and no interim ones before them", async () => {
    const chunked =
      "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    const { port } = await before(await answering(chunked));
    const old = await stage.client(port).send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").all();
    expect(old).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(old.toLowerCase()).not.toContain("transfer-encoding");
    expect(old.endsWith("\r\n\r\nhello")).toBe(true);
  });

  it.each(["HEAD", "204", "304"])("without a body: %s", async (kind) => {
    const status = kind === "HEAD" ? "200" : kind;
    const { port } = await before(await answering(`HTTP/1.1 ${status} X\r\nContent-Length: 5\r\n\r\n`));
    const request = kind === "HEAD" ? get().replace("GET", "HEAD") : get();
    const client = stage.client(port).send(request + request);
    const [first, second] = [await client.response(true), await client.response(true)];
    expect([first.status, second.status]).toEqual([Number(status), Number(status)]);
    expect(fieldOf(first, "content-length")).toBe(kind === "204" ? undefined : "5");
  });

  it.each([
    ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello"],
    ["length and chunked", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
    ["an unknown coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"],
    ["a bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n"],
    ["a bare CR in a value", "HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b\r\nContent-Length: 0\r\n\r\n"],
    ["a space before the colon", "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n"],
    ["a status of two digits", "HTTP/1.1 20 OK\r\n\r\n"],
    ["status 600", "HTTP/1.1 600 OK\r\n\r\n"],
    ["an upgrade that nobody asked for", "HTTP/1.1 101 Switching Protocols\r\n\r\n"],
    ["a head of 40 K", `HTTP/1.1 200 OK\r\nX: ${"x".repeat(20_000)}\r\nY: ${"y".repeat(20_000)}\r\n\r\n`],
    ["no HTTP at all", "SSH-2.0-OpenSSH_9.2\r\n"],
    ["too many interim ones", "HTTP/1.1 103 X\r\n\r\n".repeat(20)],
  ])("are not passed on: %s", async (_, bytes) => {
    const { port, edge } = await before(await answering(bytes));
    const client = stage.client(port).send(get());
    let response = await client.response();
    while (response.status === 103) response = await client.response();
    expect([response.status, fieldOf(response, "server")]).toEqual([502, "edge/1"]);
    expect(edge.stats()[0]).toMatchObject({ edgeErrors: { "malformed-response": 1 }, active: 0 });
  });

  it("that go on after their end cost the endpoint its connection, and the next client nothing", async () => {
    const extra = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";
    const sockets = new Set<Socket>();
    const { port } = await before(await answering(extra, (socket) => sockets.add(socket)));
    const client = stage.client(port);
    for (let i = 0; i < 3; i += 1) expect((await client.send(get()).response()).body.toString()).toBe("ok");
    expect(sockets.size).toBe(3);
  });

  it("that stop early are cut off for the client too", async () => {
    const { port, edge } = await before(
      await answering("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", (socket) => socket.end()),
    );
    const client = stage.client(port).send(get());
    expect((await client.all()).endsWith("hello")).toBe(true);
    expect(edge.stats()[0]).toMatchObject({ endpointStatus: [1, 0, 0, 0], edgeErrors: { truncated: 1 }, active: 0 });
  });
});

describe("an endpoint that", () => {
  it("refuses connections: 502", async () => {
    const { port, edge } = await before(await freePort());
    expect((await stage.client(port).send(get()).response()).status).toBe(502);
    expect(edge.stats()[0]?.edgeErrors).toEqual({ "connect-refused": 1 });
  });

  it("closes without an answer: 502", async () => {
    const { port, edge } = await before(await stage.tcp((socket) => void socket.on("data", () => socket.end())));
    expect((await stage.client(port).send(get()).response()).status).toBe(502);
    expect(edge.stats()[0]?.edgeErrors).toEqual({ reset: 1 });
  });

  it("resets: 502", async () => {
    const { port } = await before(await stage.tcp((socket) => void socket.on("data", () => socket.resetAndDestroy())));
    expect((await stage.client(port).send(get()).response()).status).toBe(502);
  });

  it("says nothing: 504 after the idle timeout", async () => {
    const { port, edge } = await before(await stage.tcp((socket) => void socket.resume()), { idleTimeoutMs: 200 });
    expect((await stage.client(port).send(get()).response()).status).toBe(504);
    expect(edge.stats()[0]).toMatchObject({ edgeErrors: { "idle-timeout": 1 }, active: 0 });
  });

  it("does not even connect: 504 after the connect timeout", async () => {
    const upstream = await deafPort();
    const port = await freePort();
    const edge = stage.edge();
    await edge.apply({
      epoch: 1,
      listeners: [listener(port, [all("c")])],
      clusters: [cluster("c", [address(upstream)], { connectTimeoutMs: 150 })],
    });
    expect((await stage.client(port).send(get()).response()).status).toBe(504);
    expect(edge.stats()[0]).toMatchObject({ edgeErrors: { "connect-timeout": 1 }, active: 0 });
  });

  it("is slow to take connections gets the request on one that is free by then", async () => {
    // The second connection does not stand before the kernel's next try, seconds later; the first is free before that.
    const { port: upstream, blocked } = await slowAcceptor();
    const { port, edge } = await before(upstream);
    const [first, second] = [stage.client(port).send(get()), stage.client(port)];
    await blocked;
    await fillQueue(upstream);
    second.send(get());
    await eventually(() => edge.stats()[0]?.active === 2);
    expect((await first.response()).body.toString()).toBe("connection 1");
    expect((await second.response()).body.toString()).toBe("connection 1");
  });

  it("waits for a body that its client does not send: 408", async () => {
    const { port } = await before(await stage.tcp((socket) => void socket.resume()), { idleTimeoutMs: 200 });
    const client = stage.client(port).send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe");
    expect((await client.response()).status).toBe(408);
  });

  it("closed a resting connection just as a request came: asked again, if that is safe", async () => {
    let connections = 0;
    const upstream = await stage.tcp((socket) => {
      connections += 1;
      let requests = 0;
      socket.on("data", () => {
        requests += 1;
        // The first request is answered; the second finds the connection going.
        if (requests === 1) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        else socket.resetAndDestroy();
      });
    });
    const { port, edge } = await before(upstream);
    const client = stage.client(port);
    for (let i = 0; i < 6; i += 1) expect((await client.send(get()).response()).status).toBe(200);
    expect(connections).toBe(6);
    // POST may have been done: it is not sent twice, whatever the cost.
    const post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    expect((await client.send(post).response()).status).toBe(502);
    expect(edge.stats()[0]).toMatchObject({ requests: 7, edgeErrors: { reset: 1 }, active: 0 });
  });

  it("says how long it keeps connections is not met after that", async () => {
    let connections = 0;
    const upstream = await stage.tcp((socket) => {
      connections += 1;
      socket.on("data", () => socket.write("HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1\r\nContent-Length: 2\r\n\r\nok"));
    });
    const { port } = await before(upstream);
    const client = stage.client(port);
    expect(fieldOf(await client.send(get()).response(), "keep-alive")).toBeUndefined();
    expect((await client.send(get()).response()).status).toBe(200);
    expect(connections).toBe(2);
  });

  it("answers before it has the request: the answer passes, and the connections end", async () => {
    const early = await stage.tcp((socket) => {
      socket.once("data", () => socket.write("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno"));
    });
    const { port, edge } = await before(early);
    const client = stage
      .client(port)
      .send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n${"x".repeat(1000)}`);
    const response = await client.response();
    expect([response.status, fieldOf(response, "connection")]).toEqual([413, "close"]);
    await client.all();
    expect(edge.stats()[0]).toMatchObject({ endpointStatus: [0, 0, 1, 0], edgeErrors: {}, active: 0 });
  });

  it("answers while it reads: both go on", async () => {
    const upstream = await stage.http((request, response) => {
      response.writeHead(200, { "Content-Length": 20_000 });
      request.pipe(response);
    });
    const { port } = await before(upstream);
    const client = stage.client(port).send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n");
    client.send("x".repeat(10_000));
    await client.until((text) => text.length > 10_000);
    client.send("y".repeat(10_000));
    expect((await client.response()).body.toString()).toBe("x".repeat(10_000) + "y".repeat(10_000));
  });

  it("wants to be asked first is: 100 Continue comes from it", async () => {
    const upstream = await stage.http((request, response) => {
      request.pipe(response);
    });
    const { port } = await before(upstream);
    const client = stage
      .client(port)
      .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    expect((await client.response()).status).toBe(100);
    client.send("abc");
    expect((await client.response()).body.toString()).toBe("abc");
  });
});

describe("bodies", () => {
  const size = 64 * 2 ** 20;

  it("of 64 MB go both ways whole, and in little memory", async () => {
    const hash = createHash("sha256");
    const upstream = await stage.http((request, response) => {
      request.on("data", (chunk: Buffer) => hash.update(chunk));
      request.on("end", () => {
        response.writeHead(200, { "X-Sum": hash.digest("hex") });
        const piece = Buffer.alloc(2 ** 20, "y");
        let left = size / piece.length;
        const write = () => {
          while (left > 0) {
            left -= 1;
            if (!response.write(piece)) {
              response.once("drain", write);
              return;
            }
          }
          response.end();
        };
        write();
      });
    });
    const { port } = await before(upstream);
    const memoryBefore = process.memoryUsage().rss;
    let peak = 0;
    const watch = setInterval(() => {
      peak = Math.max(peak, process.memoryUsage().rss);
    }, 20);
    stage.later(() => clearInterval(watch));
    const sent = createHash("sha256");
    const socket = connect(port, "127.0.0.1");
    stage.later(() => void socket.destroy());
    socket.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\nConnection: close\r\n\r\n`);
    const upload = async () => {
      const piece = Buffer.alloc(2 ** 20, "x");
      for (let done = 0; done < size; done += piece.length) {
        sent.update(piece);
        if (!socket.write(piece)) {
          await new Promise((resolve) => {
            socket.once("drain", resolve);
          });
        }
      }
    };
    let received = 0;
    let head = "";
    socket.on("data", (chunk: Buffer) => {
      if (received === 0) head = chunk.toString("latin1", 0, 1000);
      received += chunk.length;
    });
    const closed = new Promise((resolve) => {
      socket.on("close", resolve);
    });
    await upload();
    await closed;
    expect(received).toBeGreaterThan(size);
    expect(head).toContain(`X-Sum: ${sent.digest("hex")}`);
    // Everything runs in this process: upstream, edge worker and client. 128 MB went through.
    expect(peak - memoryBefore).toBeLessThan(100 * 2 ** 20);
  });

  it("wait for a client that does not read", async () => {
    let written = 0;
    const upstream = await stage.http((_, response) => {
      const piece = Buffer.alloc(2 ** 16);
      const write = () => {
        while (written < size) {
          written += piece.length;
          if (!response.write(piece)) {
            response.once("drain", write);
            return;
          }
        }
        response.end();
      };
      write();
    });
    const { port } = await before(upstream);
    const client = stage.client(port);
    client.socket.pause();
    client.send(get());
    const last = { written: -1 };
    await eventually(() => {
      const steady = written > 0 && last.written === written;
      last.written = written;
      return steady;
    });
    expect(written).toBeLessThan(size / 2);
  });

  it("wait for an endpoint that does not read", async () => {
    const { port } = await before(await stage.tcp((socket) => socket.pause()));
    const client = stage.client(port);
    client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n`);
    const piece = Buffer.alloc(2 ** 20);
    let sent = 0;
    while (sent < size && client.socket.write(piece)) sent += piece.length;
    const last = { queued: -1 };
    await eventually(() => {
      const steady = last.queued === client.socket.writableLength;
      last.queued = client.socket.writableLength;
      return steady;
    });
    client.send(Buffer.alloc(size));
    await eventually(() => client.socket.writableLength > size / 2);
    expect(client.socket.writableLength).toBeGreaterThan(size / 2);
  });

  it("that break the protocol end there: 400, and the endpoint's connection with them", async () => {
    const gone = { count: 0 };
    const upstream = await stage.tcp((socket) => {
      socket.resume();
      socket.on("close", () => (gone.count += 1));
    });
    const { port, edge } = await before(upstream);
    const client = stage
      .client(port)
      .send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    await eventually(() => edge.stats()[0]?.active === 1);
    client.send("nonsense\r\n");
    expect((await client.response()).status).toBe(400);
    await eventually(() => gone.count === 1);
    expect(edge.stats()[0]).toMatchObject({ edgeErrors: { "bad-body": 1 }, active: 0 });
  });
});

it("a client that goes takes its request to the endpoint with it", async () => {
  const gone = { count: 0 };
  const upstream = await stage.tcp((socket) => {
    socket.resume();
    socket.on("close", () => (gone.count += 1));
  });
  const { port, edge } = await before(upstream);
  const client = stage.client(port).send(get());
  await eventually(() => edge.stats()[0]?.active === 1);
  client.destroy();
  await eventually(() => gone.count === 1);
  expect(edge.stats()[0]).toMatchObject({ requests: 1, edgeErrors: { "client-closed": 1 }, active: 0 });
});

it("counts exactly, over all workers", async () => {
  const upstream = await stage.http((request, response) => {
    response.writeHead(Number(request.url?.slice(1))).end();
  });
  const port = await freePort();
  const edge = stage.edge({ workers: 3 });
  await edge.apply({
    epoch: 1,
    listeners: [listener(port, [all("c")])],
    clusters: [cluster("c", [address(upstream)])],
  });
  const clients = Array.from({ length: 20 }, () => stage.client(port));
  for (const client of clients) client.send(get("/200") + get("/301") + get("/404") + get("/500") + get("/503"));
  for (const client of clients) for (let i = 0; i < 5; i += 1) await client.response();
  expect(edge.stats()).toMatchObject([
    { clusterId: "c", requests: 100, endpointStatus: [20, 20, 20, 40], edgeErrors: {}, active: 0 },
  ]);
  const { p50, p99 } = edge.stats()[0]?.latencyMs ?? { p50: 0, p99: 0 };
  expect(p50).toBeGreaterThan(0);
  expect(p99).toBeGreaterThanOrEqual(p50);
});
