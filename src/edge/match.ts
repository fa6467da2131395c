/**
 * Conditions of routes, compiled. Path: case as sent, without the query; host, fields and query: any case; method: as
 * sent; source: the connection's address, not what a field claims. (ALB user guide, "Condition types for listener rules".)
 */
import { BlockList, isIPv6 } from "node:net";
import { Bug } from "../base/errors.ts";
import { plainAddress } from "./peer.ts";
import type { RequestHead } from "./h1/request.ts";
import { spanSize } from "./h1/scan.ts";
import type { Condition, RouteConfig } from "./ports.ts";
import { compileAny, compilePattern, type Matcher } from "./wildcard.ts";

/** What the conditions look at. */
export interface Subject {
  head: RequestHead;
  path: string;
  /** Without its `?`. */
  query: string;
  /** Without a port. */
  hostname: string;
  /** Of the client, without brackets or zone. */
  address: string;
}

export type Test = (subject: Subject) => boolean;

/** The host of `host[:port]`. */
export function hostnameOf(host: string): string {
  const colon = host.lastIndexOf(":");
  return colon < 0 || host.endsWith("]") ? host : host.slice(0, colon);
}

/** The index of the first route whose conditions all hold, or -1. */
export function compileRoutes(routes: readonly RouteConfig[]): (subject: Subject) => number {
  const tests = routes.map((route) => compileConditions(route.conditions));
  return (subject) => {
    for (let i = 0; i < tests.length; i += 1) {
      if ((tests[i] as Test)(subject)) return i;
    }
    return -1;
  };
}

function compileConditions(conditions: readonly Condition[]): Test {
  const tests = conditions.map((condition) => compileCondition(condition));
  const [first, second] = tests;
  if (first === undefined) return () => true;
  if (second === undefined) return first;
  return (subject) => tests.every((test) => test(subject));
}

function compileCondition(condition: Condition): Test {
  switch (condition.kind) {
    case "path": {
      const matches = compileAny(condition.patterns);
      return ({ path }) => matches(path);
    }
    case "host": {
      const matches = compileAny(condition.patterns, { ignoreCase: true });
      return ({ hostname }) => matches(hostname);
    }
    case "method": {
      const methods = new Set(condition.methods);
      return ({ head }) => methods.has(head.method);
    }
    case "header":
      return compileHeader(condition.name.toLowerCase(), compileAny(condition.patterns, { ignoreCase: true }));
    case "query":
      return compileQuery(condition.pairs);
    case "path-regex":
    case "host-regex":
    case "header-regex":
      throw new Error(`conditions of kind ${condition.kind} are not built yet`);
    case "source-ip":
      return compileSources(condition.cidrs);
    default:
      throw new Bug(`no such condition: ${JSON.stringify(condition satisfies never)}`);
  }
}

function compileHeader(name: string, matches: Matcher): Test {
  return ({ head: { text, spans, count } }) => {
    for (let i = 0, at = 0; i < count; i += 1, at += spanSize) {
      const start = spans[at + 1] as number;
      const end = spans[at + 2] as number;
      if (end - start !== name.length || text.slice(start, end).toLowerCase() !== name) continue;
      if (matches(text.slice(spans[at + 3], spans[at + 4]).toLowerCase())) return true;
    }
    return false;
  };
}

function compileQuery(pairs: readonly { key?: string; value: string }[]): Test {
  const options = { ignoreCase: true, escapes: true };
  const tests = pairs.map(({ key, value }) => ({
    key: key === undefined ? undefined : compilePattern(key, options),
    value: compilePattern(value, options),
  }));
  return ({ query }) => {
    for (const pair of query.toLowerCase().split("&")) {
      const equals = pair.indexOf("=");
      const key = equals < 0 ? pair : pair.slice(0, equals);
      const value = equals < 0 ? "" : pair.slice(equals + 1);
      for (const test of tests) {
        if ((test.key === undefined || test.key(key)) && test.value(value)) return true;
      }
    }
    return false;
  };
}

/** Throws a RangeError for what is no CIDR block. */
function compileSources(cidrs: readonly string[]): Test {
  const list = new BlockList();
  for (const cidr of cidrs) {
    const slash = cidr.lastIndexOf("/");
    const network = slash < 0 ? cidr : cidr.slice(0, slash);
    const family = isIPv6(network) ? "ipv6" : "ipv4";
    list.addSubnet(network, slash < 0 ? (family === "ipv6" ? 128 : 32) : Number(cidr.slice(slash + 1)), family);
  }
  return ({ address }) => list.check(plainAddress(address), isIPv6(address) ? "ipv6" : "ipv4");
}
