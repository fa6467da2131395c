/**
 * The way out beside a connection for each request, to a destination 9 ms away: the case of the talk that this pattern
 * is from ("chocon", 205 ms to 21 ms between two data centres). `node bench/egress.ts`
 */
import { Agent, createServer, request as requestHttps, type RequestOptions } from "node:https";
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
  /** That the way out made. */
  handshakes: number;
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

interface Subject {
  subject: string;
  roundTrips: number;
  once: () => Promise<number>;
}

/** One after another, so that each meets what the one before it left; in turns, so that all meet the same machine. */
async function measured(subjects: readonly Subject[]): Promise<EgressFigures[]> {
  const rows = subjects.map((subject) => ({ ...subject, times: [] as number[] }));
  for (let i = 0; i <= requests; i += 1) {
    for (const { once, times } of rows) {
      const tookMs = await once();
      // The first makes the connections that the others find.
      if (i > 0) times.push(tookMs);
    }
  }
  return rows.map(({ subject, roundTrips, times }) => {
    const sorted = times.toSorted((a, b) => a - b);
    return { subject, p50Ms: median(times), p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN, roundTrips };
  });
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
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  try {
    const direct: RequestOptions = { host: "127.0.0.1", port: relay.port, servername: name, ca: authority.ca };
    const fresh = (version: "TLSv1.2" | "TLSv1.3") => () =>
      get((done) => requestHttps({ ...direct, agent: false, maxVersion: version }, done));
    const kept = () => get((done) => requestHttps({ ...direct, agent }, done));
    const headers = { host: `${name}.ccnproxy-https:${relay.port}` };
    // A caller that lives for one request, as a script behind a web server does: no connection of its own is kept.
    const out = () => get((done) => requestHttp({ host: "127.0.0.1", port, headers, agent: false }, done));
    const figures = await measured([
      { subject: "a connection each, TLS 1.2", roundTrips: 4, once: fresh("TLSv1.2") },
      { subject: "a connection each, TLS 1.3", roundTrips: 3, once: fresh("TLSv1.3") },
      { subject: "a connection that the caller keeps", roundTrips: 1, once: kept },
      { subject: "by the way out", roundTrips: 1, once: out },
    ]);
    const [saved] = edge.egressReport()?.destinations ?? [];
    const { handshakes = 0, savedMs = 0, savedRoundTrips = 0 } = saved ?? {};
    const report = { figures, handshakes, savedMs, savedRoundTrips };
    print(report);
    return report;
  } finally {
    agent.destroy();
    await edge.close();
    relay.close();
    server.close();
    server.closeAllConnections();
  }
}

function print({ figures, handshakes, savedMs, savedRoundTrips }: EgressBenchReport): void {
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
    `Saved in ${requests + 1} requests, by its own report: ${savedRoundTrips} round trips and ${savedMs.toFixed(0)} ms, ` +
      `with ${handshakes} ${handshakes === 1 ? "handshake" : "handshakes"} made\n`,
  );
}

if (import.meta.main) await run();
