/** The bytes of a version: one blob, or extents of several, read as one stream. */
import { BodyTooLarge, type Body } from "../../base/http.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx, Store, StoredBlob } from "../../store/store.ts";
import { fault } from "./faults.ts";
import { extents, ofContent, type ContentRef, type Extent, type Version } from "./tables.ts";

/** A piece of a blob. */
export interface Piece {
  blobId: string;
  start: number;
  length: number;
}

export async function piecesOf(tx: ReadTx, version: Version): Promise<Piece[]> {
  const { account, region, blob_id: blobId, content } = version;
  if (blobId !== null) return [{ blobId, start: 0, length: version.size_bytes }];
  return content === null ? [] : extentPieces(tx, { account, region, content });
}

async function extentPieces(tx: ReadTx, ref: ContentRef): Promise<Piece[]> {
  const rows = await tx.all<Pick<Extent, "blob_id" | "start_bytes" | "length_bytes">>(sql`
    select blob_id, start_bytes, length_bytes from ${extents.name} where ${ofContent(ref)} order by part_number, position`);
  return rows.map((row) => ({ blobId: row.blob_id, start: row.start_bytes, length: row.length_bytes }));
}

/** Those pieces of `pieces` that make up the bytes from `start` to `end` (exclusive). */
export function cut(pieces: readonly Piece[], start: number, end: number): Piece[] {
  const wanted: Piece[] = [];
  let at = 0;
  for (const { blobId, start: from, length } of pieces) {
    const first = Math.max(start - at, 0);
    const last = Math.min(end - at, length);
    if (first < last) wanted.push({ blobId, start: from + first, length: last - first });
    at += length;
  }
  return wanted;
}

export function readPieces({ blobs }: Store, pieces: readonly Piece[]): Body {
  const [only] = pieces;
  if (only === undefined) return new Uint8Array(0);
  if (pieces.length === 1) return blobs.read(only.blobId, only.start, only.start + only.length);
  return (async function* () {
    for (const { blobId, start, length } of pieces) yield* blobs.read(blobId, start, start + length);
  })();
}

/** Writes a body to disk; throws `EntityTooLarge` past `limitBytes`. */
export async function putBody({ blobs }: Store, body: Body, limitBytes: number): Promise<StoredBlob> {
  try {
    return await blobs.put(body ?? new Uint8Array(0), limitBytes);
  } catch (cause) {
    if (!(cause instanceof BodyTooLarge)) throw cause;
    throw fault("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", {}, { cause });
  }
}
