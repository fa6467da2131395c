/**
 * The public test cases of `aws/http-desync-guardian` (commit 7dd6f37, `tests/*.yaml`, Apache-2.0), the library that the
 * ALB user guide names for its desync mitigation modes: what each request is, and the reason of the class that AWS puts
 * it in. What is no ASCII is UTF-8 on the wire.
 */
import type { Headers } from "../../base/http.ts";
import type { VerdictReason } from "./verdict.ts";

export interface GuardianCase {
  method: string;
  target: string;
  version: string;
  /** Name, value, name, value. */
  fields: Headers;
  reason: GuardianReason;
  /** Its reason as bytes on a wire, where another request is read there: the library's tests hand over the parts. */
  onWire?: GuardianReason;
  /** It has no canonical form: what it is answered where its class may pass. */
  status?: number;
}

export type GuardianReason = VerdictReason | "Compliant";

function row(method: string, target: string, version: string, reason: GuardianReason, ...fields: string[]) {
  return { method, target, version, fields, reason } satisfies GuardianCase;
}
const of =
  (method: string) =>
  (reason: GuardianReason, ...fields: string[]) =>
    row(method, "/foo/bar", "HTTP/1.1", reason, ...fields);
const [get, head, post, put] = [of("GET"), of("HEAD"), of("POST"), of("PUT")];

const onWire = (reason: GuardianReason, each: GuardianCase): GuardianCase => ({ ...each, onWire: reason });
const answered = (status: number, each: GuardianCase): GuardianCase => ({ ...each, status });

/** What the "real-life" cases have beside what they are about. */
const browser = ["User-Agent", " Mozilla/5.0", "Accept-Encoding", " gzip, deflate", "Connection", " keep-alive"];
const page = (reason: GuardianReason, ...fields: string[]) =>
  row("POST", "/test.html", "HTTP/1.1", reason, ...fields, ...browser);
const many = Array.from({ length: 29 }, (_, i) => [`Header-Name-${i + 1}`, "Ok"]).flat();

/** By the file they are in. */
export const guardianCases: Readonly<Record<string, readonly GuardianCase[]>> = {
  "single-case.yaml": [post("BothTeClPresent", "Transfer-Encoding", "chunked", "Content-Length", "100")],
  "edge-cases.yaml": [
    answered(
      400,
      post("BadContentLength", "Some-Custom-Header", "Non-Rfc Compliant\x12", "Content-Length", "1000\x11"),
    ),
    answered(
      501,
      post("BadTransferEncoding", "Some-Custom-Header", "Non-Rfc Compliant\x11", "Transfer-Encoding", "chunked\x7f"),
    ),
    put("BadHeader", "Some-Custom-Header\t", "\x11\x12 But then \x00 which is bad", "Transfer-Encoding\t", "chunked"),
    get(
      "UndefinedTransferEncodingSemantics",
      "Some-Custom-Header",
      "Non Rfc -Compliant\x01",
      "Transfer-Encoding",
      "chunked",
    ),
    head("UndefinedContentLengthSemantics", "Some-Custom-Header", "Non Rfc Compliant\x01", "Content-Length", "9000"),
    answered(
      501,
      post(
        "BadTransferEncoding",
        "Some-Custom-Header",
        "\x11Rfc Compliant",
        "Transfer-Encoding",
        "chunked\u0080",
        "Content-Length",
        "$9000",
      ),
    ),
    answered(
      501,
      row(
        "POST",
        "/foo/bar\\t/baz",
        "HTTP/1.1",
        "BadTransferEncoding",
        "Some-Custom-Header",
        "\x11Rfc Compliant",
        "Transfer-Encoding",
        "chunked\u0080",
        "Content-Length",
        "$9000",
      ),
    ),
    row(
      "GET",
      "/foo/bar\\t/baz",
      "HTTP/1.1",
      "UndefinedContentLengthSemantics",
      "Some-Custom-Header",
      "Non Rfc -Compliant\x01",
      "Content-Length",
      "9000",
    ),
  ],
  "rfc-compliant.yaml": [
    get("Compliant"),
    post("Compliant", "Transfer-Encoding", "chunked"),
    put("Compliant", "Content-Length", "1000"),
    post("Compliant", "Transfer-Encoding", "chunked", "My-Custom-Header", "\t\t\tCustom-Value;`\u0085\u0093\u00a0"),
    post("Compliant", "My-Custom-Header.!#$%&'*+^_`|~0123456789", "\t\t\tCustom-Value;`\u0085\u0093\u00a0"),
    post("Compliant", "My_Custom_Header", "\t\t\tCustom-Value;`\u0085\u0093\u00a0"),
    post("Compliant", "My.Custom.Header", "\t\t\tCustom-Value;`\u0085\u0093\u00a0"),
    post("Compliant", "My-Custom-Header-0987654321", "\t\t\tCustom-Value;`\u0085\u0093\u00a0"),
    answered(
      501,
      post(
        "Compliant",
        "Transfer-Encoding",
        "gzip",
        "Transfer-Encoding",
        "deflate",
        "Transfer-Encoding",
        "identity",
        "Transfer-Encoding",
        "compress",
        "Transfer-Encoding",
        "chunked",
      ),
    ),
    answered(501, post("Compliant", "Transfer-Encoding", "gzip , deflate , \tidentity\t, compress\t, chunked")),
    answered(
      501,
      post(
        "Compliant",
        "Transfer-Encoding",
        "   gzip   ;   ",
        "Transfer-Encoding",
        "deflate\t\t;\t\t",
        "Transfer-Encoding",
        "\t\t\t\tchunked;custom_param;\t\t\t\t",
      ),
    ),
    row(
      "POST",
      "/user:pass123@www.example.com:8080/site/index.php?action=login%20++~!@#$%^&*()_+:<>?,./;'[]{}`~\\\"|&prev=index#form",
      "HTTP/1.1",
      "Compliant",
      "Accept",
      "*/*",
    ),
    row(
      "GET",
      "/\u0441\u0442\u0440\u0430\u043d\u043d\u044b\u0435-\u0441\u0438\u043c\u0432\u043e\u043b\u044b/\u043f\u043e\u0434\u0434\u0435\u0440\u0436\u0438\u0432\u0430\u044e\u0442\u0441\u044f",
      "HTTP/1.1",
      "Compliant",
      "X-Forwarded-For",
      "1.1.1.1",
    ),
    row("GET", "", "HTTP/1.1", "Compliant", "X-Forwarded-For", "1.1.1.1"),
  ],
  "acceptable.yaml": [
    put("NonCompliantHeader", "x-my-custom-header ", "some value", "x-my-second-custom-header", "some value"),
    put("NonCompliantHeader", "x-my-custom-header ", "some value", "Transfer-Encoding", "chunked"),
    put("NonCompliantHeader", "\x01x-my-custom-header", "some value", "Transfer-Encoding", "chunked"),
    put("NonCompliantHeader", "x-my-custom-header ", "some value", "Content-Length", "10000"),
    get("GetHeadZeroContentLength", "Content-Length", "0"),
    head("GetHeadZeroContentLength", "Content-Length", "0"),
    row("GET", "/foo/bar", "HTTP/0.9", "NonCompliantVersion", "X-My-Header", "some value"),
    row("GET", "/foo/bar", "", "NonCompliantVersion", "X-My-Header", "some value"),
    row("GET", "/foo/bar", "HTTP/1.2", "NonCompliantVersion", "X-My-Header", "some value"),
  ],
  "ambiguous.yaml": [
    post("SuspiciousHeader", "Transfer-Encoding ", "chunked"),
    post("SuspiciousHeader", "Transfer-Encoding\t", "chunked"),
    post("SuspiciousHeader", "\x01Transfer-Encoding", "chunked"),
    post("SuspiciousHeader", "\x01\x01Transfer-Encoding", "chunked"),
    post("SuspiciousHeader", "\x01\x01Content-Length", "1"),
    post("SuspiciousHeader", "\x01Content-Length", "1"),
    post("SuspiciousHeader", "Transfer- Encoding", "chunked"),
    post("SuspiciousHeader", "Transfer_Encoding", "chunked"),
    post("SuspiciousHeader", "Content_Length", "1000"),
    put("DuplicateContentLength", "Content-Length", "1000", "Content-Length", "1000"),
    post("BothTeClPresent", "Transfer-Encoding", "chunked", "Content-Length", "100"),
    answered(501, post("BothTeClPresent", "Transfer-Encoding", "gzip", "Content-Length", "100")),
    get("UndefinedContentLengthSemantics", "Content-Length", "1000"),
    get("UndefinedTransferEncodingSemantics", "Transfer-Encoding", "chunked"),
    head("UndefinedContentLengthSemantics", "Content-Length", "1000"),
    head("UndefinedTransferEncodingSemantics", "Transfer-Encoding", "chunked"),
    post("SuspiciousHeader", "Transfer-Encoding ", "chunked", "Content-Length", "1000"),
    onWire("MultilineHeader", post("SuspiciousHeader", " Transfer-Encoding", "chunked", "Content-Length", "1000")),
    onWire("MultilineHeader", post("SuspiciousHeader", " Transfer-Encoding", "chunked", " Content-Length", "1000")),
    post("SuspiciousHeader", "Transfer-Encoding ", "chunked", "Content-Length ", "1000"),
    post("EmptyHeader", "", "chunked", "Content-Length", "1000"),
    post("EmptyHeader", ":SomeHeader:Transfer-Encoding:", "chunked", "Content-Length", "1000"),
    onWire("MultilineHeader", post("EmptyHeader", "   \t\t  ", "chunked", "Content-Length", "1000")),
    row("POST", "/foo/bar", "HTTP/1.0", "UndefinedTransferEncodingSemantics", "Transfer-Encoding", "chunked"),
    row("POST", "/foo/bar", "HTTP/0.9", "UndefinedTransferEncodingSemantics", "Transfer-Encoding", "chunked"),
    row("POST", "/foo/bar", "HTTP/0.9", "UndefinedContentLengthSemantics", "Content-Length", "100"),
    row("POST", "/foo/bar", "", "UndefinedTransferEncodingSemantics", "Transfer-Encoding", "chunked"),
    row("POST", "/foo/bar", "", "UndefinedContentLengthSemantics", "Content-Length", "100"),
    post("SuspiciousHeader", "Tran\u017ffer-Encoding", "chunked"),
    post("SuspiciousHeader", "Transfer-Encod\u0131ng", "chunked"),
    post("SuspiciousHeader", "Transfer---Encoding", "chunked"),
    post("SuspiciousHeader", "Transfer___Encoding", "chunked"),
    onWire("MultilineHeader", post("SuspiciousHeader", "   Transfer-Encoding", "chunked")),
    post("SuspiciousHeader", "Content-Length   ", "1000"),
    post("SuspiciousHeader", "Transfer\u2015Encoding", "chunked"),
    post("SuspiciousHeader", "Transfer-Encoding\u0088", "chunked"),
    post("SuspiciousHeader", "\u00a0Content-Length", "100"),
  ],
  "bad-header-characters.yaml": [
    post("SuspiciousHeader", "Some-Custom-Header", "Non-Rfc Compliant", "\x01Transfer-Encoding", "chunked"),
    answered(501, post("BadTransferEncoding", "Transfer-Encoding", "\x01chunked")),
    answered(501, post("BadTransferEncoding", "Transfer-Encoding", "chunked\x01")),
    answered(501, post("BadTransferEncoding", "Transfer-Encoding", "\u00a0chunked")),
    answered(501, post("BadTransferEncoding", "Transfer-Encoding", "chunked\u00a0")),
    post("SuspiciousHeader", "Some-Custom-Header", "Non-Rfc Compliant", "Transfer-Encoding\x01", "chunked"),
    post("SuspiciousHeader", "Some-Custom-Header", "Non-Rfc Compliant", "\x01Content-Length", "1000"),
    post("SuspiciousHeader", "Some-Custom-Header", "Non-Rfc Compliant", "Content-Length\x01", "1000"),
    answered(400, post("BadContentLength", "Content-Length", "\x011000")),
    answered(400, post("BadContentLength", "Content-Length", "1000\x01")),
    answered(400, post("BadContentLength", "Content-Length", "1000\u00a0")),
    post("NonCompliantHeader", "Some-Custom-Header\x01", "Non-Rfc Compliant", "Transfer-Encoding", "chunked"),
    post("NonCompliantHeader", "\x01Some-Custom-Header", "Non-Rfc Compliant", "Transfer-Encoding", "chunked"),
    post("NonCompliantHeader", "Some-Custom-Header", "\x01Non-Rfc Compliant", "Transfer-Encoding", "chunked"),
    post("NonCompliantHeader", "Some-Custom-Header", "Non-Rfc Compliant\x01", "Transfer-Encoding", "chunked"),
  ],
  "more-compliant-tests.yaml": [
    row("PUT", "/test.html", "HTTP/1.1", "Compliant", "Content-Length", " 22220  ", ...browser),
    row("PUT", "/test.html", "HTTP/1.1", "Compliant", "Content-Length", " 22220  ", ...many, ...browser),
    row("PUT", "/test.html", "HTTP/1.1", "Compliant", "Transfer-Encoding", " chunked", ...browser),
    row("POST", "/test.html?a=b&b=c&%dd=%ee", "HTTP/1.1", "Compliant", "Transfer-Encoding", " chunked", ...browser),
    page("Compliant", "Content-Length", " 5"),
    answered(501, page("Compliant", "Transfer-Encoding", " gzip, chunked")),
    page("Compliant", "Content-Length", " 4000000", "X-test", "Transfer-Encoding: chunked"),
    answered(501, page("Compliant", "Transfer-Encoding", " deflate, identity, chunked")),
    answered(
      501,
      page(
        "Compliant",
        "Transfer-Encoding",
        " gzip",
        "Transfer-Encoding",
        " deflate",
        "Transfer-Encoding",
        " identity",
        "Transfer-Encoding",
        " compress",
        "Transfer-Encoding",
        " chunked",
      ),
    ),
    page("Compliant", "Transfer-Encoding", " \t\t\t\tchunked;custom_param;\t\t\t\t"),
  ],
  "severe.yaml": [
    answered(400, post("MultipleContentLength", "Content-Length", "1000", "Content-Length", "100")),
    answered(400, post("BadContentLength", "Content-Length", "1000,1000")),
    answered(400, post("BadContentLength", "Content-Length", "1000 1000")),
    answered(400, post("BadContentLength", "Content-Length", "1000.1000")),
    answered(400, post("BadContentLength", "Content-Length", "18446744073709551616")),
    answered(501, post("BadTransferEncoding", "Transfer-Encoding", "xchunked")),
    answered(501, post("BadTransferEncoding", "Transfer-Encoding", "chunked\x11")),
    answered(400, post("BadContentLength", "Content-Length", "1000\x11")),
    answered(
      400,
      post("MultipleTransferEncodingChunked", "Transfer-Encoding", "chunked", "Transfer-Encoding", "chunked"),
    ),
    answered(400, post("MultipleTransferEncodingChunked", "Transfer-Encoding", "chunked,chunked")),
    onWire(
      "MultilineHeader",
      post(
        "BadHeader",
        "Content-Length",
        "1000",
        "Some-Custom-Header",
        "Multi-line values\r\n are \n deprecated. E.g. it may contain \n Transfer-Encoding: chunked\r\n",
      ),
    ),
    onWire(
      "MultilineHeader",
      post(
        "BadHeader",
        "Content-Length",
        "1000",
        "Some-Custom-Header",
        "Multi-line values\n are \n deprecated. E.g. it may contain \n Transfer-Encoding: chunked",
      ),
    ),
    post("BadHeader", "Content-Length", "1000", "Some-Custom-Header", "Parser error\r must not contain\r symbols."),
    onWire(
      "MultilineHeader",
      post("BadHeader", "Content-Length", "1000", "Some-Custom-Header", "Parser error\n must not contain\n symbols."),
    ),
    post("BadHeader", "Some-Bad-Header\r", "1000"),
    onWire(
      "MissingHeaderColon",
      post(
        "BadHeader",
        "Some-Bad-Header\n",
        "Content-Length:1000\r\n Transfer-Encoding: chunked",
        "Content-Length",
        "100",
      ),
    ),
    post("BadHeader", "Some-Bad-Header\x00", "1000"),
    post("BadHeader", "Some-Bad-Header", "value\rcontent-length: 1000", "Content-Length", "100"),
    onWire(
      "MultipleContentLength",
      post("BadHeader", "Some-Bad-Header", "value\n content-length: 1000", "Content-Length", "100"),
    ),
    post("BadHeader", "Some-Bad-Header", "value\x00content-length: 1000", "Content-Length", "100"),
    post("BadHeader", "\x00Some-Bad-Header", "value", "Content-Length", "100"),
    post("BadHeader", "Some-Bad-Header", "\x00value", "Content-Length", "100"),
    post("BadHeader", "Some-Bad-Header", "value\x00", "Content-Length", "100"),
    post("MultipleContentLength", "Content-Length ", "100", "Content-Length", "1000"),
    post("MultipleContentLength", " Content-Length", "100", "Content-Length", "1000"),
    post("MultipleTransferEncodingChunked", "Transfer-Encoding ", "chunked", "Transfer-Encoding", "chunked"),
    answered(400, row("bad_method\x01", "/foo/bar", "HTTP/1.1", "BadMethod", "Host", "localhost")),
  ],
  "uri-specific-test-cases.yaml": [
    row("GET", "/endpoint_a\tHTTP/1.1", "HTTP/1.1", "AmbiguousUri", "X-Forwarded-For", "1.1.1.1"),
    row("GET", "/endpoint_a", "HTTP/1.1 ", "NonCompliantVersion", "X-Forwarded-For", "1.1.1.1"),
    row("GET", "/endpoint_a\x01HTTP/1.1", "HTTP/1.1", "AmbiguousUri", "X-Forwarded-For", "1.1.1.1"),
    row("GET", "/endpoint_a?param=not escaped spaces", "HTTP/1.1", "SpaceInUri", "X-Forwarded-For", "1.1.1.1"),
    onWire("SpaceInUri", row("GET", "/endpoint_a", "HTTP/1.1 HTTP/1.1", "BadVersion", "X-Forwarded-For", "1.1.1.1")),
    row("GET", "/endpoint_a\rHTTP/1.1", "HTTP/1.1", "BadUri", "X-Forwarded-For", "1.1.1.1"),
    onWire(
      "MissingHeaderColon",
      row("GET", "/endpoint_a\nHTTP/1.1", "HTTP/1.1", "BadUri", "X-Forwarded-For", "1.1.1.1"),
    ),
    onWire(
      "AmbiguousUri",
      row(
        "GET",
        "/endpoint_a\tHTTP/1.1\r\nHost:localhost\r\n\r\nGET\t/endpoint_b\t",
        "HTTP/1.1",
        "BadUri",
        "X-Forwarded-For",
        "1.1.1.1",
      ),
    ),
    answered(400, row("GET", "/endpoint_a\x00HTTP/1.1", "HTTP/1.1", "BadUri", "X-Forwarded-For", "1.1.1.1")),
    answered(400, row("GET", "\x00/endpoint_aHTTP/1.1", "HTTP/1.1", "BadUri", "X-Forwarded-For", "1.1.1.1")),
    row("GET", "/path-%09-uri", "HTTP/1.1", "Compliant", "X-Forwarded-For", "1.1.1.1"),
    row("GET", "/path-%20-uri", "HTTP/1.1", "Compliant", "X-Forwarded-For", "1.1.1.1"),
    row("GET", "/path-%0D-uri", "HTTP/1.1", "Compliant", "X-Forwarded-For", "1.1.1.1"),
    row("GET", "/path-%0A-uri", "HTTP/1.1", "Compliant", "X-Forwarded-For", "1.1.1.1"),
  ],
  "real-life-test-cases.yaml": [
    row("GET", "/test.html", "HTTP/1.1", "UndefinedContentLengthSemantics", "Content-Length", " 22", ...browser),
    row(
      "GET",
      "/test.html",
      "HTTP/1.1",
      "UndefinedTransferEncodingSemantics",
      "Transfer-Encoding",
      " chunked",
      ...browser,
    ),
    row(
      "POST",
      "/test.html",
      "HTTP/1.0",
      "UndefinedTransferEncodingSemantics",
      "Transfer-Encoding",
      " chunked",
      ...browser,
    ),
    page("DuplicateContentLength", "Content-Length", " 5", "Content-Length", " 5"),
    answered(
      400,
      page(
        "MultipleTransferEncodingChunked",
        "Transfer-Encoding",
        " chunked",
        "Transfer-Encoding",
        " chunked",
        "Content-Length",
        " 4",
      ),
    ),
    page("BothTeClPresent", "Content-Length", " 4", "Transfer-Encoding", " chunked"),
    page(
      "BadHeader",
      "Bad-Accept-Encoding",
      " gzip, \x00deflate",
      "Transfer-Encoding",
      " chunked",
      "Content-Length",
      " 4",
    ),
    page("BadHeader", "Content-Length", " 4", "\x00Transfer-Encoding", " chunked"),
    page("BadHeader", "Content-Length", " 4", "X-test", " x\rTransfer-Encoding: chunked"),
    page("SuspiciousHeader", "Transfer-Encoding\t", " chunked", "Content-Length", " 4"),
    page("BadHeader", "\rTransfer-Encoding", " chunked", "Content-Length", " 4"),
    page("BadHeader", "\rTransfer-Encoding", " chunked"),
    page("BadHeader", "\rContent-Length", " 1000", "Content-Length", " 100"),
    answered(501, page("BadTransferEncoding", "Transfer-Encoding", " chunk", "Content-Length", " 4")),
    answered(501, page("BothTeClPresent", "Transfer-Encoding", " deflate", "Content-Length", " 4")),
    answered(501, page("BadTransferEncoding", "Transfer-Encoding", " xchunked", "Content-Length", " 4")),
    answered(
      501,
      page(
        "BothTeClPresent",
        "Transfer-Encoding",
        " gzip",
        "Transfer-Encoding",
        " deflate",
        "Transfer-Encoding",
        " identity",
        "Transfer-Encoding",
        " compress",
        "Transfer-Encoding",
        " chunked",
        "Content-Length",
        " 4",
      ),
    ),
    page("BothTeClPresent", "Transfer-Encoding", " \t\t\t\tchunked;custom_param;\t\t\t\t", "Content-Length", " 4"),
    answered(
      400,
      page("MultipleTransferEncodingChunked", "Transfer-Encoding", " chunked,chunked", "Content-Length", " 4"),
    ),
    page("BothTeClPresent", "TrAnSfEr-EnCoDiNg", " ChUnKeD", "Content-Length", " 4"),
    answered(
      501,
      page("BadTransferEncoding", "Transfer-Encoding", " chunked", "Transfer-Encoding", " cow", "Content-Length", " 6"),
    ),
    page("BadHeader", "Content-Length", " 6", "\x00Transfer-Encoding", " chunked"),
    answered(501, page("BadHeader", "Transfer-Encoding", " \x00chunked", "Content-Length", " 6")),
    page("BothTeClPresent", "TrAnSfEr-EnCoDiNg", " ChUnKeD", "Content-Length", " 6"),
  ],
};
