/** gRPC through the edge: its four kinds of calls, on frames written by hand over Node's HTTP/2, as grpc.io's protocol has them. */
import { once } from "node:events";
import { connect, createServer, type ClientHttp2Stream, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { address, all, cluster, eventually, freePort, listener, Stage } from "../edge.suite.ts";
import { testAuthority, tlsOf } from "../tls/authority.suite.ts";
import { answerOf, get, type H2Answer } from "./session.suite.ts";

const stage = new Stage();
afterEach(() => stage.strike());

const { ca, issue } = testAuthority();
const tls = tlsOf([issue(["example.com"])]);
let port: number;

/** A message with its five bytes in front: not compressed, and its length. */
function message(text: string): Buffer {
  const frame = Buffer.alloc(5 + text.length);
  frame.writeUInt32BE(text.length, 1);
  frame.write(text, 5, "latin1");
  return frame;
}

/** The messages in `bytes`. */
function messages(bytes: string): string[] {
  const found: string[] = [];
  let rest = Buffer.from(bytes, "latin1");
  while (rest.length >= 5) {
    const end = 5 + rest.readUInt32BE(1);
    found.push(rest.toString("latin1", 5, end));
    rest = rest.subarray(end);
  }
  return found;
}

/** The endpoint's methods. */
const methods: Record<string, (stream: ServerHttp2Stream) => void> = {
  "/t.T/Echo": (stream) => {
    begin(stream, "0");
    stream.pipe(stream);
  },
  "/t.T/Count": (stream) => {
    begin(stream, "0");
    let bytes = 0;
    stream.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
    });
    stream.on("end", () => stream.end(message(String(bytes))));
  },
  "/t.T/Many": (stream) => {
    begin(stream, "0");
    for (const text of ["one", "two", "three"]) stream.write(message(text));
    stream.end();
  },
  "/t.T/Fail": (stream) => {
    // An error at once is an answer of trailers only.
    const only = { ":status": 200, "content-type": "application/grpc", "grpc-status": "5", "grpc-message": "none%21" };
    stream.respond(only, { endStream: true });
  },
};

function begin(stream: ServerHttp2Stream, status: string): void {
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": status, "x-more": "1" }));
}

beforeEach(async () => {
  const server = createServer();
  server.on("session", (session) => stage.later(() => session.destroy()));
  server.on("stream", (stream, fields) => {
    stream.on("error", () => stream.destroy());
    if (fields.te === "trailers") methods[String(fields[":path"])]?.(stream);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  stage.later(() => void server.close());
  port = await freePort();
  await stage.edge().apply({
    epoch: 1,
    listeners: [listener(port, [all("c")], { tls, http2: true })],
    clusters: [cluster("c", [address((server.address() as AddressInfo).port)], { protocol: "grpc" })],
  });
});

function call(method: string): ClientHttp2Stream {
  const session = connect(`https://127.0.0.1:${port}`, { ca, servername: "example.com" });
  session.on("error", () => session.destroy());
  stage.later(() => session.destroy());
  return session.request(get(`/t.T/${method}`, ["content-type", "application/grpc", "te", "trailers"], "POST"));
}

async function whole(method: string, ...texts: string[]): Promise<H2Answer> {
  const stream = call(method);
  const answer = answerOf(stream);
  for (const text of texts) stream.write(message(text));
  stream.end();
  return answer;
}

describe("gRPC", () => {
  it("unary", async () => {
    const { body, ...answer } = await whole("Echo", "hello");
    expect(messages(body)).toEqual(["hello"]);
    expect(answer).toMatchObject({ status: 200, trailers: { "grpc-status": "0", "x-more": "1" } });
  });

  it("server streaming", async () => {
    const { body, trailers } = await whole("Many", "");
    expect(messages(body)).toEqual(["one", "two", "three"]);
    expect(trailers).toMatchObject({ "grpc-status": "0" });
  });

  it("client streaming", async () => {
    const { body, trailers } = await whole("Count", "x".repeat(100_000), "y".repeat(100_000));
    expect(messages(body)).toEqual(["200010"]);
    expect(trailers).toMatchObject({ "grpc-status": "0" });
  });

  it("both at once: each answer comes before the next question", async () => {
    const stream = call("Echo");
    const answer = answerOf(stream);
    let received = "";
    stream.on("data", (chunk: Buffer) => {
      received += chunk.toString("latin1");
    });
    for (const text of ["a", "b", "c"]) {
      stream.write(message(text));
      await eventually(() => messages(received).includes(text));
    }
    stream.end();
    expect(await answer).toMatchObject({ status: 200, trailers: { "grpc-status": "0" } });
  });

  it("an error at once stays an answer of trailers only", async () => {
    const stream = call("Fail");
    const flags = once(stream, "response").then(([, given]) => given as number);
    const answer = answerOf(stream);
    stream.end(message(""));
    expect(await answer).toMatchObject({
      status: 200,
      headers: { "grpc-status": "5", "grpc-message": "none%21" },
      body: "",
      trailers: undefined,
    });
    // END_STREAM is set on the head itself.
    expect((await flags) & 1).toBe(1);
  });

  it("an error of the edge is a plain status, as ALB's is; clients know what it means", async () => {
    const nobody = await freePort();
    const other = await freePort();
    await stage.edge().apply({
      epoch: 1,
      listeners: [listener(other, [all("c")], { tls, http2: true })],
      clusters: [cluster("c", [address(nobody)], { protocol: "grpc" })],
    });
    port = other;
    const answer = await whole("Echo", "hello");
    expect(answer).toMatchObject({ status: 502, trailers: undefined });
    expect(answer.headers["grpc-status"]).toBeUndefined();
  });
});
