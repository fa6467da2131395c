import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ChunkedReader } from "./chunked.ts";
import { limitsOf } from "./limits.ts";
import { emptyRequestHead, flatHeaders, readRequest } from "./request.ts";
import { emptyResponseHead, readResponse } from "./response.ts";
import { HeadScanner, needMore, ScannerPool } from "./scan.ts";

const limits = {
  ...limitsOf("public"),
  requestLineBytesMax: 60,
  fieldLineBytesMax: 60,
  headBytesMax: 200,
  fieldsMax: 6,
};

/** What a scanner says of `bytes` that come in pieces cut at `cuts`: everything that anybody reads from it. */
function scan(kind: "request" | "response", bytes: Buffer, cuts: readonly number[]) {
  const scanner = new HeadScanner(limits);
  scanner.reset(kind, limits);
  let at = 0;
  for (const cut of [...cuts, bytes.length]) {
    if (cut <= at) continue;
    // Each piece in memory of its own, as reads are; overwritten once it was pushed.
    const piece = Buffer.from(bytes.subarray(at, cut));
    const after = scanner.push(piece, 0, piece.length);
    if (after === needMore) {
      piece.fill(0);
      at = cut;
      continue;
    }
    if (after < 0) return { refusal: scanner.refusal };
    if (kind === "response") {
      const head = emptyResponseHead();
      return { end: at + after, refusal: readResponse(scanner, head, "GET"), head: { ...head, spans: [] } };
    }
    const head = emptyRequestHead();
    const refusal = readRequest(scanner, head);
    return { end: at + after, refusal, head: { ...head, spans: [] }, fields: flatHeaders(head) };
  }
  return { more: true };
}

const bit = fc.constantFrom(
  ..."GET POST / /a?b HTTP/1.1 HTTP/1.0 HTTP/2.0 \r \n \r\n \r\n\r\n : ; \t \0 \x7f \xff , = 0 1 5 chunked 200 OK".split(
    " ",
  ),
  " ",
  "Host: a\r\n",
  "Content-Length: 5\r\n",
  "Transfer-Encoding: chunked\r\n",
  "Connection: close, x\r\n",
  "x".repeat(40),
);
const soup = fc.array(bit, { maxLength: 25 }).map((bits) => bits.join(""));
const request = fc
  .tuple(
    fc.constantFrom("GET / HTTP/1.1\r\n", "POST /a HTTP/1.1\r\n", "GET / HTTP/1.0\r\n", ""),
    soup,
    fc.constantFrom("\r\n\r\n", ""),
  )
  .map((parts) => parts.join(""));
const response = fc
  .tuple(fc.constantFrom("HTTP/1.1 200 OK\r\n", "HTTP/1.1 ", ""), soup, fc.constantFrom("\r\n\r\n", ""))
  .map((parts) => parts.join(""));

describe("the scanner", () => {
  it.each([
    ["request", request],
    ["response", response],
  ] as const)("reads a %s the same however it is cut", (kind, texts) => {
    fc.assert(
      fc.property(texts, fc.array(fc.nat(300), { maxLength: 6 }), (text, cuts) => {
        const bytes = Buffer.from(text, "latin1");
        const whole = scan(kind, bytes, []);
        const sorted = [...cuts].sort((a, b) => a - b).filter((cut) => cut < bytes.length);
        expect(scan(kind, bytes, sorted)).toEqual(whole);
        expect(scan(kind, bytes, Array.from(bytes.keys()))).toEqual(whole);
      }),
      { numRuns: 2_000 },
    );
  });

  it("keeps no more than a head may have", () => {
    const scanner = new HeadScanner(limits);
    scanner.reset("request", limits);
    const piece = Buffer.from("GET / HTTP/1.1\r\n");
    expect(scanner.push(piece, 0, piece.length)).toBe(needMore);
    const flood = Buffer.alloc(1_000_000, "a: 1\r\n");
    expect(scanner.push(flood, 0, flood.length)).toBeLessThan(needMore);
    expect(scanner.bytes.length).toBeLessThan(5_000);
  });
});

describe("chunks", () => {
  function read(text: string, cuts: readonly number[]) {
    const pool = new ScannerPool(limits);
    const reader = new ChunkedReader(pool, { trailerBytesMax: 100, chunkExtensionBytesMax: 20 });
    const bytes = Buffer.from(text, "latin1");
    let body = "";
    let at = 0;
    const sink = {
      bodyData(piece: Buffer, start: number, end: number) {
        body += piece.toString("latin1", start, end);
      },
    };
    for (const cut of [...cuts, bytes.length]) {
      if (cut <= at) continue;
      const piece = Buffer.from(bytes.subarray(at, cut));
      const after = reader.push(piece, 0, piece.length, sink);
      if (reader.refusal !== undefined) return { refusal: reader.refusal };
      if (reader.done) return { end: at + after, body, trailers: reader.trailers };
      at = cut;
    }
    return { body };
  }

  const piece = fc.constantFrom(
    "0",
    "5",
    "a",
    "00",
    "\r\n",
    "\r",
    "\n",
    ";x=1",
    "hello",
    "0123456789",
    "X: 1\r\n",
    " ",
    "\r\n\r\n",
  );
  const good = fc.array(fc.string({ minLength: 1, maxLength: 20, unit: "binary-ascii" }), { maxLength: 5 });

  it("are read the same however they are cut", () => {
    const texts = fc.oneof(
      fc.array(piece, { maxLength: 15 }).map((pieces) => pieces.join("")),
      good.map(
        (parts) =>
          `${parts.map((part) => `${part.length.toString(16)}\r\n${part}\r\n`).join("")}0\r\nX-T: 1\r\n\r\nnext`,
      ),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const whole = read(text, []);
        expect(
          read(
            text,
            Array.from({ length: text.length }, (_, i) => i),
          ),
        ).toEqual(whole);
      }),
      { numRuns: 2_000 },
    );
  });

  it("give what was put in them, and stop at their end", () => {
    fc.assert(
      fc.property(good, (parts) => {
        const text = `${parts.map((part) => `${part.length.toString(16)}\r\n${part}\r\n`).join("")}0\r\nX-T: 1\r\n\r\n`;
        expect(read(`${text}next`, [])).toEqual({ end: text.length, body: parts.join(""), trailers: ["X-T", "1"] });
      }),
    );
  });

  it("bring no trailer that frames, routes or authorises", () => {
    expect(read("0\r\nAuthorization: x\r\nX-T: 1\r\n\r\n", [])).toMatchObject({ trailers: ["X-T", "1"] });
    for (const name of ["Content-Length", "transfer-encoding", "HOST"]) {
      expect(read(`0\r\nX-T: 1\r\n${name}: 5\r\n\r\n`, []).refusal?.reason).toBe("framing-in-trailers");
    }
  });
});
