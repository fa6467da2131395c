import { assert, asyncProperty, constantFrom, array, json, string } from "fast-check";
import { describe, expect, it } from "vitest";
import { jsonError } from "./json.ts";

const isJson = (text: string) => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};
const accepted = async (text: string) => (await jsonError(Buffer.from(text))) === undefined;

describe("jsonError", () => {
  it("accepts what JSON.parse accepts", () =>
    assert(
      asyncProperty(json(), async (text) => {
        expect(await accepted(text)).toBe(true);
      }),
    ));

  it("agrees with JSON.parse about what is nearly JSON", () => {
    const pieces = constantFrom(
      ...'{}[],:"\\ \n\t-+.0123eEabu'.split(""),
      "tru",
      "true",
      "false",
      "null",
      '"a"',
      "\\u00e9",
      "\\u00g9",
      "é",
      "\u0001",
    );
    return assert(
      asyncProperty(array(pieces, { maxLength: 9 }), async (parts) => {
        const text = parts.join("");
        expect([text, await accepted(text)]).toEqual([text, isJson(text)]);
      }),
      { numRuns: 5_000 },
    );
  });

  it("agrees about strings with anything in them", () =>
    assert(
      asyncProperty(string({ unit: "binary" }), async (text) => {
        const document = `["${text}"]`;
        expect(await accepted(document)).toBe(isJson(document));
      }),
    ));

  it.each([
    "",
    " ",
    "[1,]",
    '{"a":1,}',
    "{,}",
    "01",
    "1.",
    "-",
    "1e",
    "tru",
    "[1}",
    "{]",
    "1 2",
    '"\\x"',
    '"',
    "\ufeff1",
  ])("refuses %o", async (text) => {
    expect([await accepted(text), isJson(text)]).toEqual([false, false]);
  });

  it("refuses bytes that are no UTF-8, and says so", async () => {
    expect(await jsonError(Buffer.from([0x22, 0x87, 0x22]))).toBe("Invalid UTF-8");
  });

  it("says where", async () => {
    expect(await jsonError(Buffer.from("{tiles"))).toBe("Unexpected character at byte 2: expected a valid value");
    expect(await jsonError(Buffer.from("[1"))).toBe("Unexpected end-of-input");
  });

  it("bounds the depth", async () => {
    expect(await accepted("[".repeat(1_000) + "]".repeat(1_000))).toBe(true);
    expect(await accepted("[".repeat(1_001) + "]".repeat(1_001))).toBe(false);
  });

  it("lets others run while it looks at a long document, of one string or of many values", async () => {
    for (const text of [`"${"x".repeat(3_000_000)}"`, `[${"1,".repeat(1_500_000)}1]`]) {
      let turns = 0;
      let counting = true;
      const count = () => {
        turns += 1;
        if (counting) setImmediate(count);
      };
      setImmediate(count);
      expect(await accepted(text)).toBe(true);
      counting = false;
      expect(turns).toBeGreaterThanOrEqual(5);
    }
  });
});
