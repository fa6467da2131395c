import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { distanceKm, parsePoint, pointAlong } from "./geo.ts";
import { planRoute } from "./routes.ts";
import { startMonolith, type Monolith } from "./server.ts";
import { spots } from "./spots.ts";

const tokyo = { lat: 35.6812, lon: 139.7671 };
const paris = { lat: 48.8566, lon: 2.3522 };

let monolith: Monolith;
const get = (path: string, init?: RequestInit) => fetch(monolith.origin + path, init);

beforeAll(async () => {
  monolith = await startMonolith();
});
afterAll(() => monolith.close());

describe("routes", () => {
  it("follow the great circle, in stages that add up", () => {
    const route = planRoute(tokyo, paris);
    expect(route.distanceKm).toBeGreaterThan(9_650);
    expect(route.distanceKm).toBeLessThan(9_780);
    expect(route.stages.map((stage) => stage.mode)).toEqual(["rail", "air", "rail"]);
    expect(route.minutes).toBe(route.stages.reduce((sum, stage) => sum + stage.minutes, 0));
    expect(route.stages.reduce((sum, stage) => sum + stage.distanceKm, 0)).toBeCloseTo(route.distanceKm, 0);
    // Over Siberia, far north of both ends.
    expect(Math.max(...route.path.map((point) => point.lat))).toBeGreaterThan(60);
    expect(route.path.at(0)).toEqual({ lat: 35.6812, lon: 139.7671 });
    expect(route.path.at(-1)).toEqual(paris);
  });

  it("cope with no way at all, a short one, and the other side of the world", () => {
    expect(planRoute(tokyo, tokyo)).toMatchObject({ distanceKm: 0, minutes: 0, stages: [{ mode: "walk" }] });
    expect(planRoute(tokyo, { lat: 34.7025, lon: 135.4959 }).stages).toMatchObject([{ mode: "rail" }]);
    const antipode = planRoute({ lat: 0, lon: 0 }, { lat: 0, lon: 180 });
    expect(antipode.distanceKm).toBeCloseTo(20_015, -1);
    expect(antipode.path.every((point) => Number.isFinite(point.lat) && Number.isFinite(point.lon))).toBe(true);
  });

  it("are served, and refused by parameter", async () => {
    const answer = await get("/routes?from=35.6812,139.7671&to=48.8566,2.3522");
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual(planRoute(tokyo, paris));
    for (const [query, error, word] of [
      ["", "MissingParameter", "from"],
      ["?from=1,2", "MissingParameter", "to"],
      ["?from=91,0&to=0,0", "BadParameter", "from"],
      ["?from=0,0&to=0,181", "BadParameter", "to"],
      ["?from=a,b&to=0,0", "BadParameter", "from"],
      ["?from=1,2,3&to=0,0", "BadParameter", "from"],
      ["?from=%&to=0,0", "BadParameter", "from"],
    ]) {
      const refused = await get(`/routes${query}`);
      expect(refused.status).toBe(400);
      expect(await refused.json()).toMatchObject({ error, message: expect.stringContaining(String(word)) });
    }
  });
});

describe("points", () => {
  it("are read strictly", () => {
    expect(parsePoint("-90,180")).toEqual({ lat: -90, lon: 180 });
    for (const text of ["", "1", "1,", " 1,2", "1e1,2", "NaN,1", "90.1,0", "0,-180.5"]) {
      expect(parsePoint(text)).toBeUndefined();
    }
  });

  it("lie where they should on the way", () => {
    expect(distanceKm({ lat: 0, lon: 0 }, { lat: 0, lon: 1 })).toBeCloseTo(111.19, 1);
    const middle = pointAlong({ lat: 0, lon: 170 }, { lat: 0, lon: -170 }, 0.5);
    expect(Math.abs(middle.lon)).toBeCloseTo(180, 6);
  });
});

describe("spots", () => {
  it("come nearest first", async () => {
    const answer = await get("/spots?near=34.9,135.7&limit=3");
    const body = (await answer.json()) as { spots: { name: string; distanceKm: number }[] };
    expect(body.spots.map((spot) => spot.name)).toEqual(["Kyoto", "Osaka", "Matsuyama"]);
    expect(spots.every((spot) => parsePoint(`${spot.lat},${spot.lon}`))).toBe(true);
    expect(new Set(spots.map((spot) => spot.name)).size).toBe(spots.length);
  });

  it.each(["", "?near=x", "?near=1,2&limit=0", "?near=1,2&limit=51", "?near=1,2&limit=-1", "?near=1,2&limit="])(
    "%j is refused",
    async (query) => {
      expect((await get(`/spots${query}`)).status).toBe(400);
    },
  );
});

describe("the server", () => {
  it("puts its name on every answer", async () => {
    const paths = ["/", "/app.js", "/healthz", "/map/0/0/0.mvt", "/map/3/1/5.mvt", "/nothing", "/spots", "/map/a/b/c"];
    for (const path of paths) {
      const answer = await get(path);
      await answer.arrayBuffer();
      expect(answer.headers.get("x-served-by"), path).toBe("monolith");
    }
  });

  it("serves the page and MapLibre from its package, with tags", async () => {
    const page = await get("/");
    expect(page.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(await page.text()).toContain("<!doctype html>");
    const library = await get("/vendor/maplibre-gl.mjs");
    expect(library.status).toBe(200);
    expect(library.headers.get("content-type")).toBe("text/javascript; charset=utf-8");
    expect((await library.arrayBuffer()).byteLength).toBeGreaterThan(500_000);
    const again = await get("/", { headers: { "if-none-match": String(page.headers.get("etag")) } });
    expect(again.status).toBe(304);
  });

  it.each(["/../package.json", "/vendor/../package.json", "/%2e%2e/package.json", "/vendor/", "/spots.json", "//etc"])(
    "serves nothing at %s",
    async (path) => {
      expect((await get(path)).status).toBe(404);
    },
  );

  it("is only read", async () => {
    const posted = await get("/spots?near=1,2", { method: "POST", body: "x" });
    expect(posted.status).toBe(405);
    expect(posted.headers.get("allow")).toBe("GET, HEAD");
    const head = await get("/healthz", { method: "HEAD" });
    expect(head.status).toBe(200);
    expect(await head.text()).toBe("");
  });

  it("runs by itself, prints where it listens, and ends on SIGTERM", async () => {
    const file = fileURLToPath(new URL("server.ts", import.meta.url));
    const child = spawn(process.execPath, [file, "--port", "0"], { stdio: ["ignore", "pipe", "inherit"] });
    try {
      const [line] = (await once(child.stdout.setEncoding("utf8"), "data")) as [string];
      const origin = /^monolith listens on (http:\/\/127\.0\.0\.1:\d+)\n$/.exec(line)?.[1];
      expect((await fetch(`${origin}/healthz`)).status).toBe(200);
      child.kill("SIGTERM");
      const [code] = (await once(child, "exit")) as [number | null];
      expect(code).toBe(0);
    } finally {
      child.kill("SIGKILL");
    }
  });
});
