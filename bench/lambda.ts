/**
 * Functions: warm invocations through the load balancer and the Lambda API in three languages, cold starts, and what an
 * environment at rest holds; beside serverless-offline, MiniStack and bare floors. `node bench/lambda.ts`
 */
import { join } from "node:path";
import { buildMikan } from "./built.ts";
import { measureCold, type ColdFigures } from "./lambda/cold.ts";
import { measureIdle, type IdleFigures } from "./lambda/idle.ts";
import {
  answers,
  isThere,
  peers,
  startFloors,
  startMikan,
  startMinistack,
  startOffline,
  type Subject,
} from "./lambda/subjects.ts";
import { isKept, median, printTable, treeCpuSeconds, wrk, type Kept } from "./measure.ts";

const rounds = 7;
const roundSeconds = 1;
const warmUpSeconds = 2;
const connections = 16;
const invokeScript = join(import.meta.dirname, "lambda/invoke.lua");

interface Sample {
  perSecond: number;
  cpuUs: number;
  p50Ms: number;
  p99Ms: number;
}

export interface WarmFigures extends Sample {
  subject: string;
  /** Rate and CPU of Mikan's Node.js function behind the load balancer over this one's: medians of the rounds' ratios. */
  mikanRate: number;
  mikanCpu: number;
}

export interface LambdaFigures {
  warm: readonly WarmFigures[];
  cold: ColdFigures;
  idle: IdleFigures;
}

async function sample({ url, pid, invokes }: Subject, seconds: number): Promise<Sample> {
  const before = await treeCpuSeconds(pid);
  const how = { connections, seconds, ...(invokes ? { script: invokeScript } : {}) };
  const { requests, perSecond, p50Ms, p99Ms } = await wrk(url, how);
  return { perSecond, cpuUs: (((await treeCpuSeconds(pid)) - before) * 1e6) / requests, p50Ms, p99Ms };
}

function figuresOf(samples: ReadonlyMap<Subject, readonly Sample[]>): WarmFigures[] {
  const [mikan = []] = samples.values();
  return Array.from(samples, ([{ name }, own]) => {
    const of = (key: keyof Sample) => median(own.map((one) => one[key]));
    const mikanTo = (key: keyof Sample) => median(own.map((one, i) => (mikan[i]?.[key] ?? Number.NaN) / one[key]));
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

export async function skippedPeers(): Promise<string[]> {
  const there = await Promise.all(peers.map(({ program }) => isThere(program)));
  return peers.filter((_, i) => !there[i]).map(({ skipped }) => skipped);
}

async function measureWarm(subjects: readonly Subject[]): Promise<WarmFigures[]> {
  for (const subject of subjects) {
    await answers(subject);
    await sample(subject, warmUpSeconds);
  }
  const samples = new Map<Subject, Sample[]>(subjects.map((subject) => [subject, []]));
  for (let round = 0; round < rounds; round += 1) {
    // Each goes first, second, ... in turn, so that none always follows the same one.
    for (const i of subjects.keys()) {
      const subject = subjects[(round + i) % subjects.length];
      if (subject !== undefined) samples.get(subject)?.push(await sample(subject, roundSeconds));
    }
  }
  return figuresOf(samples);
}

/** Measures the built code and the peers that are installed; prints tables, and gives the figures. */
export async function run(): Promise<LambdaFigures> {
  await using stack = new AsyncDisposableStack();
  const built = stack.use(await buildMikan());
  const cold = await measureCold(built);
  const idle = await measureIdle(built);
  const again = await startMikan(stack, built, "Mikan again", ["node"]);
  const subjects = [...(await startMikan(stack, built, "Mikan")), ...again.slice(0, 1), ...(await startFloors(stack))];
  const [offline, ministack] = peers;
  if (await isThere(offline.program)) subjects.push(...(await startOffline(stack)));
  if (await isThere(ministack.program)) subjects.push(...(await startMinistack(stack)));
  for (const line of await skippedPeers()) process.stdout.write(`${line}\n`);
  const warm = await measureWarm(subjects);
  print({ warm, cold, idle });
  return { warm, cold, idle };
}

function print({ warm, cold, idle }: LambdaFigures): void {
  process.stdout.write(
    `Warm, ${connections} connections, ${rounds} interleaved rounds of ${roundSeconds} s, medians:\n`,
  );
  printTable(
    ["", "requests/s", "CPU us/req", "p50 ms", "p99 ms", "Mikan's rate", "Mikan's CPU"],
    warm.map((f) => [
      f.subject,
      f.perSecond.toFixed(0),
      f.cpuUs.toFixed(0),
      f.p50Ms.toFixed(2),
      f.p99Ms.toFixed(2),
      `${f.mikanRate.toFixed(2)}x`,
      `${f.mikanCpu.toFixed(2)}x`,
    ]),
  );
  process.stdout.write("Cold, one at a time, medians of pairs:\n");
  printTable(
    ["", "ms"],
    [
      ["bare node, which loads the handler", cold.bareMs.toFixed(1)],
      ["first invocation through the API", cold.firstMs.toFixed(1)],
      ["its ratio", `${cold.ratio.toFixed(2)}x`],
      ["with an environment started ahead", cold.aheadMs.toFixed(1)],
    ],
  );
  process.stdout.write(
    `At rest: ${idle.environments} environments hold ${idle.environmentMB.toFixed(1)} MB each (PSS, what goes with each included); ${idle.functions} functions deployed added ${idle.functionKB.toFixed(1)} KB each to the node, all environments ${idle.nodeMB.toFixed(0)} MB.\n`,
  );
}

/** Issue 5, "What it must show". */
export function promises({ warm, cold }: LambdaFigures): Kept[] {
  const of = (name: string) => warm.find(({ subject }) => subject === name);
  const rate = (name: string) => of(name)?.perSecond ?? Number.NaN;
  const toOffline = warm
    .filter(({ subject }) => subject.startsWith("serverless-offline") && !subject.endsWith("Lambda API"))
    .map(({ subject, mikanRate }) => ({
      what: `Node invocations/s to ${subject}`,
      value: mikanRate,
      unit: "x",
      atLeast: 8,
    }));
  return [
    ...toOffline,
    {
      what: "Node invocations/s to a bare framed round trip",
      value: of("bare frames")?.mikanRate ?? Number.NaN,
      unit: "x",
      atLeast: 0.8,
    },
    {
      what: "Go invocations/s to a bare Runtime API of node:http",
      value: rate("Mikan, load balancer, go") / rate("bare runtime-api"),
      unit: "x",
      atLeast: 2,
    },
    { what: "cold start to a bare node that loads the handler", value: cold.ratio, unit: "x", atMost: 1.3 },
    { what: "first invocation with an environment started ahead", value: cold.aheadMs, unit: "ms", atMost: 15 },
  ];
}

if (import.meta.main) {
  const kept = promises(await run());
  process.exitCode = kept.every(isKept) ? 0 : 1;
}
