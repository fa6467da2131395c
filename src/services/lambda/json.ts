/**
 * Is it JSON? Asked of every payload, which may have 6 MB: so without making a value of it, and in slices, with a turn
 * of the event loop between them.
 */
import { isUtf8 } from "node:buffer";

/** Bytes looked at in one turn: 2 ms for one long string, 6 ms for nothing but numbers. */
const sliceBytes = 512 * 1024;
/** Arrays and objects inside one another, as the parser that Lambda uses has it (Jackson, StreamReadConstraints). */
const nestingMax = 1_000;

const quote = 0x22;
const backslash = 0x5c;
const isSpace = (byte: number) => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
const isDigit = (byte: number) => byte >= 0x30 && byte <= 0x39;
const isHex = (byte: number) => isDigit(byte) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66);

const literals = ["true", "false", "null"].map((word) => Buffer.from(word));
/** What may follow a backslash, but for `u`. */
const escapes = new Set(Buffer.from('"\\/bfnrt'));

type State = "value" | "value or ]" | "key" | "key or }" | "colon" | "comma or end" | "done";

/** The end of the number that begins at `at`, or -1. */
function numberEnd(bytes: Uint8Array, at: number): number {
  const byte = (i: number) => bytes[i] ?? 0;
  const digits = (from: number) => {
    let i = from;
    while (isDigit(byte(i))) i += 1;
    return i;
  };
  let i = byte(at) === 0x2d ? at + 1 : at;
  const whole = digits(i);
  if (whole === i || (byte(i) === 0x30 && whole > i + 1)) return -1;
  i = whole;
  if (byte(i) === 0x2e) {
    const fraction = digits(i + 1);
    if (fraction === i + 1) return -1;
    i = fraction;
  }
  if (byte(i) === 0x65 || byte(i) === 0x45) {
    const sign = byte(i + 1) === 0x2b || byte(i + 1) === 0x2d ? 2 : 1;
    const exponent = digits(i + sign);
    if (exponent === i + sign) return -1;
    i = exponent;
  }
  return i;
}

/** Scans a document; yields between slices, and returns where it is no JSON, or -1. */
class Scan {
  readonly #bytes: Uint8Array;
  #at = 0;
  #state: State = "value";
  /** True for an object, false for an array; the innermost last. */
  readonly #open: boolean[] = [];

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  *run(): Generator<undefined, number> {
    const { length } = this.#bytes;
    for (let pauseAt = sliceBytes; this.#at < length;) {
      if (this.#at >= pauseAt) {
        yield;
        pauseAt = this.#at + sliceBytes;
      }
      const byte = this.#bytes[this.#at] as number;
      if (isSpace(byte)) this.#at += 1;
      else if (byte === quote) {
        if (!this.#beginString()) return this.#at;
        if (!(yield* this.#string())) return this.#at;
      } else if (!this.#step(byte)) return this.#at;
    }
    return this.#state === "done" ? -1 : length;
  }

  #afterValue(): boolean {
    this.#state = this.#open.length === 0 ? "done" : "comma or end";
    return true;
  }

  /** A string is a key, or a value. */
  #beginString(): boolean {
    const state = this.#state;
    if (state === "key" || state === "key or }") this.#state = "colon";
    else if (state === "value" || state === "value or ]") this.#afterValue();
    else return false;
    this.#at += 1;
    return true;
  }

  /** From behind the opening quote to behind the closing one. */
  *#string(): Generator<undefined, boolean> {
    const bytes = this.#bytes;
    for (let pauseAt = this.#at + sliceBytes; this.#at < bytes.length; this.#at += 1) {
      if (this.#at >= pauseAt) {
        yield;
        pauseAt = this.#at + sliceBytes;
      }
      const byte = bytes[this.#at] as number;
      if (byte === quote) {
        this.#at += 1;
        return true;
      }
      if (byte < 0x20) return false;
      if (byte !== backslash) continue;
      this.#at += 1;
      const escaped = bytes[this.#at] ?? 0;
      if (escaped === 0x75) {
        for (let digit = 0; digit < 4; digit += 1) {
          this.#at += 1;
          if (!isHex(bytes[this.#at] ?? 0)) return false;
        }
      } else if (!escapes.has(escaped)) return false;
    }
    return false;
  }

  #step(byte: number): boolean {
    switch (this.#state) {
      case "value or ]":
        return byte === 0x5d ? this.#close(false) : this.#value(byte);
      case "value":
        return this.#value(byte);
      case "key or }":
        return byte === 0x7d && this.#close(true);
      case "colon":
        return byte === 0x3a && this.#go("value");
      case "comma or end":
        if (byte === 0x2c) return this.#go(this.#open.at(-1) ? "key" : "value");
        return byte === 0x7d ? this.#close(true) : byte === 0x5d && this.#close(false);
      default:
        return false;
    }
  }

  #go(state: State): boolean {
    this.#at += 1;
    this.#state = state;
    return true;
  }

  #close(object: boolean): boolean {
    if (this.#open.pop() !== object) return false;
    this.#at += 1;
    return this.#afterValue();
  }

  #value(byte: number): boolean {
    if (byte === 0x7b || byte === 0x5b) {
      if (this.#open.length === nestingMax) return false;
      this.#open.push(byte === 0x7b);
      return this.#go(byte === 0x7b ? "key or }" : "value or ]");
    }
    const literal = literals.find((word) => word[0] === byte);
    const end = literal === undefined ? numberEnd(this.#bytes, this.#at) : this.#at + literal.byteLength;
    if (end < 0 || (literal !== undefined && !literal.equals(this.#bytes.subarray(this.#at, end)))) return false;
    this.#at = end;
    return this.#afterValue();
  }
}

/** Why `bytes` are no JSON document in UTF-8; undefined when they are one. */
export async function jsonError(bytes: Uint8Array): Promise<string | undefined> {
  if (!isUtf8(bytes)) return "Invalid UTF-8";
  const scan = new Scan(bytes).run();
  let step = scan.next();
  while (!step.done) {
    await new Promise(setImmediate);
    step = scan.next();
  }
  if (step.value < 0) return undefined;
  return step.value >= bytes.byteLength
    ? "Unexpected end-of-input"
    : `Unexpected character at byte ${step.value + 1}: expected a valid value`;
}
