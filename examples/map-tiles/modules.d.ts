/** Types of the two map libraries that bring none of their own; only what is used here. */

declare module "topojson-client" {
  import type { Feature, FeatureCollection, MultiLineString } from "geojson";

  export interface GeometryObject {
    type: string;
    id?: string;
    properties?: Record<string, unknown>;
  }

  export interface Topology {
    type: "Topology";
    objects: Record<string, GeometryObject>;
  }

  export function feature(topology: Topology, object: GeometryObject): Feature | FeatureCollection;
  /** The arcs of `object`, each once; with `filter`, those between the two geometries that it holds for. */
  export function mesh(
    topology: Topology,
    object: GeometryObject,
    filter: (a: GeometryObject, b: GeometryObject) => boolean,
  ): MultiLineString;
}

declare module "vt-pbf" {
  import type { LegacyTile } from "geojson-vt";

  const vtPbf: {
    fromGeojsonVt(layers: Record<string, LegacyTile>, options: { version: 1 | 2; extent: number }): Uint8Array;
  };
  export default vtPbf;
}
