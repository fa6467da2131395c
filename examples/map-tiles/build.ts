/**
 * Builds the function: `index.mjs`, bundled by rolldown, and `world.tiles`, every tile cut beforehand. The directory is
 * what gets zipped: `CodeUri: .build/map`, `Handler: index.handler`. From the command line: `node build.ts`.
 */
import { mkdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
import { packTiles } from "./tiles/archive.ts";
import { createCutter } from "./tiles/cutter.ts";
import { readWorld } from "./tiles/world.ts";

export interface BuiltFunction {
  dir: string;
  /** Bytes of each file, before zipping. */
  files: Readonly<Record<string, number>>;
}

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** Where the example's template looks for the function. */
export const functionDir = here(".build/map");

/** Builds into `outDir`, over what is there. About half a second. */
export async function buildFunction(outDir: string = functionDir): Promise<BuiltFunction> {
  await mkdir(outDir, { recursive: true });
  const code = join(outDir, "index.mjs");
  const tiles = join(outDir, "world.tiles");
  await bundle(code);
  await writeFile(tiles, packTiles(createCutter(await readWorld())));
  return {
    dir: outDir,
    files: { "index.mjs": (await stat(code)).size, "world.tiles": (await stat(tiles)).size },
  };
}

async function bundle(file: string): Promise<void> {
  const build = await rolldown({ input: here("map/index.ts"), platform: "node", logLevel: "warn" });
  try {
    await build.write({ file, format: "esm" });
  } finally {
    await build.close();
  }
}

if (import.meta.main) {
  const { dir, files } = await buildFunction();
  for (const [name, bytes] of Object.entries(files)) console.log(`${join(dir, name)}  ${bytes} bytes`);
}
