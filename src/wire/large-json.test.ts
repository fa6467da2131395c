import * as fc from "fast-check";
import { expect, test } from "vitest";
import { FakeClock } from "../base/clock.ts";
import { countingIds } from "../base/ids.ts";
import { parseLargeJson } from "./large-json.ts";
import { LongText } from "./scalars.ts";
import { authorizationFor, rawRequest } from "./serve.suite.ts";
import { createWire, WireRefusal } from "./wire.ts";

const wire = createWire({ clock: new FakeClock(), ids: countingIds() });
const create = async (body: string) =>
  wire
    .decode(
      rawRequest({ target: "/2015-03-31/functions", headers: authorizationFor("lambda"), body: Buffer.from(body) }),
    )
    .then(({ input }) => input as Record<string, unknown>)
    .catch((error: unknown) => {
      if (error instanceof WireRefusal) return error.fault.code;
      throw error;
    });
const role = "arn:aws:iam::000000000000:role/r";
const withZip = (zip: string, more = {}) =>
  JSON.stringify({ FunctionName: "f", Role: role, Code: { ZipFile: zip }, ...more });

test("a zip of megabytes arrives as it was sent", async () => {
  for (const size of [1_000_000, 1_000_001, 1_000_002, 3_145_728]) {
    const zip = Buffer.alloc(size, "mikan");
    const input = await create(withZip(zip.toString("base64"), { Description: 'a "quoted" \\ text' }));
    expect(input).toMatchObject({ FunctionName: "f", Description: 'a "quoted" \\ text' });
    expect(Buffer.compare((input as { Code: { ZipFile: Buffer } }).Code.ZipFile, zip)).toBe(0);
  }
});

test("one that is no Base64 is refused, in any slice of it", async () => {
  const text = Buffer.alloc(1_500_000, 7).toString("base64");
  for (const at of [0, 100, 524_288, 1_999_998]) {
    expect(await create(withZip(`${text.slice(0, at)}*${text.slice(at + 1)}`)), String(at)).toBe(
      "SerializationException",
    );
  }
  expect(await create(withZip(`${text.slice(0, 600_000)}=${text.slice(600_001)}`))).toBe("SerializationException");
});

test("a long string where a string belongs, and where none does", async () => {
  const long = "x".repeat(600_000);
  expect(await create(withZip("UEs=", { Description: long }))).toBe("ValidationException");
  expect(await create(withZip("UEs=", { Timeout: long }))).toBe("SerializationException");
  expect(await create(withZip("UEs=", { Environment: long }))).toBe("SerializationException");
  expect(await create(withZip("UEs=", { Layers: long }))).toBe("SerializationException");
  expect(await create(withZip("UEs=", { Description: `${long}\u0001` }).replace("\\u0001", "\u0001"))).toBe(
    "SerializationException",
  );
});

test("what is not a few long strings has a limit", async () => {
  expect(await create(`{"Layers":[${'"a",'.repeat(1_300_000)}"a"]}`)).toBe("RequestEntityTooLarge");
  expect(await create(`{"FunctionName":"${"x".repeat(700_000)}`)).toBe("SerializationException");
});

test("any document is the same when its long strings have been lifted out", async () => {
  const long = fc
    .string({ unit: "binary", maxLength: 20 })
    .map((text) => text.repeat(Math.ceil(70_000 / Math.max(1, text.length))));
  const document = fc.object({ values: [fc.string(), fc.integer(), long], maxDepth: 2, maxKeys: 4 });
  const plain = (value: unknown): unknown => {
    if (value instanceof LongText) return value.text();
    if (Array.isArray(value)) return value.map(plain);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
  };
  await fc.assert(
    fc.asyncProperty(document, async (value) => {
      const text = JSON.stringify(value).toWellFormed();
      expect(plain(await parseLargeJson(Buffer.from(text), true))).toEqual(JSON.parse(text));
    }),
    { numRuns: 60 },
  );
});
