/** What one visitor asks for, in order: a map that is panned and zoomed, and in between routes, spots and the page. */
import spots from "../monolith/spots.json" with { type: "json" };
import { zoomMax } from "../tiles/pyramid.ts";

export const kinds = ["tile", "route", "spot", "page"] as const;
export type Kind = (typeof kinds)[number];

export interface Visit {
  kind: Kind;
  path: string;
}

/** Shares of the kinds; tiles are the 60% of the story. */
const shares: Record<Kind, number> = { tile: 0.6, route: 0.18, spot: 0.17, page: 0.05 };

/** A phone's view: three tiles by two. */
const viewColumns = [-1, 0, 1];
const viewRows = [0, 1];
const zoomStartMin = 2;
const zoomMin = 1;
const pageFiles = ["/", "/app.js", "/style.css"];

/** Visits without end. The same seed and visitor give the same ones, whatever is answered. */
export function* walk(seed: number, visitor: number): Generator<Visit, never> {
  const random = randomFrom(seed * 0x9e3779b1 + visitor * 0x85ebca6b + 1);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const map = mapView(random);
  let view: string[] = [];
  for (;;) {
    const kind = kindAt(random());
    if (kind === "tile") {
      if (view.length === 0) view = map.move();
      yield { kind, path: view.pop() ?? "/map/0/0/0.mvt" };
    } else if (kind === "route") {
      const [from, to] = [pick(spots), pick(spots)];
      yield { kind, path: `/routes?from=${from.lat},${from.lon}&to=${to.lat},${to.lon}` };
    } else if (kind === "spot") {
      const near = pick(spots);
      yield { kind, path: `/spots?near=${near.lat},${near.lon}&limit=${1 + Math.floor(random() * 9)}` };
    } else {
      yield { kind, path: pick(pageFiles) };
    }
  }
}

function kindAt(roll: number): Kind {
  let sum = 0;
  for (const kind of kinds) {
    sum += shares[kind];
    if (roll < sum) return kind;
  }
  return "page";
}

/** Where a visitor looks. Each move gives the tiles that come into view. */
function mapView(random: () => number): { move(): string[] } {
  let z = 0;
  let x = 0;
  let y = 0;
  const jump = () => {
    const spot = spots[Math.floor(random() * spots.length)] ?? { lat: 0, lon: 0 };
    z = zoomStartMin + Math.floor(random() * (zoomMax - zoomStartMin + 1));
    [x, y] = tileAt(spot.lat, spot.lon, z);
  };
  const zoomBy = (step: 1 | -1) => {
    const next = Math.min(zoomMax, Math.max(zoomMin, z + step));
    [x, y] = [Math.floor(x * 2 ** (next - z)), Math.floor(y * 2 ** (next - z))];
    z = next;
  };
  const pan = () => {
    x += Math.floor(random() * 5) - 2;
    y += Math.floor(random() * 3) - 1;
  };
  jump();
  return {
    move() {
      const roll = random();
      if (roll < 0.06) jump();
      else if (roll < 0.2) zoomBy(1);
      else if (roll < 0.32) zoomBy(-1);
      else pan();
      const side = 2 ** z;
      y = Math.min(side - 1, Math.max(0, y));
      const inside = viewRows.map((row) => y + row).filter((row) => row < side);
      return inside.flatMap((row) =>
        viewColumns.map((column) => `/map/${z}/${(((x + column) % side) + side) % side}/${row}.mvt`),
      );
    },
  };
}

function tileAt(lat: number, lon: number, z: number): [x: number, y: number] {
  const side = 2 ** z;
  const sine = Math.sin((lat * Math.PI) / 180);
  const row = (0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI)) * side;
  return [Math.floor(((lon + 180) / 360) * side), Math.min(side - 1, Math.max(0, Math.floor(row)))];
}

/** Mulberry32: small, quick, and the same everywhere. Gives 0 (included) to 1 (excluded). */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
