/** Warm invocations per second over the framed channel (Node.js, Python) and over the Runtime API, and cold starts. `node bench/compute.ts` */
import { spawnSync } from "node:child_process";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../src/base/clock.ts";
import { createCompute } from "../src/compute/compute.ts";
import type { Compute, FunctionSpec } from "../src/compute/ports.ts";
import { createHttpServer } from "../src/edge/server.ts";
import { silentLog } from "../src/telemetry/log.ts";
import { createMetrics } from "../src/telemetry/metrics.ts";

const callers = 16;
const environments = 2;
const rounds = 7;
const roundMs = 1_000;
const coldStarts = 11;

const hasPython = spawnSync("python3", ["-c", ""]).status === 0;

const event = Buffer.from(JSON.stringify({ path: "/map/14/8625/5974.mvt", headers: { host: "front.elb.localhost" } }));

const handler = `export const handler = async (event) => ({ statusCode: 200, body: event.path });`;

const pythonHandler = `def handler(event, context): return {"statusCode": 200, "body": event["path"]}`;

/** The same function as a runtime of somebody else's would carry it, on connections that are kept. */
const bootstrap = `#!${process.execPath}
const http = require("node:http");
const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const ask = (method, path, body) => new Promise((resolve, reject) => {
  const request = http.request({ host, port, method, path: "/2018-06-01/runtime/invocation/" + path, agent }, (response) => {
    const chunks = [];
    response.on("data", (chunk) => chunks.push(chunk));
    response.on("end", () => resolve([response.headers, Buffer.concat(chunks)]));
  });
  request.on("error", reject);
  request.end(body);
});
(async () => {
  for (;;) {
    const [headers, body] = await ask("GET", "next");
    const answer = JSON.stringify({ statusCode: 200, body: JSON.parse(body).path });
    await ask("POST", headers["lambda-runtime-aws-request-id"] + "/response", answer);
  }
})();
`;

export interface ComputeFigures {
  channel: string;
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  coldStartMs: number;
}

interface Subject {
  channel: string;
  compute: Compute;
  spec: FunctionSpec;
  rates: number[];
  waitsMs: number[];
}

const at = (values: readonly number[], share: number) =>
  values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) * share)] ?? Number.NaN;

let requests = 0;

async function invoke({ compute, spec, channel }: Subject): Promise<void> {
  requests += 1;
  const result = await compute.invoke(spec, {
    requestId: `00000000-0000-4000-8000-${String(requests).padStart(12, "0")}`,
    payload: event,
    invokedArn: "arn:aws:lambda:us-east-1:000000000000:function:tiles",
    traceHeader: "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0",
  });
  if (result.error !== undefined) throw new Error(`${channel}: ${Buffer.from(result.payload).toString()}`);
}

async function round(subject: Subject): Promise<void> {
  const startedMs = performance.now();
  let done = 0;
  const caller = async () => {
    while (performance.now() - startedMs < roundMs) {
      const beganMs = performance.now();
      await invoke(subject);
      subject.waitsMs.push(performance.now() - beganMs);
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  subject.rates.push((done / (performance.now() - startedMs)) * 1_000);
}

/** From the call to the answer, with no environment there. */
async function coldStart(subject: Subject): Promise<number> {
  await subject.compute.retire(subject.spec.id);
  const startedMs = performance.now();
  await invoke(subject);
  return performance.now() - startedMs;
}

async function open(directory: string, channel: string, runtime: string, file: string, text: string): Promise<Subject> {
  const codeDir = join(directory, channel, "code");
  await mkdir(codeDir, { recursive: true });
  await writeFile(join(codeDir, file), text);
  await chmod(join(codeDir, file), 0o755);
  const compute = await createCompute({
    directory: join(directory, channel),
    clock: systemClock,
    log: silentLog,
    metrics: createMetrics(),
    environmentsMax: environments,
    onLogLine: () => {},
    serveHttp: (served, address, port) =>
      createHttpServer({ handler: served, class: "runtime", address, port, clock: systemClock, log: silentLog }),
  });
  const spec: FunctionSpec = {
    id: channel,
    functionName: "tiles",
    version: "$LATEST",
    runtime,
    handler: "index.handler",
    codeDir,
    environment: {},
    region: "us-east-1",
    account: "000000000000",
    endpointUrl: "http://127.0.0.1:4566",
    credentials: { accessKeyId: "test", secretAccessKey: "test", sessionToken: "test" },
    memoryMiB: 256,
    timeoutMs: 10_000,
    logGroup: "/aws/lambda/tiles",
  };
  return { channel, compute, spec, rates: [], waitsMs: [] };
}

async function measure(subjects: readonly Subject[]): Promise<ComputeFigures[]> {
  const coldMs = new Map(subjects.map((subject) => [subject, [] as number[]]));
  // The first start of each pays for what is done once for a node; it is not counted.
  for (let count = 0; count <= coldStarts; count += 1) {
    for (const subject of subjects) {
      const tookMs = await coldStart(subject);
      if (count > 0) coldMs.get(subject)?.push(tookMs);
    }
  }
  // One round to warm up, then the rounds that count, one of each in turn.
  for (let count = 0; count <= rounds; count += 1) for (const subject of subjects) await round(subject);
  return subjects.map((subject) => ({
    channel: subject.channel,
    perSecond: at(subject.rates.slice(1), 0.5),
    p50Ms: at(subject.waitsMs, 0.5),
    p99Ms: at(subject.waitsMs, 0.99),
    coldStartMs: at(coldMs.get(subject) ?? [], 0.5),
  }));
}

/** Measures every channel, prints a table, and gives its rows. */
export async function run(): Promise<ComputeFigures[]> {
  const directory = await mkdtemp(join(tmpdir(), "mikan-bench-"));
  const subjects: Subject[] = [];
  try {
    subjects.push(await open(directory, "framed", "nodejs24.x", "index.mjs", handler));
    if (hasPython) subjects.push(await open(directory, "framed, Python", "python3.12", "index.py", pythonHandler));
    else process.stdout.write("no python3 here: functions in Python are not measured\n");
    subjects.push(await open(directory, "runtime-api", "provided.al2023", "bootstrap", bootstrap));
    const figures = await measure(subjects);
    const rounded = figures.map(({ channel, perSecond, p50Ms, p99Ms, coldStartMs }) => ({
      channel,
      "per second": Math.round(perSecond),
      "p50 ms": Number(p50Ms.toFixed(2)),
      "p99 ms": Number(p99Ms.toFixed(2)),
      "cold start ms": Math.round(coldStartMs),
    }));
    process.stdout.write(
      `compute, ${callers} callers, ${environments} environments, median of ${rounds} interleaved rounds of ${roundMs} ms\n`,
    );
    // oxlint-disable-next-line no-console -- a bench prints its table
    console.table(rounded);
    return figures;
  } finally {
    await Promise.all(subjects.map(({ compute }) => compute.close(0)));
    await rm(directory, { recursive: true });
  }
}

if (import.meta.main) await run();
