import { VectorTile } from "@mapbox/vector-tile";
import { PbfReader } from "pbf";
import { beforeAll, describe, expect, it } from "vitest";
import { answerTile, matches, tileType } from "./answer.ts";
import { openTiles, packTiles } from "./archive.ts";
import { createCutter, type CutTile } from "./cutter.ts";
import { allTiles, parseTilePath, zoomMax, type TileId } from "./pyramid.ts";
import { readWorld, type World } from "./world.ts";

let world: World;
let cut: CutTile;

beforeAll(async () => {
  world = await readWorld();
  cut = createCutter(world);
});

function decode(bytes: Uint8Array): VectorTile {
  return new VectorTile(new PbfReader(bytes));
}

function countriesOf(bytes: Uint8Array): string[] {
  const layer = decode(bytes).layers["countries"];
  return Array.from({ length: layer?.length ?? 0 }, (_, i) => String(layer?.feature(i).properties["name"]));
}

describe("a tile", () => {
  it("holds the world at zoom 0: land, borders, and every country by name", () => {
    const { layers } = decode(cut({ z: 0, x: 0, y: 0 }));
    expect(Object.keys(layers)).toEqual(["land", "countries", "borders"]);
    expect(layers["land"]?.version).toBe(2);
    expect(layers["land"]?.extent).toBe(4096);
    const names = countriesOf(cut({ z: 0, x: 0, y: 0 }));
    expect(names.length).toBeGreaterThan(200);
    expect(names).toEqual(expect.arrayContaining(["Japan", "Brazil", "South Africa", "Iceland"]));
  });

  it("holds only what lies in it, in its own coordinates", () => {
    // Tokyo at zoom 6.
    const bytes = cut({ z: 6, x: 56, y: 25 });
    expect(countriesOf(bytes)).toEqual(["Japan"]);
    for (const ring of decode(bytes).layers["countries"]?.feature(0).loadGeometry() ?? []) {
      for (const { x, y } of ring) {
        expect(Math.min(x, y)).toBeGreaterThanOrEqual(-64);
        expect(Math.max(x, y)).toBeLessThanOrEqual(4096 + 64);
      }
    }
  });

  it("puts a place where Web Mercator puts it", () => {
    // The middle of the zoom-0 tile is 0 N 0 E, in the Gulf of Guinea; Ghana's Cape Three Points lies just north of it.
    const layer = decode(cut({ z: 0, x: 0, y: 0 })).layers["countries"];
    const ghana = Array.from({ length: layer?.length ?? 0 }, (_, i) => layer?.feature(i)).find(
      (feature) => feature?.properties["name"] === "Ghana",
    );
    const [west = 0, south = 0, east = 0, north = 0] = ghana?.bbox() ?? [];
    expect((west + east) / 2).toBeGreaterThan(2048 - 40);
    expect((west + east) / 2).toBeLessThan(2048 + 10);
    expect(Math.max(south, north)).toBeLessThan(2048);
    expect(Math.min(south, north)).toBeGreaterThan(2048 - 140);
  });

  it("is empty in the middle of the ocean", () => {
    expect(cut({ z: 3, x: 1, y: 5 }).byteLength).toBe(0);
  });

  it("has the same bytes whatever was asked for before", () => {
    const tile = { z: 5, x: 28, y: 12 };
    const other = createCutter(world);
    for (const first of [
      { z: 6, x: 57, y: 25 },
      { z: 2, x: 1, y: 1 },
      { z: 5, x: 29, y: 12 },
    ]) {
      other(first);
    }
    expect(Buffer.compare(other(tile), cut(tile))).toBe(0);
  });
});

describe("land and sea", () => {
  const places: [name: string, lat: number, lon: number, country: string | undefined][] = [
    ["Nagano", 36.65, 138.18, "Japan"],
    ["the Pacific", 30, -150, undefined],
    ["Chukotka, west of the date line", 67, 178, "Russia"],
    ["Chukotka, east of it", 66, -174, "Russia"],
    ["the Bering Sea", 58, -177, undefined],
    ["the Arctic Ocean", 80, -160, undefined],
    ["Alaska", 65, -153, "United States of America"],
    ["the Gulf of Alaska", 57, -147, undefined],
    ["Antarctica", -80, 60, "Antarctica"],
    ["Antarctica at the date line", -84.8, 179.9, "Antarctica"],
    ["Antarctica, beyond the date line", -84.8, -179.9, "Antarctica"],
    ["Vanua Levu", -16.6, 179.2, "Fiji"],
    ["the sea at Fiji's latitude", -16.6, 0, undefined],
    ["Maseru, within South Africa", -29.5, 28.2, "Lesotho"],
  ];

  it.each(places)("%s is what it is, at every zoom", (_, lat, lon, country) => {
    for (const z of [2, 4, zoomMax]) {
      const [tile, x, y] = onTile(lat, lon, z);
      const { layers } = decode(cut(tile));
      const inside = (name: string) =>
        Array.from({ length: layers[name]?.length ?? 0 }, (_, i) => layers[name]?.feature(i)).filter((feature) =>
          covers(feature?.loadGeometry() ?? [], x, y),
        );
      expect(
        inside("countries").map((feature) => feature?.properties["name"]),
        `zoom ${z}`,
      ).toEqual(country === undefined ? [] : [country]);
      expect(inside("land").length, `zoom ${z}`).toBe(country === undefined ? 0 : 1);
    }
  });

  it("has no stroke across the world", () => {
    for (const tile of allTiles(3)) {
      for (const name of ["land", "countries", "borders"]) {
        const layer = decode(cut(tile)).layers[name];
        for (let i = 0; i < (layer?.length ?? 0); i++) {
          for (const ring of layer?.feature(i).loadGeometry() ?? []) {
            expect(longestLevelStroke(ring), `${name} of ${tile.z}/${tile.x}/${tile.y}`).toBeLessThan(4096);
          }
        }
      }
    }
  });
});

/** The tile of a place, and where in it the place is. */
function onTile(lat: number, lon: number, z: number): [TileId, x: number, y: number] {
  const sine = Math.sin((lat * Math.PI) / 180);
  const column = ((lon + 180) / 360) * 2 ** z;
  const row = (0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI)) * 2 ** z;
  const [x, y] = [Math.floor(column), Math.floor(row)];
  return [{ z, x, y }, (column - x) * 4096, (row - y) * 4096];
}

type Ring = { x: number; y: number }[];

/** Even-odd rule. */
function covers(rings: Ring[], x: number, y: number): boolean {
  let inside = false;
  for (const ring of rings) {
    for (let i = 0; i < ring.length; i++) {
      const [a, b] = [ring[i], ring[(i + 1) % ring.length]];
      if (!a || !b || a.y > y === b.y > y) continue;
      if (x < a.x + ((y - a.y) / (b.y - a.y)) * (b.x - a.x)) inside = !inside;
    }
  }
  return inside;
}

/** The longest level line of a ring within the tile; along its edges there may be any, where it was clipped. */
function longestLevelStroke(ring: Ring): number {
  return ring.reduce((longest, point, i) => {
    const next = ring[i + 1];
    const atEdge = point.y <= 0 || point.y >= 4096;
    return next && !atEdge && Math.abs(next.y - point.y) < 2 ? Math.max(longest, Math.abs(next.x - point.x)) : longest;
  }, 0);
}

describe("the path of a tile", () => {
  it("names it", () => {
    expect(parseTilePath("/map/6/56/25.mvt")).toEqual({ tile: { z: 6, x: 56, y: 25 } });
    expect(parseTilePath("/map/0/0/0.mvt")).toEqual({ tile: { z: 0, x: 0, y: 0 } });
  });

  it.each([
    ["/map/a/0/0.mvt", 400, "BadTile"],
    ["/map/-1/0/0.mvt", 400, "BadTile"],
    ["/map/1/01/0.mvt", 400, "BadTile"],
    ["/map/1/0.5/0.mvt", 400, "BadTile"],
    ["/map/1/1e0/0.mvt", 400, "BadTile"],
    ["/map///.mvt", 400, "BadTile"],
    ["/map/%31/0/0.mvt", 400, "BadTile"],
    ["/map/5/99999999/0.mvt", 400, "BadTile"],
    [`/map/${zoomMax + 1}/0/0.mvt`, 404, "NoSuchZoom"],
    ["/map/2/4/0.mvt", 404, "NoSuchTile"],
    ["/map/2/0/4.mvt", 404, "NoSuchTile"],
    ["/map/0/0/0.png", 404, "NotFound"],
    ["/map/0/0/0", 404, "NotFound"],
    ["/map/../0/0/0.mvt", 404, "NotFound"],
    ["/map/", 404, "NotFound"],
  ])("%s is refused with %i %s", (path, status, error) => {
    expect(parseTilePath(path)).toMatchObject({ problem: { status, error } });
    const answer = answerTile({ method: "GET", path }, cut);
    expect(answer.status).toBe(status);
    expect(JSON.parse(Buffer.from(answer.body).toString())).toMatchObject({ error });
  });
});

describe("the answer", () => {
  const path = "/map/2/3/1.mvt";

  it("is the tile with its type and a tag, and 304 for who has it", () => {
    const first = answerTile({ method: "GET", path }, cut);
    expect(first).toMatchObject({ status: 200, headers: { "Content-Type": tileType } });
    const etag = first.headers["ETag"];
    expect(etag).toMatch(/^"[\w-]{22}"$/);
    const again = answerTile({ method: "GET", path, ifNoneMatch: etag }, cut);
    expect(again).toMatchObject({ status: 304, headers: { ETag: etag } });
    expect(again.body.byteLength).toBe(0);
    expect(answerTile({ method: "GET", path, ifNoneMatch: '"other"' }, cut).status).toBe(200);
  });

  it("to HEAD has no body, and to POST is 405", () => {
    expect(answerTile({ method: "HEAD", path }, cut)).toMatchObject({ status: 200, body: new Uint8Array(0) });
    expect(answerTile({ method: "POST", path }, cut)).toMatchObject({ status: 405, headers: { Allow: "GET, HEAD" } });
  });

  it("is 204 where there is nothing", () => {
    const answer = answerTile({ method: "GET", path: "/map/3/1/5.mvt" }, cut);
    expect(answer.status).toBe(204);
    expect(answer.body.byteLength).toBe(0);
    expect(answer.headers).not.toHaveProperty("Content-Type");
  });

  it("compares tags as RFC 9110 says", () => {
    expect(matches('"a", W/"b"', '"b"')).toBe(true);
    expect(matches("*", '"b"')).toBe(true);
    expect(matches('"a"', '"b"')).toBe(false);
    expect(matches(undefined, '"b"')).toBe(false);
  });
});

describe("the archive", () => {
  it("gives back every tile of the pyramid as it was cut", () => {
    const archive = packTiles(cut);
    const open = openTiles(archive);
    for (const tile of allTiles()) {
      if (Buffer.compare(open(tile), cut(tile)) !== 0) expect.fail(`${tile.z}/${tile.x}/${tile.y} differs`);
    }
    expect(Buffer.compare(packTiles(createCutter(world)), archive)).toBe(0);
  });

  it("is refused when it is cut short", () => {
    const archive = packTiles(cut);
    expect(() => openTiles(archive.subarray(0, archive.byteLength - 1))).toThrow("cut short");
  });
});
