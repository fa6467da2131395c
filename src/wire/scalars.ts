/** Scalars as text: in query parameters, XML elements, headers, labels. */
import { Bug } from "../base/errors.ts";
import type { ScalarName } from "./table.ts";
import { dateOfText, textOfDate, timestampForm } from "./timestamps.ts";

export const integerMin = -(2 ** 31);
export const integerMax = 2 ** 31 - 1;

/** A long string of a JSON document, kept as it came; most are Base64, and already decoded. */
export class LongText {
  readonly #source: Uint8Array;
  /** What it is in Base64, undefined where it is none. */
  readonly bytes: Uint8Array | undefined;

  constructor(source: Uint8Array, bytes: Uint8Array | undefined) {
    this.#source = source;
    this.bytes = bytes;
  }

  /** The string; throws a SyntaxError or TypeError where JSON or UTF-8 allows none like it. */
  text(): string {
    return JSON.parse(`"${new TextDecoder("utf-8", { fatal: true }).decode(this.#source)}"`) as string;
  }
}

/** What a text should have been, for the protocol's own error. */
export class BadText extends Error {
  override readonly name = "BadText";
  readonly wanted: string;
  readonly text: string;

  constructor(wanted: string, text: string) {
    super(`not a ${wanted}`);
    this.wanted = wanted;
    this.text = text;
  }
}

export type TextReader = (text: string) => unknown;
export type TextWriter = (value: unknown) => string;

const integerText = /^[+-]?\d{1,20}$/;
const decimalText = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?$/;
/** Longest text that is looked at as a number. */
const numberCharsMax = 64;

function readInteger(text: string): number {
  const value = Number(text);
  if (!integerText.test(text) || value < integerMin || value > integerMax) throw new BadText("Integer", text);
  return value;
}

function readLong(text: string): number {
  // As in the SDKs' own types, a long is a number: past 2^53 it is the nearest one.
  if (!integerText.test(text)) throw new BadText("Long", text);
  return Number(text);
}

function readDecimal(text: string): number {
  if (text === "NaN") return Number.NaN;
  if (text === "Infinity") return Number.POSITIVE_INFINITY;
  if (text === "-Infinity") return Number.NEGATIVE_INFINITY;
  if (text.length > numberCharsMax || !decimalText.test(text)) throw new BadText("Double", text);
  return Number(text);
}

function readBoolean(text: string): boolean {
  if (text === "true") return true;
  if (text === "false") return false;
  // Query clients in Python have long sent `True`; AWS takes it.
  const lower = text.length <= 5 ? text.toLowerCase() : "";
  if (lower !== "true" && lower !== "false") throw new BadText("Boolean", text);
  return lower === "true";
}

function readDate(text: string): Date {
  const date = dateOfText(text);
  if (date === undefined) throw new BadText("Timestamp", text);
  return date;
}

/** Bytes of a base64 text, undefined where it is none. Node skips what it cannot read, so the length gives it away. */
export function bytesOfBase64(text: string): Uint8Array | undefined {
  let length = text.length;
  while (length > 0 && length > text.length - 2 && text.charCodeAt(length - 1) === 0x3d) length -= 1;
  if (length % 4 === 1) return undefined;
  const bytes = Buffer.from(text, "base64");
  return bytes.byteLength === Math.floor((length * 3) / 4) ? bytes : undefined;
}

export function base64OfBytes(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}

function readBlob(text: string): Uint8Array {
  const bytes = bytesOfBase64(text);
  if (bytes === undefined) throw new BadText("Blob", text);
  return bytes;
}

function readBigInt(text: string): bigint {
  if (text.length > numberCharsMax || !/^[+-]?\d+$/.test(text)) throw new BadText("BigInteger", text);
  return BigInt(text.startsWith("+") ? text.slice(1) : text);
}

/** Reads a scalar from text; throws {@link BadText}. */
export function textReader(scalar: ScalarName): TextReader {
  switch (scalar) {
    case "string":
    case "bigdecimal":
      return (text) => text;
    case "boolean":
      return readBoolean;
    case "integer":
      return readInteger;
    case "long":
      return readLong;
    case "number":
    case "float":
    case "double":
      return readDecimal;
    case "bigint":
      return readBigInt;
    case "timestamp":
    case "date-time":
    case "http-date":
    case "epoch-seconds":
      return readDate;
    case "blob":
    case "stream":
      return readBlob;
    default:
      throw new Error(`no ${scalar} is written as text`);
  }
}

/** Writes a scalar as text; `place` is the form of timestamps that have none of their own. */
export function textWriter(scalar: ScalarName, place: "date-time" | "http-date"): TextWriter {
  switch (scalar) {
    case "timestamp":
    case "date-time":
    case "http-date":
    case "epoch-seconds": {
      const form = timestampForm(scalar, place);
      return (value) => textOfDate(dateOf(value), form);
    }
    case "blob":
    case "stream":
      return (value) => base64OfBytes(bytesOfValue(value));
    default:
      return plainText;
  }
}

function plainText(value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean" || typeof value === "bigint") return String(value);
  throw new Bug(`an output holds ${typeof value} where a scalar belongs`);
}

export function dateOf(value: unknown): Date {
  if (value instanceof Date && !Number.isNaN(value.getTime())) return value;
  throw new Bug("an output holds no Date where a timestamp belongs");
}

/** Bytes of a blob as handlers may answer it: bytes, or a string in UTF-8. */
export function bytesOfValue(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (typeof value === "string") return Buffer.from(value);
  throw new Bug("an output holds neither bytes nor text where a blob belongs");
}
