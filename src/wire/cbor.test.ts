/** CBOR by RFC 8949's own examples, by what is wrong, and both ways through Smithy's rules for servers. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cborInput, parseCbor } from "./cbor-read.ts";
import { cborOf, cborOutput } from "./cbor-write.ts";
import { jsonReaders } from "./json-read.ts";
import { jsonWriters } from "./json-write.ts";
import { linkService } from "./model.ts";

const bytes = (hex: string) => Buffer.from(hex.replaceAll(" ", ""), "hex");
const deep = (levels: number) => "81".repeat(levels) + "01";

describe("reading", () => {
  it.each<[string, unknown]>([
    // RFC 8949, appendix A.
    ["00", 0],
    ["17", 23],
    ["1818", 24],
    ["1903e8", 1000],
    ["1a000f4240", 1_000_000],
    ["1b000000e8d4a51000", 1_000_000_000_000],
    ["1bffffffffffffffff", 2 ** 64],
    ["c249010000000000000000", 18_446_744_073_709_551_616n],
    ["c349010000000000000000", -18_446_744_073_709_551_617n],
    ["20", -1],
    ["3903e7", -1000],
    ["f90000", 0],
    ["f98000", -0],
    ["f93c00", 1],
    ["fb3ff199999999999a", 1.1],
    ["f93e00", 1.5],
    ["f97bff", 65_504],
    ["fa47c35000", 100_000],
    ["fa7f7fffff", 3.4028234663852886e38],
    ["f90001", 5.960464477539063e-8],
    ["f90400", 0.00006103515625],
    ["f9c400", -4],
    ["f97c00", Infinity],
    ["f97e00", Number.NaN],
    ["f9fc00", -Infinity],
    ["fa7f800000", Infinity],
    ["fb7ff8000000000000", Number.NaN],
    ["f4", false],
    ["f5", true],
    ["f6", null],
    ["f7", null],
    ["c11a514b67b0", new Date("2013-03-21T20:04:00Z")],
    ["c1fb41d452d9ec200000", new Date("2013-03-21T20:04:00.500Z")],
    ["40", Buffer.of()],
    ["4401020304", Buffer.of(1, 2, 3, 4)],
    ["60", ""],
    ["6449455446", "IETF"],
    ["62c3bc", "\u00fc"],
    ["64f0908591", "\ud800\udd51"],
    ["80", []],
    ["8301820203820405", [1, [2, 3], [4, 5]]],
    ["a26161016162820203", { a: 1, b: [2, 3] }],
    ["5f42010243030405ff", Buffer.of(1, 2, 3, 4, 5)],
    ["7f657374726561646d696e67ff", "streaming"],
    ["9f018202039f0405ffff", [1, [2, 3], [4, 5]]],
    ["bf61610161629f0203ffff", { a: 1, b: [2, 3] }],
    ["bf6346756ef563416d7421ff", { Fun: true, Amt: -2 }],
    // Other tags are read past: a date as text, and "this is CBOR".
    ["c074323031332d30332d32315432303a30343a30305a", "2013-03-21T20:04:00Z"],
    ["d9d9f7a0", {}],
    // A key may come in pieces, and be one that JavaScript has plans for.
    ["a17f6161ff01", { a: 1 }],
    ["", {}],
  ])("%s", (hex, value) => {
    expect(parseCbor(bytes(hex))).toEqual(value);
  });

  it("takes a key named __proto__ for a key", () => {
    const map = parseCbor(Buffer.concat([bytes("a169"), Buffer.from("__proto__"), bytes("01")]));
    expect(Object.entries(map as object)).toEqual([["__proto__", 1]]);
    expect(Object.getPrototypeOf(map)).toBe(Object.prototype);
  });

  it.each([
    ["an end too early, in a number", "19 03"],
    ["an end too early, in a text", "64 6161"],
    ["an end too early, in a list", "83 01 02"],
    ["an end too early, in a map", "a1 6161"],
    ["a list that nothing ends", "9f 01"],
    ["a list of more than there are bytes", "9b 0000 ffff ffff ffff"],
    ["a text of more than there are bytes", "7b 0000 ffff ffff ffff"],
    ["something after the end", "a0 a0"],
    ["a break without a beginning", "ff"],
    ["a break for a value", "bf 6161 ff"],
    ["reserved lengths", "1c"],
    ["a number without end", "1f"],
    ["a tag without end", "df 00"],
    ["a simple value that is none", "f8 20"],
    ["a reserved simple value", "e0"],
    ["a text in pieces of bytes", "7f 41 01 ff"],
    ["a text in pieces of pieces", "7f 7f 6161 ff ff"],
    ["a text that is no UTF-8", "61 ff"],
    ["a text whose pieces are no UTF-8 of their own", "7f 61 c3 61 bc ff"],
    ["a key that is no text", "a1 01 01"],
    ["a key twice", "a2 6161 01 6161 02"],
    ["a timestamp of text", "c1 6130"],
    ["a timestamp past all dates", "c1 fb 7fefffffffffffff"],
    ["a big integer of text", "c2 6130"],
    ["a big integer without end", `c2 58 ff ${"ff".repeat(255)}`],
    ["lists in lists without end", deep(65)],
    ["tags on tags without end", `${"c2".repeat(1_000)}40`],
    ["more than there is time for", `9a 000186a1 ${"80".repeat(100_001)}`],
  ])("refuses %s", (_, hex) => {
    expect(() => parseCbor(bytes(hex))).toThrow("The request body is not valid CBOR");
  });

  it("takes what is as deep as JSON may be", () => {
    expect(JSON.stringify(parseCbor(bytes(deep(64))))).toBe(`${"[".repeat(64)}1${"]".repeat(64)}`);
  });

  it("ends, with a value or a fault, whatever it is given", () => {
    const piece = fc.constantFrom("9f", "bf", "ff", "7f", "5f", "6161", "a1", "82", "c1", "c2", "fb", "f9", "1b", "00");
    const noise = fc.oneof(
      fc.uint8Array({ maxLength: 200 }).map((some) => Buffer.from(some)),
      fc.array(piece, { maxLength: 60 }).map((some) => bytes(some.join(""))),
    );
    fc.assert(
      fc.property(noise, (body) => {
        try {
          parseCbor(body);
        } catch (error) {
          expect(error).toMatchObject({ code: "SerializationException" });
        }
      }),
      { numRuns: 1_000 },
    );
  });
});

describe("writing", () => {
  it.each<[unknown, string]>([
    [0, "00"],
    [24, "1818"],
    [1000, "1903e8"],
    [1_000_000, "1a000f4240"],
    [1_000_000_000_000, "1b000000e8d4a51000"],
    [-1, "20"],
    [-1000, "3903e7"],
    [1.1, "fb3ff199999999999a"],
    [1e300, "fb7e37e43c8800759c"],
    [Infinity, "fb7ff0000000000000"],
    [18_446_744_073_709_551_616n, "c249010000000000000000"],
    [-18_446_744_073_709_551_617n, "c349010000000000000000"],
    [false, "f4"],
    [true, "f5"],
    [null, "f6"],
    [new Date("2013-03-21T20:04:00Z"), "c11a514b67b0"],
    [new Date("2013-03-21T20:04:00.500Z"), "c1fb41d452d9ec200000"],
    [Buffer.of(1, 2, 3, 4), "4401020304"],
    ["IETF", "6449455446"],
    ["\u00fc", "62c3bc"],
    [[1, [2, 3], [4, 5]], "8301820203820405"],
    [{ a: 1, b: [2, 3] }, "a26161016162820203"],
  ])("%s", (value, hex) => {
    expect(Buffer.from(cborOf(value)).toString("hex")).toBe(hex);
  });

  it.each([23, 24, 255, 256, 65_536])("tells a length of %d", (length) => {
    for (const value of ["x".repeat(length), Buffer.alloc(length, 7)]) {
      expect(parseCbor(cborOf(value))).toEqual(value);
    }
  });

  it("is read as it was", () => {
    const date = fc.date({ noInvalidDate: true });
    const scalar = fc.oneof(
      fc.string({ unit: "binary" }).map((text) => text.toWellFormed()),
      fc.maxSafeInteger(),
      fc.double(),
      fc.boolean(),
      fc.constant(null),
      fc.bigInt({ min: -(2n ** 500n), max: 2n ** 500n }),
      fc.uint8Array().map((some) => Buffer.from(some)),
      date,
    );
    const { value } = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        scalar,
        fc.array(tie("value"), { maxLength: 4 }),
        fc.dictionary(fc.string(), tie("value"), { maxKeys: 4, noNullPrototype: true }),
      ),
    }));
    fc.assert(
      fc.property(value, (written) => {
        // CBOR's integers have no negative zero.
        expect(plain(parseCbor(cborOf(written)))).toEqual(plain(written));
      }),
      { numRuns: 60 },
    );
  });
});

function plain(value: unknown): unknown {
  if (value === 0) return 0;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null || value instanceof Date || value instanceof Uint8Array) return value;
  return Object.entries(value).map(([key, item]) => [key, plain(item)]);
}

/** What Smithy's protocol tests for RPC v2 CBOR ask of servers, on a structure with all that there is. */
describe("by type", () => {
  const model = linkService({
    service: "test",
    protocol: "awsJson1_0",
    version: "1",
    namespace: "smithy.protocoltests.rpcv2Cbor",
    targetPrefix: "Test",
    operations: {},
    structures: {
      All: [
        {
          text: ["string", { jsonName: "TEXT" }],
          flag: "boolean",
          whole: "integer",
          long: "long",
          float: "float",
          double: "double",
          big: "bigint",
          when: "timestamp",
          iso: "date-time",
          bytes: "blob",
          list: { list: "string" },
          holes: { list: ["string", { sparse: 1 }] },
          map: { key: "string", value: "string" },
          sparse: { key: "string", value: ["string", { sparse: 1 }] },
          one: "#One",
          again: "#All",
        },
        0,
      ],
      One: [{ a: "string", b: "integer" }, 0, { union: 1 }],
    },
  });
  const all = model.structure("All");
  if (all === undefined) throw new Error("no structure");
  const read = jsonReaders(cborInput).structure(all);
  const write = jsonWriters(cborOutput).structure(all);
  const readHex = (hex: string) => read(parseCbor(bytes(hex)));
  const member = (name: string, hex: string) => `a1 ${Buffer.from(cborOf(name)).toString("hex")} ${hex}`;

  it.each<[string, string, object]>([
    ["a name of JSON's own", member("text", "6178"), { text: "x" }],
    [
      "fields that nobody knows",
      "a2 6178 a1 6179 80 6466 6c6167 f5".replace("6466 6c6167", "64 666c6167"),
      { flag: true },
    ],
    ["null, and undefined", "a2 64 74657874 f6 64 666c6167 f7", {}],
    ["a wide head for a small number", member("whole", "1b 0000000000000005"), { whole: 5 }],
    ["a float without a fraction for an integer", member("whole", "fb 4014000000000000"), { whole: 5 }],
    ["half a float", member("double", "f9 3e00"), { double: 1.5 }],
    ["an integer for a float", member("float", "05"), { float: 5 }],
    ["a small big integer", member("big", "20"), { big: -1n }],
    ["a timestamp of whole seconds", member("when", "c1 1a514b67b0"), { when: new Date(1_363_896_240_000) }],
    ["one form for all timestamps", member("iso", "c1 fb41d452d9ec200000"), { iso: new Date(1_363_896_240_500) }],
    ["a null in a list that may have some", member("holes", "82 6178 f6"), { holes: ["x", null] }],
    ["a null in a map that may have some", member("sparse", "a1 6178 f6"), { sparse: { x: null } }],
    ["a union", member("one", "a1 6162 05"), { one: { b: 5 } }],
    ["itself", member("again", member("again", "a0")), { again: { again: {} } }],
  ])("reads %s", (_, hex, value) => {
    expect(readHex(hex)).toEqual(value);
  });

  it.each([
    ["a list for a structure", "80"],
    ["bytes for a structure", "40"],
    ["a timestamp for a structure", "c1 00"],
    ["a number for a text", member("text", "05")],
    ["bytes for a text", member("text", "4178")],
    ["a text for bytes", member("bytes", "6178")],
    ["a fraction for an integer", member("whole", "fb 3ff199999999999a")],
    ["an integer that is too large", member("whole", "1a 80000000")],
    ["a text for a float", member("double", "63 4e614e")],
    ["a number for a boolean", member("flag", "01")],
    ["a timestamp without its tag", member("when", "1a 514b67b0")],
    ["a timestamp for a number", member("long", "c1 00")],
    ["a null in a list", member("list", "81 f6")],
    ["a null in a map", member("map", "a1 6178 f6")],
    ["two of a union", member("one", "a2 6161 6178 6162 05")],
    ["none of a union", member("one", "a0")],
    ["a big integer for a number", member("long", "c2 41 05")],
  ])("refuses %s", (_, hex) => {
    expect(() => readHex(hex)).toThrow(expect.objectContaining({ code: "SerializationException" }));
  });

  it("writes a float as one, also without a fraction, and leaves out what the type does not have", () => {
    const written = Buffer.from(cborOf(write({ double: 5, unknown: 1, flag: undefined }))).toString("hex");
    expect(written).toBe("a166646f75626c65fb4014000000000000");
  });

  it("writes what it reads", () => {
    const value = {
      text: "x",
      flag: false,
      whole: -5,
      long: 2 ** 40,
      float: 1,
      double: Number.NaN,
      big: 2n ** 70n,
      when: new Date(1),
      iso: new Date(2_000),
      bytes: Buffer.of(0, 255),
      list: ["a"],
      holes: [null],
      map: { a: "b" },
      sparse: { a: null },
      one: { a: "x" },
      again: { list: [] },
    };
    expect(read(parseCbor(cborOf(write(value))))).toEqual(value);
  });
});
