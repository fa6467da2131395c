/**
 * The way out beside a connection for each request, to a destination 9 ms away: the case of the talk that this pattern
 * is from ("chocon", 205 ms to 21 ms between two data centres). `node bench/egress.ts`
 */
import { createServer, request as requestHttps, type RequestOptions } from "node:https";
import { request as requestHttp, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { systemClock } from "../src/base/clock.ts";
import { createEdge } from "../src/edge/edge.ts";
import { testAuthority } from "../src/edge/tls/authority.suite.ts";
import { silentLog } from "../src/telemetry/log.ts";
import { createMetrics } from "../src/telemetry/metrics.ts";
import { startRelay } from "./egress/relay.ts";
import { median, printTable } from "./measure.ts";

const onewayMs = 9;
const requests = 100;
const name = "far.example";
const talk = { freshMs: 205, keptMs: 21 };

export interface EgressFigures {
  subject: string;
  p50Ms: number;
  p99Ms: number;
  /** Of a request: its own, and those of handshakes before it. */
  roundTrips: number;
}

export interface EgressBenchReport {
  figures: EgressFigures[];
  savedMs: number;
  savedRoundTrips: number;
}

function get(ask: (done: (response: IncomingMessage) => void) => ReturnType<typeof requestHttp>): Promise<number> {
  const startedMs = performance.now();
  return new Promise((resolve, reject) => {
    const asked = ask((response) => {
      response.resume();
      response.on("end", () => resolve(performance.now() - startedMs));
    });
    asked.on("error", reject).end();
  });
}

/** One after another, so that each meets what the one before it left. */
async function timesOf(once: () => Promise<number>): Promise<number[]> {
  await once();
  const times: number[] = [];
  for (let i = 0; i < requests; i += 1) times.push(await once());
  return times;
}

function figuresOf(subject: string, times: readonly number[], roundTrips: number): EgressFigures {
  const sorted = times.toSorted((a, b) => a - b);
  return { subject, p50Ms: median(times), p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN, roundTrips };
}

/** Measures, prints, and gives the figures. */
export async function run(): Promise<EgressBenchReport> {
  const authority = testAuthority();
  const { certificate, privateKey } = authority.issue([name]);
  const server = createServer({ cert: certificate, key: privateKey }, (_, response) => response.end("x".repeat(128)));
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const relay = await startRelay((server.address() as AddressInfo).port, onewayMs);
  const edge = createEdge({
    workers: 1,
    clock: systemClock,
    log: silentLog,
    metrics: createMetrics(),
    testing: { resolve: async () => ({ addresses: [{ address: "127.0.0.1", family: 4 }], ttlSeconds: 60 }) },
  });
  const port = await edge.openEgress({ port: 0, ca: authority.ca });
  try {
    const direct: RequestOptions = { host: "127.0.0.1", port: relay.port, servername: name, ca: authority.ca };
    const fresh = (version: "TLSv1.2" | "TLSv1.3") =>
      timesOf(() => get((done) => requestHttps({ ...direct, agent: false, maxVersion: version }, done)));
    const headers = { host: `${name}.ccnproxy-https:${relay.port}` };
    // A caller that lives for one request, as a script behind a web server does: no connection of its own is kept.
    const out = () => get((done) => requestHttp({ host: "127.0.0.1", port, headers, agent: false }, done));
    const figures = [
      figuresOf("a connection each, TLS 1.2", await fresh("TLSv1.2"), 4),
      figuresOf("a connection each, TLS 1.3", await fresh("TLSv1.3"), 3),
      figuresOf("by the way out", await timesOf(out), 1),
    ];
    const [saved] = edge.egressReport()?.destinations ?? [];
    const report = { figures, savedMs: saved?.savedMs ?? 0, savedRoundTrips: saved?.savedRoundTrips ?? 0 };
    print(report);
    return report;
  } finally {
    await edge.close();
    relay.close();
    server.close();
    server.closeAllConnections();
  }
}

function print({ figures, savedMs, savedRoundTrips }: EgressBenchReport): void {
  process.stdout.write(
    `HTTPS to a destination ${onewayMs} ms away each way, ${requests} requests one after another:\n`,
  );
  printTable(
    ["", "p50 ms", "p99 ms", "round trips"],
    [
      ...figures.map((f) => [f.subject, f.p50Ms.toFixed(1), f.p99Ms.toFixed(1), String(f.roundTrips)]),
      ["the talk's, before", String(talk.freshMs), "", ""],
      ["the talk's, after", String(talk.keptMs), "", ""],
    ],
  );
  process.stdout.write(
    `Saved in ${requests} requests, by its own report: ${savedRoundTrips} round trips, ${savedMs.toFixed(0)} ms\n`,
  );
}

if (import.meta.main) await run();
