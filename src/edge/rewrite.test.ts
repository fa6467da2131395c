/** What an endpoint is told of the client, beside the requests that whole edges pass on in other tests. */
import { describe, expect, it } from "vitest";
import { forwardedDefault } from "./edge.suite.ts";
import { limitsOf } from "./h1/limits.ts";
import { emptyRequestHead, readRequest, type RequestHead } from "./h1/request.ts";
import { HeadScanner } from "./h1/scan.ts";
import type { ForwardedHeaders } from "./ports.ts";
import { compileRequestRewriter, type Sender } from "./rewrite.ts";

function headOf(...fields: string[]): RequestHead {
  const limits = limitsOf("public");
  const scanner = new HeadScanner(limits);
  scanner.reset("request", limits);
  const bytes = Buffer.from(["GET / HTTP/1.1", "Host: a.example.com", ...fields, "", ""].join("\r\n"));
  scanner.push(bytes, 0, bytes.length);
  const head = emptyRequestHead();
  expect(readRequest(scanner, head)).toBeUndefined();
  return head;
}

const overTls: Sender = {
  client: { address: "192.0.2.7", port: 40_000 },
  tls: { protocol: "TLSv1.3", cipher: "TLS_AES_128_GCM_SHA256", serverName: "", certificateId: "", alpn: "" },
};

function linesOf(changes: Partial<ForwardedHeaders>, from: Sender, ...fields: string[]): string[] {
  const { head } = compileRequestRewriter({
    forwarded: { ...forwardedDefault, ...changes },
    scheme: "https",
    port: 443,
    address: "127.0.0.1",
    newTraceId: () => "1-0-0",
  });
  return String(head(headOf(...fields), from)).split("\r\n");
}

describe("an endpoint is told", () => {
  it("the client's address, and its port where that is wanted", () => {
    expect(linesOf({}, overTls)).toContain("X-Forwarded-For: 192.0.2.7");
    expect(linesOf({ clientPort: true }, overTls)).toContain("X-Forwarded-For: 192.0.2.7:40000");
    expect(linesOf({ clientPort: true }, overTls, "X-Forwarded-For: 10.0.0.1")).toContain(
      "X-Forwarded-For: 10.0.0.1, 192.0.2.7:40000",
    );
    const v6 = { ...overTls, client: { address: "2001:db8::1", port: 7 } };
    expect(linesOf({ clientPort: true }, v6)).toContain("X-Forwarded-For: [2001:db8::1]:7");
  });

  it("the client's TLS by the names that are wanted, which no client can use", () => {
    const tlsFields = { version: "X-Amzn-Tls-Version", cipherSuite: "X-My-Cipher" };
    const forged = ["x-amzn-tls-version: TLSv9", "X-MY-Cipher: none"];
    const lines = linesOf({ tlsFields }, overTls, ...forged);
    expect(lines).toContain("X-Amzn-Tls-Version: TLSv1.3");
    expect(lines).toContain("X-My-Cipher: TLS_AES_128_GCM_SHA256");
    for (const line of forged) expect(lines).not.toContain(line);
    expect(linesOf({ tlsFields }, { ...overTls, tls: undefined }).join("\n")).not.toContain("TLSv1.3");
    expect(linesOf({}, overTls, ...forged)).toContain(forged[0]);
  });
});
