/** HTTPS listeners as OpenSSL's own client finds them. */
import { execFile, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freePort, Stage, through } from "../edge.suite.ts";
import { testAuthority, tlsOf } from "./authority.suite.ts";

const has = await promisify(execFile)("openssl", ["version"]).then(
  () => true,
  () => false,
);

describe.skipIf(!has)(has ? "openssl s_client" : "OPENSSL IS NOT INSTALLED: openssl s_client", () => {
  const { ca, issue } = testAuthority();
  const stage = new Stage();
  let port: number;
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "mikan-tls-"));
    await writeFile(join(directory, "ca.pem"), ca);
    port = await freePort();
    const upstream = await stage.http((_, outgoing) => outgoing.end("hello"));
    const tls = tlsOf([issue(["default.example.com"]), issue(["*.example.com"])]);
    await stage.edge().apply(through(port, upstream, { tls }));
  });
  afterAll(async () => {
    await stage.strike();
    await rm(directory, { recursive: true });
  });

  /** What it prints; `input` is what it sends. */
  async function client(args: readonly string[], input = ""): Promise<string> {
    const child = spawn("openssl", [
      "s_client",
      "-connect",
      `127.0.0.1:${port}`,
      "-CAfile",
      join(directory, "ca.pem"),
      ...args,
    ]);
    child.stdin.end(input);
    const printed = await Promise.all([text(child.stdout), text(child.stderr)]);
    return printed.join("\n");
  }

  const request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

  it.each([
    ["www.example.com", "*.example.com"],
    ["elsewhere.test", "default.example.com"],
  ])("is shown the certificate for %s", async (name, shown) => {
    const printed = await client(["-servername", name]);
    expect(printed).toContain(`subject=CN = ${shown}`);
    expect(printed).toContain("Verify return code: 0 (ok)");
  });

  it("speaks TLS 1.2 and 1.3, and not 1.1", async () => {
    expect(await client(["-tls1_2"])).toMatch(/Protocol\s*: TLSv1\.2[\s\S]*Cipher\s*: ECDHE-ECDSA-AES128-GCM-SHA256/);
    expect(await client(["-tls1_3"])).toContain("New, TLSv1.3, Cipher is TLS_AES_128_GCM_SHA256");
    expect(await client(["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"])).toContain("alert protocol version");
  });

  it("gets no cipher that the listener has not", async () => {
    expect(await client(["-tls1_2", "-cipher", "AES128-SHA"])).toContain("alert handshake failure");
  });

  it("agrees on a protocol by ALPN", async () => {
    expect(await client(["-alpn", "spdy/3,http/1.1"])).toContain("ALPN protocol: http/1.1");
  });

  it("resumes its session", async () => {
    const session = join(directory, "session.pem");
    await client(["-tls1_2", "-sess_out", session, "-ign_eof"], request);
    expect(await client(["-tls1_2", "-sess_in", session])).toContain("Reused, TLSv1.2");
  });

  it("may not negotiate again", async () => {
    // A line with an R alone asks for it.
    const printed = await client(["-tls1_2", "-legacy_renegotiation"], "R\n");
    expect(printed).toContain("no renegotiation");
  });
});
