/** A server of HTTP/2 sessions in clear text, whose requests a test answers itself; and clients for it. */
import { connect, type ClientHttp2Session, type ClientHttp2Stream, type IncomingHttpHeaders } from "node:http2";
import { createServer, type AddressInfo } from "node:net";
import { systemClock, type Clock } from "../../base/clock.ts";
import { pageOf, createAnswerer } from "../answers.ts";
import type { Stage } from "../edge.suite.ts";
import type { ClientStream, Exchange } from "../exchange.ts";
import { limitsOf, type H1Limits } from "../h1/limits.ts";
import { Wheel } from "../wheel.ts";
import type { HeadRefusal } from "./request.ts";
import { ClientSession } from "./session.ts";

export interface SessionServer {
  port: number;
  sessions: Set<ClientSession>;
  /** Every request that was handed over. */
  requests: ClientStream[];
}

/** Serves sessions on a port of its own; `dispatch` answers. */
export async function serveSessions(
  stage: Stage,
  dispatch: (client: ClientStream) => Exchange,
  changes: Partial<H1Limits> & { clock?: Clock } = {},
): Promise<SessionServer> {
  const { clock = systemClock, ...limits } = changes;
  const sessions = new Set<ClientSession>();
  const requests: ClientStream[] = [];
  const wheel = new Wheel(clock);
  const answerer = createAnswerer("edge/1", () => "now");
  const owner = {
    limits: limitsOf("public", limits),
    desync: "defensive" as const,
    clock,
    wheel,
    ending: false,
    dispatch(client: ClientStream) {
      requests.push(client);
      return dispatch(client);
    },
    refusal: (_: ClientSession, { status, method }: HeadRefusal) => answerer.reply(pageOf(status), method),
    moved() {},
    closed: (session: ClientSession) => void sessions.delete(session),
  };
  const server = createServer((socket) => sessions.add(new ClientSession(socket, owner, undefined)));
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  stage.later(() => {
    for (const session of sessions) session.destroy();
    server.close();
    wheel.close();
  });
  return { port: (server.address() as AddressInfo).port, sessions, requests };
}

/** A client's session in clear text, by prior knowledge. */
export function h2Client(stage: Stage, port: number): ClientHttp2Session {
  const session = connect(`http://127.0.0.1:${port}`);
  session.on("error", () => session.destroy());
  stage.later(() => session.destroy());
  return session;
}

export interface H2Answer {
  status: number;
  headers: IncomingHttpHeaders;
  interims: number[];
  body: string;
  trailers: IncomingHttpHeaders | undefined;
  /** Code of the RST_STREAM that ended it; 0: none, or NO_ERROR. */
  code: number;
}

/** All that comes back on a stream. */
export async function answerOf(stream: ClientHttp2Stream): Promise<H2Answer> {
  const answer: H2Answer = { status: 0, headers: {}, interims: [], body: "", trailers: undefined, code: 0 };
  stream.on("headers", (headers) => answer.interims.push(headers[":status"] ?? 0));
  stream.on("response", (headers) => {
    answer.status = headers[":status"] ?? 0;
    answer.headers = headers;
  });
  stream.on("trailers", (trailers) => {
    answer.trailers = trailers;
  });
  stream.on("data", (chunk: Buffer) => {
    answer.body += chunk.toString("latin1");
  });
  stream.on("error", () => stream.destroy());
  await new Promise<void>((resolve) => {
    stream.on("close", resolve);
  });
  answer.code = stream.rstCode ?? 0;
  return answer;
}

/** Sends a request, whole, and gives what comes back. */
export function ask(session: ClientHttp2Session, fields: readonly string[], body?: string): Promise<H2Answer> {
  const stream = session.request(fields, { endStream: body === undefined });
  if (body !== undefined) stream.end(Buffer.from(body, "latin1"));
  return answerOf(stream);
}

/** The pseudo-header fields of a request, and `more`. */
export function get(path = "/", more: readonly string[] = [], method = "GET"): string[] {
  return [":method", method, ":scheme", "http", ":path", path, ":authority", "example.com", ...more];
}
