/** Which tiles there are, and which of them a path names: the usual z/x/y pyramid of Web Mercator. */

export interface TileId {
  /** Zoom, 0 (the world in one tile) to {@link zoomMax}. */
  z: number;
  /** Column, from the date line eastwards: 0 to 2^z - 1. */
  x: number;
  /** Row, from the north southwards: 0 to 2^z - 1. */
  y: number;
}

/**
 * Deepest zoom that is cut; maps stretch its tiles beyond. At zoom 6 a tile's grid is 150 m fine, and the points of
 * Natural Earth's 1:50m set lie further apart, so a deeper cut would add bytes and no detail.
 */
export const zoomMax = 6;

/** What is wrong with a path that names no tile: 400 for one that is malformed, 404 for one that is outside. */
export interface TileProblem {
  status: 400 | 404;
  error: string;
  message: string;
}

export type TilePath = { tile: TileId } | { problem: TileProblem };

const tilePattern = /^\/map\/([^/]*)\/([^/]*)\/([^/]*)\.mvt$/;
/** Seven digits are more than any pyramid here has, and few enough to stay exact. */
const wholePattern = /^(0|[1-9]\d{0,6})$/;

const problem = (status: 400 | 404, error: string, message: string): TilePath => ({
  problem: { status, error, message },
});

/** Reads `/map/{z}/{x}/{y}.mvt` (the path alone, without its query). */
export function parseTilePath(path: string): TilePath {
  const match = tilePattern.exec(path);
  if (!match) return problem(404, "NotFound", "A tile's path is /map/{z}/{x}/{y}.mvt.");
  const numbers = match.slice(1);
  if (!numbers.every((text) => wholePattern.test(text))) {
    return problem(400, "BadTile", "z, x and y must be whole numbers, without sign or leading zeros.");
  }
  const [z = 0, x = 0, y = 0] = numbers.map(Number);
  if (z > zoomMax) return problem(404, "NoSuchZoom", `Tiles are cut for zoom 0 to ${zoomMax}; ${z} was asked for.`);
  const last = 2 ** z - 1;
  if (x > last || y > last) return problem(404, "NoSuchTile", `At zoom ${z}, x and y go from 0 to ${last}.`);
  return { tile: { z, x, y } };
}

/** Every tile of the pyramid, from the top down to `zoom`. */
export function* allTiles(zoom: number = zoomMax): Generator<TileId> {
  for (let z = 0; z <= zoom; z++) {
    for (let y = 0; y < 2 ** z; y++) {
      for (let x = 0; x < 2 ** z; x++) yield { z, x, y };
    }
  }
}

/** `z/x/y`: a tile's name in caches and archives. */
export function tileKey(tile: TileId): string {
  return `${tile.z}/${tile.x}/${tile.y}`;
}
