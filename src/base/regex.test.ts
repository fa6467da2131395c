/** The same answers as `RegExp` where both can, none of its time where it cannot, and refusals by name. */
import { describe, expect, it } from "vitest";
import { compileRegex, RegexRefused } from "./regex.ts";

/** Expression and texts; what `RegExp` says of them is the expectation. */
const agreed: readonly [string, ...string[]][] = [
  ["abc", "abc", "xabcx", "ab", ""],
  ["^/api/(.+)$", "/api/", "/api/a", "/api/a/b", "x/api/a"],
  ["^/(a|b)/(\\d+)(?:/(.*))?$", "/a/1", "/b/22/x/y", "/c/1", "/a/"],
  ["a*?b", "aaab", "b", "ab"],
  ["(a+)(a*)", "aaa", "b"],
  ["(a+?)(a*)", "aaa"],
  ["(a|ab)(c|bcd)(d*)", "abcd"],
  ["(?:a|b)+c", "ababc", "c"],
  ["[a-c\\d_-]+", "abc-9_z", "xyz"],
  ["[^/]+", "/a/b", "//"],
  ["x{2,3}", "x", "xx", "xxxx"],
  ["x{2}", "x", "xx", "xxx"],
  ["x{2,}?y", "xxxy", "xy"],
  ["a{,3}", "a{,3}", "aaa"],
  ["\\bfoo\\b", "a foo b", "afoo", "foo"],
  ["\\Boo", "foo", "oo"],
  ["^$", "", "a"],
  ["\\.html?$", "/a.html", "/a.htm", "/ahtm"],
  ["(?<year>\\d{4})-(?<month>\\d\\d)", "in 2026-11", "26-11"],
  ["a|b|", "a", "b", "c"],
  ["(|a)b", "ab", "b"],
  ["\\/v1\\/", "/v1/", "v1"],
  ["caf\u00e9", "caf\u00e9", "cafe"],
  ["[\\w.]+@[\\w.]+", "mail a.b@c.d now"],
  ["(\\w+)=(\\w*)(?:&|$)", "a=1&b=", "="],
];

describe("an expression", () => {
  it.each(agreed)("%s", (text, ...subjects) => {
    const regex = compileRegex(text);
    for (const subject of subjects) {
      // The flag gives the places of groups.
      const match = new RegExp(text, "d").exec(subject);
      const expected = match?.indices?.flatMap((place) => place ?? [-1, -1]);
      expect(regex.exec(subject)).toEqual(expected);
      expect(regex.test(subject)).toBe(match !== null);
    }
  });

  it("may ignore the case of ASCII letters", () => {
    const regex = compileRegex("^www\\.[a-c]+$", { ignoreCase: true });
    expect(regex.test("WWW.aBc")).toBe(true);
    expect(compileRegex("(?i)www").test("WwW")).toBe(true);
    expect(compileRegex("www").test("WwW")).toBe(false);
  });

  it("knows the classes of POSIX", () => {
    expect(compileRegex("^[[:alpha:]][[:digit:]]+$").test("a12")).toBe(true);
    expect(compileRegex("^[[:^digit:]]$").test("1")).toBe(false);
  });
});

it("takes time in proportion to the text, where backtracking would take forever", () => {
  const text = `${"a".repeat(10_000)}!`;
  for (const evil of ["^(a+)+$", "^(a|a)*$", "^(a|aa)+$", "(a*)*b", "^(.*)*(.*)*c$", "(x+x+)+y"]) {
    expect(compileRegex(evil).test(text)).toBe(false);
  }
});

it("agrees with RegExp on expressions and texts made at random", () => {
  let state = 20_261_122;
  const random = (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const pick = (from: readonly string[]) => from[random(from.length)] ?? "";
  const expression = (depth: number): string => {
    if (depth === 0) return pick(["a", "b", "c", ".", "[ab]", "[^a]", "\\w"]);
    const one = () => expression(depth - 1);
    // A loop over nothing is where engines differ.
    const looped = (body: string) =>
      new RegExp(`^(?:${body})$`).test("") ? body : `(?:${body})${pick(["*", "+", "?", "*?", "{1,2}"])}`;
    const made = [one, () => one() + one(), () => `(?:${one()}|${one()})`, () => looped(one())];
    return (made[random(made.length)] as () => string)();
  };
  for (let i = 0; i < 2_000; i += 1) {
    const source = `${pick(["", "^"])}${expression(3)}${pick(["", "$"])}`;
    const regex = compileRegex(source);
    for (let j = 0; j < 4; j += 1) {
      const text = Array.from({ length: random(8) }, () => pick(["a", "b", "c"])).join("");
      const match = new RegExp(source).exec(text);
      const expected = match === null ? undefined : [match.index, match.index + match[0].length];
      expect([source, text, regex.exec(text)?.slice(0, 2)]).toEqual([source, text, expected]);
    }
  }
});

it.each([
  ["a(?=b)", "looking ahead or behind is not supported"],
  ["(?<!a)b", "looking ahead or behind is not supported"],
  ["(a)\\1", "references back are not supported"],
  ["\\k<a>", "references back are not supported"],
  ["(?>a)", "an atomic group is not supported"],
  ["a++", "possessive quantifiers are not supported"],
  ["(?R)", "recursion is not supported"],
  ["\\p{L}", "Unicode character classes are not supported"],
  ["(", "a parenthesis is not closed"],
  [")", "a closing parenthesis has no opening one"],
  ["[a", "a bracket is not closed"],
  ["[b-a]", "a range in brackets is out of order"],
  ["*a", "a quantifier has nothing to repeat"],
  ["a**", "a quantifier follows another"],
  ["^*", "an anchor cannot be repeated"],
  ["a{2,1}", "a repetition's bounds are out of order"],
  ["a{1001}", "a repetition can be of at most 1000"],
  ["(?:(?:a{100}){100})", "the regular expression is too large"],
  ["\\q", "'\\q' is not supported"],
  ["\\", "'\\' is not supported"],
  ["\\x1", "\\x needs two hexadecimal digits"],
  ["[[:no:]]", "there is no class '[:no:]'"],
])("%s is refused: %s", (text, message) => {
  expect(() => compileRegex(text)).toThrow(new RegexRefused(message));
});
