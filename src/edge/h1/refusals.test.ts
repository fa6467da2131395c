import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemClock } from "../../base/clock.ts";
import { bytesOf } from "../../base/http.ts";
import { silentLog } from "../../telemetry/log.ts";
import { RawClient } from "../raw-client.suite.ts";
import { createHttpServer, type HttpServer } from "../server.ts";

let server: HttpServer;
const seen: string[] = [];

beforeAll(async () => {
  server = await createHttpServer({
    handler: async (request) => {
      const body = Buffer.from(await bytesOf(request.body, 2 ** 20)).toString("latin1");
      seen.push(`${request.method} ${request.target} ${body}`);
      return { status: 200, headers: [], body: Buffer.from("ok") };
    },
    class: "api",
    address: "127.0.0.1",
    port: 0,
    clock: systemClock,
    log: silentLog,
  });
});
afterAll(() => server.close(0));

/** A request that must not be reached: it follows every refused one on the same connection. */
const smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
const long = (length: number) => "x".repeat(length);
const request = (fields: string, body = "") => `POST / HTTP/1.1\r\nHost: a\r\n${fields}\r\n\r\n${body}`;
const line = (first: string) => `${first}\r\nHost: a\r\n\r\n`;

const refused: [name: string, bytes: string, status: number][] = [
  // Framing that two servers read differently.
  ["length and chunked", request("Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n"), 400],
  ["chunked and length", request("Transfer-Encoding: chunked\r\nContent-Length: 5", "0\r\n\r\n"), 400],
  ["two different lengths", request("Content-Length: 5\r\nContent-Length: 6", "hello"), 400],
  ["two equal lengths", request("Content-Length: 5\r\nContent-Length: 5", "hello"), 400],
  ["a list of lengths", request("Content-Length: 5, 5", "hello"), 400],
  ["a signed length", request("Content-Length: +5", "hello"), 400],
  ["a negative length", request("Content-Length: -5", "hello"), 400],
  ["a hexadecimal length", request("Content-Length: 0x5", "hello"), 400],
  ["a length with a space in it", request("Content-Length: 5 5", "hello"), 400],
  ["an empty length", request("Content-Length:", ""), 400],
  ["a length beyond 2^53", request("Content-Length: 9007199254740993"), 400],
  ["a length of 30 digits", request(`Content-Length: ${"9".repeat(30)}`), 400],
  ["two codings", request("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "0\r\n\r\n"), 400],
  ["identity then chunked", request("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", "0\r\n\r\n"), 400],
  ["a coding that is not chunked", request("Transfer-Encoding: gzip", ""), 501],
  ["gzip, chunked", request("Transfer-Encoding: gzip, chunked", "0\r\n\r\n"), 501],
  ["xchunked", request("Transfer-Encoding: xchunked", "0\r\n\r\n"), 501],
  ["chunked in quotes", request('Transfer-Encoding: "chunked"', "0\r\n\r\n"), 501],
  ["chunked with a vertical tab", request("Transfer-Encoding: \x0bchunked", "0\r\n\r\n"), 400],
  ["an empty coding", request("Transfer-Encoding:", "0\r\n\r\n"), 501],
  ["chunked in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400],
  // Lines.
  ["a space before the colon", request("Content-Length : 5", "hello"), 400],
  ["a tab before the colon", request("Transfer-Encoding\t: chunked", "0\r\n\r\n"), 400],
  ["a folded line", request("X-A: 1\r\n 2"), 400],
  ["a fold before the first field", "GET / HTTP/1.1\r\n X: 1\r\nHost: a\r\n\r\n", 400],
  ["a bare LF after the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", 400],
  ["a bare LF after a field", "GET / HTTP/1.1\r\nHost: a\nX-A: 1\r\n\r\n", 400],
  ["bare LFs alone", "GET / HTTP/1.1\nHost: a\n\n", 400],
  ["a bare LF as the empty line", "GET / HTTP/1.1\r\nHost: a\r\n\n", 400],
  ["a bare CR in a value", request("X-A: 1\r2"), 400],
  ["a bare CR as the line's end", "GET / HTTP/1.1\r\nHost: a\rX-A: 1\r\n\r\n", 400],
  ["a CR before the colon", request("X-A\r: 1"), 400],
  ["a NUL in a value", request("X-A: 1\x002"), 400],
  ["a NUL in a name", request("X\x00A: 1"), 400],
  ["a control character in a value", request("X-A: 1\x012"), 400],
  ["DEL in a value", request("X-A: 1\x7f"), 400],
  ["a name with a space", request("X A: 1"), 400],
  ["a name with a bracket", request("X(A: 1"), 400],
  ["an empty name", request(": 1"), 400],
  ["a line without a colon", request("nonsense"), 400],
  ["a name beyond ASCII", request("X-\xe4: 1"), 400],
  ["two empty lines before a request", `\r\n\r\n${smuggled}`, 400],
  // The request line.
  ["no version", "GET /\r\nHost: a\r\n\r\n", 400],
  ["two spaces", line("GET  / HTTP/1.1"), 400],
  ["a tab for a space", line("GET\t/ HTTP/1.1"), 400],
  ["a space at the end", line("GET / HTTP/1.1 "), 400],
  ["a leading space", line(" GET / HTTP/1.1"), 400],
  ["a space in the target", line("GET /a b HTTP/1.1"), 400],
  ["a NUL in the target", line("GET /\x00 HTTP/1.1"), 400],
  ["a byte beyond ASCII in the target", line("GET /\xe4 HTTP/1.1"), 400],
  ["a fragment", line("GET /#a HTTP/1.1"), 400],
  ["a relative target", line("GET a HTTP/1.1"), 400],
  ["an asterisk for GET", line("GET * HTTP/1.1"), 400],
  ["another scheme", line("GET ftp://a/ HTTP/1.1"), 400],
  ["user information", line("GET http://user@a/ HTTP/1.1"), 400],
  ["an absolute target without a host", line("GET http:///a HTTP/1.1"), 400],
  ["CONNECT", line("CONNECT a:80 HTTP/1.1"), 400],
  ["TRACE", line("TRACE / HTTP/1.1"), 405],
  ["a method that is no token", line("GE(T / HTTP/1.1"), 400],
  ["an endless method", line(`${long(100)} / HTTP/1.1`), 400],
  ["HTTP/1.2", line("GET / HTTP/1.2"), 505],
  ["HTTP/2.0", line("GET / HTTP/2.0"), 505],
  ["HTTP/0.9 by name", line("GET / HTTP/0.9"), 505],
  ["http in lower case", line("GET / http/1.1"), 400],
  ["a version of three digits", line("GET / HTTP/1.10"), 400],
  ["a version without a digit", line("GET / HTTP/1."), 400],
  ["another protocol", line("GET / ICY/1.1"), 400],
  ["TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400],
  // Host.
  ["no Host", "GET / HTTP/1.1\r\nX-A: 1\r\n\r\n", 400],
  ["two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400],
  ["an empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 400],
  ["a Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400],
  ["a Host with a user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400],
  ["a Host with a space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400],
  ["a list of Hosts", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400],
  ["a Host with a port that is none", "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", 400],
  // Size.
  ["a target of 17 K", line(`GET /${long(17 * 1024)} HTTP/1.1`), 414],
  ["a field of 17 K", request(`X-A: ${long(17 * 1024)}`), 431],
  ["a name of 17 K", request(`${long(17 * 1024)}: 1`), 431],
  ["spaces of 17 K before a value", request(`X-A:${" ".repeat(17 * 1024)}1`), 431],
  ["fields of 70 K", request(Array.from({ length: 70 }, (_, i) => `X-${i}: ${long(1000)}`).join("\r\n")), 431],
  ["600 fields", request(Array.from({ length: 600 }, (_, i) => `X-${i}: 1`).join("\r\n")), 431],
  ["an expectation nobody knows", request("Content-Length: 1\r\nExpect: magic", "x"), 417],
  // Chunks.
  ["a chunk size with 0x", request("Transfer-Encoding: chunked", "0x5\r\nhello\r\n0\r\n\r\n"), 400],
  ["a chunk size with a space", request("Transfer-Encoding: chunked", "5 \r\nhello\r\n0\r\n\r\n"), 400],
  ["a negative chunk size", request("Transfer-Encoding: chunked", "-5\r\nhello\r\n0\r\n\r\n"), 400],
  ["an empty chunk size", request("Transfer-Encoding: chunked", "\r\nhello\r\n0\r\n\r\n"), 400],
  ["only an extension", request("Transfer-Encoding: chunked", ";a=b\r\nhello\r\n0\r\n\r\n"), 400],
  ["a chunk of 2^64 bytes", request("Transfer-Encoding: chunked", "10000000000000005\r\nhello\r\n0\r\n\r\n"), 400],
  ["a chunk line that ends in LF", request("Transfer-Encoding: chunked", "5\nhello\r\n0\r\n\r\n"), 400],
  ["a chunk line with a bare CR", request("Transfer-Encoding: chunked", "5\rX\r\nhello\r\n0\r\n\r\n"), 400],
  ["an extension with a LF", request("Transfer-Encoding: chunked", "5;a\nb\r\nhello\r\n0\r\n\r\n"), 400],
  ["a chunk longer than it says", request("Transfer-Encoding: chunked", "5\r\nhello!\r\n0\r\n\r\n"), 400],
  ["a chunk that ends in LF", request("Transfer-Encoding: chunked", "5\r\nhello\n0\r\n\r\n"), 400],
  ["a chunk that ends in CR", request("Transfer-Encoding: chunked", "5\r\nhello\rX0\r\n\r\n"), 400],
  ["a last chunk that ends in LF", request("Transfer-Encoding: chunked", "0\r\n\n"), 400],
  ["a folded trailer", request("Transfer-Encoding: chunked", "0\r\nX: 1\r\n 2\r\n\r\n"), 400],
  ["a bad trailer", request("Transfer-Encoding: chunked", "0\r\nX 1\r\n\r\n"), 400],
  ["trailers of 20 K", request("Transfer-Encoding: chunked", `0\r\nX: ${long(20 * 1024)}\r\n\r\n`), 400],
  ["extensions of 20 K", request("Transfer-Encoding: chunked", `5;${long(20 * 1024)}\r\nhello\r\n0\r\n\r\n`), 400],
];

async function send(bytes: string, trickled: boolean): Promise<string> {
  const client = new RawClient(server.port);
  if (trickled) {
    // What comes after a refusal meets a closed door; that is what is tested.
    await client.trickle(bytes.slice(0, 2000));
    client.send(bytes.slice(2000) + smuggled);
  } else {
    client.send(bytes + smuggled);
  }
  const all = await client.all();
  client.destroy();
  return all;
}

describe.each([
  ["at once", false],
  ["a byte at a time", true],
])("refused, %s", (_, trickled) => {
  it.each(refused)("%s", async (_, bytes, status) => {
    seen.length = 0;
    const all = await send(bytes, trickled);
    expect(all.slice(0, 12)).toBe(`HTTP/1.1 ${status}`);
    expect(all).toContain("Connection: close");
    expect(all.match(/HTTP\/1\.1 /g)).toHaveLength(1);
    expect(seen).toEqual([]);
  });
});

const accepted: [name: string, bytes: string, seen: string[]][] = [
  ["one empty line before the request", `\r\n${smuggled}`, ["GET /smuggled "]],
  ["a field without a value", request("X-A:"), ["POST / "]],
  ["obs-text in a value", request("X-A: \xe4\xff"), ["POST / "]],
  ["white space around a value", request("X-A: \t 1 \t "), ["POST / "]],
  ["no white space before a value", request("X-A:1"), ["POST / "]],
  ["a length with zeros", request("Content-Length: 0003", "abc"), ["POST / abc"]],
  ["CHUNKED", request("Transfer-Encoding: CHUNKED", "3\r\nabc\r\n0\r\n\r\n"), ["POST / abc"]],
  ["a chunk size with zeros", request("Transfer-Encoding: chunked", "0003\r\nabc\r\n000\r\n\r\n"), ["POST / abc"]],
  ["a body of GET", `GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc`, ["GET / abc"]],
  ["a method of one's own", line("PEEL /a HTTP/1.1"), ["PEEL /a "]],
  ["a Host in IPv6", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", ["GET / "]],
  ["OPTIONS *", line("OPTIONS * HTTP/1.1"), ["OPTIONS * "]],
  ["a target of 15 K", line(`GET /${long(15 * 1024)} HTTP/1.1`), [`GET /${long(15 * 1024)} `]],
  ["fields of 60 K", request(Array.from({ length: 60 }, (_, i) => `X-${i}: ${long(1000)}`).join("\r\n")), ["POST / "]],
];

describe("accepted", () => {
  it.each(accepted)("%s", async (_, bytes, expected) => {
    seen.length = 0;
    const client = new RawClient(server.port);
    client.send(bytes);
    expect((await client.response()).status).toBe(200);
    expect(seen).toEqual(expected);
    client.destroy();
  });
});
