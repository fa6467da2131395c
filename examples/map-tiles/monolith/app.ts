/** The monolith's routes: request in, answer out. Everything it does is in this one list. */
import { answerTile, matches } from "../tiles/answer.ts";
import type { CutTile } from "../tiles/cutter.ts";
import type { Assets } from "./assets.ts";
import { parsePoint, type Point } from "./geo.ts";
import { planRoute } from "./routes.ts";
import { spotsLimitDefault, spotsLimitMax, spotsNear } from "./spots.ts";

export interface AppRequest {
  method: string;
  path: string;
  query: URLSearchParams;
  ifNoneMatch: string | undefined;
}

export interface AppAnswer {
  status: number;
  headers: Readonly<Record<string, string>>;
  body: Uint8Array;
}

export interface AppDeps {
  cut: CutTile;
  assets: Assets;
}

export function createApp(deps: AppDeps): (request: AppRequest) => AppAnswer {
  return (request) => {
    // The tile route has its own refusals, which the function shares; all others are read-only in the same way.
    if (request.path.startsWith("/map/")) return answerTile(request, deps.cut);
    if (request.method !== "GET" && request.method !== "HEAD") {
      return refusal(405, "MethodNotAllowed", "This server is only read: GET or HEAD.", { Allow: "GET, HEAD" });
    }
    const answer = route(request, deps);
    return request.method === "HEAD" ? { ...answer, body: new Uint8Array(0) } : answer;
  };
}

function route(request: AppRequest, deps: AppDeps): AppAnswer {
  switch (request.path) {
    case "/healthz":
      return json(200, { status: "ok" });
    case "/routes":
      return routes(request.query);
    case "/spots":
      return spots(request.query);
    default:
      return page(request, deps.assets);
  }
}

function routes(query: URLSearchParams): AppAnswer {
  const from = pointOf(query, "from");
  if ("refusal" in from) return from.refusal;
  const to = pointOf(query, "to");
  if ("refusal" in to) return to.refusal;
  return json(200, planRoute(from.point, to.point));
}

function spots(query: URLSearchParams): AppAnswer {
  const near = pointOf(query, "near");
  if ("refusal" in near) return near.refusal;
  const text = query.get("limit") ?? String(spotsLimitDefault);
  const limit = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > spotsLimitMax) {
    return refusal(400, "BadParameter", `limit must be a whole number from 1 to ${spotsLimitMax}.`);
  }
  return json(200, { near: near.point, spots: spotsNear(near.point, limit) });
}

function page(request: AppRequest, assets: Assets): AppAnswer {
  const asset = assets.get(request.path);
  if (!asset) return refusal(404, "NotFound", `There is nothing at this path.`);
  const headers = { "Content-Type": asset.contentType, "Cache-Control": "no-cache", ETag: asset.etag };
  const known = matches(request.ifNoneMatch, asset.etag);
  return known ? { status: 304, headers, body: new Uint8Array(0) } : { status: 200, headers, body: asset.body };
}

function pointOf(query: URLSearchParams, name: string): { point: Point } | { refusal: AppAnswer } {
  const text = query.get(name);
  if (text === null) return { refusal: refusal(400, "MissingParameter", `${name}=lat,lon is required.`) };
  const point = parsePoint(text);
  const message = `${name} must be lat,lon in degrees: -90 to 90, -180 to 180.`;
  return point ? { point } : { refusal: refusal(400, "BadParameter", message) };
}

function json(status: number, value: unknown, headers: Record<string, string> = {}): AppAnswer {
  return {
    status,
    headers: { "Content-Type": "application/json", "Cache-Control": "no-store", ...headers },
    body: Buffer.from(JSON.stringify(value)),
  };
}

function refusal(status: number, error: string, message: string, headers: Record<string, string> = {}): AppAnswer {
  return json(status, { error, message }, headers);
}
