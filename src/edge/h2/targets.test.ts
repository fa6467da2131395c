/** Endpoints that speak HTTP/2 and gRPC, played by Node's own server, behind a listener. */
import { once } from "node:events";
import { connect, constants, createServer, createSecureServer } from "node:http2";
import type { Http2Server } from "node:http2";
import { request } from "node:https";
import { text } from "node:stream/consumers";
import { afterEach, describe, expect, it } from "vitest";
import { eventually, freePort, Stage } from "../edge.suite.ts";
import type { ClusterConfig } from "../ports.ts";
import { answerOf, ask, get } from "./session.suite.ts";
import { exampleCom, h2Config, h2Front, h2Target, h2TlsClient, type OnStream } from "./targets.suite.ts";

const stage = new Stage();
afterEach(() => stage.strike());

const { ca, certificate } = exampleCom;

const target = (onStream: OnStream, server?: Http2Server) =>
  h2Target(stage, onStream, server === undefined ? {} : { server });
const front = (upstream: number, changes?: Partial<ClusterConfig>) => h2Front(stage, upstream, changes);
const client = (port: number) => h2TlsClient(stage, port);

const ok: OnStream = (stream) => {
  stream.respond({ ":status": 200, "content-length": "2" });
  stream.end("ok");
};

describe("HTTP/2 to endpoints", () => {
  it("is spoken in clear text, many requests on one session", async () => {
    const { port: upstream, sessions } = await target((stream, fields) => {
      stream.respond({ ":status": 200 });
      stream.end(JSON.stringify(fields));
    });
    const { port } = await front(upstream);
    const session = client(port);
    const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => ask(session, get(`/${i}`, ["x-a", "1"]))));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    const sent = JSON.parse(answers[7]?.body ?? "") as string[];
    expect(sent.slice(0, 8).join(" ")).toBe(`:method GET :scheme http :path /7 :authority example.com:${port}`);
    expect(sent).toEqual(expect.arrayContaining(["x-a", "1", "x-forwarded-for", "127.0.0.1"]));
    expect(sent).not.toContain("connection");
    expect(sessions.length).toBe(1);
  });

  it("is settled by ALPN over TLS, and nothing is sent to an endpoint that does not settle it", async () => {
    const secrets = { cert: certificate.certificate, key: certificate.privateKey };
    const { port: upstream } = await target(ok, createSecureServer(secrets));
    const verified = { verify: true, serverName: "example.com", ca };
    const { port } = await front(upstream, { tls: verified });
    expect(await ask(client(port), get())).toMatchObject({ status: 200, body: "ok" });
    const wrong = await front(upstream, { tls: { ...verified, serverName: "other.example" } });
    expect(await ask(client(wrong.port), get())).toMatchObject({ status: 502 });
  });

  it("streams both ways with trailers, informational answers and backpressure", async () => {
    const { port: upstream } = await target((stream) => {
      stream.additionalHeaders({ ":status": 103, link: "</a>" });
      stream.respond({ ":status": 200 }, { waitForTrailers: true });
      let trailers = {};
      stream.on("trailers", (came) => {
        trailers = { "x-came": came["x-sent"] };
      });
      stream.on("wantTrailers", () => stream.sendTrailers(trailers));
      stream.pipe(stream);
    });
    const { port } = await front(upstream);
    const stream = client(port).request(get("/", [], "POST"), { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "x-sent": "1" }));
    const answer = answerOf(stream);
    stream.write("first");
    await once(stream, "response");
    stream.end(Buffer.alloc(3_000_000, "y"));
    const { body, ...rest } = await answer;
    expect(body.length).toBe(3_000_005);
    expect(rest).toMatchObject({ status: 200, interims: [103], trailers: { "x-came": "1" } });
  });

  it("outlives fields that node:http2 does not send, on either side", async () => {
    const { port: upstream } = await target(
      (stream) => {
        stream.respond([":status", "200", "content-type", "a/b", "content-type", "c/d"], { waitForTrailers: true });
        stream.on("wantTrailers", () => stream.sendTrailers(Object.fromEntries([["age", ["1", "2"]]])));
        stream.end("ok");
      },
      createServer({ strictSingleValueFields: false }),
    );
    const { port } = await front(upstream);
    const session = client(port);
    const stream = session.request(get("/", ["x", "1"], "POST"), { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "x-a": ["1", "2"] }));
    stream.end("x");
    expect(await answerOf(stream)).toMatchObject({ status: 200, trailers: { age: "1" } });
    const options = { ca, servername: "example.com", strictSingleValueFields: false };
    const loose = connect(`https://127.0.0.1:${port}`, options);
    stage.later(() => loose.destroy());
    const repeated = get("/", ["content-type", "a/b", "content-type", "c/d", "__proto__", "1"]);
    expect(await ask(loose, repeated)).toMatchObject({ status: 200 });
    const old = await stage.tcp((socket) => {
      socket.on("data", () => {
        socket.write(
          "HTTP/1.1 200 OK\r\nHTTP2-Settings: x\r\nContent-Type: a\r\nContent-Type: b\r\nContent-Length: 0\r\n\r\n",
        );
      });
    });
    const http1 = await front(old, { protocol: "http1" });
    expect(await ask(client(http1.port), get())).toMatchObject({ status: 200 });
  });

  it("opens one more session when one is full", async () => {
    const { port: upstream, sessions } = await target(
      (stream) => stream.on("end", () => ok(stream, [])).resume(),
      createServer({ settings: { maxConcurrentStreams: 2 } }),
    );
    const { port } = await front(upstream);
    const session = client(port);
    await ask(session, get());
    const open = Array.from({ length: 5 }, () => session.request(get("/", [], "POST")));
    const answers = open.map((stream) => answerOf(stream));
    for (const stream of open) stream.write("x");
    await eventually(() => sessions.length === 3);
    for (const stream of open) stream.end();
    for (const answer of answers) expect(await answer).toMatchObject({ status: 200 });
  });

  it("sends again what an endpoint says that it did not look at, whatever the method", async () => {
    let refusals = 0;
    const { port: upstream } = await target((stream) => {
      refusals += 1;
      if (refusals === 2) ok(stream, []);
      else stream.close(constants.NGHTTP2_REFUSED_STREAM);
    });
    const { port, edge } = await front(upstream);
    const session = client(port);
    expect(await ask(session, get("/", [], "DELETE"))).toMatchObject({ status: 200 });
    expect(refusals).toBe(2);
    // With a body, which is not kept: said to have been refused.
    expect(await ask(session, get("/", [], "POST"), "x")).toMatchObject({ status: 502 });
    expect(edge.stats()[0]?.edgeErrors).toMatchObject({ "refused-stream": 1 });
  });

  it("goes on with a new session when the endpoint sends GOAWAY, and loses nothing", async () => {
    const { port: upstream, sessions } = await target((stream, fields) => {
      if (fields.includes("/go")) stream.session?.close();
      ok(stream, fields);
    });
    const { port } = await front(upstream);
    const session = client(port);
    for (let i = 0; i < 5; i += 1) {
      expect(await ask(session, get("/go"))).toMatchObject({ status: 200 });
      expect(await ask(session, get("/after"))).toMatchObject({ status: 200 });
    }
    expect(sessions.length).toBeGreaterThan(4);
  });

  it("answers 502 for an endpoint that refuses, resets or is not there, and cuts off what began", async () => {
    const { port: upstream, sessions } = await target((stream, fields) => {
      if (fields.includes("/reset")) stream.close(constants.NGHTTP2_INTERNAL_ERROR);
      else if (fields.includes("/die")) stream.session?.destroy();
      else {
        stream.respond({ ":status": 200 });
        stream.write("half");
        stream.once("drain", () => {});
        setImmediate(() => stream.destroy(new Error("cut")));
      }
    });
    const { port } = await front(upstream);
    const session = client(port);
    expect(await ask(session, get("/reset", [], "POST"), "x")).toMatchObject({ status: 502 });
    expect(await ask(session, get("/die", [], "POST"), "x")).toMatchObject({ status: 502 });
    expect(await ask(session, get("/half"))).toMatchObject({ code: constants.NGHTTP2_INTERNAL_ERROR });
    expect(sessions.length).toBe(2);
    const nobody = await front(await freePort());
    expect(await ask(client(nobody.port), get())).toMatchObject({ status: 502 });
  });

  it("resets the endpoint's stream when the client goes, without ending it properly", async () => {
    const seen: string[] = [];
    const { port: upstream } = await target((stream) => {
      stream.respond({ ":status": 200 });
      stream.write("begun");
      stream.on("end", () => seen.push(`end ${stream.rstCode}`));
      stream.on("close", () => seen.push(`close ${stream.rstCode}`));
      stream.resume();
    });
    const { port } = await front(upstream);
    const session = client(port);
    const stream = session.request(get("/", [], "POST"));
    stream.on("error", () => stream.destroy());
    stream.write("part");
    await once(stream, "response");
    session.destroy();
    await eventually(() => seen.some((event) => event.startsWith("close")));
    expect(seen).not.toContain("end 0");
    expect(seen).toContain(`close ${constants.NGHTTP2_CANCEL}`);
  });

  it("gives up the rest of a request whose answer is here before it is", async () => {
    let code: number | undefined;
    const { port: upstream } = await target((stream) => {
      stream.on("close", () => {
        code = stream.rstCode;
      });
      ok(stream, []);
      stream.resume();
    });
    const { port } = await front(upstream);
    const stream = client(port).request(get("/", [], "POST"));
    stream.write("part");
    expect(await answerOf(stream)).toMatchObject({ status: 200, body: "ok", code: 0 });
    await eventually(() => code !== undefined);
    expect(code).toBe(constants.NGHTTP2_CANCEL);
  });

  it("lets what is under way end when an endpoint is taken out", async () => {
    let finish = () => {};
    const { port: upstream, sessions } = await target((stream) => {
      stream.respond({ ":status": 200 });
      stream.write("begun");
      finish = () => stream.end("ended");
    });
    const { port, edge } = await front(upstream);
    const stream = client(port).request(get());
    const answer = answerOf(stream);
    await once(stream, "response");
    await edge.apply(h2Config(port, upstream, { endpoints: [] }, 2));
    finish();
    expect(await answer).toMatchObject({ status: 200, body: "begunended" });
    await eventually(() => sessions[0]?.closed === true);
  });
});

describe("464", () => {
  it("is the answer to a request that its endpoints' protocol does not take", async () => {
    const { port: upstream } = await target(ok);
    const h1 = async (port: number) => {
      const sent = request({ port, host: "127.0.0.1", ca, servername: "example.com", agent: false });
      sent.end();
      const [response] = await once(sent, "response");
      return [response.statusCode, await text(response)];
    };
    const http2 = await front(upstream);
    expect(await h1(http2.port)).toEqual([464, ""]);
    const grpc = await front(upstream, { protocol: "grpc" });
    expect(await h1(grpc.port)).toEqual([464, ""]);
    expect(await ask(client(grpc.port), get())).toMatchObject({ status: 464 });
    const http1 = await front(await stage.http((_, outgoing) => outgoing.end("h1")), { protocol: "http1" });
    const call = get("/a.B/C", ["content-type", "application/grpc+proto", "te", "trailers"], "POST");
    expect(await ask(client(http1.port), call, "")).toMatchObject({ status: 464 });
    expect(await ask(client(http1.port), get("/", ["content-type", "application/grpc-web"], "POST"), "")).toMatchObject(
      {
        status: 200,
      },
    );
  });
});
