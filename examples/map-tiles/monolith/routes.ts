/** How to get from here to there: stages on foot, by rail and by air along the great circle. A plausible stand-in. */
import { distanceKm, pointAlong, type Point } from "./geo.ts";

export type Mode = "walk" | "rail" | "air";

export interface Stage {
  mode: Mode;
  from: Point;
  to: Point;
  distanceKm: number;
  minutes: number;
}

export interface Route {
  from: Point;
  to: Point;
  distanceKm: number;
  minutes: number;
  stages: Stage[];
  /** The line on the map, ends included. */
  path: Point[];
}

const speedKmPerHour: Record<Mode, number> = { walk: 4.8, rail: 110, air: 820 };
/** Waiting, boarding and changing. */
const overheadMinutes: Record<Mode, number> = { walk: 0, rail: 8, air: 95 };

const walkKmMax = 2;
const railKmMax = 800;
/** From the city to its airport. */
const airportKm = 30;

/** One point for each so many kilometres, at least two and at most this many. */
const pathStepKm = 100;
const pathPointsMax = 128;

export function planRoute(from: Point, to: Point): Route {
  const totalKm = distanceKm(from, to);
  const stages = modesFor(totalKm).map((part) => stageOf(from, to, totalKm, part));
  return {
    from,
    to,
    distanceKm: tenth(totalKm),
    minutes: stages.reduce((sum, stage) => sum + stage.minutes, 0),
    stages,
    path: pathOf(from, to, totalKm),
  };
}

/** A stretch of the way: mode, and where it begins and ends in kilometres. */
type Stretch = readonly [mode: Mode, startKm: number, endKm: number];

function modesFor(totalKm: number): Stretch[] {
  if (totalKm <= walkKmMax) return [["walk", 0, totalKm]];
  if (totalKm <= railKmMax) return [["rail", 0, totalKm]];
  const landingKm = totalKm - airportKm;
  return [
    ["rail", 0, airportKm],
    ["air", airportKm, landingKm],
    ["rail", landingKm, totalKm],
  ];
}

function stageOf(from: Point, to: Point, totalKm: number, [mode, startKm, endKm]: Stretch): Stage {
  const at = (km: number) => rounded(pointAlong(from, to, totalKm === 0 ? 0 : km / totalKm));
  const km = endKm - startKm;
  const minutes = Math.round(overheadMinutes[mode] + (km / speedKmPerHour[mode]) * 60);
  return { mode, from: at(startKm), to: at(endKm), distanceKm: tenth(km), minutes };
}

function pathOf(from: Point, to: Point, totalKm: number): Point[] {
  const steps = Math.min(pathPointsMax - 1, Math.max(1, Math.ceil(totalKm / pathStepKm)));
  return Array.from({ length: steps + 1 }, (_, step) => rounded(pointAlong(from, to, step / steps)));
}

const tenth = (km: number) => Math.round(km * 10) / 10;
/** Four decimals: eleven metres. */
const rounded = ({ lat, lon }: Point): Point => ({
  lat: Math.round(lat * 1e4) / 1e4,
  lon: Math.round(lon * 1e4) / 1e4,
});
