/** Entry of the function, `index.handler`: `build.ts` bundles it and puts `world.tiles` beside it. */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { openTiles } from "../tiles/archive.ts";
import { createHandler } from "./handler.ts";

export const handler = createHandler({
  tiles: openTiles(readFileSync(new URL("world.tiles", import.meta.url))),
  allowSlow: process.env["ALLOW_SLOW"] === "1",
  sleep,
});
