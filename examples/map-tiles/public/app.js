/** The page: a map whose tiles are outlined in the colour of who served them, and the figures beside it. */
import { addProtocol, AttributionControl, Map as WorldMap, NavigationControl } from "/vendor/maplibre-gl.mjs";
import { createLegend } from "./legend.js";
import { mapStyle, shownAt } from "./map-style.js";
import { createPlaces } from "./places.js";
import { createTiles, outlineOf, tilesIn } from "./tiles.js";

const legend = createLegend();
/** Tiles that the map could not load; it is told when they can be had again. */
const missing = new Set();
/** Without a map (no WebGL) the figures still run, on the sixteen tiles of zoom 2. */
let inView = Array.from({ length: 16 }, (_, i) => `2/${i % 4}/${Math.floor(i / 4)}`);
let map;

const tiles = createTiles((answer) => {
  legend.add(answer);
  scheduleOutlines();
  if (answer.by === "failed" || !missing.delete(answer.key)) return;
  const [z, x, y] = answer.key.split("/").map(Number);
  map?.refreshTiles("map", [{ z, x, y }]);
});

addProtocol("tile", async ({ url }, { signal }) => {
  const key = url.slice("tile://map/".length);
  try {
    return { data: await tiles.fetchTile(key, signal) };
  } catch (error) {
    if (!signal.aborted) missing.add(key);
    throw error;
  }
});

let outlinesDue = false;
function scheduleOutlines() {
  if (outlinesDue) return;
  outlinesDue = true;
  requestAnimationFrame(drawOutlines);
}

function drawOutlines() {
  outlinesDue = false;
  const counts = { monolith: 0, function: 0, failed: 0 };
  const features = [];
  for (const key of inView) {
    const by = tiles.answerOf(key)?.by;
    if (!by) continue;
    counts[by] += 1;
    features.push({
      type: "Feature",
      properties: { by },
      geometry: { type: "Polygon", coordinates: [outlineOf(key)] },
    });
  }
  legend.showInView(counts);
  map?.getSource("served")?.setData({ type: "FeatureCollection", features });
}

const dark = matchMedia("(prefers-color-scheme: dark)");
const phone = matchMedia("(width <= 640px)");

function startMap() {
  map = new WorldMap({
    container: "map",
    style: mapStyle(dark.matches),
    center: [138, 36],
    // A little over a whole zoom: tiles are as small, and so as many in view, as they get.
    zoom: phone.matches ? 3.05 : 4.1,
    maxZoom: 8,
    minZoom: 1,
    // The style sheet shows the map at half its size (see there): every pixel of it is half one of the screen.
    pixelRatio: devicePixelRatio * shownAt,
    dragRotate: false,
    pitchWithRotate: false,
    touchPitch: false,
    attributionControl: false,
    hash: true,
  });
  map.touchZoomRotate.disableRotation();
  map.keyboard.disableRotation();
  map.addControl(new NavigationControl({ showCompass: false }), "top-right");
  map.addControl(new AttributionControl({ compact: false }), "bottom-right");
  const look = () => {
    inView = tilesIn(map.getBounds(), map.getZoom());
    scheduleOutlines();
  };
  map.on("move", look);
  map.on("style.load", look);
  map.on("error", ({ error }) => console.warn(error.message));
  dark.addEventListener("change", () => map.setStyle(mapStyle(dark.matches)));
  createPlaces(map);
}

let paused = false;
document.querySelector("#pause").addEventListener("click", ({ currentTarget }) => {
  paused = !paused;
  currentTarget.textContent = paused ? "Resume" : "Pause";
});

// On a phone the map ends where the sheet begins.
const card = document.querySelector(".card");
new ResizeObserver(() => {
  document.documentElement.style.setProperty("--sheet", `${card.offsetHeight - 16}px`);
  map?.resize();
}).observe(card);

try {
  startMap();
} catch (error) {
  const notice = document.querySelector("#notice");
  notice.textContent = `The map needs WebGL: ${error.message}`;
  notice.hidden = false;
}
tiles.keepProbing(
  () => inView,
  () => !paused,
);
