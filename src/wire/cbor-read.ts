/**
 * CBOR to plain values, and from them to inputs. Source: RFC 8949; of its tags those that Smithy's RPC v2 CBOR has: 1 for
 * timestamps, 2 and 3 for big integers. Any other tag is read past, as section 3.4 allows.
 */
import { isUtf8 } from "node:buffer";
import type { Fault } from "../base/errors.ts";
import { jsonScalarReaders, serialization, setOwn, type JsonReader, type ReadStyle } from "./json-read.ts";
import { bigIntegerBytesMax, cborItemsMax, nestingMax } from "./limits.ts";
import { dateOfEpoch } from "./timestamps.ts";

interface Cursor {
  readonly bytes: Buffer;
  at: number;
  /** Read so far, skipped ones too. */
  items: number;
}

/** The five bits of an initial byte that are no length: "to be ended by a break". */
const indefinite = 31;
const breakByte = 0xff;

const malformed = (why: string): Fault => serialization(`The request body is not valid CBOR: ${why}`);

/**
 * The value of a body: numbers, `bigint` for big integers, strings, `Buffer`s that share its memory, booleans, null (also
 * for CBOR's undefined), `Date`s, arrays, and plain objects. An empty body is an empty object.
 *
 * @throws Fault SerializationException
 */
export function parseCbor(body: Uint8Array): unknown {
  if (body.byteLength === 0) return {};
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const cursor: Cursor = { bytes, at: 0, items: 0 };
  const value = readItem(cursor, 0);
  if (cursor.at !== bytes.byteLength) throw malformed("something follows its end");
  return value;
}

function readItem(cursor: Cursor, depth: number): unknown {
  if (depth > nestingMax) throw malformed(`it is nested deeper than ${nestingMax}`);
  if ((cursor.items += 1) > cborItemsMax) throw malformed(`it has more than ${cborItemsMax} items`);
  const initial = readByte(cursor);
  const minor = initial & 0x1f;
  switch (initial >> 5) {
    case 0:
      return readArgument(cursor, minor);
    case 1:
      return -1 - readArgument(cursor, minor);
    case 2:
      return minor === indefinite ? Buffer.concat(readPieces(cursor, 2)) : take(cursor, readArgument(cursor, minor));
    case 3:
      return minor === indefinite ? readPieces(cursor, 3).map(textOf).join("") : readText(cursor, minor);
    case 4:
      return readArray(cursor, minor, depth);
    case 5:
      return readMap(cursor, minor, depth);
    case 6:
      return readTagged(cursor, minor, depth);
    default:
      return readSimple(cursor, minor);
  }
}

function readByte(cursor: Cursor): number {
  const byte = cursor.bytes[cursor.at];
  if (byte === undefined) throw malformed("it ends too early");
  cursor.at += 1;
  return byte;
}

function take(cursor: Cursor, length: number): Buffer {
  const end = cursor.at + length;
  if (end > cursor.bytes.byteLength) throw malformed("it ends too early");
  const taken = cursor.bytes.subarray(cursor.at, end);
  cursor.at = end;
  return taken;
}

/** A length, a number, or a tag. Past 2^53 it is the nearest number, as a long is in the SDK's types. */
function readArgument(cursor: Cursor, minor: number): number {
  if (minor < 24) return minor;
  switch (minor) {
    case 24:
      return readByte(cursor);
    case 25:
      return take(cursor, 2).readUInt16BE();
    case 26:
      return take(cursor, 4).readUInt32BE();
    case 27: {
      const eight = take(cursor, 8);
      return eight.readUInt32BE() * 2 ** 32 + eight.readUInt32BE(4);
    }
    default:
      throw malformed("a length has no form that there is");
  }
}

/** How many items follow. Each has a byte at least: what claims to have more is refused before anything is made for it. */
function readCount(cursor: Cursor, minor: number, bytesEach: number): number {
  const count = readArgument(cursor, minor);
  if (count * bytesEach > cursor.bytes.byteLength - cursor.at) throw malformed("it ends too early");
  return count;
}

/** True, and past it, where the break of an indefinite length stands. */
function atBreak(cursor: Cursor): boolean {
  if (cursor.bytes[cursor.at] !== breakByte) return false;
  cursor.at += 1;
  return true;
}

/** The pieces of a string of indefinite length, which are of its own kind and definite. */
function readPieces(cursor: Cursor, major: 2 | 3): Buffer[] {
  const pieces: Buffer[] = [];
  while (!atBreak(cursor)) {
    if ((cursor.items += 1) > cborItemsMax) throw malformed(`it has more than ${cborItemsMax} items`);
    const initial = readByte(cursor);
    if (initial >> 5 !== major) throw malformed("a string has a piece of another kind");
    pieces.push(take(cursor, readArgument(cursor, initial & 0x1f)));
  }
  return pieces;
}

function readText(cursor: Cursor, minor: number): string {
  return textOf(take(cursor, readArgument(cursor, minor)));
}

function textOf(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw malformed("a text is not UTF-8");
  return bytes.toString("utf8");
}

function readArray(cursor: Cursor, minor: number, depth: number): unknown[] {
  const array: unknown[] = [];
  if (minor === indefinite) {
    while (!atBreak(cursor)) array.push(readItem(cursor, depth + 1));
    return array;
  }
  for (let left = readCount(cursor, minor, 1); left > 0; left -= 1) array.push(readItem(cursor, depth + 1));
  return array;
}

function readMap(cursor: Cursor, minor: number, depth: number): Record<string, unknown> {
  const map: Record<string, unknown> = {};
  if (minor === indefinite) {
    while (!atBreak(cursor)) readEntry(cursor, map, depth);
    return map;
  }
  for (let left = readCount(cursor, minor, 2); left > 0; left -= 1) readEntry(cursor, map, depth);
  return map;
}

function readEntry(cursor: Cursor, map: Record<string, unknown>, depth: number): void {
  const initial = readByte(cursor);
  const minor = initial & 0x1f;
  if (initial >> 5 !== 3) throw malformed("a map has a key that is no text");
  const key = minor === indefinite ? readPieces(cursor, 3).map(textOf).join("") : readText(cursor, minor);
  if (Object.hasOwn(map, key)) throw malformed("a map has a key twice");
  setOwn(map, key, readItem(cursor, depth + 1));
}

function readTagged(cursor: Cursor, minor: number, depth: number): unknown {
  const tag = readArgument(cursor, minor);
  const value = readItem(cursor, depth + 1);
  switch (tag) {
    case 1: {
      const date = typeof value === "number" ? dateOfEpoch(value) : undefined;
      if (date === undefined) throw malformed("a timestamp is no number of seconds");
      return date;
    }
    case 2:
      return bigOf(value);
    case 3:
      return -1n - bigOf(value);
    default:
      return value;
  }
}

function bigOf(value: unknown): bigint {
  if (!(value instanceof Uint8Array)) throw malformed("a big integer has no bytes");
  if (value.byteLength > bigIntegerBytesMax) {
    throw malformed(`a big integer has more than ${bigIntegerBytesMax} bytes`);
  }
  return value.byteLength === 0 ? 0n : BigInt(`0x${Buffer.from(value).toString("hex")}`);
}

function readSimple(cursor: Cursor, minor: number): unknown {
  switch (minor) {
    case 20:
      return false;
    case 21:
      return true;
    case 22:
    case 23:
      return null;
    case 25:
      return halfOf(take(cursor, 2).readUInt16BE());
    case 26:
      return take(cursor, 4).readFloatBE();
    case 27:
      return take(cursor, 8).readDoubleBE();
    default:
      throw malformed("a value has no form that there is");
  }
}

/** IEEE 754 binary16: a sign, 5 bits of exponent, 10 of fraction. */
function halfOf(bits: number): number {
  const sign = bits >> 15 === 0 ? 1 : -1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const mismatch = (wanted: string): Fault => serialization(`A value is not of type ${wanted}`);

const readDate: JsonReader = (value) => {
  if (value instanceof Date) return value;
  throw mismatch("Timestamp");
};
const readBytes: JsonReader = (value) => {
  if (value instanceof Uint8Array) return value;
  throw mismatch("Blob");
};
const readDecimal: JsonReader = (value) => {
  if (typeof value === "number") return value;
  throw mismatch("Double");
};
const readBig: JsonReader = (value) => {
  if (typeof value === "bigint") return value;
  if (typeof value === "number" && Number.isInteger(value)) return BigInt(value);
  throw mismatch("BigInteger");
};

/** Members have their own names, and the timestamps one form, whatever their traits say of JSON. */
export const cborInput: ReadStyle = {
  nameOf: ({ name }) => name,
  scalars: {
    ...jsonScalarReaders,
    number: readDecimal,
    float: readDecimal,
    double: readDecimal,
    bigint: readBig,
    timestamp: readDate,
    "epoch-seconds": readDate,
    "date-time": readDate,
    "http-date": readDate,
    blob: readBytes,
    stream: readBytes,
  },
};
