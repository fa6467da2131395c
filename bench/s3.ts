/**
 * Objects put and got per second, of 4 KB and 1 MB, beside s3rver: interleaved rounds, medians of their ratios.
 * `npm ci --prefix bench/peers/s3rver && node bench/s3.ts`
 *
 * Mikan runs twice: durable, where an answer means that the object is on disk, and ephemeral, which promises what s3rver
 * does: s3rver never flushes what it writes.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { Agent, request } from "node:http";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as rest } from "node:timers/promises";
import { median } from "./measure.ts";

const rounds = 7;
const roundMs = 700;
const readyTries = 200;
const keys = 64;

interface Shape {
  name: string;
  bytes: number;
  callers: number;
}
const shapes: readonly Shape[] = [
  { name: "4 KB", bytes: 4 * 1024, callers: 16 },
  { name: "1 MB", bytes: 2 ** 20, callers: 4 },
];

interface Subject {
  name: string;
  port: number;
  process: ChildProcess;
  /** s3rver takes requests without a signature; Mikan takes any signature, and no request without. */
  headers: Readonly<Record<string, string>>;
}

export interface S3Figures {
  measure: string;
  subject: string;
  /** Medians over the rounds. */
  perSecond: number;
  p99Ms: number;
  /** Median of each round's ratio to s3rver in that round. */
  rateToS3rver: number;
}

const agent = new Agent({ keepAlive: true, maxSockets: 32 });
const anySignature = {
  authorization: `AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature=${"0".repeat(64)}`,
  "x-amz-date": "20260101T000000Z",
  "x-amz-content-sha256": "UNSIGNED-PAYLOAD",
};

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

function send({ port, headers }: Subject, method: string, path: string, body?: Uint8Array): Promise<number> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { "content-length": String(body.byteLength) };
    const outgoing = request({ agent, port, host: "127.0.0.1", method, path, headers: { ...headers, ...length } });
    outgoing.on("error", reject).on("response", (response) => {
      response.on("error", reject).on("end", () => resolve(response.statusCode ?? 0));
      response.resume();
    });
    outgoing.end(body);
  });
}

async function started(subject: Subject): Promise<Subject> {
  for (let tries = 0; tries < readyTries; tries += 1) {
    const status = await send(subject, "PUT", "/bench").catch(() => 0);
    if (status > 0 && status < 500) return subject;
    await rest(50);
  }
  throw new Error(`${subject.name} did not answer`);
}

async function startAll(directory: string): Promise<Subject[]> {
  const [durable, ephemeral, peer] = await Promise.all([freePort(), freePort(), freePort()]);
  const run = (...words: string[]) => spawn(process.execPath, words, { stdio: "ignore" });
  const main = new URL("../src/cli/main.ts", import.meta.url).pathname;
  const s3rver = new URL("peers/s3rver/node_modules/s3rver/bin/s3rver.js", import.meta.url).pathname;
  const subjects: Subject[] = [
    {
      name: "mikan",
      port: durable,
      headers: anySignature,
      process: run(main, "up", "--port", String(durable), "--data", join(directory, "mikan")),
    },
    {
      name: "mikan, ephemeral",
      port: ephemeral,
      headers: anySignature,
      process: run(main, "up", "--port", String(ephemeral), "--ephemeral"),
    },
    {
      name: "s3rver",
      port: peer,
      headers: {},
      process: run(s3rver, "--port", String(peer), "--directory", join(directory, "s3rver"), "--silent"),
    },
  ];
  return Promise.all(subjects.map(started));
}

interface Round {
  perSecond: number;
  p99Ms: number;
}

/** One round: callers that put, or get, one object after another. */
async function round(subject: Subject, method: "PUT" | "GET", { bytes, callers }: Shape): Promise<Round> {
  const body = method === "PUT" ? Buffer.alloc(bytes, "mikan") : undefined;
  const times: number[] = [];
  const startedAt = performance.now();
  const untilMs = startedAt + roundMs;
  let next = 0;
  const caller = async () => {
    while (performance.now() < untilMs) {
      const before = performance.now();
      const status = await send(subject, method, `/bench/object-${bytes}-${(next += 1) % keys}`, body);
      if (status !== 200) throw new Error(`${subject.name} answered ${method} with ${status}`);
      times.push(performance.now() - before);
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  const seconds = (performance.now() - startedAt) / 1000;
  const p99Ms = times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? Number.NaN;
  return { perSecond: times.length / seconds, p99Ms };
}

async function fill(subject: Subject, { bytes }: Shape): Promise<void> {
  const body = Buffer.alloc(bytes, "mikan");
  for (let i = 0; i < keys; i += 1) await send(subject, "PUT", `/bench/object-${bytes}-${i}`, body);
}

async function measure(subjects: readonly Subject[], method: "PUT" | "GET", shape: Shape): Promise<S3Figures[]> {
  const seen = new Map<string, Round[]>(subjects.map(({ name }) => [name, []]));
  for (let i = 0; i < rounds; i += 1) {
    // The order turns, so that none always runs after the same other.
    for (let at = 0; at < subjects.length; at += 1) {
      const subject = subjects[(at + i) % subjects.length];
      if (subject !== undefined) seen.get(subject.name)?.push(await round(subject, method, shape));
    }
  }
  const peer = seen.get("s3rver") ?? [];
  return [...seen].map(([subject, own]) => ({
    measure: `${method} ${shape.name}`,
    subject,
    perSecond: Math.round(median(own.map(({ perSecond }) => perSecond))),
    p99Ms: Number(median(own.map(({ p99Ms }) => p99Ms)).toFixed(1)),
    rateToS3rver: Number(
      median(own.map(({ perSecond }, i) => perSecond / (peer[i]?.perSecond ?? Number.NaN))).toFixed(2),
    ),
  }));
}

export async function run(): Promise<S3Figures[]> {
  const directory = await mkdtemp(join(tmpdir(), "mikan-bench-s3-"));
  const subjects = await startAll(directory);
  try {
    const figures: S3Figures[] = [];
    for (const shape of shapes) {
      for (const subject of subjects) await fill(subject, shape);
      figures.push(...(await measure(subjects, "PUT", shape)), ...(await measure(subjects, "GET", shape)));
    }
    return figures;
  } finally {
    agent.destroy();
    for (const { process: child } of subjects) {
      if (child.exitCode !== null) continue;
      child.kill("SIGTERM");
      await once(child, "exit");
    }
    await rm(directory, { recursive: true, force: true });
  }
}

if (import.meta.main) console.table(await run());
