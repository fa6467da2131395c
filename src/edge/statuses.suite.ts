/**
 * The answers that the edge gives for what is wrong with a request, or with what an endpoint says: ALB's statuses, and the
 * reason that is recorded with each (ALB user guide, "Troubleshoot your Application Load Balancers", "The load balancer
 * generates an HTTP error", as read in November 2026). The reason of an access log line is the one of its row.
 */
import type { VerdictReason } from "./desync/verdict.ts";
import type { ClusterConfig, ListenerConfig } from "./ports.ts";

export interface StatusCase {
  status: number;
  /** When ALB gives it. */
  when: string;
  reason: string;
  /** What the client says. */
  request: string;
  /** The class's reason, where the request has one. */
  classification?: VerdictReason;
  /** What the endpoint says to it, and then closes; `undefined`: the request does not get there. */
  answer?: string;
  /** The endpoint says nothing, and stays. */
  hangs?: true;
  /** Who answers: an endpoint with an address, unless told otherwise. */
  route?: "function" | "nobody" | "refuser";
  listener?: Partial<ListenerConfig>;
  cluster?: Partial<ClusterConfig>;
}

const get = (...fields: string[]) =>
  `GET /a HTTP/1.1\r\nHost: a\r\n${fields.map((line) => `${line}\r\n`).join("")}\r\n`;
const post = (fields: string, body: string) => `POST /a HTTP/1.1\r\nHost: a\r\n${fields}\r\n\r\n${body}`;
const long = (bytes: number) => "x".repeat(bytes);
const many = (count: number, bytes: number) => Array.from({ length: count }, (_, i) => `X-${i}: ${long(bytes)}`);
const addresses = Array.from({ length: 31 }, (_, i) => `192.0.2.${i}`).join(", ");
const kib = 1024;

export const statusCases: readonly StatusCase[] = [
  {
    status: 400,
    when: "what came is no request",
    reason: "bad-method",
    classification: "BadMethod",
    request: "\x16\x03\x01\x02\r\n\r\n",
  },
  { status: 400, when: "a request names no host", reason: "missing-host", request: "GET /a HTTP/1.1\r\n\r\n" },
  { status: 400, when: "a request names two hosts", reason: "repeated-host", request: get("Host: b") },
  { status: 400, when: "a host is none", reason: "bad-host", request: "GET /a HTTP/1.1\r\nHost: a/b\r\n\r\n" },
  { status: 400, when: "a target is none", reason: "bad-target", request: "GET a HTTP/1.1\r\nHost: a\r\n\r\n" },
  {
    status: 400,
    when: "a tunnel is asked for",
    reason: "connect-not-supported",
    request: "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
  },
  { status: 400, when: "one header is over 16 K", reason: "fields-too-large", request: get(`X: ${long(17 * kib)}`) },
  { status: 400, when: "all headers are over 64 K", reason: "fields-too-large", request: get(...many(70, kib)) },
  {
    status: 400,
    when: "there are more fields than anybody sends",
    reason: "too-many-fields",
    request: get(...many(600, 1)),
  },
  {
    status: 400,
    when: "a request is severe, and not let through",
    reason: "desync",
    classification: "MultipleContentLength",
    request: post("Content-Length: 3\r\nContent-Length: 4", "abc"),
  },
  {
    status: 400,
    when: "a request is ambiguous, in the strictest mode",
    reason: "desync",
    classification: "BothTeClPresent",
    request: post("Content-Length: 3\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
    listener: { desync: "strictest" },
  },
  {
    status: 400,
    when: "a body breaks its coding",
    reason: "bad-chunk-size",
    request: post("Transfer-Encoding: chunked", "nonsense\r\n"),
  },
  {
    status: 400,
    when: "a WebSocket is asked of a function",
    reason: "websocket-to-function",
    request: get("Connection: Upgrade", "Upgrade: websocket"),
    route: "function",
  },
  { status: 405, when: "the method is TRACE", reason: "trace", request: "TRACE /a HTTP/1.1\r\nHost: a\r\n\r\n" },
  {
    status: 408,
    when: "the head does not come before the idle timeout",
    reason: "head-timeout",
    request: "GET /a HTTP/1.1\r\n",
    listener: { idleTimeoutMs: 100 },
  },
  {
    status: 408,
    when: "the body does not come before the idle timeout",
    reason: "client-timeout",
    request: post("Content-Length: 3", "ab"),
    hangs: true,
    listener: { idleTimeoutMs: 100 },
  },
  {
    status: 413,
    when: "the body for a function is over 1 MB",
    reason: "body-too-large",
    request: post(`Content-Length: ${1024 * kib + 1}`, ""),
    route: "function",
  },
  {
    status: 414,
    when: "the URL is over 16 K",
    reason: "request-line-too-large",
    request: `GET /${long(17 * kib)} HTTP/1.1\r\nHost: a\r\n\r\n`,
  },
  {
    status: 463,
    when: "X-Forwarded-For has more than 30 addresses",
    reason: "too-many-forwarded",
    request: get(`X-Forwarded-For: ${addresses}`),
  },
  {
    status: 464,
    when: "the request's protocol is not the target group's",
    reason: "protocol-mismatch",
    request: get(),
    cluster: { protocol: "grpc" },
  },
  {
    status: 501,
    when: "a Transfer-Encoding is neither chunked nor identity",
    reason: "transfer-encoding-not-supported",
    request: post("Transfer-Encoding: gzip", ""),
  },
  {
    status: 501,
    when: "a Transfer-Encoding is more than chunked",
    reason: "transfer-encoding-not-supported",
    request: post("Transfer-Encoding: gzip, chunked", "0\r\n\r\n"),
  },
  {
    status: 502,
    when: "the target refuses the connection",
    reason: "connect-refused",
    request: get(),
    route: "refuser",
  },
  { status: 502, when: "the target closes with a request outstanding", reason: "reset", request: get(), answer: "" },
  {
    status: 502,
    when: "the answer is malformed",
    reason: "malformed-response",
    request: get(),
    answer: "HTTP/1.1 200 OK\nX: y\n\n",
  },
  {
    status: 502,
    when: "the answer frames its body twice",
    reason: "malformed-response",
    request: get(),
    answer: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  },
  {
    status: 502,
    when: "the answer's headers are over 32 K",
    reason: "malformed-response",
    request: get(),
    answer: `HTTP/1.1 200 OK\r\n${many(40, kib).join("\r\n")}\r\n\r\n`,
  },
  { status: 503, when: "the target group has no targets", reason: "no-endpoints", request: get(), route: "nobody" },
  {
    status: 504,
    when: "the target does not answer before the idle timeout",
    reason: "idle-timeout",
    request: get(),
    hangs: true,
    listener: { idleTimeoutMs: 100 },
  },
  {
    status: 505,
    when: "the version is none of HTTP/1",
    reason: "version-not-supported",
    request: "GET /a HTTP/2.0\r\nHost: a\r\n\r\n",
  },
];
