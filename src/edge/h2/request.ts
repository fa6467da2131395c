/** The head of an HTTP/2 request, checked (RFC 9113 section 8) and written as the scanner of HTTP/1.1 gives one. */
import { classifyFields } from "../desync/fields.ts";
import { isLookalikeName } from "../desync/lookalike.ts";
import { blocks, isolates } from "../desync/mode.ts";
import { tokenText } from "../h1/chars.ts";
import { field, fieldIdOf } from "../h1/fields.ts";
import type { H1Limits } from "../h1/limits.ts";
import { emptyRequestHead, hostPattern, parseLength, type RequestHead } from "../h1/request.ts";
import { spanSize, type Refusal } from "../h1/scan.ts";
import type { DesyncMode } from "../ports.ts";

/** Why a request is not acted on. One that is malformed has no answer: its stream is reset (RFC 9113 section 8.1.1). */
export interface HeadRefusal extends Refusal {
  malformed: boolean;
  method: string;
  /** Of its fields, before they were compressed. */
  bytes: number;
}

type Why = Pick<HeadRefusal, "status" | "reason" | "malformed" | "verdict">;

/** Pseudo-header fields, and what is gathered before the lines can be written. */
interface Seen {
  method: string;
  scheme: string;
  path: string;
  authority: string | undefined;
  host: string | undefined;
  cookie: string;
  /** Names and values of the other fields. */
  others: string[];
  bytes: number;
  /** A field was left out that looks like one that frames. */
  lookalike: boolean;
  /** See {@link RequestHead.plainNames}. */
  plainNames: boolean;
}

/** Fields that belong to an HTTP/1.1 connection; HTTP/2 has none (RFC 9113 section 8.2.2). */
export const connectionFields: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

export const namePattern = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
const plainPattern = /^[-0-9a-z]+$/;
/** No control character but HTAB, nothing beyond Latin-1, no white space around. */
// oxlint-disable-next-line no-control-regex -- control characters are what this is about
export const valuePattern = /^(?![\t ])[\t\x20-\x7e\x80-\xff]*(?<![\t ])$/;
/** As `isTarget` of HTTP/1.1's scanner has it, and bytes beyond ASCII, which are sent on percent-encoded. */
const pathPattern = /^(?:\/[!"$-~\x80-\xff]*|\*)$/;

export type ReadHead = { head: RequestHead } | { refusal: HeadRefusal };

/** How requests of a listener are read. */
export interface ReadRules {
  limits: H1Limits;
  /** How those are taken that are not compliant. */
  desync: DesyncMode;
}

/** The head of the request that `raw` (name, value, name, value ...) holds; `bare` when nothing follows it. */
export function readRequestHead(raw: readonly string[], bare: boolean, { limits, desync }: ReadRules): ReadHead {
  const seen: Seen = {
    method: "",
    scheme: "",
    path: "",
    authority: undefined,
    host: undefined,
    cookie: "",
    others: [],
    bytes: 0,
    lookalike: false,
    plainNames: true,
  };
  const wrong = gather(raw, seen, limits) ?? judge(seen);
  if (wrong !== undefined) return refusalOf(wrong, seen, raw, bare);
  const head = write(seen);
  const ill = readFields(head, seen, bare) ?? settle(head, seen, raw, bare, desync);
  return ill === undefined ? { head } : refusalOf(ill, seen, raw, bare);
}

function refusalOf(why: Why, { method, bytes }: Seen, raw: readonly string[], bare: boolean): ReadHead {
  const verdict = why.verdict ?? (why.malformed ? classifyFields(raw, bare) : undefined);
  return { refusal: { ...why, method, bytes, ...(verdict === undefined ? {} : { verdict }) } };
}

function malformed(reason: string): Why {
  return { status: 400, reason, malformed: true };
}

function refused(status: number, reason: string): Why {
  return { status, reason, malformed: false };
}

function gather(raw: readonly string[], seen: Seen, limits: H1Limits): Why | undefined {
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string;
    const value = raw[i + 1] as string;
    if (!valuePattern.test(value)) return malformed("bad-field-value");
    if (name.charCodeAt(0) === 58) {
      const wrong = seen.others.length > 0 ? malformed("late-pseudo-field") : takePseudo(name, value, seen);
      if (wrong !== undefined) return wrong;
      continue;
    }
    if (!plainPattern.test(name)) {
      if (!namePattern.test(name)) return malformed("bad-field-name");
      seen.plainNames = false;
    }
    if (connectionFields.has(name)) return malformed("connection-field");
    // Passed on in HTTP/1.1, the next server might frame the request by it; dropped, as over HTTP/1.1.
    if (isLookalikeName(name)) {
      seen.lookalike = true;
      continue;
    }
    const size = name.length + value.length + 4;
    if (size > limits.fieldLineBytesMax) return refused(limits.fieldsTooLargeStatus, "fields-too-large");
    seen.bytes += size;
    seen.others.push(name, value);
  }
  if (seen.bytes > limits.headBytesMax) return refused(limits.fieldsTooLargeStatus, "fields-too-large");
  if (seen.path.length + seen.method.length > limits.requestLineBytesMax) {
    return refused(414, "request-line-too-large");
  }
  return undefined;
}

function takePseudo(name: string, value: string, seen: Seen): Why | undefined {
  if (name === ":authority") {
    if (seen.authority !== undefined) return malformed("repeated-pseudo-field");
    seen.authority = value;
    return undefined;
  }
  // `:status` is of responses, `:protocol` was not offered (RFC 8441), and there are no others.
  if (name !== ":method" && name !== ":scheme" && name !== ":path") return malformed("unknown-pseudo-field");
  const key = name === ":method" ? "method" : name === ":scheme" ? "scheme" : "path";
  if (seen[key] !== "") return malformed("repeated-pseudo-field");
  if (value === "") return malformed("empty-pseudo-field");
  seen[key] = value;
  return undefined;
}

function judge(seen: Seen): Why | undefined {
  const { method, scheme, path } = seen;
  if (!tokenText(method)) return malformed("bad-method");
  if (method === "CONNECT") return refused(400, "connect-not-supported");
  if (method === "TRACE") return refused(405, "trace");
  if (scheme !== "http" && scheme !== "https") return malformed("bad-scheme");
  if (path === "") return malformed("missing-path");
  if (!pathPattern.test(path) || (path === "*" && method !== "OPTIONS")) return malformed("bad-target");
  return undefined;
}

/** Writes the lines; `Host` first, where `:authority` says it, and the crumbs of the cookie in one. */
function write(seen: Seen): RequestHead {
  const { others } = seen;
  const fields: string[] = [];
  for (let i = 0; i < others.length; i += 2) {
    const name = others[i] as string;
    const value = others[i + 1] as string;
    if (name === "cookie") seen.cookie += seen.cookie === "" ? value : `; ${value}`;
    else if (name === "host" && seen.host === undefined) seen.host = value;
    else fields.push(name, value);
  }
  if (seen.cookie !== "") fields.push("cookie", seen.cookie);
  const host = seen.authority ?? seen.host;
  if (host !== undefined) fields.unshift("host", host);
  const head = emptyRequestHead();
  head.method = seen.method;
  head.target = encoded(seen.path);
  head.hostText = host ?? "";
  head.host = head.hostText.toLowerCase();
  const first = `${seen.method} ${head.target} HTTP/2.0\r\n`;
  const { text, spans } = linesOf(first, fields);
  head.text = text;
  head.spans = spans;
  head.count = fields.length / 2;
  head.plainNames = seen.plainNames;
  return head;
}

/** Lines as HTTP/1.1 writes them behind `first`, with the empty one at the end, and where their parts lie. */
export function linesOf(first: string, fields: readonly string[]): { text: string; spans: Int32Array } {
  const spans = new Int32Array((fields.length / 2) * spanSize);
  let text = first;
  for (let i = 0, at = 0; i < fields.length; i += 2, at += spanSize) {
    const name = fields[i] as string;
    const value = fields[i + 1] as string;
    const start = text.length;
    spans[at] = fieldIdOf(name);
    spans[at + 1] = start;
    spans[at + 2] = start + name.length;
    spans[at + 3] = start + name.length + 2;
    spans[at + 4] = start + name.length + 2 + value.length;
    text += `${name}: ${value}\r\n`;
  }
  return { text: `${text}\r\n`, spans };
}

function readFields(head: RequestHead, seen: Seen, bare: boolean): Why | undefined {
  const { others, authority, host } = seen;
  if (head.hostText === "") return malformed("missing-host");
  if (!hostPattern.test(head.hostText)) return malformed("bad-host");
  if (authority !== undefined && host !== undefined && host.toLowerCase() !== head.host) {
    return malformed("host-is-not-authority");
  }
  let length = -1;
  for (let i = 0; i < others.length; i += 2) {
    const value = others[i + 1] as string;
    switch (fieldIdOf(others[i] as string)) {
      case field.contentLength:
        if (length >= 0) return malformed("repeated-content-length");
        length = parseLength(value);
        if (length < 0) return malformed("bad-content-length");
        break;
      case field.te:
        if (value.toLowerCase() !== "trailers") return malformed("te");
        head.trailersWanted = true;
        break;
      case field.expect:
        if (value.toLowerCase() !== "100-continue") return refused(417, "expectation-not-supported");
        head.expectContinue = !bare;
        break;
      default:
    }
  }
  if (countHosts(others) > 1) return malformed("repeated-host");
  if (bare && length > 0) return malformed("content-length-without-body");
  head.framing = length >= 0 ? "length" : bare ? "none" : "chunked";
  head.contentLength = Math.max(0, length);
  return undefined;
}

/**
 * Applies the listener's mode to a head that is understood, and not compliant: one with a field that was left out, or a GET
 * with a body. That has its end here; but not every endpoint that speaks HTTP/1.1 looks for it, and what it left would be
 * the next request.
 */
function settle(
  head: RequestHead,
  { lookalike }: Seen,
  raw: readonly string[],
  bare: boolean,
  mode: DesyncMode,
): Why | undefined {
  const bodiless = head.method === "GET" || head.method === "HEAD";
  if (!lookalike && !(bodiless && head.framing !== "none")) return undefined;
  const verdict = classifyFields(raw, bare);
  if (verdict === undefined) return undefined;
  head.verdict = verdict;
  if (blocks(mode, verdict)) return { ...refused(400, "desync"), verdict };
  head.isolated = isolates(mode, verdict, lookalike);
  return undefined;
}

/** A path with what is beyond ASCII percent-encoded. */
function encoded(path: string): string {
  return path.replace(/[\x80-\xff]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

function countHosts(others: readonly string[]): number {
  let count = 0;
  for (let i = 0; i < others.length; i += 2) if (others[i] === "host") count += 1;
  return count;
}
