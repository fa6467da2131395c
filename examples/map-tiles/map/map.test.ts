import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildFunction } from "../build.ts";
import { startMonolith, type Monolith } from "../monolith/server.ts";
import { allTiles, tileKey } from "../tiles/pyramid.ts";
import { createHandler, slowMsMax, type AlbEvent, type AlbResult } from "./handler.ts";

/** The event of a GET as the load balancer makes it. */
function get(path: string, more: Partial<AlbEvent> = {}): AlbEvent {
  const headers = { host: "front.elb.localhost", "user-agent": "test", "x-forwarded-for": "127.0.0.1" };
  return { httpMethod: "GET", path, queryStringParameters: {}, headers, body: "", isBase64Encoded: false, ...more };
}

const bytesOf = (result: AlbResult) => Buffer.from(result.body, result.isBase64Encoded ? "base64" : "utf8");

describe("the function that is built", () => {
  let dir: string;
  let handler: (event: AlbEvent) => Promise<AlbResult>;
  let monolith: Monolith;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "map-tiles-"));
    await buildFunction(join(dir, "map"));
    // The bundle is JavaScript made a moment ago, with the export that index.ts has.
    const built = (await import(pathToFileURL(join(dir, "map/index.mjs")).href)) as { handler: typeof handler };
    handler = built.handler;
    monolith = await startMonolith();
  });

  afterAll(async () => {
    await monolith.close();
    await rm(dir, { recursive: true });
  });

  it("is two files, and small", async () => {
    const built = await buildFunction(join(dir, "again"));
    expect(Object.keys(built.files)).toEqual(await readdir(join(dir, "again")));
    expect(built.files["index.mjs"]).toBeLessThan(100_000);
    expect(built.files["world.tiles"]).toBeLessThan(5_000_000);
  });

  it("answers every tile with the monolith's own bytes", async () => {
    let compared = 0;
    for (const tile of allTiles()) {
      // All of the upper zooms; of the lower ones every seventh, which falls on each column and row.
      if (tile.z > 3 && (tile.x + tile.y * 2 ** tile.z) % 7 !== 0) continue;
      const path = `/map/${tileKey(tile)}.mvt`;
      const [theirs, ours] = [await fetch(monolith.origin + path), await handler(get(path))];
      const body = Buffer.from(await theirs.arrayBuffer());
      expect(ours.statusCode, path).toBe(theirs.status);
      expect(ours.headers["ETag"] ?? null, path).toBe(theirs.headers.get("etag"));
      if (Buffer.compare(bytesOf(ours), body) !== 0) expect.fail(`${path} differs`);
      compared += 1;
    }
    expect(compared).toBeGreaterThan(700);
  });

  it.each(["/map/2/4/0.mvt", "/map/x/0/0.mvt", "/map/0/0/0.png", "/map/9/0/0.mvt"])(
    "refuses %s as the monolith does",
    async (path) => {
      const [theirs, ours] = [await fetch(monolith.origin + path), await handler(get(path))];
      expect(ours.statusCode).toBe(theirs.status);
      expect(bytesOf(ours).toString()).toBe(await theirs.text());
      expect(ours.headers["Content-Type"]).toBe(theirs.headers.get("content-type"));
    },
  );

  it("says who it is, in the load balancer's form", async () => {
    const result = await handler(get("/map/3/4/2.mvt"));
    expect(result).toMatchObject({
      statusCode: 200,
      statusDescription: "200 OK",
      isBase64Encoded: true,
      headers: { "Content-Type": "application/vnd.mapbox-vector-tile", "X-Served-By": "function" },
    });
    const empty = await handler(get("/map/3/1/5.mvt"));
    expect(empty).toMatchObject({ statusCode: 204, statusDescription: "204 No Content", body: "" });
    expect(empty.isBase64Encoded).toBe(false);
    const known = await handler(
      get("/map/3/4/2.mvt", { headers: { "if-none-match": String(result.headers["ETag"]) } }),
    );
    expect(known).toMatchObject({ statusCode: 304, statusDescription: "304 Not Modified", body: "" });
    const posted = await handler(get("/map/3/4/2.mvt", { httpMethod: "POST" }));
    expect(posted).toMatchObject({ statusCode: 405, statusDescription: "405 Method Not Allowed" });
  });

  it("is not slow unless it is allowed to be", async () => {
    // ALLOW_SLOW is not set here; were it obeyed, even this value would be refused.
    expect((await handler(get("/map/0/0/0.mvt", { queryStringParameters: { slow: "x" } }))).statusCode).toBe(200);
  });
});

describe("?slow", () => {
  const slept: number[] = [];
  const handler = createHandler({
    tiles: () => new Uint8Array([1]),
    allowSlow: true,
    sleep: async (delayMs) => slept.push(delayMs),
  });
  const slow = (value: string) => handler(get("/map/0/0/0.mvt", { queryStringParameters: { slow: value } }));

  it("waits that long before it answers", async () => {
    expect((await slow("250")).statusCode).toBe(200);
    expect((await slow(String(slowMsMax))).statusCode).toBe(200);
    expect(slept).toEqual([250, slowMsMax]);
  });

  it.each(["5001", "-1", "1.5", "", "9999999999", "a"])("%j is refused", async (value) => {
    const before = slept.length;
    const result = await slow(value);
    expect(result).toMatchObject({ statusCode: 400, statusDescription: "400 Bad Request" });
    expect(JSON.parse(bytesOf(result).toString())).toMatchObject({ error: "BadParameter" });
    expect(slept.length).toBe(before);
  });
});
