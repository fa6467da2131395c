/** Outputs to CBOR: plain values first, by their types, then their bytes. Sources: RFC 8949; Smithy's "RPC v2 CBOR protocol". */
import { Bug } from "../base/errors.ts";
import type { JsonWriter, WriteStyle } from "./json-write.ts";
import { bytesOfValue, dateOf } from "./scalars.ts";

/** A number whose type is a float: strict clients take no integer in its place. */
class Float {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

interface Sink {
  bytes: Buffer;
  length: number;
}

const sizeAtFirst = 512;
/** The longest head of an item: its kind, and a length of eight bytes. */
const headBytesMax = 9;

/** The bytes of a value of strings, numbers, `bigint`s, booleans, null, bytes, `Date`s, arrays and plain objects. */
export function cborOf(value: unknown): Uint8Array {
  const sink: Sink = { bytes: Buffer.allocUnsafe(sizeAtFirst), length: 0 };
  write(sink, value);
  return sink.bytes.subarray(0, sink.length);
}

/** Room for so many bytes more; answers where they begin. */
function room(sink: Sink, bytes: number): number {
  const at = sink.length;
  if (at + bytes > sink.bytes.byteLength) {
    const grown = Buffer.allocUnsafe(Math.max(2 * sink.bytes.byteLength, at + bytes));
    sink.bytes.copy(grown, 0, 0, at);
    sink.bytes = grown;
  }
  return at;
}

function write(sink: Sink, value: unknown): void {
  switch (typeof value) {
    case "string":
      return writeText(sink, value);
    case "number":
      return Number.isInteger(value) && Math.abs(value) < 2 ** 64
        ? writeInteger(sink, value)
        : writeDouble(sink, value);
    case "bigint":
      return writeBig(sink, value);
    case "boolean":
      return writeByte(sink, value ? 0xf5 : 0xf4);
    case "object":
      return writeObject(sink, value);
    default:
      throw new Bug(`an output holds ${typeof value}, which CBOR does not have`);
  }
}

function writeObject(sink: Sink, value: object | null): void {
  if (value === null) return writeByte(sink, 0xf6);
  if (value instanceof Float) return writeDouble(sink, value.value);
  if (value instanceof Uint8Array) return writeBytes(sink, value);
  if (value instanceof Date) return writeDate(sink, value);
  if (Array.isArray(value)) {
    writeHead(sink, 4, value.length);
    for (const item of value as unknown[]) write(sink, item);
    return;
  }
  const entries = Object.entries(value);
  writeHead(sink, 5, entries.length);
  for (const [key, item] of entries) {
    writeText(sink, key);
    write(sink, item);
  }
}

function writeByte(sink: Sink, byte: number): void {
  sink.length = sink.bytes.writeUInt8(byte, room(sink, 1));
}

/** What kind of item, and its length or number. */
function writeHead(sink: Sink, major: number, argument: number): void {
  const at = room(sink, headBytesMax);
  const { bytes } = sink;
  const kind = major << 5;
  if (argument < 24) {
    sink.length = bytes.writeUInt8(kind | argument, at);
  } else if (argument < 2 ** 8) {
    sink.length = bytes.writeUInt8(argument, bytes.writeUInt8(kind | 24, at));
  } else if (argument < 2 ** 16) {
    sink.length = bytes.writeUInt16BE(argument, bytes.writeUInt8(kind | 25, at));
  } else if (argument < 2 ** 32) {
    sink.length = bytes.writeUInt32BE(argument, bytes.writeUInt8(kind | 26, at));
  } else {
    sink.length = bytes.writeBigUInt64BE(BigInt(argument), bytes.writeUInt8(kind | 27, at));
  }
}

function writeInteger(sink: Sink, value: number): void {
  if (value >= 0) writeHead(sink, 0, value);
  else writeHead(sink, 1, -1 - value);
}

function writeDouble(sink: Sink, value: number): void {
  const at = room(sink, headBytesMax);
  sink.length = sink.bytes.writeDoubleBE(value, sink.bytes.writeUInt8(0xfb, at));
}

function writeBig(sink: Sink, value: bigint): void {
  const magnitude = value < 0n ? -1n - value : value;
  const hex = magnitude.toString(16);
  writeHead(sink, 6, value < 0n ? 3 : 2);
  writeBytes(sink, Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex"));
}

/** Whole seconds as an integer, others as a double. */
function writeDate(sink: Sink, date: Date): void {
  writeHead(sink, 6, 1);
  write(sink, date.getTime() / 1000);
}

function writeText(sink: Sink, text: string): void {
  const length = Buffer.byteLength(text);
  writeHead(sink, 3, length);
  const at = room(sink, length);
  sink.length = at + sink.bytes.write(text, at, length, "utf8");
}

function writeBytes(sink: Sink, bytes: Uint8Array): void {
  writeHead(sink, 2, bytes.byteLength);
  const at = room(sink, bytes.byteLength);
  sink.bytes.set(bytes, at);
  sink.length = at + bytes.byteLength;
}

const asIs: JsonWriter = (value) => value;

export const cborOutput: WriteStyle = {
  nameOf: ({ name }) => name,
  scalar(scalar) {
    switch (scalar) {
      case "float":
      case "double":
        return (value) => (typeof value === "number" ? new Float(value) : value);
      case "blob":
      case "stream":
        return bytesOfValue;
      case "timestamp":
      case "epoch-seconds":
      case "date-time":
      case "http-date":
        return dateOf;
      default:
        return asIs;
    }
  },
};
