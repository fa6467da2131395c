/**
 * Shapes over the date line, laid out flat. world-atlas keeps them as they are on the globe: a ring that goes from 179
 * to -179 degrees, or around a pole. On a flat map that is a stroke across the whole world; here the ring goes on past
 * 180 instead, and geojson-vt draws what lies outside of the world at its other side.
 */
import type { Feature, FeatureCollection, Geometry, Position } from "geojson";

export function overDateLine<T extends Feature | FeatureCollection>(data: T): T {
  if (data.type === "FeatureCollection") return { ...data, features: data.features.map(overDateLine) };
  return { ...data, geometry: flat(data.geometry) };
}

function flat(geometry: Geometry): Geometry {
  switch (geometry.type) {
    case "Polygon":
      return { ...geometry, coordinates: flatPolygon(geometry.coordinates) };
    case "MultiPolygon":
      return { ...geometry, coordinates: geometry.coordinates.map(flatPolygon) };
    case "LineString":
      return { ...geometry, coordinates: unwrapped(geometry.coordinates) };
    case "MultiLineString":
      return { ...geometry, coordinates: geometry.coordinates.map(unwrapped) };
    default:
      throw new Error(`The world has no ${geometry.type}.`);
  }
}

/** Web Mercator's edge, in degrees. */
const latMax = 85.06;

/** The outer ring first, then its holes. */
function flatPolygon(rings: Position[][]): Position[][] {
  // On the globe Antarctica is a band between its coast and a small ring about the pole, which no flat map shows.
  const shown = rings.filter((ring) => ring.some(([, lat = 0]) => Math.abs(lat) < latMax));
  const [outer = [], ...holes] = shown.map((ring) => closedAtPole(unwrapped(ring)));
  return [outer, ...holes.map((hole) => besides(hole, outer))];
}

/** Each step by the short way round, so that longitudes go past 180 rather than jump. */
function unwrapped(line: Position[]): Position[] {
  let turn = 0;
  let before = line[0]?.[0] ?? 0;
  return line.map(([lon = 0, lat = 0]) => {
    if (lon - before > 180) turn -= 360;
    if (lon - before < -180) turn += 360;
    before = lon;
    return [lon + turn, lat];
  });
}

/** A ring around a pole ends a whole turn from where it began: it is closed along the map's edge. */
function closedAtPole(ring: Position[]): Position[] {
  const [start, end] = [ring[0]?.[0] ?? 0, ring.at(-1)?.[0] ?? 0];
  if (Math.abs(end - start) < 180) return ring;
  const pole = (ring[0]?.[1] ?? 0) < 0 ? -90 : 90;
  return [...ring, [end, pole], [start, pole], ring[0] ?? [start, pole]];
}

/** A hole, by as many turns as bring it to its outer ring. */
function besides(hole: Position[], outer: Position[]): Position[] {
  const [from, to] = [leftOf(outer), leftOf(hole)];
  const turn = to < from ? 360 : to > from + 360 ? -360 : 0;
  return turn === 0 ? hole : hole.map(([lon = 0, lat = 0]) => [lon + turn, lat]);
}

function leftOf(ring: Position[]): number {
  return ring.reduce((least, [lon = 0]) => Math.min(least, lon), Infinity);
}
