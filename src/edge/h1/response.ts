/** A scanned response head of an upstream, understood as strictly as a request: what is doubtful is not passed on. */
import type { Framing } from "./body.ts";
import { field } from "./fields.ts";
import { isKeepAlive, listOf, parseLength } from "./request.ts";
import { idMask, spanSize, type HeadScanner } from "./scan.ts";

/** One per upstream connection, filled anew for each response. */
export interface ResponseHead {
  status: number;
  minor: number;
  framing: Framing;
  /** Of framing `length`; for HEAD and 304, what the field said, or -1. */
  contentLength: number;
  /** The upstream lets the connection go on after this response. */
  keepAlive: boolean;
  /** Seconds after which the upstream closes an idle connection, from `Keep-Alive: timeout=`; 0 when it does not say. */
  keepAliveSeconds: number;
  connectionOptions: readonly string[];
  hasDate: boolean;
  text: string;
  spans: Int32Array;
  count: number;
}

export function emptyResponseHead(): ResponseHead {
  return {
    status: 0,
    minor: 1,
    framing: "none",
    contentLength: -1,
    keepAlive: true,
    keepAliveSeconds: 0,
    connectionOptions: none,
    hasDate: false,
    text: "",
    spans: new Int32Array(0),
    count: 0,
  };
}

const none: readonly string[] = [];

/** Fills `head`; the reason when the response may not be passed on. `method` is that of the request it answers. */
export function readResponse(scanner: HeadScanner, head: ResponseHead, method: string): string | undefined {
  head.text = scanner.text();
  head.spans = scanner.spans;
  head.count = scanner.count;
  head.status = scanner.status;
  head.minor = scanner.minor;
  head.contentLength = -1;
  head.keepAlive = scanner.minor === 1;
  head.keepAliveSeconds = 0;
  head.connectionOptions = none;
  head.hasDate = false;
  const { text, spans, count } = head;
  let coding: string | undefined;
  for (let i = 0, at = 0; i < count; i += 1, at += spanSize) {
    const id = (spans[at] as number) & idMask;
    if (id === field.other || id === field.server) continue;
    if (id === field.date) {
      head.hasDate = true;
      continue;
    }
    const value = text.slice(spans[at + 3], spans[at + 4]);
    if (id === field.contentLength) {
      if (head.contentLength >= 0) return "repeated-content-length";
      head.contentLength = parseLength(value);
      if (head.contentLength < 0) return "bad-content-length";
    } else if (id === field.transferEncoding) {
      if (coding !== undefined) return "repeated-transfer-encoding";
      coding = value.toLowerCase();
    } else if (id === field.connection) {
      readConnection(head, value);
    } else if (id === field.keepAlive) {
      head.keepAliveSeconds = Number(/timeout=(\d{1,6})/.exec(value)?.[1] ?? 0);
    }
  }
  if (coding !== undefined) {
    if (head.contentLength >= 0) return "content-length-and-transfer-encoding";
    if (head.minor === 0) return "transfer-encoding-in-http-1.0";
    if (coding !== "chunked") return "transfer-encoding-not-supported";
  }
  head.framing = framingOf(head, coding !== undefined, method);
  if (head.framing === "eof") head.keepAlive = false;
  return undefined;
}

function readConnection(head: ResponseHead, value: string): void {
  if (isKeepAlive(value)) {
    if (head.minor === 0) head.keepAlive = true;
    return;
  }
  const options = listOf(value);
  if (options.includes("close")) head.keepAlive = false;
  else if (options.includes("keep-alive") && head.minor === 0) head.keepAlive = true;
  const others = options.filter((option) => option !== "close" && option !== "keep-alive");
  if (others.length > 0) head.connectionOptions = [...head.connectionOptions, ...others];
}

function framingOf(head: ResponseHead, chunked: boolean, method: string): Framing {
  const { status } = head;
  if (method === "HEAD" || status < 200 || status === 204 || status === 304) return "none";
  if (chunked) return "chunked";
  return head.contentLength >= 0 ? "length" : "eof";
}
