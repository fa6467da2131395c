/** From `./mikan up` to ready, and the memory of a node at rest, without and with an edge worker. `node bench/start.ts` */
import { setTimeout as sleep } from "node:timers/promises";
import { clientsOf } from "../test/clients.ts";
import { createFront, failuresOf, restingStatus } from "../test/stacks.ts";
import { freePort } from "../test/upstream.ts";
import { buildMikan, startBuilt, type Built } from "./built.ts";
import { isKept, median, printTable, residentMB, treeCpuSeconds, type Kept } from "./measure.ts";

const starts = 21;
const memorySamples = 3;
/** What starting has left behind is gone then. */
const restMs = 2_000;

export interface StartFigures {
  readyMs: number;
  readyMsBest: number;
  readyMsWorst: number;
  /** CPU of a start, all threads: what does not depend on what else the machine does. */
  cpuMs: number;
  restMB: number;
  edgeWorkerMB: number;
}

async function timeStarts(
  built: Built,
): Promise<Pick<StartFigures, "readyMs" | "readyMsBest" | "readyMsWorst" | "cpuMs">> {
  const tookMs: number[] = [];
  const cpuMs: number[] = [];
  // The first start compiles for those after it; a user has it once.
  for (let count = 0; count <= starts; count += 1) {
    await using node = await startBuilt(built);
    if (count === 0) continue;
    tookMs.push(node.readyMs);
    cpuMs.push((await treeCpuSeconds(node.pid)) * 1_000);
  }
  return {
    readyMs: median(tookMs),
    readyMsBest: Math.min(...tookMs),
    readyMsWorst: Math.max(...tookMs),
    cpuMs: cpuMs.reduce((sum, value) => sum + value, 0) / cpuMs.length,
  };
}

async function weigh(built: Built): Promise<{ restMB: number; edgeWorkerMB: number }> {
  await using node = await startBuilt(built);
  await sleep(restMs);
  const restMB = await residentMB(node.pid);
  using clients = clientsOf(node.url);
  // The target need not be there: the worker that listens is what is weighed.
  const front = await createFront(clients, await freePort(), 9);
  const status = await restingStatus(clients, front);
  if (status !== "CREATE_COMPLETE") throw new Error(`${status}: ${(await failuresOf(clients, front)).join()}`);
  await sleep(restMs);
  return { restMB, edgeWorkerMB: await residentMB(node.pid) };
}

/** Measures the built code, prints a table, and gives the figures. */
export async function run(): Promise<StartFigures> {
  await using built = await buildMikan();
  const times = await timeStarts(built);
  const weights = [];
  for (let count = 0; count < memorySamples; count += 1) weights.push(await weigh(built));
  const figures: StartFigures = {
    ...times,
    restMB: median(weights.map(({ restMB }) => restMB)),
    edgeWorkerMB: median(weights.map(({ edgeWorkerMB }) => edgeWorkerMB)),
  };
  process.stdout.write(
    `\`./mikan up --ephemeral\` of the built code, medians of ${starts} starts and ${memorySamples} weighings:\n`,
  );
  printTable(
    ["", "median", "best", "worst", "CPU"],
    [
      [
        "ready after, ms",
        ...[times.readyMs, times.readyMsBest, times.readyMsWorst, times.cpuMs].map((ms) => ms.toFixed(0)),
      ],
    ],
  );
  printTable(
    ["", "MB"],
    [
      ["resident at rest", figures.restMB.toFixed(1)],
      ["with one edge worker", figures.edgeWorkerMB.toFixed(1)],
    ],
  );
  return figures;
}

/** The thresholds. */
export function promises({ readyMs, restMB, edgeWorkerMB }: StartFigures): Kept[] {
  return [
    { what: "`./mikan up` to ready, median", value: readyMs, unit: "ms", atMost: 250 },
    { what: "resident memory at rest", value: restMB, unit: "MB", atMost: 90 },
    { what: "resident memory with one edge worker", value: edgeWorkerMB, unit: "MB", atMost: 120 },
  ];
}

if (import.meta.main) {
  const kept = promises(await run());
  process.exitCode = kept.every(isKept) ? 0 : 1;
}
