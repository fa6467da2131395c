/** The page's files, read once at the start: those of `public/`, and MapLibre GL from its package (no CDN). */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { extname } from "node:path";

export interface Asset {
  contentType: string;
  etag: string;
  body: Uint8Array;
}

/** By path. What is not in here is not served, whatever a path looks like. */
export type Assets = ReadonlyMap<string, Asset>;

const contentTypes: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

const mapLibreFiles = ["maplibre-gl.mjs", "maplibre-gl-worker.mjs", "maplibre-gl.css"];

export async function readAssets(): Promise<Assets> {
  const folder = new URL("../public/", import.meta.url);
  const own = (await readdir(folder)).map((name): [string, URL] => [`/${name}`, new URL(name, folder)]);
  const mapLibre = new URL(import.meta.resolve("maplibre-gl/dist/maplibre-gl.css"));
  const vendor = mapLibreFiles.map((name): [string, URL] => [`/vendor/${name}`, new URL(name, mapLibre)]);
  const assets = new Map<string, Asset>();
  for (const [path, url] of [...own, ...vendor]) {
    const asset = await readAsset(url);
    assets.set(path, asset);
    if (path === "/index.html") assets.set("/", asset);
  }
  return assets;
}

async function readAsset(url: URL): Promise<Asset> {
  const contentType = contentTypes[extname(url.pathname)];
  if (contentType === undefined) throw new Error(`No content type is known for ${url.pathname}.`);
  const body = await readFile(url);
  return { contentType, etag: `"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"`, body };
}
