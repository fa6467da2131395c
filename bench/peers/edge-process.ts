/**
 * The edge in a process of its own, one worker, so that its CPU can be told from the rest: PORT UPSTREAM_PORT [RULES].
 * With what a listener has in use: access log, counts, health checks, timeouts, and a cap.
 */
import { systemClock } from "../../src/base/clock.ts";
import { createEdge } from "../../src/edge/edge.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";

const [port, upstream, rules = 3] = process.argv.slice(2).map(Number);
if (port === undefined || upstream === undefined) throw new Error("usage: edge-process.ts PORT UPSTREAM_PORT [RULES]");

const log = createLog({ clock: systemClock });
const edge = createEdge({ workers: 1, clock: systemClock, log, metrics: createMetrics() });
await edge.apply({
  epoch: 1,
  listeners: [
    {
      id: "front",
      address: "127.0.0.1",
      port,
      forwarded: { xff: "append", preserveHost: false, dropInvalidNames: false, traceHeader: "X-Amzn-Trace-Id" },
      serverName: "awselb/2.0",
      idleTimeoutMs: 60_000,
      keepAliveTimeoutMs: 3_600_000,
      accessLog: true,
      // What a peeled monolith has: a few rules before the default, so that routing is part of the price.
      routes: [
        ...Array.from({ length: rules }, (_, index) => ({
          id: `rule-${index}`,
          conditions: [{ kind: "path" as const, patterns: [`/peeled-${index}/*`] }],
          action: { kind: "fixed" as const, status: 404, contentType: "text/plain", body: "" },
        })),
        {
          id: "default",
          conditions: [],
          action: { kind: "forward", targets: [{ clusterId: "static", weight: 1 }] },
          policy: { cap: { id: "default", max: 1_024, answer: "alb", retryAfterSeconds: 1 } },
        },
      ],
    },
  ],
  clusters: [
    {
      id: "static",
      endpoints: [{ kind: "address", id: "upstream", host: "127.0.0.1", port: upstream }],
      health: {
        protocol: "http",
        path: "/health",
        intervalMs: 10_000,
        timeoutMs: 5_000,
        healthyCount: 5,
        unhealthyCount: 2,
        matcher: "200",
        userAgent: "ELB-HealthChecker/2.0",
      },
      connectTimeoutMs: 10_000,
      drainMs: 1_000,
    },
  ],
});
process.stdout.write("ready\n");
