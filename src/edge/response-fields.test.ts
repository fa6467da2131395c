/** What a listener sets in answers: of endpoints, of functions, and its own. */
import { afterEach, expect, it } from "vitest";
import { address, all, cluster, freePort, listener, Stage } from "./edge.suite.ts";
import type { ResponseFields, RouteConfig } from "./ports.ts";

const stage = new Stage();
afterEach(() => stage.strike());

const fixed: RouteConfig = {
  id: "fixed",
  conditions: [{ kind: "path", patterns: ["/fixed"] }],
  action: { kind: "fixed", status: 200, contentType: "text/plain", body: "ok" },
};
const toFunction: RouteConfig = {
  id: "function",
  conditions: [{ kind: "path", patterns: ["/function"] }],
  action: { kind: "forward", targets: [{ clusterId: "f", weight: 1 }] },
};

async function start(response?: ResponseFields) {
  const upstream = await stage.http((_, answer) => {
    answer.setHeader("Strict-Transport-Security", "max-age=1");
    answer.setHeader("X-Frame-Options", "SAMEORIGIN");
    answer.setHeader("Server", "upstream");
    answer.end("ok");
  });
  const port = await freePort();
  const edge = stage.edge();
  edge.register("fn", async () => ({
    status: 200,
    headers: ["x-frame-options", "SAMEORIGIN", "x-kept", "yes"],
    body: Buffer.from("ok"),
  }));
  const listeners = [listener(port, [fixed, toFunction, all("c")], response === undefined ? {} : { response })];
  const clusters = [
    cluster("c", [address(upstream)]),
    cluster("f", [{ kind: "function", id: "fn", requestBytesMax: 1024 }]),
  ];
  await edge.apply({ epoch: 1, listeners, clusters });
  return async (target: string, bad = "") => {
    const client = stage.client(port);
    client.send(`GET ${target} HTTP/1.1\r\nHost: a.example.com\r\n${bad}\r\n`);
    const head = await client.until((text) => text.includes("\r\n\r\n"));
    return head.slice(0, head.indexOf("\r\n\r\n")).split("\r\n");
  };
}

const set = ["X-Frame-Options", "DENY", "Access-Control-Allow-Origin", "*"];

it("stand in answers of endpoints and functions in place of their own, and in the listener's", async () => {
  const ask = await start({ hideServer: false, set });
  const ofEndpoint = await ask("/");
  expect(ofEndpoint).toContain("Strict-Transport-Security: max-age=1");
  expect(ofEndpoint).toContain("Server: upstream");
  const ofFunction = await ask("/function");
  expect(ofFunction).toContain("x-kept: yes");
  for (const lines of [ofEndpoint, ofFunction, await ask("/fixed"), await ask("/", "bad field\r\n")]) {
    expect(lines.filter((line) => /^x-frame-options/i.test(line))).toEqual(["X-Frame-Options: DENY"]);
    expect(lines).toContain("Access-Control-Allow-Origin: *");
  }
});

it("do not say what the edge is, where that is hidden", async () => {
  const ask = await start({ hideServer: true, set: [] });
  for (const target of ["/fixed", "/function"]) expect((await ask(target)).join("\n")).not.toMatch(/^server:/im);
  expect(await ask("/")).toContain("Server: upstream");
});

it("are nobody's business by default", async () => {
  const ask = await start();
  expect(await ask("/fixed")).toContain("Server: edge/1");
  expect(await ask("/")).toContain("X-Frame-Options: SAMEORIGIN");
});
