import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { emptyRequestHead } from "./h1/request.ts";
import { compileRoutes } from "./match.ts";
import type { Condition, RouteConfig } from "./ports.ts";
import { compileShortlist } from "./shortlist.ts";

const routesOf = (all: readonly (readonly Condition[])[]): RouteConfig[] =>
  all.map((conditions, index) => ({
    id: `route-${index}`,
    conditions,
    action: { kind: "fixed", status: 200, contentType: "text/plain", body: "" },
  }));

const subjectOf = (path: string, hostname: string) => ({
  head: emptyRequestHead(),
  path,
  query: "",
  hostname,
  address: "192.0.2.1",
});

describe("a shortlist of routes", () => {
  it("changes no match", () => {
    const text = (letters: string, maxLength: number) =>
      fc.string({ unit: fc.constantFrom(...Array.from(letters)), maxLength });
    const condition: fc.Arbitrary<Condition> = fc.oneof(
      fc.record({
        kind: fc.constant("path" as const),
        patterns: fc.array(text("/ab*?", 5), { minLength: 1, maxLength: 2 }),
      }),
      fc.record({
        kind: fc.constant("host" as const),
        patterns: fc.array(text("ab.A*", 3), { minLength: 1, maxLength: 2 }),
      }),
    );
    const all = fc.array(fc.array(condition, { maxLength: 2 }), { minLength: 8, maxLength: 30 });
    fc.assert(
      fc.property(all, text("/ab", 5), text("ab.", 3), (conditions, path, hostname) => {
        const subject = subjectOf(`/${path}`, hostname);
        const alone = conditions.findIndex((one) => compileRoutes(routesOf([one]))(subject) === 0);
        expect(compileRoutes(routesOf(conditions))(subject)).toBe(alone);
      }),
      { numRuns: 3_000 },
    );
  });

  it("leaves a few of a hundred by path, or by host", () => {
    const numbers = Array.from({ length: 100 }, (_, index) => index);
    const paths = compileShortlist(routesOf([...numbers.map((n) => [pathIs(`/api-${n}/*`)]), []]));
    expect(paths?.({ path: "/api-7/x", hostname: "" })).toEqual([7, 100]);
    expect(paths?.({ path: "/", hostname: "" })).toEqual([100]);
    const hosts = compileShortlist(routesOf(numbers.map((n) => [hostIs(`S${n}.example.com`), pathIs("/a*")])));
    expect(hosts?.({ path: "/", hostname: "s9.example.com" })).toEqual([9]);
  });

  it("is none where routes are few, or can begin anyhow", () => {
    expect(compileShortlist(routesOf([[pathIs("/a")], []]))).toBeUndefined();
    expect(compileShortlist(routesOf(Array.from({ length: 50 }, (_, n) => [pathIs(`/*/${n}`)])))).toBeUndefined();
  });
});

function pathIs(pattern: string): Condition {
  return { kind: "path", patterns: [pattern] };
}

function hostIs(pattern: string): Condition {
  return { kind: "host", patterns: [pattern] };
}
