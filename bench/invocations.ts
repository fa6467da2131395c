/** Warm invocations through the load balancer, Mikan beside serverless-offline. `node bench/invocations.ts` */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { access, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { clientsOf } from "../test/clients.ts";
import { createApp, createFront, failuresOf, restingStatus, uploadCode } from "../test/stacks.ts";
import { freePort } from "../test/upstream.ts";
import { buildMikan, startBuilt, type Built } from "./built.ts";
import { isKept, median, printTable, treeCpuSeconds, wrk, type Kept } from "./measure.ts";

const rounds = 9;
const roundSeconds = 2;
/** As long again to warm up, for the peer's sake: its first thousands of requests are slow. */
const warmUpSeconds = 4;
const connections = 16;
const answerMsMax = 30_000;

const peer = join(import.meta.dirname, "peers/serverless-offline");
const peerProgram = join(peer, "node_modules/serverless/bin/serverless.js");

interface Sample {
  perSecond: number;
  cpuUs: number;
  p50Ms: number;
  p99Ms: number;
}

interface Subject {
  name: string;
  url: string;
  /** The first of its processes. */
  pid: number;
  samples: Sample[];
}

export interface InvocationFigures extends Sample {
  subject: string;
  /** Mikan's rate over this one's, and its CPU for a request: medians of each round's ratio. */
  mikanRate: number;
  mikanCpu: number;
}

/** The journey's two stacks, and the peer's own handler behind them. */
async function startMikan(stack: AsyncDisposableStack, built: Built, name: string): Promise<Subject> {
  const node = stack.use(await startBuilt(built, process.env["BENCH_NODE_OPTIONS"]));
  using clients = clientsOf(node.url);
  const port = await freePort();
  const front = await createFront(clients, port, 9);
  await uploadCode(clients, await readFile(join(peer, "handler.mjs"), "utf8"));
  await restingStatus(clients, front);
  const app = await createApp(clients);
  const status = await restingStatus(clients, app);
  if (status !== "CREATE_COMPLETE") throw new Error(`${status}: ${(await failuresOf(clients, app)).join()}`);
  return { name, url: `http://127.0.0.1:${port}/map/quote`, pid: node.pid, samples: [] };
}

export const peerSkipped =
  "SKIPPED: serverless-offline is not installed; `npm ci --prefix bench/peers/serverless-offline` brings it.";

export function isPeerInstalled(): Promise<boolean> {
  return access(peerProgram).then(
    () => true,
    () => false,
  );
}

/** Its load balancer, and its HTTP API, which more of its users know. */
async function startPeer(stack: AsyncDisposableStack): Promise<Subject[]> {
  const ports = [await freePort(), await freePort(), await freePort()].map(String);
  const [alb = "", http = "", lambda = ""] = ports;
  const args = ["offline", "start", "--host", "127.0.0.1", "--noPrependStageInUrl"];
  const child = spawn(
    process.execPath,
    [peerProgram, ...args, "--albPort", alb, "--httpPort", http, "--lambdaPort", lambda],
    {
      cwd: peer,
      // It writes three lines for a request; nowhere is where that costs it least.
      stdio: "ignore",
      env: { ...process.env, SLS_TELEMETRY_DISABLED: "1", SLS_NOTIFICATIONS_MODE: "off" },
    },
  );
  const gone = once(child, "exit");
  stack.defer(async () => {
    child.kill("SIGKILL");
    await gone;
  });
  const pid = child.pid ?? 0;
  return [
    { name: "serverless-offline, load balancer", url: `http://127.0.0.1:${alb}/map/quote`, pid, samples: [] },
    { name: "serverless-offline, HTTP API", url: `http://127.0.0.1:${http}/map/quote`, pid, samples: [] },
  ];
}

/** Resolves when the function answers; rejects with what came instead. */
async function answers({ url, name }: Subject): Promise<void> {
  const untilMs = performance.now() + answerMsMax;
  for (;;) {
    const outcome = await fetch(url).then(
      async (response) => `${response.status} ${await response.text()}`,
      (error: unknown) => String(error),
    );
    if (/^200 .*"price":12.5/.test(outcome)) return;
    if (performance.now() > untilMs) throw new Error(`${name} does not answer: ${outcome}`);
    await sleep(100);
  }
}

async function sample(subject: Subject): Promise<void> {
  const before = await treeCpuSeconds(subject.pid);
  const { requests, perSecond, p50Ms, p99Ms } = await wrk(subject.url, { connections, seconds: roundSeconds });
  const cpuUs = (((await treeCpuSeconds(subject.pid)) - before) * 1e6) / requests;
  subject.samples.push({ perSecond, cpuUs, p50Ms, p99Ms });
}

function figuresOf(subjects: readonly Subject[]): InvocationFigures[] {
  const mikan = subjects[0]?.samples ?? [];
  return subjects.map(({ name, samples }) => {
    const of = (key: keyof Sample) => median(samples.map((sample) => sample[key]));
    const mikanTo = (key: keyof Sample) =>
      median(samples.map((sample, i) => (mikan[i]?.[key] ?? Number.NaN) / sample[key]));
    return {
      subject: name,
      perSecond: of("perSecond"),
      cpuUs: of("cpuUs"),
      p50Ms: of("p50Ms"),
      p99Ms: of("p99Ms"),
      mikanRate: mikanTo("perSecond"),
      mikanCpu: mikanTo("cpuUs"),
    };
  });
}

/** Measures the built code and, where it is installed, the peer; prints a table, and gives the figures. */
export async function run(): Promise<InvocationFigures[]> {
  await using stack = new AsyncDisposableStack();
  const built = stack.use(await buildMikan());
  const subjects = [await startMikan(stack, built, "Mikan"), await startMikan(stack, built, "Mikan again")];
  if (await isPeerInstalled()) subjects.push(...(await startPeer(stack)));
  else process.stdout.write(`${peerSkipped}\n`);
  for (const subject of subjects) {
    await answers(subject);
    await wrk(subject.url, { connections, seconds: warmUpSeconds });
  }
  for (let round = 0; round < rounds; round += 1) {
    // Each goes first, second, ... in turn, so that none always follows the same one.
    const order = subjects.map((_, i) => subjects[(round + i) % subjects.length]);
    for (const subject of order) if (subject !== undefined) await sample(subject);
  }
  const figures = figuresOf(subjects);
  process.stdout.write(
    `Warm invocations, ${connections} connections, ${rounds} interleaved rounds of ${roundSeconds} s, medians:\n`,
  );
  printTable(
    ["", "requests/s", "CPU us/req", "p50 ms", "p99 ms", "Mikan's rate", "Mikan's CPU"],
    figures.map((f) => [
      f.subject,
      f.perSecond.toFixed(0),
      f.cpuUs.toFixed(0),
      f.p50Ms.toFixed(2),
      f.p99Ms.toFixed(2),
      `${f.mikanRate.toFixed(2)}x`,
      `${f.mikanCpu.toFixed(2)}x`,
    ]),
  );
  return figures;
}

/** The issue asks for the comparison and sets no number; not to be slower than the peer is the least. */
export function promises(figures: readonly InvocationFigures[]): Kept[] {
  return figures
    .filter(({ subject }) => subject.startsWith("serverless-offline"))
    .map(({ subject, mikanRate }) => ({
      what: `warm invocations/s to ${subject}`,
      value: mikanRate,
      unit: "x",
      atLeast: 1,
    }));
}

if (import.meta.main) {
  const kept = promises(await run());
  process.exitCode = kept.every(isKept) ? 0 : 1;
}
