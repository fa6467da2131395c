/**
 * Invocations of every fate, drawn at random: answers, thrown errors, timeouts, crashes, memory overruns, throttles. Each
 * must be answered as what it is, and the node must hold nothing of them afterwards.
 */
import { readdir, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import {
  CreateFunctionCommand,
  PutFunctionConcurrencyCommand,
  waitUntilFunctionActiveV2,
} from "@aws-sdk/client-lambda";
import { clientsOf, type Clients } from "./clients.ts";
import type { NodeProcess } from "./node-process.ts";
import { zipOf } from "./zip.ts";

/** What may become of an invocation, and how many of ten thousand shall. The rest are answered. */
const shares = { thrown: 300, timeout: 40, crash: 120, memory: 40, throttled: 300 } as const;
export type Fate = keyof typeof shares | "answered";
export const fates: readonly Fate[] = ["answered", "thrown", "timeout", "crash", "memory", "throttled"];
export type Counts = Record<Fate, number>;

const source = `
export async function handler({ fate, number }) {
  if (fate === "thrown") throw new RangeError("thrown " + number);
  if (fate === "timeout") await new Promise((resolve) => setTimeout(resolve, 60_000));
  if (fate === "crash") process.exit(7);
  if (fate === "memory") {
    const held = [];
    for (;;) {
      held.push(Buffer.alloc(16 * 1024 * 1024, 1));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
  return { number };
}`;

export interface SoakOptions {
  node: Pick<NodeProcess, "url" | "pid">;
  invocations: number;
  /** Invocations that run at once. */
  atOnce: number;
  seed: number;
  /** Called at each quarter, when nothing runs. */
  onMark?(mark: Mark): void;
}

/** What the node holds while nothing runs. */
export interface Mark {
  invocations: number;
  /** MB of a million bytes. */
  residentMB: number;
  descriptors: number;
  zombies: number;
  /** Processes under the node. */
  processes: number;
}

export interface SoakReport {
  asked: Counts;
  /** How many were answered as what they are. */
  met: Counts;
  /** Answers that were something else; the first few, in words. */
  others: readonly string[];
  marks: readonly Mark[];
  atOnce: number;
}

/** Long enough that a busy machine does not make an invocation of its own fate a timeout. */
const timeoutSeconds = 3;

const noCounts = (): Counts => ({ answered: 0, thrown: 0, timeout: 0, crash: 0, memory: 0, throttled: 0 });

/** The same numbers for the same seed: 0 to below `below`. */
function numbersFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function draw(pick: (below: number) => number): Fate {
  let left = pick(10_000);
  for (const fate of ["thrown", "timeout", "crash", "memory", "throttled"] as const) {
    if (left < shares[fate]) return fate;
    left -= shares[fate];
  }
  return "answered";
}

async function deploy({ lambda }: Clients, atOnce: number): Promise<void> {
  const ZipFile = await zipOf({ "index.mjs": source });
  for (const [name, cap] of [
    ["soak", atOnce],
    ["closed", 0],
  ] as const) {
    const Role = "arn:aws:iam::000000000000:role/functions";
    const how = {
      Runtime: "nodejs24.x",
      Handler: "index.handler",
      MemorySize: 128,
      Timeout: timeoutSeconds,
      Role,
    } as const;
    await lambda.send(new CreateFunctionCommand({ FunctionName: name, ...how, Code: { ZipFile } }));
    await waitUntilFunctionActiveV2({ client: lambda, maxWaitTime: 20, minDelay: 1 }, { FunctionName: name });
    const FunctionName = name;
    await lambda.send(new PutFunctionConcurrencyCommand({ FunctionName, ReservedConcurrentExecutions: cap }));
  }
}

/** What an answer tells of its invocation; undefined when it is none of the known fates. */
export function fateOf(status: number, functionError: string | null, body: string, number: number): Fate | undefined {
  if (status === 429)
    return body.includes("ReservedFunctionConcurrentInvocationLimitExceeded") ? "throttled" : undefined;
  if (status !== 200) return undefined;
  if (functionError === null) return body === JSON.stringify({ number }) ? "answered" : undefined;
  const { errorType, errorMessage } = JSON.parse(body) as { errorType?: string; errorMessage?: string };
  if (errorType === "RangeError" && errorMessage === `thrown ${number}`) return "thrown";
  if (errorType === "Sandbox.Timedout") return "timeout";
  if (errorType === "Runtime.OutOfMemory") return "memory";
  return errorMessage?.endsWith("Runtime exited with error: exit status 7") ? "crash" : undefined;
}

const headers = {
  "content-type": "application/json",
  "x-amz-date": "20260101T000000Z",
  authorization: `AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=${"0".repeat(64)}`,
};

async function invoke(url: string, fate: Fate, number: number) {
  const name = fate === "throttled" ? "closed" : "soak";
  const response = await fetch(`${url}/2015-03-31/functions/${name}/invocations`, {
    method: "POST",
    headers,
    body: JSON.stringify({ fate, number }),
  });
  const body = await response.text();
  return { status: response.status, functionError: response.headers.get("x-amz-function-error"), body };
}

interface ProcessState {
  pid: number;
  parent: number;
  state: string;
}

async function processes(): Promise<ProcessState[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  const all = await Promise.all(
    pids.map(async (pid) => {
      // One that is gone since is nobody's.
      const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
      const [, state = "", parent = "0"] = /\) (\S) (\d+)/.exec(stat) ?? [];
      return { pid, parent: Number(parent), state };
    }),
  );
  return all;
}

async function mark({ pid }: SoakOptions["node"], invocations: number): Promise<Mark> {
  const all = await processes();
  const under = (parent: number): ProcessState[] =>
    all.filter((one) => one.parent === parent).flatMap((one) => [one, ...under(one.pid)]);
  const mine = under(pid);
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return {
    invocations,
    residentMB: (Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) * 1024) / 1e6,
    descriptors: (await readdir(`/proc/${pid}/fd`)).length,
    zombies: mine.filter(({ state }) => state === "Z").length,
    processes: mine.length,
  };
}

/** Long enough for killed processes to be reaped, and for lines to be stored. */
const restMs = 2_000;
const othersMax = 10;
const marksCount = 4;

/** Invokes, and says what became of all. */
export async function soak(options: SoakOptions): Promise<SoakReport> {
  const { node, invocations, atOnce, seed, onMark } = options;
  using clients = clientsOf(node.url);
  await deploy(clients, atOnce);
  const pick = numbersFrom(seed);
  const asked = noCounts();
  const met = noCounts();
  const others: string[] = [];
  const marks: Mark[] = [];
  let next = 0;
  const one = async (number: number) => {
    const fate = draw(pick);
    asked[fate] += 1;
    const { status, functionError, body } = await invoke(node.url, fate, number);
    if (fateOf(status, functionError, body, number) === fate) met[fate] += 1;
    else if (others.length < othersMax) others.push(`${fate} ${number}: ${status} ${functionError} ${body}`);
  };
  for (let quarter = 1; quarter <= marksCount; quarter += 1) {
    const until = Math.floor((invocations * quarter) / marksCount);
    const caller = async () => {
      while (next < until) {
        next += 1;
        await one(next);
      }
    };
    await Promise.all(Array.from({ length: atOnce }, caller));
    await sleep(restMs);
    const now = await mark(node, next);
    marks.push(now);
    onMark?.(now);
  }
  return { asked, met, others, marks, atOnce };
}

/** What is wrong with a report; nothing when all is accounted for. */
export function complaints({ asked, met, others, marks, atOnce }: SoakReport): string[] {
  const wrong = [...others];
  for (const fate of fates) {
    if (met[fate] !== asked[fate]) wrong.push(`${asked[fate]} were to be ${fate}, and ${met[fate]} were`);
  }
  const [first, last] = [marks[0], marks.at(-1)];
  if (first === undefined || last === undefined) return [...wrong, "nothing was measured"];
  for (const { zombies, invocations } of marks) {
    if (zombies > 0) wrong.push(`${zombies} zombies after ${invocations} invocations`);
  }
  // An environment has three to five of the node's, and each caller's connection may be open or not; what leaks with each
  // environment that ends would soon be more.
  const descriptorsMax =
    first.descriptors + descriptorsPerProcess * Math.max(0, last.processes - first.processes) + atOnce + slack;
  if (last.descriptors > descriptorsMax) {
    wrong.push(`${first.descriptors} descriptors became ${last.descriptors}, with ${last.processes} processes`);
  }
  return wrong;
}

const descriptorsPerProcess = 5;
const slack = 10;
