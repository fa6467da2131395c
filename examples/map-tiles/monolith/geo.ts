/** Points on the globe: reading them from a query, distances, and the great circle between two. */

/** Degrees; south and west are negative. */
export interface Point {
  /** -90 to 90. */
  lat: number;
  /** -180 to 180. */
  lon: number;
}

export const earthRadiusKm = 6371;
const degree = Math.PI / 180;
const pointPattern = /^(-?\d{1,3}(?:\.\d{1,12})?),(-?\d{1,3}(?:\.\d{1,12})?)$/;

/** Reads `lat,lon`, or gives undefined when `text` is none. */
export function parsePoint(text: string): Point | undefined {
  const match = pointPattern.exec(text);
  if (!match) return undefined;
  const point = { lat: Number(match[1]), lon: Number(match[2]) };
  return Math.abs(point.lat) <= 90 && Math.abs(point.lon) <= 180 ? point : undefined;
}

/** Angle between two points at the earth's centre, in radians (haversine: exact for near points too). */
function angleBetween(a: Point, b: Point): number {
  const lat = Math.sin(((b.lat - a.lat) * degree) / 2) ** 2;
  const lon = Math.sin(((b.lon - a.lon) * degree) / 2) ** 2;
  return 2 * Math.asin(Math.min(1, Math.sqrt(lat + Math.cos(a.lat * degree) * Math.cos(b.lat * degree) * lon)));
}

export function distanceKm(a: Point, b: Point): number {
  return angleBetween(a, b) * earthRadiusKm;
}

/** The point `part` (0 to 1) of the way along the great circle from `a` to `b`. */
export function pointAlong(a: Point, b: Point, part: number): Point {
  const angle = angleBetween(a, b);
  // Too near for a direction, or opposite, where every direction is as short: then straight in degrees.
  if (Math.sin(angle) < 1e-9) return { lat: a.lat + (b.lat - a.lat) * part, lon: a.lon + (b.lon - a.lon) * part };
  const fromA = Math.sin((1 - part) * angle) / Math.sin(angle);
  const fromB = Math.sin(part * angle) / Math.sin(angle);
  const along = (component: (point: Point) => number) => fromA * component(a) + fromB * component(b);
  const x = along(({ lat, lon }) => Math.cos(lat * degree) * Math.cos(lon * degree));
  const y = along(({ lat, lon }) => Math.cos(lat * degree) * Math.sin(lon * degree));
  const z = along(({ lat }) => Math.sin(lat * degree));
  return { lat: Math.atan2(z, Math.hypot(x, y)) / degree, lon: Math.atan2(y, x) / degree };
}
