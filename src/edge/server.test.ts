import { connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { FakeClock, systemClock, type Clock } from "../base/clock.ts";
import { bytesOf, headersOf, type HttpHandler, type HttpRequest } from "../base/http.ts";
import { silentLog } from "../telemetry/log.ts";
import type { H1Limits } from "./h1/limits.ts";
import { fieldOf, RawClient } from "./raw-client.suite.ts";
import { createHttpServer, type HttpServer } from "./server.ts";

const servers: HttpServer[] = [];
const clients: RawClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await Promise.all(servers.splice(0).map((server) => server.close(0)));
});

async function serve(handler: HttpHandler, limits: Partial<H1Limits> = {}, clock: Clock = systemClock) {
  const log = silentLog;
  const server = await createHttpServer({ handler, class: "api", address: "127.0.0.1", port: 0, clock, log, limits });
  servers.push(server);
  return server;
}

function client(server: HttpServer): RawClient {
  const raw = new RawClient(server.port);
  clients.push(raw);
  return raw;
}

const text = (status: number, body: string) => ({
  status,
  headers: ["Content-Type", "text/plain"],
  body: Buffer.from(body),
});
const echo: HttpHandler = async (request) => {
  const body = Buffer.from(await bytesOf(request.body, 2 ** 27)).toString("latin1");
  return text(200, `${request.method} ${request.target} ${body}`);
};
const get = (target = "/") => `GET ${target} HTTP/1.1\r\nHost: a.test\r\n\r\n`;
const post = (fields: string, body: string) => `POST / HTTP/1.1\r\nHost: a.test\r\n${fields}\r\n\r\n${body}`;

async function* pieces(...parts: string[]) {
  for (const part of parts) yield Buffer.from(part);
}

describe("requests", () => {
  it("gives the handler what came", async () => {
    let seen: HttpRequest | undefined;
    const server = await serve(async (request) => {
      seen = request;
      return text(200, "ok");
    });
    const raw = client(server).send("GET /a?b=%20 HTTP/1.1\r\nHOST: A.test:81\r\nX-A:  1 \r\nx-a: 2\r\n\r\n");
    expect((await raw.response()).body.toString()).toBe("ok");
    expect(seen).toMatchObject({
      method: "GET",
      target: "/a?b=%20",
      host: "a.test:81",
      scheme: "http",
      body: undefined,
    });
    expect(seen?.client.address).toBe("127.0.0.1");
    expect(seen?.client.port).toBe(raw.socket.localPort);
    expect(headersOf(seen?.headers ?? [], "x-a")).toEqual(["1", "2"]);
  });

  it("keeps the connection for the next request", async () => {
    const raw = client(await serve(echo));
    raw.send(get("/1"));
    expect((await raw.response()).body.toString()).toBe("GET /1 ");
    raw.send(get("/2"));
    expect((await raw.response()).body.toString()).toBe("GET /2 ");
  });

  it("answers pipelined requests in their order", async () => {
    let release = () => {};
    const slow = new Promise<void>((resolve) => {
      release = resolve;
    });
    const server = await serve(async (request) => {
      if (request.target === "/slow") await slow;
      return echo(request);
    });
    const raw = client(server).send(get("/slow") + post("Content-Length: 3", "abc") + get("/3"));
    raw.send(get("/4"));
    release();
    const bodies = [await raw.response(), await raw.response(), await raw.response(), await raw.response()];
    expect(bodies.map(({ body }) => body.toString())).toEqual(["GET /slow ", "POST / abc", "GET /3 ", "GET /4 "]);
  });

  it("answers a thousand pipelined requests in one read", async () => {
    const raw = client(await serve(echo)).send(get().repeat(1000));
    for (let i = 0; i < 1000; i += 1) expect((await raw.response()).status).toBe(200);
  });

  it("reads a chunked body, byte by byte too", async () => {
    const raw = client(await serve(echo));
    const message = post("Transfer-Encoding: chunked", "3;x=y\r\nabc\r\n0a\r\n0123456789\r\n0\r\nX-T: 1\r\n\r\n");
    raw.send(message);
    expect((await raw.response()).body.toString()).toBe("POST / abc0123456789");
    await raw.trickle(message);
    expect((await raw.response()).body.toString()).toBe("POST / abc0123456789");
  });

  it("takes the authority of an absolute target", async () => {
    const server = await serve(async (request) => text(200, `${request.host} ${request.target}`));
    const raw = client(server).send("GET http://B.test:8080/p?q HTTP/1.1\r\nHost: a.test\r\n\r\n");
    expect((await raw.response()).body.toString()).toBe("b.test:8080 /p?q");
  });

  it("serves HTTP/1.0, and keeps its connection only when asked", async () => {
    const server = await serve(echo);
    const once = client(server).send("GET / HTTP/1.0\r\n\r\n");
    expect(await once.all()).toContain("Connection: close");
    const kept = client(server).send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    expect(fieldOf(await kept.response(), "connection")).toBe("keep-alive");
    kept.send("GET /2 HTTP/1.0\r\n\r\n");
    expect((await kept.response()).body.toString()).toBe("GET /2 ");
  });

  it("says 100 when, and only when, the handler asks for the body", async () => {
    const server = await serve(async (request) => (request.target === "/no" ? text(403, "no") : echo(request)));
    const head = (target: string) =>
      `POST ${target} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n`;
    const raw = client(server).send(head("/yes"));
    expect((await raw.response()).status).toBe(100);
    raw.send("abc");
    expect((await raw.response()).body.toString()).toBe("POST /yes abc");
    const refused = client(server).send(head("/no"));
    expect((await refused.response()).status).toBe(403);
  });

  it("drops a short body that nobody reads, and goes on", async () => {
    const server = await serve(async () => text(200, "ok"));
    const raw = client(server).send(post("Content-Length: 100000", "x".repeat(1000)));
    expect((await raw.response()).status).toBe(200);
    raw.send("x".repeat(99_000) + get());
    expect((await raw.response()).status).toBe(200);
  });

  it("closes rather than read a long body that nobody wants", async () => {
    const server = await serve(async () => text(403, "no"), { drainBytesMax: 1000 });
    const raw = client(server).send(post("Content-Length: 2000", "x"));
    const response = await raw.response();
    expect([response.status, fieldOf(response, "connection")]).toEqual([403, "close"]);
    await raw.all();
  });

  it("refuses a WebSocket by name", async () => {
    const raw = client(await serve(echo));
    raw.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    expect((await raw.response()).status).toBe(501);
  });

  it("aborts the request when its client is gone", async () => {
    let aborted: Promise<unknown> = Promise.resolve();
    const server = await serve(async ({ signal }) => {
      aborted = new Promise((resolve) => {
        signal.addEventListener("abort", () => resolve(signal.reason));
      });
      raw.destroy();
      await aborted;
      return text(200, "nobody reads this");
    });
    const raw = client(server).send(get());
    await raw.all();
    expect(await aborted).toBeInstanceOf(Error);
  });
});

describe("responses", () => {
  it("streams as chunks, with trailers, and closes for HTTP/1.0", async () => {
    const server = await serve(async () => ({
      status: 200,
      headers: [],
      body: pieces("one", "", "two"),
      trailers: () => ["X-Sum", "6", "Content-Length", "9"],
    }));
    const raw = client(server).send(get().replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
    const all = await raw.all();
    expect(all.split("\r\n\r\n", 2)[0]).toContain("Transfer-Encoding: chunked");
    expect(all.endsWith("3\r\none\r\n3\r\ntwo\r\n0\r\nX-Sum: 6\r\n\r\n")).toBe(true);
    const old = await client(server).send("GET / HTTP/1.0\r\n\r\n").all();
    expect(old.endsWith("\r\n\r\nonetwo")).toBe(true);
  });

  it("sends no body to HEAD, nor with 204 and 304", async () => {
    const server = await serve(async (request) => ({
      status: request.target === "/" ? 200 : Number(request.target.slice(1)),
      headers: request.target === "/304" ? ["Content-Length", "5"] : [],
      body: request.target === "/304" ? undefined : Buffer.from("12345"),
    }));
    const raw = client(server).send(get("/").replace("GET", "HEAD"));
    expect(fieldOf(await raw.response(true), "content-length")).toBe("5");
    raw.send(get("/204"));
    expect(fieldOf(await raw.response(), "content-length")).toBeUndefined();
    raw.send(get("/304"));
    expect(fieldOf(await raw.response(), "content-length")).toBe("5");
    raw.send(get("/"));
    expect((await raw.response()).body.toString()).toBe("12345");
  });

  it.each([
    ["a value that splits the response", ["X-A", "1\r\nSet-Cookie: a=b"]],
    ["a name that is no token", ["X A", "1"]],
    ["a value beyond Latin-1", ["X-A", "\u0100"]],
    ["a length that is none", ["Content-Length", "1e3"]],
  ])("answers 500 instead of %s", async (_, headers) => {
    const raw = client(await serve(async () => ({ status: 200, headers, body: Buffer.from("x") })));
    const response = await raw.send(get()).response();
    expect(response.status).toBe(500);
    expect(fieldOf(response, "set-cookie")).toBeUndefined();
  });

  it("cuts the connection where a stream fails, so that nobody takes the part for the whole", async () => {
    const server = await serve(async () => ({
      status: 200,
      headers: [],
      body: (async function* () {
        yield Buffer.from("part");
        throw new Error("lost");
      })(),
    }));
    const all = await client(server).send(get()).all();
    expect(all).toContain("part");
    expect(all).not.toContain("\r\n0\r\n");
  });

  it("holds a stream back while the client does not read", async () => {
    const made = { count: 0 };
    const server = await serve(async () => ({
      status: 200,
      headers: ["Content-Length", String(64 * 2 ** 20)],
      body: (async function* () {
        for (; made.count < 64; made.count += 1) yield Buffer.alloc(2 ** 20, 97);
      })(),
    }));
    const slow = connect(server.port, "127.0.0.1");
    slow.pause();
    slow.write(get());
    const before = { count: -1 };
    await until(() => {
      const steady = made.count > 0 && before.count === made.count;
      before.count = made.count;
      return steady;
    });
    expect(made.count).toBeLessThan(32);
    let received = 0;
    slow.on("data", (chunk: Buffer) => {
      received += chunk.length;
      if (received > 64 * 2 ** 20) slow.end();
    });
    slow.resume();
    await new Promise((resolve) => {
      slow.on("close", resolve);
    });
    expect(received).toBeGreaterThan(64 * 2 ** 20);
  });
});

describe("time", () => {
  it("answers 408 to a head that does not come to its end", async () => {
    const clock = new FakeClock();
    const raw = client(await serve(echo, { headTimeoutMs: 5_000 }, clock));
    raw.send("GET / HTTP/1.1\r\n");
    const heard: number[] = [];
    void raw.response().then(({ status }) => heard.push(status));
    // On a busy machine nobody knows when the server has read: so it goes on until it answers, and a field comes each time.
    while (heard.length === 0) {
      raw.send("X: 1\r\n");
      await tick();
      await clock.advance(2_000);
    }
    expect(heard).toEqual([408]);
  });

  it("closes a connection that rests too long", async () => {
    const clock = new FakeClock();
    const raw = client(await serve(echo, { keepAliveTimeoutMs: 60_000 }, clock));
    await raw.send(get()).response();
    await clock.advance(61_000);
    await raw.all();
    expect(raw.closed).toBe(true);
  });

  it("gives up a body of known length that comes by the byte, and one that does not come", async () => {
    const clock = new FakeClock();
    const server = await serve(echo, { bytesPerSecondMin: 240, progressMs: 30_000, idleTimeoutMs: 60_000 }, clock);
    const [steady, slow] = [client(server), client(server)];
    for (const raw of [steady, slow]) raw.send(post("Content-Length: 100000", "x"));
    for (let i = 0; i < 4 && !slow.closed; i += 1) {
      steady.send("x".repeat(10_000));
      slow.send("x");
      await tick();
      await clock.advance(20_000);
    }
    await slow.all();
    expect([slow.closed, steady.closed]).toEqual([true, false]);
    steady.send("x".repeat(100_000));
    expect((await steady.response()).status).toBe(200);
  });

  it("lets a handler take its time where no idle timeout is set", async () => {
    const clock = new FakeClock();
    let release = () => {};
    const server = await serve(
      async () => {
        await new Promise<void>((resolve) => {
          release = resolve;
        });
        return text(200, "late");
      },
      {},
      clock,
    );
    const raw = client(server).send(get());
    await until(() => clock.waiting > 0);
    await tick();
    await clock.advance(1_000_000);
    release();
    expect((await raw.response()).body.toString()).toBe("late");
  });
});

describe("the end", () => {
  it("lets the request under way finish, and says that it was the last", async () => {
    let release = () => {};
    let begun = () => {};
    const running = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const server = await serve(async () => {
      begun();
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      return text(200, "done");
    });
    const resting = client(server);
    await resting.send("OPTIONS * HTTP/1.1\r\nHost: a\r\n").until(() => true);
    const raw = client(server).send(get());
    await running;
    const closing = server.close(10_000);
    release();
    const response = await raw.response();
    expect([response.body.toString(), fieldOf(response, "connection")]).toEqual(["done", "close"]);
    resting.destroy();
    await closing;
  });

  it("ends what does not end in time", async () => {
    const server = await serve(() => new Promise(() => {}));
    const raw = client(server).send(get());
    await until(() => raw.socket.bytesWritten > 0);
    await server.close(10);
    await raw.all();
    expect(raw.closed).toBe(true);
  });

  it("names the port, and who holds it", async () => {
    const server = await serve(echo);
    const again = createHttpServer({
      handler: echo,
      class: "api",
      address: "127.0.0.1",
      port: server.port,
      clock: systemClock,
      log: silentLog,
    });
    await expect(again).rejects.toMatchObject({
      name: "PortInUse",
      port: server.port,
      holder: `node (pid ${process.pid})`,
    });
  });
});

const tick = () =>
  new Promise((resolve) => {
    setTimeout(resolve, 20);
  });

async function until(done: () => boolean): Promise<void> {
  while (!done()) await tick();
}
