/**
 * Bytes that lie under a key: AES-256 in counter mode, so that any range of them is read alone. A sealed blob begins
 * with its own initial counter. What it keeps is confidentiality; whether bytes are whole, checksums tell.
 */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import type { Body } from "../../base/http.ts";
import { bytesOf } from "../../base/http.ts";
import type { Store } from "../../store/store.ts";

const cipherName = "aes-256-ctr";
/** A block of AES, and of the counter that a sealed blob begins with. */
export const blockBytes = 16;

/** The body as it is written: the counter, then each piece encrypted. */
export async function* sealed(body: Body, key: Uint8Array): AsyncGenerator<Uint8Array> {
  const counter = randomBytes(blockBytes);
  yield counter;
  const cipher = createCipheriv(cipherName, key, counter);
  const pieces = body === undefined || body instanceof Uint8Array ? [body ?? new Uint8Array(0)] : body;
  for await (const piece of pieces) yield cipher.update(piece);
}

/** The bytes from `start` to `end` (exclusive) of a blob, where it is sealed; the counter itself is before them. */
export async function* opened(
  { blobs }: Pick<Store, "blobs">,
  blobId: string,
  { start, end, key }: { start: number; end: number; key: Uint8Array },
): AsyncGenerator<Uint8Array> {
  const counter = await bytesOf(blobs.read(blobId, 0, blockBytes), blockBytes);
  const at = start - blockBytes;
  const skipped = at % blockBytes;
  const decipher = createDecipheriv(cipherName, key, counterAfter(counter, (at - skipped) / blockBytes));
  decipher.update(new Uint8Array(skipped));
  for await (const piece of blobs.read(blobId, start, end)) yield decipher.update(piece);
}

/** The counter is a number of 128 bits, the highest first, that wraps around. */
function counterAfter(counter: Uint8Array, blocks: number): Uint8Array {
  const value = BigInt(`0x${Buffer.from(counter).toString("hex")}`) + BigInt(blocks);
  const digits = BigInt.asUintN(blockBytes * 8, value).toString(16);
  return Buffer.from(digits.padStart(blockBytes * 2, "0"), "hex");
}
