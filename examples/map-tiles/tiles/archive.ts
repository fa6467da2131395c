/**
 * Every tile in one file, cut when the function is built: what a function reads at its start instead of cutting.
 * Cutting needs the whole world indexed first, 150 ms and more of each new environment; reading this takes three.
 *
 * Layout: the length of the index (4 bytes, big endian); the index, JSON of `z/x/y` -> [offset, length]; the tiles.
 * A tile that is empty is not in the index, and one that looks like another is stored once.
 */
import type { CutTile } from "./cutter.ts";
import { allTiles, tileKey } from "./pyramid.ts";

type Index = Record<string, [offset: number, length: number]>;

const lengthBytes = 4;
const emptyTile = new Uint8Array(0);

/** Cuts the whole pyramid into one archive. The same cutter gives the same bytes. */
export function packTiles(cut: CutTile): Uint8Array {
  const index: Index = {};
  const stored = new Map<string, [number, number]>();
  const tiles: Uint8Array[] = [];
  let offset = 0;
  for (const tile of allTiles()) {
    const bytes = cut(tile);
    if (bytes.byteLength === 0) continue;
    const content = Buffer.from(bytes).toString("latin1");
    let place = stored.get(content);
    if (place === undefined) {
      place = [offset, bytes.byteLength];
      stored.set(content, place);
      tiles.push(bytes);
      offset += bytes.byteLength;
    }
    index[tileKey(tile)] = place;
  }
  const head = Buffer.from(JSON.stringify(index));
  const length = Buffer.alloc(lengthBytes);
  length.writeUInt32BE(head.byteLength);
  return Buffer.concat([length, head, ...tiles]);
}

/** Tiles out of an archive that {@link packTiles} made. Throws when it is cut short. */
export function openTiles(archive: Uint8Array): CutTile {
  const view = Buffer.from(archive.buffer, archive.byteOffset, archive.byteLength);
  const start = lengthBytes + view.readUInt32BE(0);
  // The cast is the archive's own format, written by packTiles and by nobody else.
  const index = new Map(Object.entries(JSON.parse(view.toString("utf8", lengthBytes, start)) as Index));
  let end = start;
  for (const [offset, length] of index.values()) end = Math.max(end, start + offset + length);
  if (end > view.byteLength) throw new Error(`The tile archive is cut short: ${view.byteLength} of ${end} bytes.`);
  return (tile) => {
    const place = index.get(tileKey(tile));
    return place === undefined ? emptyTile : view.subarray(start + place[0], start + place[0] + place[1]);
  };
}
