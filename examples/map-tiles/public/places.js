/** Places and the way between two of them: the routes of the monolith that stay where they are. */
import { Marker } from "/vendor/maplibre-gl.mjs";

const spotsShown = 14;

export function createPlaces(map) {
  /** By name, what is on the map now. */
  const markers = new Map();
  /** At most two: from and to. */
  let chosen = [];

  async function showSpots() {
    const { lat, lng } = map.getCenter().wrap();
    const response = await getJson(`/spots?near=${lat.toFixed(4)},${lng.toFixed(4)}&limit=${spotsShown}`);
    // The places stay as they are while the monolith cannot tell others.
    if (!response) return;
    const legible = withoutOverlaps([...chosen, ...response.spots]);
    const names = new Set(legible.map((spot) => spot.name));
    for (const [name, marker] of markers) {
      if (names.has(name)) continue;
      marker.remove();
      markers.delete(name);
    }
    for (const spot of legible) {
      if (!markers.has(spot.name)) markers.set(spot.name, markerOf(spot));
    }
  }

  /** Those whose name covers no other's, the first of the list first. */
  function withoutOverlaps(spots) {
    const boxes = [];
    return spots.filter((spot) => {
      const { x, y } = map.project([spot.lon, spot.lat]);
      const box = { left: x - 12, right: x + 32 + spot.name.length * 13, top: y - 18, bottom: y + 18 };
      const free = boxes.every(
        (other) => box.left > other.right || box.right < other.left || box.top > other.bottom || box.bottom < other.top,
      );
      if (free) boxes.push(box);
      return free;
    });
  }

  function markerOf(spot) {
    const element = document.createElement("button");
    element.type = "button";
    element.className = "spot";
    element.textContent = spot.name;
    element.ariaPressed = "false";
    element.title = `${spot.name}, ${spot.country}: choose two places for a route`;
    element.addEventListener("click", (event) => {
      event.stopPropagation();
      choose(spot);
    });
    return new Marker({ element, anchor: "left", offset: [-15, 0] }).setLngLat([spot.lon, spot.lat]).addTo(map);
  }

  function choose(spot) {
    if (chosen.some((other) => other.name === spot.name)) chosen = chosen.filter((other) => other.name !== spot.name);
    else chosen = [...chosen.slice(-1), spot];
    for (const [name, marker] of markers) {
      marker.getElement().ariaPressed = String(chosen.some((other) => other.name === name));
    }
    void showRoute();
  }

  async function showRoute() {
    const [from, to] = chosen;
    if (!to) {
      drawRoute([]);
      say(from ? ["From ", bold(from.name), " to ...?"] : ["Choose two places for a route."]);
      return;
    }
    const route = await getJson(`/routes?from=${from.lat},${from.lon}&to=${to.lat},${to.lon}`);
    if (chosen[0] !== from || chosen[1] !== to) return;
    if (!route) {
      drawRoute([]);
      say(["No route: the monolith did not answer."]);
      return;
    }
    drawRoute(route.path);
    const modes = route.stages.map((stage) => stage.mode).join(", ");
    say([
      bold(`${from.name} – ${to.name}`),
      ` ${route.distanceKm.toLocaleString()} km, ${hours(route.minutes)} (${modes})`,
    ]);
  }

  function drawRoute(path) {
    const coordinates = unwrapped(path);
    map.getSource("route")?.setData({ type: "Feature", properties: {}, geometry: { type: "LineString", coordinates } });
  }

  map.on("moveend", () => void showSpots());
  // After a change of style the line is gone: draw it again.
  map.on("style.load", () => void showRoute());
  void showSpots();
}

/** Undefined for anything but a 200 with JSON. */
async function getJson(path) {
  try {
    const response = await fetch(path, { cache: "no-store" });
    return response.ok ? await response.json() : undefined;
  } catch (error) {
    console.warn(`${path}: ${error.message}`);
    return undefined;
  }
}

/** Longitudes that go on past 180 instead of jumping to -180, as MapLibre wants a line over the date line. */
function unwrapped(path) {
  let turn = 0;
  return path.map((point, i) => {
    const step = i === 0 ? 0 : point.lon - path[i - 1].lon;
    if (step > 180) turn -= 360;
    if (step < -180) turn += 360;
    return [point.lon + turn, point.lat];
  });
}

function hours(minutes) {
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const bold = (textContent) => Object.assign(document.createElement("b"), { textContent });
const say = (parts) => document.querySelector("#route").replaceChildren(...parts);
