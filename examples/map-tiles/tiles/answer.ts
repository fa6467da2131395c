/** The tile route's whole behaviour, without a server: monolith and function give the same answer because it is this one. */
import { createHash } from "node:crypto";
import type { CutTile } from "./cutter.ts";
import { parseTilePath } from "./pyramid.ts";

export interface TileRequest {
  method: string;
  /** Without the query. */
  path: string;
  /** The `If-None-Match` field. */
  ifNoneMatch?: string | undefined;
}

export interface TileAnswer {
  status: 200 | 204 | 304 | 400 | 404 | 405;
  headers: Readonly<Record<string, string>>;
  /** Empty for HEAD, 204 and 304. */
  body: Uint8Array;
}

export const tileType = "application/vnd.mapbox-vector-tile";
/** The map is the same for a year or more; an hour is what a browser may go without asking. */
const cacheControl = "public, max-age=3600";
const noBytes = new Uint8Array(0);

/** Answers `GET|HEAD /map/{z}/{x}/{y}.mvt`: 200 with the tile, 204 where the world is empty, 304 for a known ETag. */
export function answerTile(request: TileRequest, cut: CutTile): TileAnswer {
  if (request.method !== "GET" && request.method !== "HEAD") {
    return refusal(405, "MethodNotAllowed", "Tiles are read with GET or HEAD.", { Allow: "GET, HEAD" });
  }
  const parsed = parseTilePath(request.path);
  if ("problem" in parsed) return refusal(parsed.problem.status, parsed.problem.error, parsed.problem.message);
  const bytes = cut(parsed.tile);
  if (bytes.byteLength === 0) return { status: 204, headers: { "Cache-Control": cacheControl }, body: noBytes };
  const headers = { "Content-Type": tileType, "Cache-Control": cacheControl, ETag: etagOf(bytes) };
  if (matches(request.ifNoneMatch, headers.ETag)) return { status: 304, headers, body: noBytes };
  return { status: 200, headers, body: request.method === "HEAD" ? noBytes : bytes };
}

function refusal(
  status: TileAnswer["status"],
  error: string,
  message: string,
  headers: Record<string, string> = {},
): TileAnswer {
  return {
    status,
    headers: { "Content-Type": "application/json", "Cache-Control": "no-store", ...headers },
    body: Buffer.from(JSON.stringify({ error, message })),
  };
}

function etagOf(bytes: Uint8Array): string {
  return `"${createHash("sha256").update(bytes).digest("base64url").slice(0, 22)}"`;
}

/** RFC 9110 section 13.1.2, weak comparison: a list of tags, or `*`. */
export function matches(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  return ifNoneMatch.split(",").some((tag) => {
    const trimmed = tag.trim();
    return trimmed === "*" || trimmed.replace(/^W\//, "") === etag;
  });
}
