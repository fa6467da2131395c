/** Places worth going to, nearest first. */
import { distanceKm, type Point } from "./geo.ts";
import list from "./spots.json" with { type: "json" };

export interface Spot extends Point {
  name: string;
  country: string;
}

export const spots: readonly Spot[] = list;
export const spotsLimitMax = 50;
export const spotsLimitDefault = 5;

export function spotsNear(point: Point, limit: number): (Spot & { distanceKm: number })[] {
  return spots
    .map((spot) => ({ ...spot, distanceKm: Math.round(distanceKm(point, spot)) }))
    .sort((a, b) => a.distanceKm - b.distanceKm)
    .slice(0, limit);
}
