/** `/_mikan/*`: what the node says of itself, and the few things that can be asked of it. */
import { asError } from "../base/errors.ts";
import { jsonResponse, type HttpHandler, type HttpResponse } from "../base/http.ts";
import type { Compute } from "../compute/ports.ts";
import type { Edge, WayOut } from "../edge/ports.ts";
import { serviceCall } from "../kit/call.ts";
import type { Dispatcher } from "../kit/dispatch.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { prometheusText } from "../telemetry/prometheus.ts";
import { edgeText } from "./edge-metrics.ts";
import { createFunctionDoors, isFunctions } from "./functions.ts";
import { createPolicies, isPolicies, type PoliciesDeps } from "./policies.ts";

export interface AdminDeps extends PoliciesDeps {
  version: string;
  engine: string;
  edge: Edge & WayOut;
  compute: Compute;
  metrics: Metrics;
  dispatcher: Dispatcher;
  services: readonly string[];
  /** CloudFormation types that the services bring; opens all services. */
  resourceTypes: () => Promise<readonly string[]>;
  /** Empties the node; undefined where that is not allowed. */
  reset: (() => Promise<void>) | undefined;
}

export function createAdmin(deps: AdminDeps): HttpHandler {
  const routes: Record<string, () => Promise<HttpResponse>> = {
    "GET /_mikan/health": async () => jsonResponse(200, { status: "ready", version: deps.version }),
    "GET /_mikan/status": async () =>
      jsonResponse(200, {
        version: deps.version,
        engine: deps.engine,
        services: deps.services,
        clusters: deps.edge.stats(),
        functions: deps.compute.stats(),
        memoryMiB: Math.round(process.memoryUsage.rss() / 2 ** 20),
      }),
    "GET /_mikan/egress": async () => {
      const report = deps.edge.egressReport();
      return report === undefined
        ? jsonResponse(404, { message: "This node has no way out; start it with --egress PORT." })
        : jsonResponse(200, report);
    },
    /** The certificate of the authority that issues ACM's certificates, for clients that are to trust it. */
    "GET /_mikan/ca": async () => {
      const principal = { kind: "service", service: "mikan.localhost" } as const;
      return jsonResponse(
        200,
        await deps.dispatcher.inside("acm", "ReadAuthority", {}, serviceCall(deps, "", "", principal)),
      );
    },
    /** Emails and texts that SNS has sent to nobody. */
    "GET /_mikan/outbox": async () => {
      const principal = { kind: "service", service: "mikan.localhost" } as const;
      return jsonResponse(
        200,
        await deps.dispatcher.inside("sns", "ReadOutbox", {}, serviceCall(deps, "", "", principal)),
      );
    },
    "GET /_mikan/coverage": async () => {
      const resourceTypes = await deps.resourceTypes();
      const operations = Object.fromEntries(deps.services.map((name) => [name, deps.dispatcher.operationsOf(name)]));
      return jsonResponse(200, { operations, resourceTypes: resourceTypes.toSorted() });
    },
    "GET /_mikan/metrics": async () => ({
      status: 200,
      headers: ["Content-Type", "text/plain; version=0.0.4"],
      body: Buffer.from(prometheusText(deps.metrics) + edgeText(deps.edge)),
    }),
    "POST /_mikan/reset": async () => {
      if (deps.reset === undefined) {
        return jsonResponse(403, {
          message: "Only a node started with --ephemeral can be reset; this one keeps its data.",
        });
      }
      await deps.reset();
      return jsonResponse(200, { status: "empty" });
    },
  };
  const policies = createPolicies(deps);
  const functions = createFunctionDoors(deps);
  const manyOf = (path: string) => {
    if (isPolicies(path)) return policies;
    return isFunctions(path) ? functions : undefined;
  };
  return async (request) => {
    const { method, target } = request;
    const path = target.split("?", 1)[0] ?? target;
    const key = `${method === "HEAD" ? "GET" : method} ${path}`;
    const own = Object.hasOwn(routes, key) ? routes[key] : undefined;
    const many = manyOf(path);
    const route = own ?? (many && (() => many(request)));
    if (route === undefined) return jsonResponse(404, { message: `${method} ${path} is nothing this node knows.` });
    try {
      return await route();
    } catch (error) {
      return jsonResponse(500, { message: asError(error).message });
    }
  };
}
