/**
 * JSON of many megabytes (a zip in CreateFunction), parsed without holding the event loop: its long strings are lifted
 * out and decoded from Base64 a piece at a time; the little that is left is parsed as usual.
 */
import { randomUUID } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { Fault } from "../base/errors.ts";
import { parseJson, setOwn } from "./json-read.ts";
import { longJsonStringBytesMin, jsonSkeletonBytesMax, sliceBytes } from "./limits.ts";
import { LongText } from "./scalars.ts";

const quote = 0x22;
const backslash = 0x5c;
/** Strings that are looked at before the document is parsed as it is; one with a long string has few. */
const stringsMax = 100_000;

interface Lifted {
  /** The document with a placeholder for each long string. */
  skeleton: Uint8Array;
  /** What the placeholders start with; nobody outside can know it. */
  mark: string;
  strings: Uint8Array[];
}

/** As `parseJson`, with {@link LongText} in the place of long strings. Throws `SerializationException`. */
export async function parseLargeJson(body: Uint8Array, guardNesting: boolean): Promise<unknown> {
  const { skeleton, mark, strings } = lift(body);
  if (skeleton.byteLength > jsonSkeletonBytesMax) {
    throw new Fault(
      "RequestEntityTooLarge",
      `JSON besides its long strings must be smaller than ${jsonSkeletonBytesMax} bytes`,
    );
  }
  const parsed = parseJson(skeleton, guardNesting);
  if (strings.length === 0) return parsed;
  const texts: LongText[] = [];
  for (const bytes of strings) texts.push(new LongText(bytes, await decodeBase64(bytes)));
  return putBack(parsed, mark, texts);
}

function lift(body: Uint8Array): Lifted {
  const mark = randomUUID();
  const strings: Uint8Array[] = [];
  const kept: Uint8Array[] = [];
  let from = 0;
  let seen = 0;
  for (let start = body.indexOf(quote); start !== -1 && seen < stringsMax; seen += 1) {
    const end = endOfString(body, start + 1);
    if (end === -1) break;
    const text = body.subarray(start + 1, end);
    if (text.byteLength >= longJsonStringBytesMin && !text.includes(backslash)) {
      kept.push(body.subarray(from, start + 1), Buffer.from(`${mark}${strings.length}`));
      strings.push(text);
      from = end;
    }
    start = body.indexOf(quote, end + 1);
  }
  return { mark, strings, skeleton: Buffer.concat([...kept, body.subarray(from)]) };
}

/** Where the quote is that ends a string; -1 where none does. */
function endOfString(body: Uint8Array, from: number): number {
  for (let end = body.indexOf(quote, from); end !== -1; end = body.indexOf(quote, end + 1)) {
    let slashes = 0;
    while (end - slashes > from && body[end - slashes - 1] === backslash) slashes += 1;
    if (slashes % 2 === 0) return end;
  }
  return -1;
}

/** The bytes of a Base64 text; undefined where it is none. */
async function decodeBase64(text: Uint8Array): Promise<Uint8Array | undefined> {
  const source = Buffer.from(text.buffer, text.byteOffset, text.byteLength);
  let length = source.byteLength;
  while (length > source.byteLength - 2 && source[length - 1] === 0x3d) length -= 1;
  if (length % 4 === 1) return undefined;
  const bytes = Buffer.allocUnsafeSlow(Math.floor((length * 3) / 4));
  let written = 0;
  // A slice is a multiple of four letters, so that each stands for whole bytes.
  for (let at = 0; at < length; at += sliceBytes) {
    const end = Math.min(at + sliceBytes, length);
    const count = bytes.write(source.toString("latin1", at, end), written, "base64");
    if (count !== Math.floor(((end - at) * 3) / 4)) return undefined;
    written += count;
    await setImmediate();
  }
  return bytes;
}

function putBack(value: unknown, mark: string, texts: readonly LongText[]): unknown {
  if (typeof value === "string") return value.startsWith(mark) ? texts[Number(value.slice(mark.length))] : value;
  if (Array.isArray(value)) return value.map((item) => putBack(item, mark, texts));
  if (typeof value !== "object" || value === null) return value;
  const out: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) setOwn(out, key, putBack(item, mark, texts));
  return out;
}
