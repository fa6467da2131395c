/** A body on its way to the disk: counted against its limit, and hashed as it passes. */
import { createHash } from "node:crypto";
import { BodyTooLarge } from "../base/http.ts";
import type { StoredBlob } from "./store.ts";

/** Both hashes of a piece this long take about 0.3 ms, so that a large body never holds the loop. */
const pieceBytes = 128 * 1024;

async function* pieces(body: Uint8Array | AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const chunks = body instanceof Uint8Array ? [body] : body;
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.byteLength; at += pieceBytes) yield chunk.subarray(at, at + pieceBytes);
  }
}

/** Hands `body` to `write` in pieces of at most 128 KiB. Throws {@link BodyTooLarge} before it passes `limitBytes`. */
export async function digested(
  body: Uint8Array | AsyncIterable<Uint8Array>,
  limitBytes: number,
  write: (piece: Uint8Array) => Promise<void>,
  only?: "md5",
): Promise<Omit<StoredBlob, "id">> {
  const md5 = createHash("md5");
  const sha256 = only === undefined ? createHash("sha256") : undefined;
  let sizeBytes = 0;
  for await (const piece of pieces(body)) {
    sizeBytes += piece.byteLength;
    if (sizeBytes > limitBytes) throw new BodyTooLarge(limitBytes);
    md5.update(piece);
    sha256?.update(piece);
    await write(piece);
  }
  return { sizeBytes, md5Hex: md5.digest("hex"), sha256Base64: sha256?.digest("base64") ?? "" };
}
