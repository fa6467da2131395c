/**
 * Conditions of routes, compiled. Path: case as sent, without the query; host, fields and query: any case; method: as
 * sent; source: the connection's address, not what a field claims. (ALB user guide, "Condition types for listener rules".)
 */
import { BlockList, isIPv6 } from "node:net";
import { Bug } from "../base/errors.ts";
import { compileRegex } from "../base/regex.ts";
import { plainAddress } from "./peer.ts";
import { isNamed } from "./h1/fields.ts";
import type { RequestHead } from "./h1/request.ts";
import { spanSize } from "./h1/scan.ts";
import type { Condition, RouteConfig } from "./ports.ts";
import { compileShortlist } from "./shortlist.ts";
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
  const shortlist = compileShortlist(routes);
  if (shortlist !== undefined) {
    return (subject) => {
      for (const i of shortlist(subject)) if ((tests[i] as Test)(subject)) return i;
      return -1;
    };
  }
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
    case "path-regex": {
      const matches = anyRegex(condition.regexes);
      return ({ path }) => matches(path);
    }
    case "host-regex": {
      // A host has no case.
      const matches = anyRegex(condition.regexes, { ignoreCase: true });
      return ({ hostname }) => matches(hostname);
    }
    case "header-regex":
      return compileHeader(condition.name.toLowerCase(), anyRegex(condition.regexes), "as sent");
    case "source-ip":
      return compileSources(condition.cidrs);
    default:
      throw new Bug(`no such condition: ${JSON.stringify(condition satisfies never)}`);
  }
}

/** True when any of the expressions matches somewhere; in linear time, as a client chooses the text. */
function anyRegex(regexes: readonly string[], options?: { ignoreCase?: boolean }): Matcher {
  const compiled = regexes.map((regex) => compileRegex(regex, options));
  return (text) => compiled.some((regex) => regex.test(text));
}

function compileHeader(name: string, matches: Matcher, as: "as sent" | "lower case" = "lower case"): Test {
  return ({ head: { text, spans, count } }) => {
    for (let i = 0, at = 0; i < count; i += 1, at += spanSize) {
      if (!isNamed(text, spans[at + 1] as number, spans[at + 2] as number, name)) continue;
      const value = text.slice(spans[at + 3], spans[at + 4]);
      if (matches(as === "as sent" ? value : value.toLowerCase())) return true;
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
