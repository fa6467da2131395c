/** The map's look: land, borders, and the outlines of the tiles on top. No fonts, no sprites, nothing from elsewhere. */
import { zoomMax } from "./tiles.js";

/**
 * The style sheet shows the map at half its size, so that tiles are 256 pixels wide and not MapLibre's 512: four times
 * as many to see. Widths here are of the map, twice those on the screen.
 */
export const shownAt = 0.5;

const themes = {
  light: {
    sea: "#e7edf2",
    land: "#fbfaf6",
    coast: "#aebac5",
    border: "#d3d8dd",
    route: "#1c2733",
    monolith: "#5d7086",
    function: "#f08a24",
    failed: "#cf2f27",
  },
  dark: {
    sea: "#0e1318",
    land: "#1c232b",
    coast: "#3a4652",
    border: "#303a45",
    route: "#e8edf2",
    monolith: "#8fa3b8",
    function: "#ff9a3c",
    failed: "#ff6a60",
  },
};

const nothing = { type: "FeatureCollection", features: [] };

export function mapStyle(dark) {
  const colours = dark ? themes.dark : themes.light;
  const byServer = ["match", ["get", "by"], "function", colours.function, "failed", colours.failed, colours.monolith];
  const outline = (id, by, paint) => ({
    id,
    type: "line",
    source: "served",
    filter: ["==", ["get", "by"], by],
    layout: { "line-join": "round" },
    paint: { "line-color": colours[by], ...paint },
  });
  return {
    version: 8,
    sources: {
      map: {
        type: "vector",
        tiles: ["tile://map/{z}/{x}/{y}"],
        maxzoom: zoomMax,
        attribution: "Made with Natural Earth",
      },
      served: { type: "geojson", data: nothing, maxzoom: 8, tolerance: 0 },
      route: { type: "geojson", data: nothing },
    },
    layers: [
      { id: "sea", type: "background", paint: { "background-color": colours.sea } },
      { id: "land", type: "fill", source: "map", "source-layer": "land", paint: { "fill-color": colours.land } },
      {
        id: "coast",
        type: "line",
        source: "map",
        "source-layer": "land",
        paint: { "line-color": colours.coast, "line-width": 1.6 },
      },
      {
        id: "borders",
        type: "line",
        source: "map",
        "source-layer": "borders",
        paint: { "line-color": colours.border, "line-width": ["interpolate", ["linear"], ["zoom"], 2, 1.2, 7, 3.2] },
      },
      { id: "served", type: "fill", source: "served", paint: { "fill-color": byServer, "fill-opacity": 0.06 } },
      outline("served-monolith", "monolith", { "line-width": 3, "line-opacity": 0.7 }),
      outline("served-function", "function", { "line-width": 6 }),
      outline("served-failed", "failed", { "line-width": 5, "line-dasharray": [2, 1.5] }),
      {
        id: "route",
        type: "line",
        source: "route",
        layout: { "line-cap": "round", "line-join": "round" },
        paint: { "line-color": colours.route, "line-width": 4, "line-dasharray": [0.1, 2.2] },
      },
    ],
  };
}
