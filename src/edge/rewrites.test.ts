/** What an endpoint gets of a request whose route rewrites it, and what becomes of one that cannot be rewritten. */
import type { IncomingMessage } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { address, cluster, freePort, listener, Stage } from "./edge.suite.ts";
import { emptyRequestHead } from "./h1/request.ts";
import type { Rewrites, RouteConfig } from "./ports.ts";
import { compileRewrites } from "./rewrites.ts";

const stage = new Stage();
afterEach(() => stage.strike());

function rewritten(rewrites: Rewrites, target: string, host = "shop.example.com"): string {
  const request = { head: { ...emptyRequestHead(), target, host, hostText: host }, sent: undefined };
  return compileRewrites(rewrites)(request) ? `${request.head.hostText}${request.head.target}` : "fails";
}

describe("a rewrite", () => {
  it.each<[string, Rewrites, string, string]>([
    ["of a prefix", { url: { regex: "^/api/(.+)$", replace: "/$1" } }, "/api/a/b?c=d", "shop.example.com/a/b?c=d"],
    ["that does not match", { url: { regex: "^/api/", replace: "/" } }, "/other", "shop.example.com/other"],
    ["of the query", { url: { regex: "\\?.*$", replace: "" } }, "/a?b=c", "shop.example.com/a"],
    ["of the first match alone", { url: { regex: "a", replace: "b" } }, "/a/a", "shop.example.com/b/a"],
    ["of the host", { host: { regex: "^shop\\.(.+)\\.com$", replace: "in.$1.org" } }, "/", "in.example.org/"],
    [
      "of both",
      { host: { regex: "shop", replace: "new" }, url: { regex: "^/(\\w+)/(\\w+)", replace: "/$2/$1" } },
      "/a/b",
      "new.example.com/b/a",
    ],
    ["with a group that took no part", { url: { regex: "^/a(x)?", replace: "/b$1" } }, "/a", "shop.example.com/b"],
    ["with the whole match", { url: { regex: "\\d+", replace: "<$0>" } }, "/7", "shop.example.com/<7>"],
    ["with a dollar", { url: { regex: "b", replace: "$" } }, "/b", "shop.example.com/$"],
    ["to what is no path", { url: { regex: "^/a", replace: "" } }, "/a", "fails"],
    ["to a space", { url: { regex: "_", replace: " " } }, "/a_b", "fails"],
    ["to a fragment", { url: { regex: "_", replace: "#" } }, "/a_b", "fails"],
    ["to another line", { url: { regex: "_", replace: "\r\n" } }, "/a_b", "fails"],
    ["to what is no host", { host: { regex: ".*", replace: "a/b" } }, "/", "fails"],
    ["to no host", { host: { regex: ".*", replace: "" } }, "/", "fails"],
    ["to a host with a port", { host: { regex: ".*", replace: "in.example.com:8443" } }, "/", "in.example.com:8443/"],
  ])("%s", (_, rewrites, target, expected) => {
    expect(rewritten(rewrites, target)).toBe(expected);
  });
});

async function through(rewrites: Rewrites, head: string) {
  const seen: IncomingMessage[] = [];
  const upstream = await stage.http((request, response) => {
    seen.push(request);
    response.end("ok");
  });
  const port = await freePort();
  const route: RouteConfig = {
    id: "api",
    conditions: [{ kind: "path", patterns: ["/api/*"] }],
    action: { kind: "forward", targets: [{ clusterId: "c", weight: 1 }] },
    rewrites,
  };
  const edge = stage.edge();
  const fixed: RouteConfig = {
    id: "default",
    conditions: [],
    action: { kind: "fixed", status: 404, contentType: "", body: "" },
  };
  const routes = [route, fixed];
  await edge.apply({ epoch: 1, listeners: [listener(port, routes)], clusters: [cluster("c", [address(upstream)])] });
  const client = stage.client(port);
  client.send(head);
  return { answer: await client.response(), seen };
}

it("goes to the endpoint, by the route that the client's own path has", async () => {
  const rewrites = { url: { regex: "^/api/", replace: "/v2/" }, host: { regex: "^shop", replace: "store" } };
  const { answer, seen } = await through(rewrites, "GET /api/x?y=1 HTTP/1.1\r\nHost: shop.example.com\r\n\r\n");
  expect(answer.status).toBe(200);
  expect(seen.map(({ url, headers }) => [url, headers.host])).toEqual([
    ["/v2/x?y=1", expect.stringMatching(/^store\.example\.com/)],
  ]);
});

it("is answered 500 where it fails", async () => {
  const rewrites = { url: { regex: "^/api/", replace: "" } };
  const { answer, seen } = await through(rewrites, "GET /api/x HTTP/1.1\r\nHost: a.example.com\r\n\r\n");
  expect([answer.status, seen.length]).toEqual([500, 0]);
});
