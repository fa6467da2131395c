import { once } from "node:events";
import { connect as connectH2, constants, type ClientHttp2Session } from "node:http2";
import { addAbortSignal } from "node:stream";
import { afterEach, describe, expect, it } from "vitest";
import { FakeClock } from "../../base/clock.ts";
import { eventually, Stage } from "../edge.suite.ts";
import { answered, type ClientStream, type Exchange } from "../exchange.ts";
import { emptyResponseHead, type ResponseHead } from "../h1/response.ts";
import { answerOf, ask, get, h2Client, serveSessions } from "./session.suite.ts";
import { linesOf } from "./request.ts";

const stage = new Stage();
afterEach(() => stage.strike());

function ok(client: ClientStream, body = "ok"): Exchange {
  client.reply({ status: 200, lines: `Content-Length: ${body.length}\r\nX-A: 1\r\nX-A: 2\r\n`, body });
  return answered;
}

function responseHead(status: number, fields: readonly string[], framing: ResponseHead["framing"]): ResponseHead {
  const { text, spans } = linesOf(`HTTP/1.1 ${status} OK\r\n`, fields);
  const connectionOptions = fields[0] === "connection" ? [fields[1] ?? ""] : [];
  return { ...emptyResponseHead(), status, framing, text, spans, count: fields.length / 2, connectionOptions };
}

/** Answers with what came, as it comes. */
class Echo implements Exchange {
  readonly client: ClientStream;
  readonly fields: readonly string[];
  gone: string | undefined;

  constructor(client: ClientStream, fields: readonly string[] = []) {
    this.client = client;
    this.fields = fields;
    client.sendContinue();
    client.interim(responseHead(103, ["link", "</a>"], "none"));
    client.respond(responseHead(200, ["connection", "x-gone", "x-gone", "1", ...fields], "chunked"), "Date: now\r\n");
  }

  requestData(bytes: Buffer, start: number, end: number): void {
    this.client.responseData(bytes, start, end);
  }

  requestEnd(trailers: readonly string[]): void {
    this.client.responseEnd(trailers);
  }

  requestFlush(): void {
    if (!this.client.flush()) this.client.holdRequest(true);
  }

  clientDrained(): void {
    this.client.holdRequest(false);
  }

  clientGone(reason: string): void {
    this.gone = reason;
  }

  idle(): void {
    this.client.reply({ status: this.client.waitsForRequest ? 408 : 504, lines: "", body: "" });
  }
}

/** The server has read what came before, or is gone. */
async function settled(client: ClientHttp2Session): Promise<void> {
  await new Promise<void>((resolve) => {
    if (client.destroyed || !client.ping(() => resolve())) resolve();
  });
}

describe("a session", () => {
  it("gives heads as HTTP/1.1's scanner does, with one cookie and the authority as Host", async () => {
    const heads: { text: string; spans: string[]; host: string; framing: string }[] = [];
    const { port } = await serveSessions(stage, (client) => {
      const { text, spans, count, host, framing } = client.head;
      const names = Array.from({ length: count }, (_, i) => text.slice(spans[i * 5 + 1], spans[i * 5 + 4]));
      heads.push({ text, spans: names, host, framing });
      return ok(client);
    });
    const client = h2Client(stage, port);
    const fields = ["cookie", "a=1", "x-b", "\u00e9", "cookie", "b=2", "te", "trailers"];
    const answer = await ask(client, get("/p?q=1", fields));
    expect(answer).toMatchObject({ status: 200, body: "ok" });
    expect(answer.headers["x-a"]).toBe("1, 2");
    expect(heads).toEqual([
      {
        text: "GET /p?q=1 HTTP/2.0\r\nhost: example.com\r\nx-b: \u00e9\r\nte: trailers\r\ncookie: a=1; b=2\r\n\r\n",
        spans: ["host: example.com", "x-b: \u00e9", "te: trailers", "cookie: a=1; b=2"],
        host: "example.com",
        framing: "none",
      },
    ]);
  });

  it("streams both ways, with 100, 103, trailers, and without what belongs to a connection", async () => {
    const { port } = await serveSessions(stage, (client) => new Echo(client));
    const stream = h2Client(stage, port).request(get("/", ["expect", "100-continue"], "POST"), {
      waitForTrailers: true,
    });
    stream.on("wantTrailers", () => stream.sendTrailers({ "x-end": "1" }));
    const answer = answerOf(stream);
    await once(stream, "continue");
    stream.write("one");
    stream.end("two");
    expect(await answer).toMatchObject({
      status: 200,
      interims: [100, 103],
      body: "onetwo",
      trailers: { "x-end": "1" },
    });
    expect((await answer).headers["x-gone"]).toBeUndefined();
  });

  it("answers HEAD, 204 and 304 without a body, and one that has none in a single frame", async () => {
    const { port } = await serveSessions(stage, (client) => {
      const status = Number(client.head.target.slice(1));
      client.respond(responseHead(status, ["content-length", "9"], "none"), "");
      client.responseEnd([]);
      return answered;
    });
    const client = h2Client(stage, port);
    expect(await ask(client, get("/200", [], "HEAD"))).toMatchObject({ status: 200, body: "" });
    expect((await ask(client, get("/304"))).headers["content-length"]).toBe("9");
    expect((await ask(client, get("/204"))).headers["content-length"]).toBeUndefined();
  });

  it("holds a client that sends faster than the other side reads, and loses nothing", async () => {
    let held = 0;
    const { port } = await serveSessions(stage, (client) => {
      const hold = client.holdRequest.bind(client);
      client.holdRequest = (on) => {
        held += on ? 1 : 0;
        hold(on);
      };
      return new Echo(client);
    });
    const stream = h2Client(stage, port).request(get("/", [], "POST"));
    const sent = Buffer.alloc(4 * 1024 * 1024, "x");
    stream.end(sent);
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
    const answer = await answerOf(stream);
    expect(answer.body.length).toBe(sent.length);
    expect(held).toBeGreaterThan(0);
  });

  it.each([
    ["a connection field", get("/", ["connection", "close"])],
    ["te of something else", get("/", ["te", "gzip"])],
    ["another Host", get("/", ["host", "other.example"])],
    ["a length without a body", get("/", ["content-length", "3"])],
    ["a path without its slash", get("a")],
    ["a space in the path", get("/a b")],
    ["* for GET", get("*")],
    ["a scheme of something else", [":method", "GET", ":scheme", "ftp", ":path", "/", ":authority", "a"]],
    ["a bad authority", [":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a b"]],
  ])("resets the stream of a request with %s", async (_, fields) => {
    const { port, requests } = await serveSessions(stage, (client) => ok(client));
    const client = h2Client(stage, port);
    // What the client's library refuses to send never comes; the raw frames are h2spec's.
    let answer: Awaited<ReturnType<typeof ask>>;
    try {
      answer = await ask(client, fields);
    } catch {
      return;
    }
    expect(answer).toMatchObject({ status: 0, code: constants.NGHTTP2_PROTOCOL_ERROR });
    expect(requests).toEqual([]);
    expect(await ask(client, get())).toMatchObject({ status: 200 });
  });

  it("answers what it understands and does not do", async () => {
    const { port, requests } = await serveSessions(stage, (client) => ok(client), { requestLineBytesMax: 100 });
    const client = h2Client(stage, port);
    expect(await ask(client, get("/", [], "TRACE"))).toMatchObject({ status: 405 });
    expect(await ask(client, get(`/${"a".repeat(100)}`))).toMatchObject({ status: 414 });
    expect(await ask(client, get("/", ["expect", "200-ok"], "POST"), "a")).toMatchObject({ status: 417 });
    expect(await ask(client, get("/", ["x-long", "a".repeat(17_000)]))).toMatchObject({ status: 400 });
    expect(requests).toEqual([]);
  });

  it("tells a client that still sends, after an early answer, to stop without an error", async () => {
    const { port } = await serveSessions(stage, (client) => ok(client, "early"));
    const stream = h2Client(stage, port).request(get("/", [], "POST"));
    stream.write("some of it");
    expect(await answerOf(stream)).toMatchObject({ status: 200, body: "early", code: 0 });
  });

  it("cuts off an answer that cannot end, and tells an exchange whose client is gone", async () => {
    const echoes: Echo[] = [];
    const { port, requests } = await serveSessions(stage, (client) => {
      const echo = new Echo(client);
      echoes.push(echo);
      return echo;
    });
    const client = h2Client(stage, port);
    const cut = client.request(get("/", [], "POST"));
    const answer = answerOf(cut);
    cut.write("begun");
    await once(cut, "response");
    requests[0]?.destroy();
    expect(await answer).toMatchObject({ status: 200, code: constants.NGHTTP2_INTERNAL_ERROR });
    const gone = client.request(get("/", [], "POST"));
    gone.on("error", () => {});
    gone.write("begun");
    await once(gone, "response");
    addAbortSignal(AbortSignal.abort(), gone);
    await eventually(() => echoes[1]?.gone !== undefined);
    expect(echoes.map(({ gone }) => gone)).toEqual([undefined, "client-reset"]);
  });
});

describe("the bounds of a session", () => {
  it("takes 128 requests at once and says so", async () => {
    const { port } = await serveSessions(stage, (client) => new Echo(client));
    const client = connectH2(`http://127.0.0.1:${port}`);
    stage.later(() => client.destroy());
    const [settings] = await once(client, "remoteSettings");
    expect(settings).toMatchObject({ maxConcurrentStreams: 128, maxHeaderListSize: 65_536 });
  });

  it("sends a client away that takes back request after request", async () => {
    const { port } = await serveSessions(stage, (client) => new Echo(client));
    const client = h2Client(stage, port);
    const away = new Promise<number>((resolve) => {
      client.on("goaway", resolve);
    });
    await once(client, "connect");
    for (let i = 0; i < 2_000 && !client.destroyed; i += 1) {
      const stream = client.request(get("/", [], "POST"));
      stream.on("error", () => {});
      stream.close(constants.NGHTTP2_CANCEL);
      // In small bites: the framing has a coarse bound of its own for what comes in one.
      if (i % 20 === 0) await settled(client);
    }
    expect(await away).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  });

  it("sends a client away that sends PING after PING", async () => {
    const { port, sessions } = await serveSessions(stage, (client) => ok(client));
    const client = h2Client(stage, port);
    const away = new Promise<number>((resolve) => {
      client.on("goaway", resolve);
    });
    await once(client, "connect");
    for (let i = 0; i < 2_000 && !client.destroyed; i += 1) await settled(client);
    expect(await away).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    await eventually(() => sessions.size === 0);
  });

  it("tells a client to go when its listener ends, and still answers what was on its way", async () => {
    const { port, sessions } = await serveSessions(stage, (client) => new Echo(client));
    const client = h2Client(stage, port);
    const slow = client.request(get("/", [], "POST"));
    const answer = answerOf(slow);
    slow.write("one");
    await once(slow, "response");
    for (const session of sessions) session.end();
    slow.end("two");
    expect(await answer).toMatchObject({ status: 200, body: "onetwo" });
    await eventually(() => sessions.size === 0 && client.closed);
  });

  it("closes at rest by the keep-alive timeout, which PINGs do not move, and 408s a request that stalls", async () => {
    const clock = new FakeClock();
    const timeouts = { clock, keepAliveTimeoutMs: 5_000, idleTimeoutMs: 3_000 };
    const { port, sessions } = await serveSessions(stage, (client) => new Waiting(client), timeouts);
    const client = h2Client(stage, port);
    await once(client, "remoteSettings");
    const stalled = client.request(get("/", [], "POST"));
    const answer = answerOf(stalled);
    stalled.write("some");
    await eventually(() => Waiting.last?.bytes === 4);
    await clock.advance(3_100);
    expect(await answer).toMatchObject({ status: 408 });
    await clock.advance(3_000);
    await new Promise<void>((resolve) => {
      client.ping(() => resolve());
    });
    expect(sessions.size).toBe(1);
    await clock.advance(2_200);
    await eventually(() => sessions.size === 0);
  });
});

/** Answers only when it has waited too long. */
class Waiting implements Exchange {
  static last: Waiting | undefined;
  readonly client: ClientStream;
  bytes = 0;

  constructor(client: ClientStream) {
    this.client = client;
    Waiting.last = this;
  }

  requestData(_: Buffer, start: number, end: number): void {
    this.bytes += end - start;
  }

  idle(): void {
    this.client.reply({ status: this.client.waitsForRequest ? 408 : 504, lines: "", body: "" });
  }

  requestEnd(): void {}
  requestFlush(): void {}
  clientDrained(): void {}
  clientGone(): void {}
}
