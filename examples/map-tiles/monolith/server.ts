/**
 * The monolith: one process, one plain HTTP server, nothing of Mikan in it. `node server.ts --port 0` picks a free port
 * and prints `monolith listens on http://127.0.0.1:43211`.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { parseArgs } from "node:util";
import { createCutter } from "../tiles/cutter.ts";
import { allTiles } from "../tiles/pyramid.ts";
import { readWorld } from "../tiles/world.ts";
import { createApp, type AppAnswer, type AppRequest } from "./app.ts";
import { readAssets } from "./assets.ts";

export interface Monolith {
  port: number;
  /** `http://127.0.0.1:43211` */
  origin: string;
  /** Takes no more connections and resolves when the requests under way have ended. */
  close(): Promise<void>;
}

/** Longer than a load balancer's 60 s, so that it is the one that closes and no request meets a closing connection. */
const keepAliveTimeoutMs = 75_000;

/** Tiles down to this zoom hold the most points: 100 ms of cutting that no visitor has to wait for. */
const warmZoomMax = 2;

/** Starts the monolith; `port` 0 takes a free one. */
export async function startMonolith({ port = 0, host = "127.0.0.1" } = {}): Promise<Monolith> {
  const [world, assets] = await Promise.all([readWorld(), readAssets()]);
  const cut = createCutter(world);
  for (const tile of allTiles(warmZoomMax)) cut(tile);
  const app = createApp({ cut, assets });
  const server = createServer({ keepAliveTimeout: keepAliveTimeoutMs }, (request, response) => {
    // Nothing here reads a body: let it pass, so that the connection can be used again.
    request.resume();
    send(request.method, response, answerOf(app, request));
  });
  await listen(server, port, host);
  const address = server.address() as AddressInfo;
  return { port: address.port, origin: `http://${host}:${address.port}`, close: () => close(server) };
}

function answerOf(app: (request: AppRequest) => AppAnswer, request: IncomingMessage): AppAnswer {
  try {
    const target = request.url ?? "/";
    const at = target.indexOf("?");
    return app({
      method: request.method ?? "GET",
      path: at < 0 ? target : target.slice(0, at),
      query: new URLSearchParams(at < 0 ? "" : target.slice(at + 1)),
      ifNoneMatch: request.headers["if-none-match"],
    });
  } catch (error) {
    // A defect of ours: said in the log, and to the client without details.
    console.error(`${request.method} ${request.url}`, error);
    const body = Buffer.from(JSON.stringify({ error: "InternalError", message: "The monolith failed." }));
    return { status: 500, headers: { "Content-Type": "application/json" }, body };
  }
}

function send(method: string | undefined, response: ServerResponse, { status, headers, body }: AppAnswer): void {
  // 204 and 304 have no length (RFC 9110 section 8.6), and that of a HEAD would have to be its GET's.
  const hasLength = method !== "HEAD" && status !== 204 && status !== 304;
  const length = hasLength ? { "Content-Length": String(body.byteLength) } : {};
  response.writeHead(status, { ...headers, "X-Served-By": "monolith", ...length });
  response.end(body);
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.close((error) => (error ? reject(error) : resolve()));
    server.closeIdleConnections();
  });
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { port: { type: "string", default: "8080" }, host: { type: "string", default: "127.0.0.1" } },
  });
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new Error("--port must be 0 to 65535.");
  const monolith = await startMonolith({ port, host: values.host });
  console.log(`monolith listens on ${monolith.origin}`);
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void monolith.close());
}
