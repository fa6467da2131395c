/** A scanned request head, understood: method, target, authority and framing, or why it is refused (RFC 9112). */
import { verdictOf, type Verdict } from "../desync/verdict.ts";
import { flags, isDigit } from "./chars.ts";
import { field } from "./fields.ts";
import { idMask, spanSize, type HeadScanner, type Refusal } from "./scan.ts";

/** One per connection, filled anew for each request. */
export interface RequestHead {
  method: string;
  /** Origin form, or `*`. */
  target: string;
  /** The authority in lower case with its port as sent; empty when an HTTP/1.0 client named none. */
  host: string;
  /** The authority as sent. */
  hostText: string;
  /** HTTP/1.`minor`. */
  minor: number;
  framing: "none" | "length" | "chunked";
  contentLength: number;
  /** The client lets the connection go on after this request. */
  keepAlive: boolean;
  expectContinue: boolean;
  /** The client takes trailers (`TE: trailers`). */
  trailersWanted: boolean;
  /** Protocols of an `Upgrade` that `Connection` announces, in lower case. */
  upgrade: string | undefined;
  /** Options of `Connection` other than close and keep-alive, in lower case: fields not to pass on. */
  connectionOptions: readonly string[];
  /** Its class where it is not compliant. */
  verdict: Verdict | undefined;
  /** No field has a name with other characters than `-A-Za-z0-9`. */
  plainNames: boolean;
  /** Nothing may follow it on its connections, on either side. */
  isolated: boolean;
  /** The whole head, and where its fields lie in it; valid while the request is dispatched. */
  text: string;
  spans: Int32Array;
  count: number;
}

export function emptyRequestHead(): RequestHead {
  return {
    method: "",
    target: "",
    host: "",
    hostText: "",
    minor: 1,
    framing: "none",
    contentLength: 0,
    keepAlive: true,
    expectContinue: false,
    trailersWanted: false,
    upgrade: undefined,
    connectionOptions: none,
    verdict: undefined,
    plainNames: true,
    isolated: false,
    text: "",
    spans: new Int32Array(0),
    count: 0,
  };
}

const none: readonly string[] = [];

const refusals = {
  repeatedHost: { status: 400, reason: "repeated-host" },
  missingHost: { status: 400, reason: "missing-host" },
  badHost: { status: 400, reason: "bad-host" },
  repeatedLength: { status: 400, reason: "repeated-content-length" },
  badLength: { status: 400, reason: "bad-content-length" },
  repeatedCoding: { status: 400, reason: "repeated-transfer-encoding" },
  codingInOld: { status: 400, reason: "transfer-encoding-in-http-1.0" },
  bothFramings: { status: 400, reason: "content-length-and-transfer-encoding" },
  unknownCoding: { status: 501, reason: "transfer-encoding-not-supported" },
  badTarget: { status: 400, reason: "bad-target" },
  connect: { status: 400, reason: "connect-not-supported" },
  trace: { status: 405, reason: "trace" },
  expectation: { status: 417, reason: "expectation-not-supported" },
} as const satisfies Record<string, Refusal>;

/** Content-Length as digits only, or -1. */
export function parseLength(text: string): number {
  if (text.length === 0 || text.length > 16) return -1;
  let value = 0;
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (((flags[code] ?? 0) & isDigit) === 0) return -1;
    value = value * 10 + (code - 48);
  }
  return value <= Number.MAX_SAFE_INTEGER ? value : -1;
}

/** The members of a comma-separated list, in lower case, without the empty ones. */
export function listOf(value: string): string[] {
  return value
    .toLowerCase()
    .split(",")
    .map((member) => member.trim())
    .filter((member) => member !== "");
}

/** What an authority may look like: a name or an address, and perhaps a port. */
export const hostPattern = /^(?:[a-z0-9\-._~%!$&'()*+;=]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?$/i;

/** What the head says beside its first line, gathered in one pass. */
interface Seen {
  host: string | undefined;
  length: string | undefined;
  coding: string | undefined;
  expect: string | undefined;
  connection: string | undefined;
  upgrade: string | undefined;
}

/** Fills `head` from the complete head in `scanner`; a refusal when it is not one that may be acted on. */
export function readRequest(scanner: HeadScanner, head: RequestHead): Refusal | undefined {
  const text = scanner.text();
  head.text = text;
  head.spans = scanner.spans;
  head.count = scanner.count;
  head.minor = scanner.minor;
  head.method = text.slice(scanner.methodStart, scanner.methodEnd);
  head.target = text.slice(scanner.methodEnd + 1, scanner.targetEnd);
  head.trailersWanted = false;
  head.verdict = scanner.lookalike ? verdictOf("SuspiciousHeader") : undefined;
  head.plainNames = scanner.plainNames;
  head.isolated = false;
  const seen: Seen = {
    host: undefined,
    length: undefined,
    coding: undefined,
    expect: undefined,
    connection: undefined,
    upgrade: undefined,
  };
  return gather(head, seen) ?? readFraming(head, seen) ?? readConnection(head, seen) ?? readTarget(head, seen.host);
}

function gather(head: RequestHead, seen: Seen): Refusal | undefined {
  const { text, spans, count } = head;
  for (let i = 0, at = 0; i < count; i += 1, at += spanSize) {
    const id = (spans[at] as number) & idMask;
    // Those with greater ids say nothing about the message itself.
    if (id === field.other || id > field.upgrade) continue;
    const value = text.slice(spans[at + 3], spans[at + 4]);
    if (id === field.host) {
      if (seen.host !== undefined) return refusals.repeatedHost;
      seen.host = value;
    } else if (id === field.contentLength) {
      if (seen.length !== undefined) return refusals.repeatedLength;
      seen.length = value;
    } else if (id === field.transferEncoding) {
      if (seen.coding !== undefined) return refusals.repeatedCoding;
      seen.coding = value;
    } else if (id === field.connection) {
      seen.connection = seen.connection === undefined ? value : `${seen.connection},${value}`;
    } else if (id === field.expect) {
      seen.expect = seen.expect === undefined ? value : `${seen.expect},${value}`;
    } else if (id === field.upgrade) {
      seen.upgrade = seen.upgrade === undefined ? value : `${seen.upgrade},${value}`;
    } else if (id === field.te) {
      head.trailersWanted ||= listOf(value).includes("trailers");
    }
  }
  return undefined;
}

function readFraming(head: RequestHead, seen: Seen): Refusal | undefined {
  head.framing = "none";
  head.contentLength = 0;
  if (seen.coding !== undefined) {
    // One of the two is a lie, and a proxy that picks one picks for the next server too (RFC 9112 section 6.1).
    if (seen.length !== undefined) return refusals.bothFramings;
    if (head.minor === 0) return refusals.codingInOld;
    if (seen.coding.toLowerCase() !== "chunked") return refusals.unknownCoding;
    head.framing = "chunked";
    if (isBodiless(head)) head.verdict ??= verdictOf("UndefinedTransferEncodingSemantics");
  } else if (seen.length !== undefined) {
    const length = parseLength(seen.length);
    if (length < 0) return refusals.badLength;
    head.contentLength = length;
    head.framing = "length";
    if (isBodiless(head)) {
      head.verdict ??= verdictOf(length === 0 ? "GetHeadZeroContentLength" : "UndefinedContentLengthSemantics");
    }
  }
  return undefined;
}

/** A body has no meaning with its method (RFC 9110 section 9.3.1), so servers differ in whether they read one. */
function isBodiless({ method }: RequestHead): boolean {
  return method === "GET" || method === "HEAD";
}

/** `Connection` as most write it, for which no list need be made. */
export function isKeepAlive(value: string): boolean {
  return value === "keep-alive" || value === "Keep-Alive";
}

function readConnection(head: RequestHead, seen: Seen): Refusal | undefined {
  head.keepAlive = head.minor === 1;
  head.connectionOptions = none;
  head.upgrade = undefined;
  if (seen.connection !== undefined && isKeepAlive(seen.connection)) {
    head.keepAlive = true;
  } else if (seen.connection !== undefined) {
    const options = listOf(seen.connection);
    if (options.includes("close")) head.keepAlive = false;
    else if (options.includes("keep-alive")) head.keepAlive = true;
    head.connectionOptions = options.filter((option) => option !== "close" && option !== "keep-alive");
    if (seen.upgrade !== undefined && head.connectionOptions.includes("upgrade")) {
      head.upgrade = seen.upgrade.toLowerCase();
    }
  }
  head.expectContinue = false;
  if (seen.expect !== undefined && head.minor === 1) {
    if (seen.expect.toLowerCase() !== "100-continue") return refusals.expectation;
    head.expectContinue = head.framing === "chunked" || head.contentLength > 0;
  }
  return undefined;
}

function readTarget(head: RequestHead, hostField: string | undefined): Refusal | undefined {
  if (head.method === "CONNECT") return refusals.connect;
  if (head.method === "TRACE") return refusals.trace;
  if (hostField === undefined && head.minor === 1) return refusals.missingHost;
  if (hostField !== undefined && !hostPattern.test(hostField)) return refusals.badHost;
  head.hostText = hostField ?? "";
  if (head.target.charCodeAt(0) !== 47 && !(head.target === "*" && head.method === "OPTIONS")) {
    const absolute = readAbsolute(head.target, head.method);
    if (absolute === undefined) return refusals.badTarget;
    // The absolute form's authority replaces Host (RFC 9112 section 3.2.2).
    head.target = absolute.target;
    head.hostText = absolute.host;
  }
  head.host = head.hostText.toLowerCase();
  return undefined;
}

/** `http://authority/path?query` taken apart; undefined for any other form. */
function readAbsolute(target: string, method: string): { host: string; target: string } | undefined {
  const scheme = /^https?:\/\//i.exec(target);
  if (scheme === null) return undefined;
  const rest = target.slice(scheme[0].length);
  const end = rest.search(/[/?]/);
  const host = end < 0 ? rest : rest.slice(0, end);
  if (!hostPattern.test(host)) return undefined;
  const path = end < 0 ? "" : rest.slice(end);
  if (path === "" && method === "OPTIONS") return { host, target: "*" };
  return { host, target: path.startsWith("/") ? path : `/${path}` };
}

/** The fields as the rest of the house reads them. */
export function flatHeaders(head: Pick<RequestHead, "text" | "spans" | "count">): string[] {
  const { text, spans, count } = head;
  const headers: string[] = [];
  for (let i = 0, at = 0; i < count; i += 1, at += spanSize) {
    headers.push(text.slice(spans[at + 1], spans[at + 2]), text.slice(spans[at + 3], spans[at + 4]));
  }
  return headers;
}
