/**
 * The warehouse as it was: inbound and outbound in one process over one datastore, deployed together or not at all.
 * `node server.ts --port 0` picks a free port and prints `warehouse listens on http://127.0.0.1:43211`.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { parseArgs } from "node:util";
import { DatabaseBusy, openDatabase } from "./database.ts";
import { inboundRoutes } from "./inbound.ts";
import { outboundRoutes } from "./outbound.ts";
import { Refusal, type RouteAnswer, type Routes } from "./routes.ts";

export interface Warehouse {
  origin: string;
  port: number;
  close(): Promise<void>;
}

/** Longer than a load balancer's 60 s, so that it is the one that closes. */
const keepAliveTimeoutMs = 75_000;

/** `/outbound/orders/17` -> the route `/outbound/orders` and `17`. */
function routed(path: string, method: string): { route: string; id: string } {
  const parts = path.split("/").filter((part) => part !== "");
  const depth = parts[0] === "products" ? 1 : 2;
  return {
    route: `${method} /${parts.slice(0, depth).join("/")}`,
    id: decodeURIComponent(parts.slice(depth).join("/")),
  };
}

async function bodyOf(request: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  const written = await text(request);
  if (written === "") return {};
  try {
    const body: unknown = JSON.parse(written);
    if (typeof body === "object" && body !== null) return { ...body };
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
  }
  throw new Refusal(400, "The body is not a JSON object.");
}

async function answerOf(routes: Routes, request: IncomingMessage): Promise<RouteAnswer> {
  const path = new URL(request.url ?? "/", "http://warehouse").pathname;
  if (path === "/healthz") return { status: 200, answer: { status: "ok" } };
  try {
    const { route, id } = routed(path, request.method ?? "GET");
    const body = await bodyOf(request);
    const run = Object.hasOwn(routes, route) ? routes[route] : undefined;
    if (run === undefined) throw new Refusal(404, `There is no ${request.method} ${path}.`);
    return await run({ id, body });
  } catch (error) {
    if (error instanceof Refusal) return { status: error.status, answer: { error: error.message } };
    if (error instanceof DatabaseBusy) return { status: 503, answer: { error: error.message } };
    console.error(`${request.method} ${request.url}`, error);
    return { status: 500, answer: { error: "The warehouse failed." } };
  }
}

/** Starts the warehouse; `port` 0 takes a free one. */
export async function startWarehouse({ port = 0, host = "127.0.0.1" } = {}): Promise<Warehouse> {
  const database = openDatabase();
  const routes = { ...inboundRoutes(database), ...outboundRoutes(database) };
  const server = createServer({ keepAliveTimeout: keepAliveTimeoutMs }, (request, response) => {
    void answerOf(routes, request).then(({ status, answer }) => {
      response.writeHead(status, { "content-type": "application/json", "x-served-by": "monolith" });
      response.end(JSON.stringify(answer));
    });
  });
  await once(server.listen(port, host), "listening");
  const address = server.address() as AddressInfo;
  return {
    origin: `http://${host}:${address.port}`,
    port: address.port,
    async close() {
      server.close();
      server.closeIdleConnections();
      await once(server, "close");
      database.close();
    },
  };
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { port: { type: "string", default: "8080" } } });
  const warehouse = await startWarehouse({ port: Number(values.port) });
  console.log(`warehouse listens on ${warehouse.origin}`);
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void warehouse.close());
}
