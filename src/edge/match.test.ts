import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { limitsOf } from "./h1/limits.ts";
import { emptyRequestHead, readRequest } from "./h1/request.ts";
import { HeadScanner } from "./h1/scan.ts";
import { compileRoutes, hostnameOf } from "./match.ts";
import type { Condition } from "./ports.ts";
import { compilePattern } from "./wildcard.ts";

describe("patterns", () => {
  it("match as a regular expression would", () => {
    const letters = fc.string({ unit: fc.constantFrom("a", "b", "/"), maxLength: 12 });
    const patterns = fc.string({ unit: fc.constantFrom("a", "b", "/", "*", "?"), maxLength: 8 });
    fc.assert(
      fc.property(patterns, letters, (pattern, text) => {
        const oracle = new RegExp(`^${pattern.replaceAll("*", ".*").replaceAll("?", ".")}$`);
        expect(compilePattern(pattern)(text)).toBe(oracle.test(text));
      }),
      { numRuns: 5_000 },
    );
  });

  it("take no time to speak of where a regular expression would never end", () => {
    const matches = compilePattern(`${"*a".repeat(60)}*b`);
    expect(matches("a".repeat(16_000))).toBe(false);
  });

  it.each([
    ["*.example.com", "example.com", false],
    ["*.example.com", "a.example.com", true],
    ["/img/*/pics", "/img/a/b/pics", true],
    ["/a?c", "/ac", false],
    ["", "", true],
    ["a.c", "abc", false],
  ])("%s on %s: %s", (pattern, text, expected) => {
    expect(compilePattern(pattern)(text)).toBe(expected);
  });

  it("take stars for themselves where they are escaped", () => {
    const matches = compilePattern("a\\*b?", { escapes: true });
    expect([matches("a*bc"), matches("axbc")]).toEqual([true, false]);
  });
});

function matches(conditions: readonly Condition[], request: string, address = "10.1.2.3"): boolean {
  const limits = limitsOf("public");
  const scanner = new HeadScanner(limits);
  scanner.reset("request", limits);
  const bytes = Buffer.from(`${request}\r\n\r\n`, "latin1");
  scanner.push(bytes, 0, bytes.length);
  const head = emptyRequestHead();
  expect(readRequest(scanner, head)).toBeUndefined();
  const action = { kind: "fixed", status: 200, contentType: "", body: "" } as const;
  const [path = "", query = ""] = head.target.split("?", 2);
  const subject = { head, path, query, hostname: hostnameOf(head.host), address };
  return compileRoutes([{ id: "r", conditions, action }])(subject) === 0;
}

const get = (target: string, ...fields: string[]) => [`GET ${target} HTTP/1.1`, ...fields].join("\r\n");
const host = "Host: Shop.Example.com:8080";

describe("conditions", () => {
  it.each<[string, Condition, string, boolean]>([
    ["path, without the query", { kind: "path", patterns: ["/map/*"] }, get("/map/1/2?x=/y", host), true],
    ["path, case as sent", { kind: "path", patterns: ["/map/*"] }, get("/Map/1", host), false],
    ["path, any of several", { kind: "path", patterns: ["/a", "/b"] }, get("/b", host), true],
    ["path, not decoded", { kind: "path", patterns: ["/map/*"] }, get("/%6dap/1", host), false],
    ["host, any case, no port", { kind: "host", patterns: ["*.EXAMPLE.com"] }, get("/", host), true],
    ["host of an absolute target", { kind: "host", patterns: ["other"] }, get("http://other/", host), true],
    ["method, as sent", { kind: "method", methods: ["GET"] }, get("/", host), true],
    ["method, another case", { kind: "method", methods: ["get"] }, get("/", host), false],
    [
      "field, any case",
      { kind: "header", name: "X-Kind", patterns: ["*OLD*"] },
      get("/", host, "x-kind: very old"),
      true,
    ],
    ["field, any of its values", { kind: "header", name: "X", patterns: ["b"] }, get("/", host, "X: a", "X: B"), true],
    ["field that is not there", { kind: "header", name: "X", patterns: ["*"] }, get("/", host), false],
    ["query pair, any case", { kind: "query", pairs: [{ key: "Ver", value: "V1" }] }, get("/?a=b&vER=v1", host), true],
    ["query value alone", { kind: "query", pairs: [{ value: "*beta*" }] }, get("/?k=xBETAx", host), true],
    ["query of another key", { kind: "query", pairs: [{ key: "a", value: "1" }] }, get("/?b=1", host), false],
    ["source", { kind: "source-ip", cidrs: ["192.0.2.0/24", "10.0.0.0/8"] }, get("/", host), true],
    ["path by expression", { kind: "path-regex", regexes: ["^/v[0-9]+/"] }, get("/v12/a", host), true],
    ["path by expression, anywhere", { kind: "path-regex", regexes: ["x$", "img"] }, get("/my/img/1", host), true],
    ["path by expression, case as sent", { kind: "path-regex", regexes: ["^/api$"] }, get("/API", host), false],
    ["host by expression, any case", { kind: "host-regex", regexes: ["^shop\\."] }, get("/", host), true],
    [
      "field by expression, case as sent",
      { kind: "header-regex", name: "User-Agent", regexes: ["^Moz.*/5"] },
      get("/", host, "user-agent: Mozilla/5.0"),
      true,
    ],
    ["field by expression", { kind: "header-regex", name: "X", regexes: ["^b$"] }, get("/", host, "X: B"), false],
    ["another source", { kind: "source-ip", cidrs: ["10.1.2.4/32"] }, get("/", host), false],
  ])("%s", (_, condition, request, expected) => {
    expect(matches([condition], request)).toBe(expected);
  });

  it("must all hold", () => {
    const path: Condition = { kind: "path", patterns: ["/a"] };
    const method: Condition = { kind: "method", methods: ["POST"] };
    expect(matches([path, method], get("/a", host))).toBe(false);
    expect(matches([path, method, path], get("/a", host).replace("GET", "POST"))).toBe(true);
    expect(matches([], get("/a", host))).toBe(true);
  });

  it("know an IPv6 source", () => {
    const source: Condition = { kind: "source-ip", cidrs: ["2001:db8::/32"] };
    expect(matches([source], get("/", host), "2001:db8::1")).toBe(true);
    expect(matches([source], get("/", host), "::1")).toBe(false);
  });
});
