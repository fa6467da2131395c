/** The map itself: Natural Earth's 1:50m countries, land and borders, as GeoJSON, from the npm package world-atlas. */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { GeoJSON } from "geojson";
import { feature, mesh, type Topology } from "topojson-client";

import { overDateLine } from "./dateline.ts";

/** The layers of every tile, in the order they are written and drawn. */
export const layerNames = ["land", "countries", "borders"] as const;
export type LayerName = (typeof layerNames)[number];
export type World = Readonly<Record<LayerName, GeoJSON>>;

/** Layers of a world-atlas topology: polygons of land and of countries (with `name`), and the lines between countries. */
export function worldOf(topology: Topology): World {
  const { countries, land } = topology.objects;
  if (!countries || !land) throw new Error("The topology must have the objects countries and land.");
  return {
    land: overDateLine(feature(topology, land)),
    countries: overDateLine(feature(topology, countries)),
    // An arc between two different countries; the coast belongs to one alone, and is left to `land`.
    borders: overDateLine({
      type: "Feature",
      properties: {},
      geometry: mesh(topology, countries, (a, b) => a !== b),
    }),
  };
}

/** Reads the world from the installed world-atlas package (756 KB; some 60 ms with its conversion). */
export async function readWorld(): Promise<World> {
  const file = fileURLToPath(import.meta.resolve("world-atlas/countries-50m.json"));
  // The one cast: the package's own file is what its README says it is, and worldOf checks the objects it uses.
  return worldOf(JSON.parse(await readFile(file, "utf8")) as Topology);
}
