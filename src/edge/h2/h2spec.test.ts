/** h2spec, all its cases in strict mode, against a listener: RFC 9113 and RFC 7541 as they go over the wire. */
import { execFile, execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { address, all, cluster, freePort, listener, Stage } from "../edge.suite.ts";
import { testAuthority, tlsOf } from "../tls/authority.suite.ts";
import { h2specExceptions } from "./h2spec-exceptions.suite.ts";

const stage = new Stage();
afterEach(() => stage.strike());

const installed = isInstalled();

function isInstalled(): boolean {
  try {
    execFileSync("h2spec", ["--version"]);
    return true;
  } catch {
    // Not there, or not to be run: either way the suite below says so.
    return false;
  }
}

/** `section: description` of every case, and of those that failed. */
async function runH2spec(port: number): Promise<{ cases: string[]; failed: string[] }> {
  const directory = await mkdtemp(join(tmpdir(), "h2spec-"));
  stage.later(() => rm(directory, { recursive: true }));
  const report = join(directory, "report.xml");
  const options = [
    "--tls",
    "--insecure",
    "--strict",
    "--timeout",
    "2",
    "--port",
    String(port),
    "--junit-report",
    report,
  ];
  // It ends with 1 when a case fails; the report says which.
  await new Promise<void>((resolve) => {
    execFile("h2spec", [...options, "--host", "127.0.0.1"], { maxBuffer: 16 * 1024 * 1024 }, () => resolve());
  });
  const cases: string[] = [];
  const failed: string[] = [];
  const xml = await readFile(report, "utf8");
  for (const match of xml.matchAll(
    /<testcase package="([^"]*)" classname="([^"]*)"[^>]*?(?:\/>|>([\s\S]*?)<\/testcase>)/g,
  )) {
    const name = `${match[1]}: ${unescaped(match[2] ?? "")}`;
    cases.push(name);
    if (/<(?:failure|error)/.test(match[3] ?? "")) failed.push(name);
  }
  return { cases, failed };
}

function unescaped(text: string): string {
  return text.replaceAll("&#39;", "'").replaceAll("&#34;", '"').replaceAll("&quot;", '"').replaceAll("&amp;", "&");
}

describe.skipIf(!installed)(`h2spec${installed ? "" : " IS NOT INSTALLED: HTTP/2 was not checked against it"}`, () => {
  it("passes, but for what is listed with its reason", { timeout: 180_000 }, async () => {
    const upstream = await stage.http((incoming, outgoing) => {
      // Late enough for the frames that a case sends behind its request to find the stream open.
      incoming.resume().on("end", () => setTimeout(() => outgoing.end("x".repeat(64)), 100));
    });
    const port = await freePort();
    const edge = stage.edge();
    const { issue } = testAuthority();
    await edge.apply({
      epoch: 1,
      listeners: [listener(port, [all("c")], { tls: tlsOf([issue(["example.com"])]), http2: true })],
      clusters: [cluster("c", [address(upstream)])],
    });
    const { cases, failed } = await runH2spec(port);
    expect(cases.length).toBeGreaterThan(140);
    expect(failed.sort()).toEqual(Object.keys(h2specExceptions).sort());
  });
});
