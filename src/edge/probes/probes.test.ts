/** Checks by each protocol, against servers of node's own. */
import { createServer as createHttp2, createSecureServer, type Http2Server, type ServerHttp2Stream } from "node:http2";
import { createServer as createHttps } from "node:https";
import type { AddressInfo, Server } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { FakeClock, systemClock } from "../../base/clock.ts";
import type { HttpRequest } from "../../base/http.ts";
import { freePort, Stage } from "../edge.suite.ts";
import type { HealthCheck } from "../ports.ts";
import { testAuthority } from "../tls/authority.suite.ts";
import { ContextStore } from "../tls/contexts.ts";
import { targetTls } from "../tls/dial.ts";
import { bounded, createProbe } from "./network.ts";
import type { ProbeResult, ProbeTarget } from "./probe.ts";

const stage = new Stage();
afterEach(() => stage.strike());

const check: HealthCheck = {
  protocol: "http",
  path: "/well",
  intervalMs: 30_000,
  timeoutMs: 5_000,
  healthyCount: 3,
  unhealthyCount: 2,
  matcher: "200",
  userAgent: "checker/1",
};
const { ca, issue } = testAuthority();
const { certificate: cert, privateKey: key } = issue(["127.0.0.1"]);
const probe = createProbe({ clock: systemClock, call: () => undefined });
const ask = (port: number, changes: Partial<HealthCheck> = {}, target: Partial<ProbeTarget> = {}) =>
  probe(
    {
      endpoint: { kind: "address", id: "e", host: "127.0.0.1", port },
      check: { ...check, ...changes },
      protocol: "http1",
      tls: undefined,
      ...target,
    },
    new AbortController().signal,
  );
const over = (protocol: string, verify = false, trusted?: string) =>
  targetTls(trusted === undefined ? { verify } : { verify, ca: trusted }, [protocol], new ContextStore());

async function serve(server: Server | Http2Server): Promise<number> {
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  stage.later(() => void server.close());
  return (server.address() as AddressInfo).port;
}

describe("over HTTPS", () => {
  it("do not ask for a certificate's truth, unless the cluster does", async () => {
    const seen: unknown[] = [];
    const server = createHttps({ cert, key }, ({ method, url, headers }, response) => {
      seen.push([method, url, headers.host, headers["user-agent"], headers.connection]);
      response.end();
    });
    const port = await serve(server);
    expect(await ask(port, { protocol: "https" }, { tls: over("http/1.1") })).toEqual({ ok: true });
    expect(seen).toEqual([["GET", "/well", `127.0.0.1:${port}`, "checker/1", "close"]]);
    expect(await ask(port, { protocol: "https" }, { tls: over("http/1.1", true, ca) })).toEqual({ ok: true });
    expect(await ask(port, { protocol: "https" }, { tls: over("http/1.1", true) })).toEqual({
      ok: false,
      reason: "handshake-failed",
    });
    expect(seen).toHaveLength(2);
  });

  it("fail where nobody speaks TLS", async () => {
    const port = await stage.tcp((socket) => socket.end("HTTP/1.1 200 OK\r\n\r\n"));
    expect(await ask(port, { protocol: "https" }, { tls: over("http/1.1") })).toEqual({
      ok: false,
      reason: "handshake-failed",
    });
  });
});

describe.each([
  ["in clear text", false],
  ["over TLS", true],
])("over HTTP/2 %s", (_, secure) => {
  const tls = () => (secure ? over("h2") : undefined);
  const serving = (onStream: (stream: ServerHttp2Stream, headers: Record<string, unknown>) => void) => {
    const server = secure ? createSecureServer({ cert, key }) : createHttp2();
    server.on("stream", onStream);
    return serve(server);
  };

  it("ask for a page", async () => {
    const seen: unknown[] = [];
    const port = await serving((stream, headers) => {
      seen.push([headers[":method"], headers[":path"], headers[":authority"], headers["user-agent"]]);
      stream.respond({ ":status": seen.length === 1 ? 200 : 503 }, { endStream: true });
    });
    const asked = () => ask(port, { protocol: secure ? "https" : "http" }, { protocol: "http2", tls: tls() });
    expect(await asked()).toEqual({ ok: true });
    expect(seen).toEqual([["GET", "/well", `127.0.0.1:${port}`, "checker/1"]]);
    expect(await asked()).toEqual({ ok: false, reason: "status-mismatch", status: 503 });
  });

  it("call a gRPC method", async () => {
    const seen: unknown[] = [];
    const port = await serving((stream, headers) => {
      const pieces: Buffer[] = [];
      stream.on("data", (piece: Buffer) => pieces.push(piece));
      stream.on("end", () => {
        seen.push([
          headers[":method"],
          headers[":path"],
          headers["content-type"],
          headers["te"],
          Buffer.concat(pieces).length,
        ]);
        const path = String(headers[":path"]);
        if (path.startsWith("/only")) {
          stream.respond({ ":status": 200, "grpc-status": path.slice(6) }, { endStream: true });
        } else if (path === "/page") {
          stream.respond({ ":status": 404 }, { endStream: true });
        } else if (path === "/silent") {
          stream.respond({ ":status": 200 }, { endStream: true });
        } else {
          stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
          stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": path.slice(1) }));
          stream.end(Buffer.alloc(5));
        }
      });
    });
    const call = (path: string, matcher: string) =>
      ask(port, { protocol: "grpc", path, matcher }, { protocol: "grpc", tls: tls() });
    expect(await call("/12", "12")).toEqual({ ok: true });
    expect(seen).toEqual([["POST", "/12", "application/grpc", "trailers", 5]]);
    expect(await call("/only/12", "0-99")).toEqual({ ok: true });
    expect(await call("/14", "0,12")).toEqual({ ok: false, reason: "status-mismatch", status: 14 });
    expect(await call("/page", "0-99")).toEqual({ ok: false, reason: "status-mismatch", status: 404 });
    expect(await call("/silent", "0-99")).toEqual({ ok: false, reason: "malformed-response" });
  });

  it("fail with a path that no field can carry", async () => {
    const port = await serving((stream) => stream.respond({ ":status": 200 }, { endStream: true }));
    const changes = { protocol: secure ? "https" : "http", path: "/\u0000" } as const;
    expect(await ask(port, changes, { protocol: "http2", tls: tls() })).toMatchObject({ ok: false });
  });

  it("fail where nobody speaks it", async () => {
    const port = await stage.tcp((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    const result = await ask(port, {}, { protocol: "http2", tls: tls() });
    expect(result).toMatchObject({ ok: false, reason: secure ? "handshake-failed" : "malformed-response" });
  });
});

describe("over TCP and HTTP/1.1", () => {
  it.each<[string, (port: number) => Promise<ProbeResult>, ProbeResult]>([
    ["a connection", (port) => ask(port, { protocol: "tcp" }), { ok: true }],
    ["no answer", (port) => ask(port, { timeoutMs: 20 }), { ok: false, reason: "timeout" }],
  ])("%s", async (_, asked, result) => {
    const port = await stage.tcp(() => {});
    expect(await asked(port)).toEqual(result);
  });

  it.each<[string, ProbeResult]>([
    ["HTTP/1.1 200 OK\r\n\r\n", { ok: true }],
    ["HTTP/1.1 301 Moved\r\nLocation: /\r\n\r\n", { ok: false, reason: "status-mismatch", status: 301 }],
    ["SSH-2.0-OpenSSH\r\n", { ok: false, reason: "malformed-response" }],
    ["", { ok: false, reason: "connection-failed" }],
  ])("%j", async (answer, result) => {
    const port = await stage.tcp((socket) => socket.end(answer));
    expect(await ask(port)).toEqual(result);
  });

  it("nobody there; another port than the endpoint's", async () => {
    const [free, up] = [await freePort(), await stage.tcp((socket) => socket.end("HTTP/1.1 200 OK\r\n\r\n"))];
    expect(await ask(free)).toEqual({ ok: false, reason: "connection-refused" });
    expect(await ask(free, { port: up })).toEqual({ ok: true });
  });
});

describe("of a function", () => {
  const target: ProbeTarget = {
    endpoint: { kind: "function", id: "f", requestBytesMax: 1 },
    check: { ...check, matcher: "200-201" },
    protocol: "http1",
    tls: undefined,
  };
  const { signal } = new AbortController();

  it("call it as ALB does, and judge its status", async () => {
    const seen: HttpRequest[] = [];
    const call = createProbe({
      clock: systemClock,
      call: (id, request) => {
        seen.push(request);
        return id === "f" ? Promise.resolve({ status: 199 + seen.length, headers: [], body: undefined }) : undefined;
      },
    });
    expect(await call(target, signal)).toEqual({ ok: true });
    expect(seen[0]).toMatchObject({ method: "GET", target: "/well", headers: ["user-agent", "checker/1"] });
    await call(target, signal);
    expect(await call(target, signal)).toEqual({ ok: false, reason: "status-mismatch", status: 202 });
  });

  it("fail when it is not there, fails, or takes too long; then it is told", async () => {
    const clock = new FakeClock();
    const told: unknown[] = [];
    const answers = [undefined, Promise.reject(new Error("no")), new Promise<never>(() => {})];
    const call = createProbe({
      clock,
      call: (_, request) => {
        request.signal.addEventListener("abort", () => told.push("aborted"));
        return answers.shift();
      },
    });
    expect(await call(target, signal)).toEqual({ ok: false, reason: "function-failed" });
    expect(await call(target, signal)).toEqual({ ok: false, reason: "function-failed" });
    told.length = 0;
    const late = call(target, signal);
    await clock.advance(5_000);
    expect(await late).toEqual({ ok: false, reason: "timeout" });
    expect(told).toEqual(["aborted"]);
  });
});

describe("checks at once", () => {
  it("are so many and no more, in the order they came; one that was called off meanwhile is not made", async () => {
    const begun: { id: string; end: () => void }[] = [];
    const limited = bounded(2, ({ endpoint }) => {
      return new Promise((resolve) => begun.push({ id: endpoint.id, end: () => resolve({ ok: true }) }));
    });
    const off = new AbortController();
    const start = (id: string, signal = new AbortController().signal) =>
      limited(
        { endpoint: { kind: "function", id, requestBytesMax: 1 }, check, protocol: "http1", tls: undefined },
        signal,
      );
    const all = [start("a"), start("b"), start("c", off.signal), start("d"), start("e")];
    const ids = () => begun.map(({ id }) => id).join("");
    expect(ids()).toBe("ab");
    off.abort();
    begun[0]?.end();
    await all[0];
    await all[2];
    await expect.poll(ids).toBe("abd");
    begun[1]?.end();
    await expect.poll(ids).toBe("abde");
    for (const { end } of begun) end();
    expect(await Promise.all(all)).toHaveLength(5);
    const late = start("f");
    expect(ids()).toBe("abdef");
    begun[4]?.end();
    await late;
  });
});
