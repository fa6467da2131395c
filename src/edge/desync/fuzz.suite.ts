/**
 * What must hold of every sequence of bytes that a client may send, and the sequences to try: known good and known bad
 * requests with a few bytes changed. `fuzz.test.ts` runs it briefly, `test/fuzz/http1.ts` for as long as one likes.
 */
import { createServer, METHODS, type Server } from "node:http";
import { duplexPair } from "node:stream";
import * as fc from "fast-check";
import { BodyReader } from "../h1/body.ts";
import { limitsOf } from "../h1/limits.ts";
import { emptyRequestHead, readRequest, type RequestHead } from "../h1/request.ts";
import { HeadScanner, needMore, ScannerPool, type Refusal } from "../h1/scan.ts";
import { trailerText } from "../h1/write.ts";
import type { DesyncMode } from "../ports.ts";
import { compileRequestRewriter } from "../rewrite.ts";
import { DoubtfulHead } from "./doubt.ts";
import { guardianHeads } from "./wire.suite.ts";

const limits = {
  ...limitsOf("public"),
  requestLineBytesMax: 200,
  fieldLineBytesMax: 150,
  headBytesMax: 600,
  fieldsMax: 12,
};

/** A request as it was understood, and as it is sent on. */
export interface Sent {
  head: Omit<RequestHead, "spans" | "text" | "count">;
  sent: string;
  end: number;
  isolated: boolean;
}

export type Reading = { refusal: Refusal } | { more: true } | Sent;

/** Pieces of memory that hold other things around what was read: who reads beyond, reads poison. */
function pieces(bytes: Buffer, cuts: readonly number[]): { buffer: Buffer; start: number; end: number }[] {
  const ends = [...new Set([...cuts.filter((cut) => cut > 0 && cut < bytes.length), bytes.length])].sort(
    (a, b) => a - b,
  );
  let at = 0;
  return ends.map((cut, i) => {
    const around = Buffer.from(i % 2 === 0 ? "\r\n\r\nGET /beyond HTTP/1.1\r\n" : "0123456789: abcdef\r\n ", "latin1");
    const buffer = Buffer.concat([around, bytes.subarray(at, cut), around]);
    const start = around.length;
    const end = start + cut - at;
    at = cut;
    return { buffer, start, end };
  });
}

const rewriter = compileRequestRewriter({
  forwarded: { xff: "append", preserveHost: true, dropInvalidNames: false },
  scheme: "http",
  port: 80,
  address: "127.0.0.1",
  newTraceId: () => "t",
});

/** Reads the first request of `bytes`, which come in pieces cut at `cuts`, and writes it for an endpoint. */
export function read(bytes: Buffer, cuts: readonly number[], mode: DesyncMode): Reading {
  const scanners = new ScannerPool(limits);
  const scanner = scanners.take("request");
  const head = emptyRequestHead();
  const body = new BodyReader();
  let doubt: DoubtfulHead | undefined;
  let sent = "";
  let whole: Sent["head"] | undefined;
  let end = 0;
  const sink = {
    bodyData(data: Buffer, from: number, to: number) {
      const text = data.toString("latin1", from, to);
      sent += head.framing === "chunked" ? `${text.length.toString(16)}\r\n${text}\r\n` : text;
    },
  };
  for (const { buffer, start, end: stop } of pieces(bytes, cuts)) {
    let pos = start;
    if (whole === undefined) {
      const after = readHead(buffer, pos, stop);
      if (typeof after !== "number") return { refusal: after };
      end += after === needMore ? stop - start : after - start;
      if (after !== needMore) {
        const { spans: _spans, text: _text, count: _count, ...rest } = head;
        whole = rest;
        const text = rewriter.head(head, { client: { address: "192.0.2.1", port: 1 }, tls: undefined });
        if (typeof text !== "string") return { refusal: { status: 463, reason: "too-many-forwarded" } };
        sent = text;
        body.begin(head.framing, head.contentLength, scanners, limits);
      }
      // The memory is used for something else once it was read.
      pos = after === needMore ? stop : after;
    }
    if (whole !== undefined) {
      const after = body.push(buffer, pos, stop, sink);
      end += after - pos;
      if (body.refusal !== undefined) return { refusal: body.refusal };
      if (body.done) return { head: whole, sent: sent + tail(), end, isolated: head.isolated };
    }
    buffer.fill(0x58);
  }
  return { more: true };

  function tail(): string {
    return head.framing === "chunked" ? `0\r\n${trailerText(body.trailers)}\r\n` : "";
  }
  function readHead(buffer: Buffer, from: number, to: number): number | Refusal {
    if (doubt !== undefined) return doubt.push(buffer, from, to);
    const after = scanner.push(buffer, from, to);
    if (after === needMore) return after;
    const refusal = after < 0 ? scanner.refusal : readRequest(scanner, head);
    if (refusal === undefined && head.verdict === undefined) return after;
    doubt = new DoubtfulHead(mode, limits, scanner, head);
    return doubt.open(refusal, from, after);
  }
}

/** What chunks there were is no part of the meaning. */
export function meaningOf(reading: Reading): unknown {
  if (!("sent" in reading)) return reading;
  return { ...reading, sent: reading.sent.slice(0, reading.sent.indexOf("\r\n\r\n")), body: framedBody(reading) };
}

/** The payload, and behind a bar what trailers there are. */
function framedBody(reading: Sent): string {
  const start = reading.sent.indexOf("\r\n\r\n") + 4;
  if (reading.head.framing !== "chunked") return `${reading.sent.slice(start)}|`;
  let body = "";
  for (let at = start; ;) {
    const lineEnd = reading.sent.indexOf("\r\n", at);
    const size = Number.parseInt(reading.sent.slice(at, lineEnd), 16);
    if (!(size > 0)) return `${body}|${reading.sent.slice(lineEnd + 2)}`;
    body += reading.sent.slice(lineEnd + 2, lineEnd + 2 + size);
    at = lineEnd + 4 + size;
  }
}

export function payloadOf(reading: Sent): string {
  return framedBody(reading).replace(/\|[^|]*$/, "");
}

/** Throws where what goes to an endpoint is not read there as it was meant, by our own strict scanner. */
export function assertCanonical(reading: Reading): void {
  if (!("sent" in reading)) return;
  const { head, sent } = reading;
  const bytes = Buffer.from(sent, "latin1");
  const wide = limitsOf("public");
  const scanner = new HeadScanner(wide);
  scanner.reset("request", wide);
  const again = emptyRequestHead();
  const after = scanner.push(bytes, 0, bytes.length);
  const refusal = after < 0 ? scanner.refusal : readRequest(scanner, again);
  if (refusal !== undefined) throw new Error(`sent on, it is refused: ${refusal.reason}`);
  const same = (["method", "target", "framing", "contentLength"] as const).every((key) => again[key] === head[key]);
  if (!same || scanner.lookalike) throw new Error("sent on, it is another request");
  const body = new BodyReader();
  body.begin(again.framing, again.contentLength, new ScannerPool(wide), wide);
  const end = body.push(bytes, after, bytes.length, { bodyData() {} });
  if (!body.done || body.refusal !== undefined || end !== bytes.length)
    throw new Error("sent on, its body ends elsewhere");
}

export interface OracleRequest {
  method: string | undefined;
  target: string | undefined;
  body: string;
}

/** llhttp in its strict form, without a network between: what `node:http` reads in bytes, and whether it was content. */
export class Llhttp {
  readonly #server: Server;
  #seen: OracleRequest[] = [];

  constructor() {
    this.#server = createServer({ insecureHTTPParser: false }, (request, response) => {
      const parts: Buffer[] = [];
      request.on("data", (part: Buffer) => parts.push(part));
      request.on("end", () => {
        const { method, url } = request;
        this.#seen.push({ method, target: url, body: Buffer.concat(parts).toString("latin1") });
        response.end();
      });
    });
    // It answers 400 by itself, and what was seen until then counts.
    this.#server.on("clientError", (_, socket) => socket.destroy());
  }

  /** @param trickled a byte at a time: what is whole before an error is then seen for sure */
  async read(bytes: Buffer, trickled = false): Promise<OracleRequest[]> {
    this.#seen = [];
    const [near, far] = duplexPair();
    const closed = new Promise<void>((resolve) => far.once("close", resolve));
    near.on("error", () => {});
    near.resume();
    this.#server.emit("connection", far);
    if (trickled) for (const byte of bytes) near.write(Buffer.of(byte));
    near.end(trickled ? undefined : bytes);
    await closed;
    return this.#seen;
  }
}

const good = [
  "GET /a?b=c HTTP/1.1\r\nHost: a\r\nX-A: 1\r\n\r\n",
  "POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
  "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nX-T: 1\r\n\r\n",
  "PUT /d HTTP/1.1\r\nhost: a\r\nTE: trailers\r\nConnection: TE, X-A\r\nX-A: 1\r\nContent-Length: 0\r\n\r\n",
  "GET /e HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
  "POST /f HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
  "OPTIONS * HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
  "GET http://b:81/g?h HTTP/1.1\r\nHost: a\r\n\r\n",
];
/** Pieces that have split servers. */
const poison = [
  ...'\r \n \r\n \r\n\r\n \n\r\n \r\r\n \0 \t : ; , = - + _ 0 1 5 f x \x0b \x0c \x7f \x85 \xa0 \xff \xc5\xbf \xc4\xb1 # % ? / @ [ "'.split(
    " ",
  ),
  ..." \r\n~\r\n\t~Content-Length: 3\r\n~Content-Length: 5\r\n~Transfer-Encoding: chunked\r\n~Transfer-Encoding: identity\r\n~Transfer-Encoding : chunked\r\n~Content_Length: 3\r\n~Host: b\r\n~: x\r\n~X-B:\r\n~Connection: close, Content-Length\r\n~chunked~gzip~HTTP/1.0~HTTP/1.2~GET /x HTTP/1.1\r\nHost: x\r\n\r\n".split(
    "~",
  ),
  " ",
];
const edit = fc.record({ at: fc.nat(300), remove: fc.nat(3), put: fc.constantFrom("", ...poison) });

/** Bytes to try, and where the reads of them end. */
export const attempts = fc.record({
  bytes: fc
    .tuple(fc.constantFrom(...good, ...guardianHeads), fc.array(edit, { maxLength: 4 }), fc.constantFrom("", ...good))
    .map(([text, edits, behind]) => {
      const changed = edits.reduce((before, { at, remove, put }) => {
        const place = at % (before.length + 1);
        return before.slice(0, place) + put + before.slice(place + remove);
      }, text);
      return Buffer.from(changed + behind, "latin1");
    }),
  cuts: fc.array(fc.nat(400), { maxLength: 8 }),
  mode: fc.constantFrom<DesyncMode>("monitor", "defensive", "strictest"),
});

/** Holds for every attempt: the same however it is cut, and sent on in a form that is read in one way. */
export function holds({ bytes, cuts, mode }: { bytes: Buffer; cuts: readonly number[]; mode: DesyncMode }): Reading {
  const reading = read(bytes, [], mode);
  const meaning = JSON.stringify(meaningOf(reading));
  for (const other of [cuts, Array.from(bytes.keys())]) {
    const again = JSON.stringify(meaningOf(read(bytes, other, mode)));
    if (again !== meaning) throw new Error(`cut at ${other.length} places it is ${again}, not ${meaning}`);
  }
  assertCanonical(reading);
  return reading;
}

/** Holds for every attempt: llhttp reads one request in what is sent on, and it is the same. */
export async function agrees(llhttp: Llhttp, reading: Reading): Promise<void> {
  // llhttp has a list of methods, HTTP has not.
  if (!("sent" in reading) || !METHODS.includes(reading.head.method)) return;
  const wanted = { method: reading.head.method, target: reading.head.target, body: payloadOf(reading) };
  const got = await llhttp.read(Buffer.from(reading.sent, "latin1"));
  if (JSON.stringify(got) !== JSON.stringify([wanted])) {
    throw new Error(`llhttp reads ${JSON.stringify(got)}, not ${JSON.stringify([wanted])}`);
  }
}
