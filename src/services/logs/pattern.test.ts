import { describe, expect, it } from "vitest";
import { filterOf } from "./pattern.ts";

describe("filter patterns", () => {
  it.each([
    [undefined, "anything", true],
    ["  ", "anything", true],
    ["ERROR", "[ERROR] it broke", true],
    ["error", "[ERROR] it broke", false],
    ["ERROR broke", "[ERROR] it broke", true],
    ["ERROR missing", "[ERROR] it broke", false],
    ["?ERROR ?WARN", "WARN only", true],
    ["?ERROR ?WARN", "INFO only", false],
    ["ERROR -broke", "ERROR it broke", false],
    ["ERROR -broke", "ERROR it bent", true],
    ['"it broke"', "ERROR it broke", true],
    ['"it  broke"', "ERROR it broke", false],
    ['-"it broke"', "ERROR it broke", false],
    [String.raw`"say \"hi\""`, 'they say "hi"', true],
    ["日本", "日本語", true],
  ])("%s on %s is %s", (pattern, message, passes) => {
    expect(filterOf(pattern)(message)).toBe(passes);
  });

  it.each(["a.b", "a:b", '"open', "a|b", '"a"b'])("refuses %s", (pattern) => {
    expect(() => filterOf(pattern)).toThrow("Invalid filter pattern");
  });

  it.each(["{ $.level = 1 }", "[ip, user]", "%ERR%", "-%ERR%"])("refuses %s by name", (pattern) => {
    expect(() => filterOf(pattern)).toThrow("Mikan does not implement");
  });

  it("takes no more than linear time", () => {
    expect(() => filterOf(`"${"\\\\".repeat(500)}`)).toThrow("Invalid filter pattern");
  });
});
