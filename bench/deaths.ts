/**
 * How long nobody listens when an edge worker dies: of an error that nothing catches, of its heap, or at once; with a spare
 * thread (`--edge-spare`) and without. Of one worker alone, so that no other answers for it.
 *
 *     node bench/deaths.ts [repetitions]
 */
import { createServer } from "node:http";
import { once } from "node:events";
import { connect, type AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../src/base/clock.ts";
import { createEdge } from "../src/edge/edge.ts";
import type { EdgeConfig } from "../src/edge/ports.ts";
import { silentLog } from "../src/telemetry/log.ts";
import { createMetrics } from "../src/telemetry/metrics.ts";
import { freePort } from "../test/upstream.ts";
import { isKept, median, printTable, type Kept } from "./measure.ts";

/** Issue 4's. */
const missedMsMax = 200;
/** A spare is there this long after the crew; see `crew.ts`. */
const spareReadyMs = 2_500;
/** Small enough that a heap is full soon: what is measured begins when it is. */
const heapMbMax = 64;

const causes = { throws: "/die", "runs out of heap": "/die?heap", "is terminated": "/die?exit" } as const;

export interface DeathFigures {
  cause: string;
  spare: string;
  medianMs: number;
  worstMs: number;
}

function config(port: number, upstream: number): EdgeConfig {
  return {
    epoch: 1,
    listeners: [
      {
        id: "deaths",
        address: "127.0.0.1",
        port,
        routes: [{ id: "all", conditions: [], action: { kind: "forward", targets: [{ clusterId: "c", weight: 1 }] } }],
        forwarded: { xff: "append", preserveHost: false, dropInvalidNames: false },
        serverName: "edge",
        idleTimeoutMs: 60_000,
        keepAliveTimeoutMs: 60_000,
      },
    ],
    clusters: [
      {
        id: "c",
        endpoints: [{ kind: "address", id: "a", host: "127.0.0.1", port: upstream }],
        connectTimeoutMs: 2_000,
        drainMs: 0,
      },
    ],
  };
}

/** What is answered to a request of its own connection, and when that ended; nothing where there is nobody. */
async function ask(port: number, path: string): Promise<{ answer: string; endedMs: number }> {
  const socket = connect(port, "127.0.0.1");
  let answer = "";
  socket.on("error", () => socket.destroy());
  socket.on("data", (chunk: Buffer) => {
    answer += chunk.toString();
    socket.destroy();
  });
  socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
  await new Promise((resolve) => {
    socket.on("close", resolve);
  });
  return { answer, endedMs: performance.now() };
}

/** From the end of the connections of a worker that dies, of which this was the first, to the next answer. */
async function missedMs(upstream: number, path: string, spare: boolean): Promise<number> {
  const port = await freePort();
  const deps = { clock: systemClock, log: silentLog, metrics: createMetrics() };
  const edge = createEdge({ ...deps, workers: 1, spare, testing: { dieOn: "/die", heapMbMax } });
  try {
    await edge.apply(config(port, upstream));
    if (spare) await sleep(spareReadyMs);
    const { endedMs } = await ask(port, path);
    while ((await ask(port, "/")).answer === "") await sleep(2);
    return performance.now() - endedMs;
  } finally {
    await edge.close(0);
  }
}

/** Measures, prints a table, and gives its figures. */
export async function run(repetitions = 3): Promise<DeathFigures[]> {
  const upstream = createServer((_, response) => response.end("ok")).listen(0, "127.0.0.1");
  await once(upstream, "listening");
  const { port } = upstream.address() as AddressInfo;
  const figures: DeathFigures[] = [];
  for (const spare of [true, false]) {
    for (const [cause, path] of Object.entries(causes)) {
      const missed: number[] = [];
      for (let i = 0; i < repetitions; i += 1) missed.push(await missedMs(port, path, spare));
      figures.push({
        cause,
        spare: spare ? "with" : "without",
        medianMs: median(missed),
        worstMs: Math.max(...missed),
      });
    }
  }
  upstream.close();
  upstream.closeAllConnections();
  process.stdout.write(`an edge worker that dies, to the next answer; median of ${repetitions}\n`);
  printTable(
    ["cause", "spare", "median ms", "worst ms"],
    figures.map(({ cause, spare, medianMs, worstMs }) => [cause, spare, medianMs.toFixed(0), worstMs.toFixed(0)]),
  );
  return figures;
}

export function promises(figures: readonly DeathFigures[]): Kept[] {
  return figures
    .filter(({ spare }) => spare === "with")
    .map(({ cause, medianMs }) => ({
      what: `an edge worker that ${cause}, with --edge-spare, to the next answer`,
      value: medianMs,
      unit: "ms",
      atMost: missedMsMax,
    }));
}

if (import.meta.main) {
  const kept = promises(await run(Number(process.argv[2] ?? 3)));
  process.exitCode = kept.every(isKept) ? 0 : 1;
}
