/** The bytes of a version: one blob, or extents of several, read as one stream. */
import { BodyTooLarge, type Body } from "../../base/http.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx, Store } from "../../store/store.ts";
import { isSealed } from "./encryption.ts";
import { fault } from "./faults.ts";
import type { Reading } from "./reading.ts";
import { blockBytes, opened, sealed } from "./sealing.ts";
import { extents, ofContent, type ContentRef, type Extent, type Version } from "./tables.ts";

/** A piece of a blob. */
export interface Piece {
  blobId: string;
  start: number;
  length: number;
}

export async function piecesOf(tx: ReadTx, version: Version): Promise<Piece[]> {
  const { account, region, blob_id: blobId, content, headers, data_key: dataKey } = version;
  if (blobId !== null) {
    return [{ blobId, start: isSealed({ headers, dataKey }) ? blockBytes : 0, length: version.size_bytes }];
  }
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

/** What it takes to read: the store, and who tells the sweep of it. */
export interface Readable {
  store: Store;
  reading: Reading;
}

/** Reads pieces one after another; with the key that they lie under. From its first byte on none of them is swept. */
export function readPieces({ store, reading }: Readable, pieces: readonly Piece[], key?: Uint8Array): Body {
  const read = ({ blobId, start, length }: Piece) =>
    key === undefined
      ? store.blobs.read(blobId, start, start + length)
      : opened(store, blobId, { start, end: start + length, key });
  if (pieces.length === 0) return new Uint8Array(0);
  return (async function* () {
    const release = reading.hold(pieces.map(({ blobId }) => blobId));
    try {
      for (const piece of pieces) yield* read(piece);
    } finally {
      release();
    }
  })();
}

/** A body on disk. */
export interface Put {
  blobId: string;
  sizeBytes: number;
  /** Of the bytes as they lie: of sealed ones it is not that of the object, as S3's is not. */
  md5Hex: string;
  /** The whole of it; nothing for an empty body. */
  pieces: Piece[];
}

/** Writes a body to disk, under `key` where there is one; throws `EntityTooLarge` past `limitBytes`. */
export async function putBody({ blobs }: Store, body: Body, limitBytes: number, key?: Uint8Array): Promise<Put> {
  const start = key === undefined ? 0 : blockBytes;
  const written = key === undefined ? (body ?? new Uint8Array(0)) : sealed(body, key);
  try {
    const { id: blobId, sizeBytes: all, md5Hex } = await blobs.put(written, limitBytes + start, "md5");
    const sizeBytes = all - start;
    return { blobId, sizeBytes, md5Hex, pieces: sizeBytes === 0 ? [] : [{ blobId, start, length: sizeBytes }] };
  } catch (cause) {
    if (!(cause instanceof BodyTooLarge)) throw cause;
    throw fault("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", {}, { cause });
  }
}
