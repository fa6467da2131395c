/** What many functions and many environments at rest hold of the machine's memory. */
import { readdir, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { CreateFunctionCommand } from "@aws-sdk/client-lambda";
import { clientsOf } from "../../test/clients.ts";
import { zipOf } from "../../test/zip.ts";
import { startBuilt, type Built } from "../built.ts";
import { residentMB } from "../measure.ts";
import { handlerSource, invokeHeaders } from "./subjects.ts";

const functions = 1_000;
const environments = 100;
const atOnce = 8;
/** Long enough to be frozen, and for what was used once to be given back. */
const restMs = 3_000;

export interface IdleFigures {
  functions: number;
  environments: number;
  /** That a deployed function adds to the node, in KB of a thousand bytes. */
  functionKB: number;
  /** PSS of an environment at rest, its share of what it has in common with others included. */
  environmentMB: number;
  /** What all environments add to the node itself. */
  nodeMB: number;
}

/** Every process under `root`, itself excluded. */
async function under(root: number): Promise<number[]> {
  const parents = new Map<number, number>();
  for (const pid of (await readdir("/proc")).filter((one) => /^\d+$/.test(one)).map(Number)) {
    // One that has ended since has no memory.
    const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
    parents.set(pid, Number(/\) \S (\d+)/.exec(stat)?.[1]));
  }
  const isUnder = (pid: number): boolean => {
    const parent = parents.get(pid);
    return parent === root || (parent !== undefined && parent > 1 && isUnder(parent));
  };
  return [...parents.keys()].filter(isUnder);
}

/** Memory that is in RAM, each page shared out among those that map it; in MB of a million bytes. */
async function proportionalMB(pid: number): Promise<number> {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, "utf8").catch(() => "");
  return (Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0) * 1024) / 1e6;
}

/** Calls `work` for 0 to `count - 1`, a few at a time. */
async function each(count: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

export async function measureIdle(built: Built): Promise<IdleFigures> {
  await using stack = new AsyncDisposableStack();
  const node = stack.use(await startBuilt(built));
  using clients = clientsOf(node.url);
  const ZipFile = await zipOf({ "index.mjs": await handlerSource() });
  const create = async (index: number) => {
    const how = { Runtime: "nodejs24.x", Handler: "index.handler", MemorySize: 256, Code: { ZipFile } } as const;
    const Role = "arn:aws:iam::000000000000:role/functions";
    await clients.lambda.send(new CreateFunctionCommand({ FunctionName: `idle-${index}`, Role, ...how }));
  };
  // The first hundred warm the node up.
  await each(environments, create);
  const beforeMB = await residentMB(node.pid);
  await each(functions - environments, (index) => create(environments + index));
  const deployedMB = await residentMB(node.pid);
  const resting = new Set(await under(node.pid));
  await each(environments, async (index) => {
    const target = `${node.url}/2015-03-31/functions/idle-${index}/invocations`;
    const response = await fetch(target, { method: "POST", headers: invokeHeaders, body: '{"path":"/map/quote"}' });
    const text = await response.text();
    if (!text.includes("12.5")) throw new Error(`a function answered ${response.status} ${text}`);
  });
  await sleep(restMs);
  const pids = (await under(node.pid)).filter((pid) => !resting.has(pid));
  const sizesMB = await Promise.all(pids.map(proportionalMB));
  return {
    functions,
    environments,
    functionKB: ((deployedMB - beforeMB) * 1_000) / (functions - environments),
    environmentMB: sizesMB.reduce((sum, size) => sum + size, 0) / environments,
    nodeMB: (await residentMB(node.pid)) - deployedMB,
  };
}
