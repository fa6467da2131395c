/** HTTP/2 clients of a listener, through Node's own client, before endpoints that speak HTTP/1.1. */
import { once } from "node:events";
import { connect, constants, type ClientHttp2Session } from "node:http2";
import { request } from "node:https";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { afterEach, describe, expect, it } from "vitest";
import { address, all, cluster, eventually, freePort, listener, Stage } from "../edge.suite.ts";
import type { Edge, ListenerConfig, RouteConfig } from "../ports.ts";
import { testAuthority, tlsOf } from "../tls/authority.suite.ts";
import { answerOf, ask, get } from "./session.suite.ts";

const stage = new Stage();
afterEach(() => stage.strike());

const { ca, issue } = testAuthority();
const tls = tlsOf([issue(["example.com"])]);

interface Front {
  port: number;
  edge: Edge;
  apply(changes: Partial<ListenerConfig>): Promise<void>;
}

async function front(upstream: number, changes: Partial<ListenerConfig> = {}, routes?: RouteConfig[]): Promise<Front> {
  const port = await freePort();
  const edge = stage.edge();
  let epoch = 0;
  const apply = (more: Partial<ListenerConfig>) => {
    epoch += 1;
    const config = listener(port, routes ?? [all("c")], { tls, http2: true, ...changes, ...more });
    return edge.apply({ epoch, listeners: [config], clusters: [cluster("c", [address(upstream)])] });
  };
  await apply({});
  return { port, edge, apply };
}

function client(port: number): ClientHttp2Session {
  const session = connect(`https://127.0.0.1:${port}`, { ca, servername: "example.com" });
  session.on("error", () => session.destroy());
  stage.later(() => session.destroy());
  return session;
}

function* piecesOf(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += 50_000) yield bytes.subarray(at, at + 50_000);
}

describe("HTTP/2 in front of HTTP/1.1", () => {
  it("is settled by ALPN, and only where it is offered", async () => {
    const upstream = await stage.http((incoming, outgoing) => outgoing.end(incoming.httpVersion));
    const { port, apply } = await front(upstream);
    expect(await ask(client(port), get())).toMatchObject({ status: 200, body: "1.1" });
    const old = request({ port, host: "127.0.0.1", ca, servername: "example.com" });
    old.end();
    const [response] = await once(old, "response");
    expect(response.statusCode).toBe(200);
    response.resume();
    await apply({ http2: false });
    const refused = client(port);
    await eventually(() => refused.destroyed);
    expect(refused.alpnProtocol).not.toBe("h2");
  });

  it("passes on a request as HTTP/1.1 would bring it, and its answer", async () => {
    const upstream = await stage.http((incoming, outgoing) => {
      outgoing.writeHead(201, [
        "Set-Cookie",
        "a=1",
        "Set-Cookie",
        "b=2",
        "Connection",
        "keep-alive, x-hop",
        "X-Hop",
        "1",
      ]);
      outgoing.end(JSON.stringify({ url: incoming.url, headers: incoming.headers }));
    });
    const { port } = await front(upstream);
    const answer = await ask(client(port), get("/p?q=1", ["cookie", "a=1", "cookie", "b=2", "te", "trailers"]));
    expect(answer.status).toBe(201);
    expect(answer.headers["set-cookie"]).toEqual(["a=1", "b=2"]);
    expect(answer.headers).not.toHaveProperty("x-hop");
    expect(answer.headers).not.toHaveProperty("transfer-encoding");
    const { url, headers } = JSON.parse(answer.body) as { url: string; headers: Record<string, string> };
    expect(url).toBe("/p?q=1");
    expect(headers).toMatchObject({
      host: `example.com:${port}`,
      cookie: "a=1; b=2",
      te: "trailers",
      "x-forwarded-for": "127.0.0.1",
      "x-forwarded-proto": "https",
    });
  });

  it("streams a body of unknown length and trailers both ways", async () => {
    const upstream = await stage.http((incoming, outgoing) => {
      outgoing.setHeader("Trailer", "x-sum");
      incoming.on("data", (chunk: Buffer) => outgoing.write(chunk));
      incoming.on("end", () => {
        outgoing.addTrailers({ "x-sum": String(incoming.trailers["x-count"]) });
        outgoing.end();
      });
    });
    const { port } = await front(upstream);
    const stream = client(port).request(get("/", ["trailer", "x-count"], "POST"), { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "x-count": "2" }));
    const answer = answerOf(stream);
    stream.write("one");
    await once(stream, "response");
    stream.end("two");
    expect(await answer).toMatchObject({ status: 200, body: "onetwo", trailers: { "x-sum": "2" } });
  });

  it("carries 16 MB up and down past clients and endpoints that pause", async () => {
    const upstream = await stage.http((incoming, outgoing) => void incoming.pipe(outgoing));
    const { port } = await front(upstream);
    const stream = client(port).request(get("/", [], "POST"));
    const sent = Buffer.alloc(16 * 1024 * 1024, "0123456789abcdef");
    const sending = pipeline(Readable.from(piecesOf(sent)), stream);
    await once(stream, "response");
    let received = 0;
    for await (const chunk of stream) {
      received += (chunk as Buffer).length;
      if (received % 7 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await sending;
    expect(received).toBe(sent.length);
  });

  it("cuts off an answer that its endpoint does not end, and answers 502 where there is none", async () => {
    const length = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";
    const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n";
    const upstream = await stage.tcp((socket) => {
      socket.on("data", (chunk: Buffer) => {
        if (chunk.includes("/none")) socket.destroy();
        else socket.write(chunk.includes("/length") ? length : chunked, () => socket.destroy());
      });
    });
    const { port } = await front(upstream);
    const session = client(port);
    expect(await ask(session, get("/none", [], "POST"), "x")).toMatchObject({ status: 502 });
    for (const path of ["/length", "/chunked"]) {
      expect(await ask(session, get(path))).toMatchObject({ code: constants.NGHTTP2_INTERNAL_ERROR });
    }
  });

  it("answers itself as it does over HTTP/1.1", async () => {
    const routes: RouteConfig[] = [
      {
        id: "fixed",
        conditions: [{ kind: "path", patterns: ["/fixed"] }],
        action: { kind: "fixed", status: 200, contentType: "text/plain", body: "hello" },
      },
      {
        id: "redirect",
        conditions: [],
        action: {
          kind: "redirect",
          status: 301,
          protocol: "HTTPS",
          host: "#{host}",
          port: "443",
          path: "/to",
          query: "#{query}",
        },
      },
    ];
    const { port } = await front(1, {}, routes);
    const session = client(port);
    expect(await ask(session, get("/fixed"))).toMatchObject({ status: 200, body: "hello" });
    const redirect = await ask(session, get("/from?a=b"));
    expect(redirect.headers.location).toBe("https://example.com:443/to?a=b");
    expect(await ask(session, get("/fixed", [], "HEAD"))).toMatchObject({ status: 200, body: "" });
  });

  it("is told to go when its listener does, after what it has begun", async () => {
    let finish = () => {};
    const upstream = await stage.http((_, outgoing) => {
      outgoing.write("begun");
      finish = () => outgoing.end("ended");
    });
    const { port, edge } = await front(upstream);
    const session = client(port);
    const stream = session.request(get());
    const answer = answerOf(stream);
    await once(stream, "response");
    const away = once(session, "goaway");
    const closed = edge.close(10_000);
    await away;
    finish();
    expect(await answer).toMatchObject({ status: 200, body: "begunended" });
    await closed;
    await eventually(() => session.closed);
  });

  it("goes to its client again after 10,000 requests, of which none fails", async () => {
    const upstream = await stage.http((_, outgoing) => outgoing.end());
    const routes: RouteConfig[] = [
      { id: "fixed", conditions: [], action: { kind: "fixed", status: 200, contentType: "text/plain", body: "x" } },
    ];
    const { port } = await front(upstream, {}, routes);
    const session = client(port);
    const away = once(session, "goaway");
    for (let sent = 0; sent < 10_000; sent += 100) {
      const answers = await Promise.all(Array.from({ length: 100 }, () => ask(session, get())));
      expect(answers.every(({ status }) => status === 200)).toBe(true);
    }
    expect((await away)[0]).toBe(constants.NGHTTP2_NO_ERROR);
  });

  it("blocks in strictest mode what is not compliant, answers it, and counts it in every mode", async () => {
    let asked = 0;
    const upstream = await stage.http((_, outgoing) => outgoing.end(`${(asked += 1)}`));
    const { port, edge, apply } = await front(upstream, { desync: "strictest", loadBalancerId: "b" });
    const session = client(port);
    expect(await ask(session, get("/", ["content-length", "0"]))).toMatchObject({ status: 400 });
    expect(await ask(session, get("/", ["transfer_encoding", "chunked"]))).toMatchObject({ status: 400 });
    // The session goes on: its framing was never in doubt.
    expect(await ask(session, get())).toMatchObject({ status: 200, body: "1" });
    await apply({ desync: "defensive" });
    expect(await ask(session, get("/", ["content-length", "0"]))).toMatchObject({ status: 200, body: "2" });
    await eventually(() => edge.loadBalancers()[0]?.desyncRequests === 3);
  });
});
