/** Event patterns: what each operator matches, what is refused and how, many at once, and what it costs. */
import { describe, expect, it } from "vitest";
import { facts, refusals } from "./facts.suite.ts";
import { createMatcher } from "./matcher.ts";
import { parsePattern } from "./pattern.ts";
import { naiveMatch, randomEvent, randomPattern, seeded } from "./reference.suite.ts";

const charsMax = 100_000;
const parse = (pattern: object) => parsePattern(JSON.stringify(pattern), { charsMax });

function matches(pattern: object, event: object): boolean {
  const matcher = createMatcher<true>();
  matcher.add(parse(pattern), true);
  return matcher.match(event).length > 0;
}

const refusalOf = (pattern: string): string => {
  try {
    parsePattern(pattern, { charsMax });
  } catch (error) {
    if (error instanceof Error && error.name === "PatternError") return error.message;
    throw error;
  }
  throw new Error(`${pattern} was taken`);
};

describe.each(facts)("$form ($source)", ({ pattern, matches: matching, misses }) => {
  it.each(matching.map((event) => [JSON.stringify(event), event]))("matches %s", (_, event) => {
    expect(matches(pattern, event)).toBe(true);
  });
  it.each(misses.map((event) => [JSON.stringify(event), event]))("does not match %s", (_, event) => {
    expect(matches(pattern, event)).toBe(false);
  });
});

describe("a pattern that is none", () => {
  it.each(refusals)("$pattern: $reason", ({ pattern, reason }) => {
    expect(refusalOf(pattern).split("\n")[0]).toBe(reason);
  });

  it("is shown with line and column, as AWS does", () => {
    const pattern = '{"source":["test.event-pattern"],"detail":{"lenderId":"LenderA"}}';
    expect(refusalOf(pattern)).toBe(
      `"lenderId" must be an object or an array\n at [Source: (String)"${pattern}"; line: 1, column: 56]`,
    );
    expect(refusalOf('{\n  "a": [1],\n  "b": 2\n}')).toContain("; line: 3, column: 9]");
  });

  it.each([
    '{"a": [1]',
    '{"a": [1]}}',
    '{"a" [1]}',
    '{"a": [1,]}',
    '{"a": [01]}',
    '{"a": ["\\x"]}',
    "{a: [1]}",
    "",
    '{"a": [tru]}',
  ])("is no JSON: %s", (pattern) => {
    expect(refusalOf(pattern)).not.toBe("");
  });

  it("is too long, too deep, or has too many combinations", () => {
    expect(() => parsePattern(`{"a": ["${"x".repeat(2_048)}"]}`, { charsMax: 2_048 })).toThrow("2048 characters");
    expect(refusalOf(`${'{"a":'.repeat(1_001)}[1]${"}".repeat(1_001)}`)).toContain("deeper than 1000");
    const or = (left: number): object =>
      left === 0 ? { a: [1] } : { $or: [{ [`x${left}`]: [1] }, { y: [2] }], b: or(left - 1) };
    expect(refusalOf(JSON.stringify(or(10)))).toContain("more than 1000 combinations");
    expect(parse(or(9)).branches).toHaveLength(512);
  });
});

describe("many patterns", () => {
  it("are found together, each value once; what is taken away is gone", () => {
    const matcher = createMatcher<string>();
    const one = parse({ source: ["a"] });
    const other = parse({ source: [{ prefix: "a" }], size: [1] });
    matcher.add(one, "one");
    matcher.add(other, "one");
    matcher.add(other, "other");
    expect(matcher.match({ source: "a", size: 1 }).toSorted()).toEqual(["one", "other"]);
    matcher.remove(one, "one");
    matcher.remove(one, "never added");
    expect(matcher.size).toBe(2);
    expect(matcher.match({ source: "a" })).toEqual([]);
    expect(matcher.match({ source: "ab", size: 1 }).toSorted()).toEqual(["one", "other"]);
    matcher.remove(other, "one");
    matcher.remove(other, "other");
    expect(matcher.match({ source: "ab", size: 1 })).toEqual([]);
    matcher.add(one, "again");
    expect(matcher.match({ source: "a" })).toEqual(["again"]);
  });

  it("agree with a matcher that looks at one after the other", () => {
    const random = seeded(7);
    for (let round = 0; round < 40; round += 1) {
      const patterns = Array.from({ length: 30 }, () => randomPattern(random));
      const matcher = createMatcher<number>();
      const parsed = patterns.map(parse);
      for (const [index, pattern] of parsed.entries()) matcher.add(pattern, index);
      const gone = new Set(parsed.keys().filter(() => random() < 0.3));
      for (const index of gone) {
        const pattern = parsed[index];
        if (pattern !== undefined) matcher.remove(pattern, index);
      }
      for (let count = 0; count < 20; count += 1) {
        const event = randomEvent(random);
        const expected = patterns.flatMap((pattern, index) =>
          !gone.has(index) && naiveMatch(pattern, event) ? [index] : [],
        );
        const found = matcher.match(event).toSorted((a, b) => a - b);
        expect(found, JSON.stringify({ event, patterns })).toEqual(expected);
      }
    }
  });
});

describe("what a match costs", () => {
  /** Reads of members: of the event only as much as patterns ask for. */
  const counted = (event: object) => {
    let reads = 0;
    const watch = (value: unknown): unknown =>
      typeof value !== "object" || value === null
        ? value
        : new Proxy(value, {
            get(target, name, receiver) {
              reads += 1;
              return watch(Reflect.get(target, name, receiver));
            },
          });
    return { event: watch(event), reads: () => reads };
  };

  it("leaves alone what no pattern names", () => {
    const matcher = createMatcher<true>();
    matcher.add(parse({ detail: { state: ["on"] } }), true);
    const large = { other: Array.from({ length: 1_000 }, () => ({ state: "on" })), detail: { state: "on" } };
    const { event, reads } = counted(large);
    expect(matcher.match(event)).toEqual([true]);
    expect(reads()).toBeLessThan(50);
  });

  it("stays bounded where arrays multiply, and where texts repeat", () => {
    const matcher = createMatcher<string>();
    const fields = ["a", "b", "c", "d", "e", "f"];
    matcher.add(parse(Object.fromEntries(fields.map((name) => [name, { x: [1], z: [2] }]))), "never");
    matcher.add(parse({ text: [{ wildcard: "*aaaaa*aaaa*b" }] }), "text");
    const items = Array.from({ length: 2_000 }, () => ({ x: 1, y: 1 }));
    const event = Object.fromEntries(fields.map((name) => [name, items]));
    expect(matcher.match({ ...event, text: "a".repeat(100_000) })).toEqual([]);
    expect(matcher.match({ text: `${"a".repeat(100_000)}b` })).toEqual(["text"]);
  });

  it("ends with events that are nested without end", () => {
    const matcher = createMatcher<true>();
    matcher.add(parse({ a: [1] }), true);
    let deep: unknown = 1;
    for (let level = 0; level < 50_000; level += 1) deep = [deep];
    expect(matcher.match({ a: deep })).toEqual([]);
    expect(matcher.match({ a: [[[[1]]]] })).toEqual([true]);
  });
});
