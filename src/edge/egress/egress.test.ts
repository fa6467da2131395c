import { connect, type Socket } from "node:net";
import { request } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { eventually } from "../edge.suite.ts";
import { at, ask, EgressStage } from "./egress.suite.ts";
import { destinationOf } from "./destination.ts";
import { destinationsMax } from "./directory.ts";

const stage = new EgressStage();
afterEach(() => stage.strike());

describe("a destination", () => {
  it.each([
    ["example.com.ccnproxy", "http://example.com"],
    ["example.com.ccnproxy-https", "https://example.com"],
    ["example.com.ccnproxy-secure", "https://example.com"],
    ["Example.com.ccnproxy-ssl", "https://example.com"],
    ["example.com.ccnproxy-https:8443", "https://example.com:8443"],
    ["example.com.ccnproxy:9000", "http://example.com"],
  ])("of %s is %s", (host, origin) => {
    expect(destinationOf(host, 9000)?.origin).toBe(origin);
  });

  it.each(["example.com", ".ccnproxy", "a..b.ccnproxy", "user@a.ccnproxy", "a.ccnproxy-ftp", "a.ccnproxy:70000"])(
    "is not in %s",
    (host) => {
      expect(destinationOf(host, 9000)).toBeUndefined();
    },
  );
});

describe("the way out", () => {
  it("goes to the destination over TLS that is kept, and says what that saved", async () => {
    const seen: string[] = [];
    const port = await stage.shop((incoming, response) => {
      const { headers } = incoming;
      const more = Object.keys(headers).filter((name) => /^(?:x-|proxy|connection)/.test(name));
      seen.push(`${incoming.method} ${incoming.url} ${headers.host} ${more.join(",")}`);
      incoming.pipe(response);
    });
    const egress = await stage.open();
    const host = `shop.example.ccnproxy-https:${port}`;
    const headers = { "x-a": "1", connection: "x-b", "x-b": "2", "proxy-authorization": "secret" };
    for (let i = 0; i < 3; i += 1) {
      const answer = await ask(egress.port, host, { method: "POST", headers, body: "hello" });
      expect(answer).toMatchObject({ status: 200, body: "hello" });
    }
    expect(seen).toEqual(Array(3).fill(`POST /a?b=c shop.example:${port} x-a`));
    expect(egress.report()).toMatchObject({
      origin: `https://shop.example:${port}`,
      protocol: "HTTP/1.1",
      addresses: 1,
      requests: 3,
      connections: 1,
      handshakes: 1,
      reused: 2,
      ownAnswers: {},
      savedRoundTrips: 4,
    });
    expect(egress.report()?.savedMs).toBeGreaterThan(0);
  });

  it("is one way out of all workers, whose figures are summed", async () => {
    const port = await stage.shop((_, response) => response.end("hello"));
    const egress = await stage.open({}, { workers: 2 });
    const host = `shop.example.ccnproxy-https:${port}`;
    for (let i = 0; i < 40; i += 1) expect((await ask(egress.port, host)).status).toBe(200);
    expect(egress.report()).toMatchObject({ requests: 40, handshakes: 2, connections: 2, reused: 38 });
  });

  it("comes back with a worker that dies", async () => {
    const port = await stage.shop((_, response) => response.end("hello"));
    const edge = stage.edge({ testing: { resolve: async () => at("127.0.0.1"), dieOn: "/a?b=c&die" } });
    const opened = await edge.openEgress({ port: 0, verify: false });
    const host = `shop.example.ccnproxy-https:${port}`;
    expect((await ask(opened, host)).status).toBe(200);
    await new Promise<void>((resolve) => {
      request({ port: opened, host: "127.0.0.1", path: "/a?b=c&die", headers: { host } })
        .on("error", () => resolve())
        .end();
    });
    const answers = async () => (await ask(opened, host).catch(() => ({ status: 0 }))).status;
    await expect.poll(answers, { timeout: 20_000 }).toBe(200);
    expect(edge.egressReport()?.destinations).toMatchObject([{ handshakes: 2, connections: 1 }]);
  });

  it("verifies certificates, unless it is told otherwise", async () => {
    const port = await stage.shop((_, response) => response.end("hello"));
    const host = `other.example.ccnproxy-https:${port}`;
    const strict = await stage.open();
    for (let i = 0; i < 2; i += 1) expect((await ask(strict.port, host)).status).toBe(502);
    expect(strict.report()).toMatchObject({ ownAnswers: { 502: 2 }, edgeErrors: { "tls-failed": expect.any(Number) } });
    expect((await ask((await stage.open({ verify: false })).port, host)).status).toBe(200);
  });

  it("resumes sessions of TLS where connections are not kept", async () => {
    const port = await stage.shop((_, response) => response.writeHead(200, { connection: "close" }).end("hello"));
    const egress = await stage.open();
    for (let i = 0; i < 4; i += 1) {
      expect((await ask(egress.port, `shop.example.ccnproxy-https:${port}`)).status).toBe(200);
    }
    expect(egress.report()).toMatchObject({ requests: 4, handshakes: 4, reused: 0, savedMs: 0 });
    expect(egress.report()?.resumed).toBeGreaterThan(0);
  });

  it("goes on while the DNS fails, by what it knew", async () => {
    let asked = 0;
    const port = await stage.http((_, response) => response.end("ok"));
    const egress = await stage.open({
      async resolve() {
        asked += 1;
        if (asked > 1) throw new Error("servfail");
        return { ...at("127.0.0.1"), ttlSeconds: 1 };
      },
    });
    const answer = async () => (await ask(egress.port, `a.ccnproxy:${port}`)).status;
    const statuses = new Set<number>();
    await expect
      .poll(
        async () => {
          statuses.add(await answer());
          return asked;
        },
        { timeout: 10_000 },
      )
      .toBe(2);
    statuses.add(await answer());
    expect([...statuses]).toEqual([200]);
  });

  it("speaks HTTP/2 with who does, from the moment it knows; tunnels stay HTTP/1.1", async () => {
    const seen = new Set<string>();
    const { server, port } = await stage.shopOfTwoProtocols((incoming, response) => {
      seen.add(incoming.httpVersion);
      response.end(incoming.headers.host ?? String(incoming.headers[":authority"]));
    });
    server.on("upgrade", (_, socket) => {
      socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
      socket.pipe(socket);
    });
    const egress = await stage.open();
    const host = `shop.example.ccnproxy-https:${port}`;
    expect(await ask(egress.port, host)).toMatchObject({ status: 200, body: `shop.example:${port}` });
    await eventually(() => egress.report()?.protocol === "HTTP/2");
    const answers = await Promise.all(Array.from({ length: 10 }, () => ask(egress.port, host, { body: "x" })));
    expect(answers.map(({ status, body }) => `${status} ${body}`)).toEqual(Array(10).fill(`200 shop.example:${port}`));
    expect([...seen]).toEqual(["1.1", "2.0"]);
    expect(egress.report()).toMatchObject({ requests: 11, handshakes: 2 });
    expect(await tunnel(egress.port, host)).toContain("echoed");
  });

  it("goes on in HTTP/1.1 with who stops speaking HTTP/2, from the first request on", async () => {
    const said = (request: { httpVersion: string }, response: { end(text: string): void }) =>
      response.end(request.httpVersion);
    const { port: both } = await stage.shopOfTwoProtocols(said);
    const one = await stage.shop(said, { ALPNProtocols: ["http/1.1"] });
    let target = both;
    const open = new Set<Socket>();
    const port = await stage.tcp((socket) => {
      const onward = connect(target, "127.0.0.1");
      open.add(socket);
      onward.on("error", () => socket.destroy());
      onward.on("close", () => socket.destroy());
      socket.on("close", () => onward.destroy());
      socket.pipe(onward).pipe(socket);
    });
    const egress = await stage.open();
    const version = async (body?: string) => {
      const host = `shop.example.ccnproxy-https:${port}`;
      const asked = body === undefined ? {} : { method: "POST", body };
      const { status, body: answer } = await ask(egress.port, host, asked);
      return status === 200 ? answer : String(status);
    };
    await expect.poll(() => version(), { timeout: 20_000 }).toBe("2.0");
    target = one;
    for (const socket of open) socket.destroy();
    expect(await version()).toBe("1.1");
    expect(await version("a body")).toBe("1.1");
    expect(egress.report()?.ownAnswers).toEqual({});
  });

  it("passes WebSockets and other tunnels on", async () => {
    const port = await stage.tcp((socket) => {
      socket.once("data", (head: Buffer) => {
        socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
        socket.write(/^Host: .*/m.exec(head.toString())?.[0] ?? "");
        socket.pipe(socket);
      });
    });
    const egress = await stage.open();
    const passed = await tunnel(egress.port, `plain.example.ccnproxy:${port}`);
    expect(passed).toContain(`Host: plain.example:${port}`);
    expect(passed).toContain("echoed");
  });

  it("sends a request again when the connection it was kept on had ended", async () => {
    let requests = 0;
    const port = await stage.tcp((socket) => {
      socket.on("data", () => {
        requests += 1;
        // It says that it stays, and goes when it is spoken to again.
        if (requests % 2 === 1) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        else socket.resetAndDestroy();
      });
    });
    const egress = await stage.open();
    const host = `plain.example.ccnproxy:${port}`;
    expect((await ask(egress.port, host)).status).toBe(200);
    expect((await ask(egress.port, host)).status).toBe(200);
    expect(requests).toBe(3);
  });

  it("answers 508 to what came through it already", async () => {
    const outer: { port: number } = { port: 0 };
    const egress = await stage.open({}, { workers: 2 });
    outer.port = egress.port;
    let passes = 0;
    // A name that leads back: the request's own host is the next one's destination.
    const loop = await stage.http((incoming, response) => {
      passes += 1;
      const headers = { via: incoming.headers.via, host: `a.ccnproxy:${loop}` };
      const again = request({ port: outer.port, host: "127.0.0.1", path: "/", headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 0);
        answer.pipe(response);
      });
      again.end();
    });
    expect((await ask(egress.port, `a.ccnproxy:${loop}`)).status).toBe(508);
    expect(passes).toBe(1);
    const via = Array(5).fill("1.1 mikan-egress-other").join(", ");
    expect((await ask(egress.port, "a.ccnproxy", { headers: { via } })).status).toBe(508);
  });

  it("keeps a long body that comes while the way is not known", async () => {
    const port = await stage.http((incoming, response) => {
      let bytes = 0;
      incoming.on("data", (piece: Buffer) => (bytes += piece.length));
      incoming.on("end", () => response.end(String(bytes)));
    });
    let find = () => {};
    const asked = new Promise<void>((resolve) => {
      find = resolve;
    });
    const egress = await stage.open({ resolve: () => asked.then(() => at("127.0.0.1")) });
    const bytes = 3 * 1024 * 1024;
    const answer = ask(egress.port, `a.ccnproxy:${port}`, { method: "POST", body: "x".repeat(bytes) });
    setImmediate(() => find());
    expect(await answer).toMatchObject({ status: 200, body: String(bytes) });
  });

  it("says 504 of a destination that says nothing, 502 of one that is not there or has no name, 400 of none", async () => {
    const silent = await stage.tcp((socket) => void socket.resume());
    const egress = await stage.open({
      async resolve(name) {
        if (name === "none.example") throw new Error("queryA ENOTFOUND none.example");
        return at("127.0.0.1");
      },
    });
    await egress.policies({ host: "*", route: { perTryTimeoutMs: 100 }, cluster: {} });
    expect((await ask(egress.port, `a.ccnproxy:${silent}`)).status).toBe(504);
    expect((await ask(egress.port, "a.ccnproxy:1")).status).toBe(502);
    const nameless = await ask(egress.port, "none.example.ccnproxy");
    expect([nameless.status, nameless.body]).toEqual([502, expect.stringContaining("ENOTFOUND")]);
    expect((await ask(egress.port, "example.com")).status).toBe(400);
    const { ownAnswers, destinations } = egress.edge.egressReport() ?? {};
    expect(ownAnswers).toEqual({ 400: 1, 502: 1 });
    expect(destinations).toMatchObject([{ ownAnswers: { 504: 1 } }, { ownAnswers: { 502: 1 } }]);
  });

  it("knows 256 destinations at once: the one nobody went to for longest makes room", async () => {
    let asked = 0;
    const port = await stage.http((_, response) => response.end("ok"));
    const egress = await stage.open({
      async resolve() {
        asked += 1;
        return at("127.0.0.1");
      },
    });
    const go = async (i: number) => (await ask(egress.port, `n${i}.test.ccnproxy:${port}`)).status;
    expect(await go(0)).toBe(200);
    for (let i = 1; i <= destinationsMax; i += 32) {
      const statuses = await Promise.all(Array.from({ length: 32 }, (_, k) => go(i + k)));
      expect(statuses).toEqual(Array(32).fill(200));
    }
    const known = () => egress.edge.egressReport()?.destinations.filter(({ addresses }) => addresses > 0) ?? [];
    expect(known()).toHaveLength(destinationsMax);
    expect(known().some(({ origin }) => origin === `http://n0.test:${port}`)).toBe(false);
    // The name is still known, and the figures are.
    expect(await go(0)).toBe(200);
    expect(asked).toBe(destinationsMax + 1);
    const first = egress.edge.egressReport()?.destinations.find(({ origin }) => origin === `http://n0.test:${port}`);
    expect(first).toMatchObject({ requests: 2, handshakes: 2, connections: 1 });
  });

  it("refuses its port to a second one", async () => {
    const { port } = await stage.open();
    await expect(stage.open({ port })).rejects.toThrow(`port ${port} is in use`);
  });
});

/** What comes back of a tunnel to `host` that something is sent through. */
function tunnel(port: number, host: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let got = "";
    const socket = connect(port, "127.0.0.1");
    stage.later(() => void socket.destroy());
    socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n`);
    socket.on("data", (bytes: Buffer) => {
      if (got === "") socket.write("echoed");
      got += bytes.toString();
      if (got.endsWith("echoed")) resolve(got);
    });
    socket.on("error", reject).on("close", () => reject(new Error(`closed after ${got}`)));
  });
}
