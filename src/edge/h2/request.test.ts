import { describe, expect, it } from "vitest";
import { limitsOf } from "../h1/limits.ts";
import { verdictOf, type VerdictReason } from "../desync/verdict.ts";
import type { DesyncMode } from "../ports.ts";
import { requestFields } from "./fields.ts";
import { readRequestHead } from "./request.ts";

const pseudo = [":method", "GET", ":scheme", "https", ":path", "/", ":authority", "a"];

/** The pseudo-header fields with one of them changed, or left out. */
function but(name: string, value?: string): string[] {
  const at = pseudo.indexOf(name);
  return [...pseudo.slice(0, at), ...(value === undefined ? [] : [name, value]), ...pseudo.slice(at + 2)];
}

function read(fields: readonly string[], bare = true, desync: DesyncMode = "defensive") {
  return readRequestHead(fields, bare, { limits: limitsOf("public"), desync });
}

/** What is malformed (RFC 9113 section 8), and so never answered, only reset. */
const malformed: [what: string, fields: string[], reason: string][] = [
  ["no :method", but(":method"), "bad-method"],
  ["no :scheme", but(":scheme"), "bad-scheme"],
  ["no :path", but(":path"), "missing-path"],
  ["an empty :path", but(":path", ""), "empty-pseudo-field"],
  ["no authority at all", but(":authority"), "missing-host"],
  ["an empty authority", but(":authority", ""), "missing-host"],
  ["user information in the authority", but(":authority", "u:p@a"), "bad-host"],
  [":method twice", [...pseudo, ":method", "GET"], "repeated-pseudo-field"],
  [":authority twice", [...pseudo, ":authority", "a"], "repeated-pseudo-field"],
  [":status", [...pseudo, ":status", "200"], "unknown-pseudo-field"],
  [":protocol, which was not offered", [...pseudo, ":protocol", "websocket"], "unknown-pseudo-field"],
  ["a pseudo-header field after another", [...but(":path"), "x", "1", ":path", "/"], "late-pseudo-field"],
  ["a method that is no token", but(":method", "GE T"), "bad-method"],
  ["a line end in the method", but(":method", "GET / HTTP/1.1\r\nX: 1"), "bad-field-value"],
  ["a line end in the path", but(":path", "/\r\nX: 1"), "bad-field-value"],
  ["a line end in a value", [...pseudo, "x", "1\r\nTransfer-Encoding: chunked"], "bad-field-value"],
  ["a bare LF in a value", [...pseudo, "x", "1\nx: 2"], "bad-field-value"],
  ["NUL in a value", [...pseudo, "x", "1\0"], "bad-field-value"],
  ["a space before a value", [...pseudo, "x", " 1"], "bad-field-value"],
  ["a tab behind a value", [...pseudo, "x", "1\t"], "bad-field-value"],
  ["a space in the path", but(":path", "/a b"), "bad-target"],
  ["a fragment", but(":path", "/a#b"), "bad-target"],
  ["the absolute form", but(":path", "http://b/"), "bad-target"],
  ["a name in upper case", [...pseudo, "X-A", "1"], "bad-field-name"],
  ["a colon in a name", [...pseudo, "x:a", "1"], "bad-field-name"],
  ["a line end in a name", [...pseudo, "x: 1\r\ny", "1"], "bad-field-name"],
  ["an empty name", [...pseudo, "", "1"], "bad-field-name"],
  ...["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"].map(
    (name): [string, string[], string] => [name, [...pseudo, name, "x"], "connection-field"],
  ),
  ["te of something else", [...pseudo, "te", "trailers, gzip"], "te"],
  ["another Host", [...pseudo, "host", "b"], "host-is-not-authority"],
  ["Host twice", [...pseudo, "host", "a", "host", "a"], "repeated-host"],
  ["content-length twice", [...pseudo, "content-length", "0", "content-length", "0"], "repeated-content-length"],
  ["a content-length that is no number", [...pseudo, "content-length", "+1"], "bad-content-length"],
  ["a content-length without a body", [...pseudo, "content-length", "1"], "content-length-without-body"],
];

const refused: [what: string, fields: string[], status: number][] = [
  ["CONNECT", [":method", "CONNECT", ":authority", "a:1"], 400],
  ["TRACE", but(":method", "TRACE"), 405],
  ["an expectation", [...pseudo, "expect", "99-go"], 417],
  ["a long path", but(":path", `/${"a".repeat(16 * 1024)}`), 414],
  ["a long field", [...pseudo, "x", "a".repeat(16 * 1024)], 400],
];

describe("the head of a request to an HTTP/2 endpoint", () => {
  it("has the authority first, and nothing of an HTTP/1.1 connection", () => {
    const lines = ["Host: A:1", "X-B: c: d", "Connection: TE", "TE: trailers", "Transfer-Encoding: chunked"];
    const text = `POST /p?q HTTP/1.1\r\n${[...lines, "HTTP2-Settings: x", "Upgrade: h2c"].join("\r\n")}\r\n\r\n`;
    expect(requestFields(text, "POST", "http")).toEqual(
      [":method POST", ":scheme http", ":path /p?q", ":authority A:1", "x-b c:_d", "te trailers"]
        .flatMap((field) => field.split(" "))
        .map((part) => part.replace("_", " ")),
    );
  });
});

describe("the head of an HTTP/2 request", () => {
  it.each(malformed)("is malformed with %s", (_, fields, reason) => {
    expect(read(fields)).toMatchObject({ refusal: { malformed: true, status: 400, reason } });
  });

  it.each(refused)("is understood, and refused with %s", (_, fields, status) => {
    expect(read(fields)).toMatchObject({ refusal: { malformed: false, status } });
  });

  it.each([
    ["none", [], true, "none", 0],
    ["of no length", [], false, "chunked", 0],
    ["of a length", ["content-length", "7"], false, "length", 7],
    ["of length 0", ["content-length", "0"], true, "length", 0],
  ] as const)("frames a body: %s", (_, more, bare, framing, contentLength) => {
    expect(read([...but(":method", "POST"), ...more], bare)).toMatchObject({ head: { framing, contentLength } });
  });

  it("takes Host where there is no authority, and both where they are one", () => {
    expect(read([...but(":authority"), "host", "B:1"])).toMatchObject({ head: { host: "b:1", hostText: "B:1" } });
    expect(read([...pseudo, "host", "A"])).toMatchObject({
      head: { host: "a", text: "GET / HTTP/2.0\r\nhost: a\r\n\r\n" },
    });
  });

  it("percent-encodes what is beyond ASCII in a path", () => {
    expect(read(but(":path", "/\xc3\xbc?\xff"))).toMatchObject({
      head: { target: "/%C3%BC?%FF", text: "GET /%C3%BC?%FF HTTP/2.0\r\nhost: a\r\n\r\n", verdict: undefined },
    });
  });
});

/** Not compliant as a head of HTTP/1.1, and understood all the same. */
const odd: [what: string, fields: string[], bare: boolean, reason: VerdictReason][] = [
  ["a GET with a length of 0", [...pseudo, "content-length", "0"], true, "GetHeadZeroContentLength"],
  ["a HEAD with a length of 0", [...but(":method", "HEAD"), "content-length", "0"], true, "GetHeadZeroContentLength"],
  ["a GET with a length", [...pseudo, "content-length", "1"], false, "UndefinedContentLengthSemantics"],
  [
    "a HEAD with a length",
    [...but(":method", "HEAD"), "content-length", "1"],
    false,
    "UndefinedContentLengthSemantics",
  ],
  ["a GET with a body of no length", pseudo, false, "UndefinedContentLengthSemantics"],
  ["a name that looks like one that frames", [...pseudo, "transfer_encoding", "chunked"], true, "SuspiciousHeader"],
  ["another one", [...but(":method", "POST"), "content_length", "1"], false, "SuspiciousHeader"],
];

/** Refused in every mode; what AWS would call it is in logs and metrics. */
const classed: [what: string, fields: string[], reason: VerdictReason | undefined][] = [
  [
    "length and coding",
    [...but(":method", "POST"), "content-length", "1", "transfer-encoding", "chunked"],
    "BothTeClPresent",
  ],
  ["a coding on GET", [...pseudo, "transfer-encoding", "chunked"], "UndefinedTransferEncodingSemantics"],
  ["an unknown coding", [...pseudo, "transfer-encoding", "xchunked"], "BadTransferEncoding"],
  ["chunked twice", [...pseudo, "transfer-encoding", "chunked, chunked"], "MultipleTransferEncodingChunked"],
  ["two lengths", [...but(":method", "POST"), "content-length", "1", "content-length", "2"], "MultipleContentLength"],
  [
    "a length twice",
    [...but(":method", "POST"), "content-length", "1", "content-length", "1"],
    "DuplicateContentLength",
  ],
  ["a length that is none", [...pseudo, "content-length", "+1"], "BadContentLength"],
  ["NUL in a value", [...pseudo, "x", "1\0"], "BadHeader"],
  ["a line end in a value", [...pseudo, "x", "1\r\nTransfer-Encoding: chunked"], "BadHeader"],
  ["a line end in a name", [...pseudo, "x: 1\r\ny", "1"], "BadHeader"],
  ["a control character in a value", [...pseudo, "x", "\x01"], "NonCompliantHeader"],
  ["an empty name", [...pseudo, "", "1"], "EmptyHeader"],
  ["a method that is no token", but(":method", "GE T"), "BadMethod"],
  ["a line end in the path", but(":path", "/\r\nX: 1"), "BadUri"],
  ["a space in the path", but(":path", "/a b"), "SpaceInUri"],
  ["a control character in the path", but(":path", "/\x7f"), "AmbiguousUri"],
  ["a pseudo-header field twice, which has no class", [...but(":method", "PUT"), ":scheme", "http"], undefined],
];

describe("desync modes of HTTP/2", () => {
  it.each(odd)("%s passes, is set apart, or is blocked", (_, fields, bare, reason) => {
    const verdict = verdictOf(reason);
    const ambiguous = verdict.class === "Ambiguous";
    // A field that was left out is a repair, as over HTTP/1.1.
    expect(read(fields, bare, "monitor")).toMatchObject({ head: { verdict, isolated: reason === "SuspiciousHeader" } });
    expect(read(fields, bare, "defensive")).toMatchObject({ head: { verdict, isolated: ambiguous } });
    expect(read(fields, bare, "strictest")).toMatchObject({
      refusal: { status: 400, reason: "desync", malformed: false, verdict },
    });
  });

  it.each(classed)("%s is refused in every mode, with its class", (_, fields, reason) => {
    for (const mode of ["monitor", "defensive", "strictest"] as const) {
      const answer = read(fields, false, mode);
      expect(answer).toMatchObject({ refusal: { malformed: true, status: 400 } });
      expect("refusal" in answer ? answer.refusal.verdict?.reason : "passed").toBe(reason);
    }
  });

  it.each(["monitor", "defensive", "strictest"] as const)("%s passes what is compliant", (mode) => {
    expect(read([...pseudo, "x", "1"], true, mode)).toMatchObject({ head: { verdict: undefined, isolated: false } });
    expect(read(but(":method", "POST"), false, mode)).toMatchObject({ head: { verdict: undefined, isolated: false } });
  });
});
