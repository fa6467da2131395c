/** Cuts vector tiles out of the world: clipped and simplified by geojson-vt, written as Mapbox Vector Tiles by vt-pbf. */
import GeoJSONVT, { type LegacyTile } from "geojson-vt";
import vtPbf from "vt-pbf";
import { tileKey, zoomMax, type TileId } from "./pyramid.ts";
import { layerNames, type LayerName, type World } from "./world.ts";

/** The bytes of a tile; none when nothing of the world lies in it. */
export type CutTile = (tile: TileId) => Uint8Array;

/** Units along a tile's edge, and what it shows of its neighbours so that lines meet; the usual values. */
const extent = 4096;
const bufferUnits = 64;
/** Points nearer to their line than this many units are left out: under a quarter of a pixel of a 512-pixel tile. */
const toleranceUnits = 2;

const emptyTile = new Uint8Array(0);

/**
 * A cutter that keeps what it has cut: at most the whole pyramid, 5,461 tiles of each layer (some 50 MB when every one
 * was asked for). The same world gives the same bytes, in whatever order tiles are asked for.
 */
export function createCutter(world: World): CutTile {
  const options = {
    maxZoom: zoomMax,
    // Only the top tile at first, the rest when asked for: a process is ready sooner.
    indexMaxZoom: 0,
    tolerance: toleranceUnits,
    extent,
    buffer: bufferUnits,
  };
  const layers = layerNames.map((name) => ({ name, index: new GeoJSONVT(world[name], options) }));
  const done = new Map<string, Uint8Array>();
  return (tile) => {
    const key = tileKey(tile);
    let bytes = done.get(key);
    if (bytes === undefined) {
      bytes = cut(layers, tile);
      done.set(key, bytes);
    }
    return bytes;
  };
}

function cut(layers: readonly { name: LayerName; index: GeoJSONVT }[], { z, x, y }: TileId): Uint8Array {
  const parts: Record<string, LegacyTile> = {};
  for (const { name, index } of layers) {
    const part = index.getTile(z, x, y);
    if (part && part.features.length > 0) parts[name] = part;
  }
  return Object.keys(parts).length === 0 ? emptyTile : vtPbf.fromGeojsonVt(parts, { version: 2, extent });
}
