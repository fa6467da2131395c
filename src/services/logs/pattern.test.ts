import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { examples, pages } from "./pattern-examples.suite.ts";
import { patternOf } from "./pattern.ts";
import { compileRegex } from "./pattern-regex.ts";

const matches = (pattern: string | undefined, message: string) => patternOf(pattern)(message) !== undefined;

describe("as AWS documents them", () => {
  it.each(examples)("$pattern ($page)", ({ page, pattern, matches: own = [], others = [] }) => {
    expect(pages[page]).toMatch(/^https:\/\/docs\.aws\.amazon\.com\//);
    expect(own.filter((message) => !matches(pattern, message))).toEqual([]);
    expect(others.filter((message) => matches(pattern, message))).toEqual([]);
  });
});

describe("terms", () => {
  it.each([
    [undefined, "anything", true],
    ["  ", "anything", true],
    ["error", "[ERROR] it broke", false],
    ["?ERROR ?WARN", "INFO only", false],
    ['"it  broke"', "ERROR it broke", false],
    ['-"it broke"', "ERROR it broke", false],
    [String.raw`"say \"hi\""`, 'they say "hi"', true],
    ["\u65e5\u672c", "\u65e5\u672c\u8a9e", true],
  ])("%s on %s is %s", (pattern, message, passes) => {
    expect(matches(pattern, message)).toBe(passes);
  });
});

describe("JSON", () => {
  it.each([
    ["{ $.a = UpdateTrail }", '{"a":"UpdateTrail"}', true],
    ["{ $.a IS FALSE }", '{"a":false}', true],
    ["{ $.a IS TRUE }", '{"a":"true"}', false],
    ["{ $.a IS NULL }", "{}", false],
    ["{ $.a = true }", '{"a":true}', false],
    ['{ $.a = "*" }', '{"a":7}', true],
    ['{ $.a = "*" }', '{"a":null}', false],
    ['{ $.a = "3" }', '{"a":3}', true],
    ["{ $.a = 3 }", '{"a":"3"}', true],
    ["{ $.a > 2 }", '{"a":"many"}', false],
    ["{ $.a = x*y*z }", '{"a":"x1y2z"}', true],
    ["{ $.a = x*x }", '{"a":"x"}', false],
    ["{ $.a = b }", '{"a":["b"]}', false],
    ["{ $.a != b }", "{}", false],
    ["{ $.a != b }", '{"a":{}}', false],
    ["{ $.a[*].b >= 2 }", '{"a":[{"b":1},{"b":2}]}', true],
    ["{ $.a.b.c = 1 }", '{"a":{"b":{"c":1}}}', true],
    ['{ $.["a b"] = 1 }', '{"a b":1}', true],
    ["{ $[0].a = 1 }", '[{"a":1}]', true],
    ["{ $.constructor NOT EXISTS }", "{}", true],
    ["{ $.a = 1 }", '  {"a":1}\n', true],
    ["{ $.a = 1 }", 'INFO {"a":1}', false],
    ["{ $.a = 1 }", '{"a":1', false],
  ])("%s on %s is %s", (pattern, message, passes) => {
    expect(matches(pattern, message)).toBe(passes);
  });
});

describe("fields", () => {
  const line = '127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] "GET /a.gif HTTP/1.0" 200 1534\n';
  const [$ip, $user, $time, $request] = ["127.0.0.1", "frank", "10/Oct/2000:13:25:15 -0700", "GET /a.gif HTTP/1.0"];

  it.each([
    [
      "[ip, identity, user_id, timestamp, request, status_code, size]",
      { $ip, $identity: "-", $user_id: $user, $timestamp: $time, $request, $status_code: "200", $size: "1534" },
    ],
    ["[..., size]", { $1: $ip, $2: "-", $3: $user, $4: $time, $5: $request, $6: "200", $size: "1534" }],
    ["[ip, ..., size]", { $ip, $2: "-", $3: $user, $4: $time, $5: $request, $6: "200", $size: "1534" }],
    ["[]", { $1: $ip, $2: "-", $3: $user, $4: $time, $5: $request, $6: "200", $7: "1534" }],
    ["[ip, -, rest]", { $ip, $2: "-", $rest: `frank [${$time}] "${$request}" 200 1534` }],
    [
      "[..., (status = 2* && status < 300), ]",
      { $1: $ip, $2: "-", $3: $user, $4: $time, $5: $request, $status: "200", $7: "1534" },
    ],
  ])("%s", (pattern, extracted) => {
    expect(patternOf(pattern)(line)).toEqual(extracted);
  });

  it.each(["[a, b, c, d, e, f, g, h]", "[w1=127.0.0.1]", "[..., size < 100]", "[a, b, c, d, e, f, g, h, ...]"])(
    "%s is not it",
    (pattern) => {
      expect(matches(pattern, line)).toBe(false);
    },
  );
});

describe("what is no pattern", () => {
  it.each([
    "a.b",
    "a:b",
    '"open',
    "a|b",
    '"a"b',
    "a %b%",
    "-%a%",
    "%",
    "%%",
    "%a",
    "%a% b",
    "%something!%",
    "%(ab)+%",
    "%caf\u00e9%",
    String.raw`%\p%`,
    String.raw`%\(a\)%`,
    "%a**%",
    "%*a%",
    "%a{3,%",
    "%a{3,2}%",
    "%a{999}%",
    "%[a%",
    "%[z-a]%",
    "%a^b%",
    "%a$b%",
    `%${"a{100}".repeat(11)}%`,
    "{",
    "{}",
    "{ $.a = }",
    "{ $.a }",
    "{ $.a = 1",
    "{ $.a = 1 } x",
    "{ a = 1 }",
    "{ $.a == 1 }",
    "{ $.a = 1 && }",
    "{ ($.a = 1 }",
    "{ $.a IS MAYBE }",
    "{ $.a EXISTS }",
    "{ $.a[x] = 1 }",
    '{ $.a = "x }',
    "{ $.a > x }",
    "{ $ = 1 }",
    "{ $.*[*] = 1 }",
    "{ $.a[*] = 1 || $.b[*] = 1 || $.c[*] = 1 || $.d[*] = 1 }",
    "{ $.a NOT constructor }",
    "{ $.a = %x% || $.a = %y% || $.a = %z% }",
    "{ !($.a = 1) }",
    "{ $.a = 1 AND $.b = 2 }",
    "[",
    "[a",
    "[a, b] x",
    "[a, ..., b, ...]",
    "[a, a]",
    "[a = ]",
    "[a = 1 ||]",
    "[1a]",
    "[a=x || b=y]",
  ])("%s", (pattern) => {
    expect(() => patternOf(pattern)).toThrow(/^Invalid filter pattern/);
  });

  it("is refused in linear time", () => {
    expect(() => patternOf(`"${"\\\\".repeat(500)}`)).toThrow("Invalid filter pattern");
    expect(() => patternOf(`{ ${"(".repeat(1_000)}`)).toThrow("Invalid filter pattern");
  });

  it("is a fault and nothing else, of whatever it is made", () => {
    const piece = fc.constantFrom(
      "{",
      "}",
      "[",
      "]",
      "(",
      ")",
      "$",
      ".a",
      "[*]",
      "[0]",
      "=",
      "!=",
      ">",
      "&&",
      "||",
      "%",
      "*",
      "...",
      ",",
      " ",
      '"',
      "\\",
      "1",
      "x",
      "IS NULL",
      "NOT EXISTS",
      "-",
      "?",
      "^",
      "{2}",
      "|",
      "\\d",
      "[a-z]",
    );
    const pattern = fc.oneof(
      fc.array(piece, { maxLength: 20 }).map((pieces) => pieces.join("")),
      fc.string(),
    );
    const message = fc.oneof(
      fc.string(),
      fc.json(),
      fc.array(piece).map((pieces) => pieces.join(" ")),
    );
    fc.assert(
      fc.property(pattern, message, (text, subject) => {
        let compiled;
        try {
          compiled = patternOf(text);
        } catch (error) {
          expect(error).toMatchObject({ code: "InvalidParameterException" });
          return;
        }
        expect(["object", "undefined"]).toContain(typeof compiled(subject));
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("regular expressions", () => {
  const atom = fc.constantFrom("a", "b", ".", "[ab]", "[^a]", "[b-d]", "\\w", "\\d", "\\D", "\\.", "\\x61");
  const count = fc.constantFrom("", "", "", "?", "*", "+", "{2}", "{1,2}", "{0,1}", "{1,}");
  const sequence = fc
    .tuple(
      fc.constantFrom("", "", "^"),
      fc.array(fc.tuple(atom, count), { maxLength: 5 }),
      fc.constantFrom("", "", "$"),
    )
    .map(([from, atoms, to]) => from + atoms.flat().join("") + to);
  const regex = fc.array(sequence, { minLength: 1, maxLength: 3 }).map((choices) => choices.join("|"));
  const subject = fc.string({ unit: fc.constantFrom("a", "b", "c", ".", "1", "\u00e9"), maxLength: 12 });

  it("find what JavaScript's own find", () => {
    fc.assert(
      fc.property(regex, subject, (text, message) => {
        const expected = new RegExp(text, "s").test(message);
        expect(compileRegex(text)(message)).toBe(expected);
        // Also where its states are too many to be kept.
        for (const kept of [1, 3]) expect(compileRegex(text, kept)(message)).toBe(expected);
      }),
      { numRuns: 3_000 },
    );
  });

  it("take a step for each character, where others would try without end", () => {
    const long = `${"a".repeat(100_000)}!`;
    expect(compileRegex(".*.*.*.*.*.*.*.*=")(long)).toBe(false);
    expect(compileRegex(`${"a?".repeat(30)}${"a".repeat(30)}b`)(long)).toBe(false);
    expect(compileRegex("[ab]*a[ab]{12}c")("abaabbab".repeat(1_000))).toBe(false);
  });
});
