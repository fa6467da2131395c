/**
 * Objects put and got: 4 KB, 1 MB and 1 GB, beside s3rver and the Versity gateway, in interleaved rounds.
 * `node bench/s3.ts ["4 KB" "1 MB" "1 GB"]`; the third writes some 30 GB and takes ten minutes.
 *
 * What an answer to a put promises: `mikan` that the object is on disk, file, directory and row flushed. The others
 * flush nothing: s3rver and versitygw leave it to the kernel, and so does `mikan --ephemeral`, which is there to compare
 * like with like.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { createHash, createHmac } from "node:crypto";
import { once } from "node:events";
import { access, mkdir, mkdtemp, rm } from "node:fs/promises";
import { Agent, request } from "node:http";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { setTimeout as rest } from "node:timers/promises";
import { buildMikan } from "./built.ts";
import { median, missingCommands, treeCpuSeconds, type Kept } from "./measure.ts";

const rounds = 7;
const roundMs = 1_500;
const readyTries = 200;
const keys = 32;
const pieceBytes = 2 ** 20;
const bucket = "/bench-bucket";

interface Shape {
  name: string;
  bytes: number;
  callers: number;
  /** Requests of a round; undefined for as many as there is time for. */
  requests?: number;
}
const shapes: readonly Shape[] = [
  { name: "4 KB", bytes: 4 * 1024, callers: 16 },
  { name: "1 MB", bytes: 2 ** 20, callers: 4 },
  { name: "1 GB", bytes: 2 ** 30, callers: 1, requests: 1 },
];

interface Subject {
  name: string;
  port: number;
  process: ChildProcess;
}

export interface S3Figures {
  measure: string;
  subject: string;
  durable: string;
  /** Medians over the rounds. */
  "per second": number;
  "CPU ms": number;
  "p99 ms": number;
  /** Medians of each round's ratio to Mikan, durable, in that round. */
  rate: number;
  CPU: number;
}

const s3rver = new URL("peers/s3rver/node_modules/s3rver/bin/s3rver.js", import.meta.url).pathname;
const versitygw = "versitygw";

const isThere = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );
const isInstalled = async (command: string) => (await missingCommands([command])).length === 0;

/** A line for each peer that is not installed. */
export async function skippedPeers(): Promise<string[]> {
  const skipped: string[] = [];
  if (!(await isThere(s3rver))) {
    skipped.push("SKIPPED: s3rver is not installed; `npm ci --prefix bench/peers/s3rver` brings it.");
  }
  if (!(await isInstalled(versitygw))) {
    const how =
      "`go install github.com/versity/versitygw/cmd/versitygw@v1.8.0` brings it to a folder that PATH must name";
    skipped.push(`SKIPPED: versitygw is not installed; ${how}.`);
  }
  return skipped;
}

const agent = new Agent({ keepAlive: true, maxSockets: 32 });
const credentials = { accessKeyId: "test", secretAccessKey: "testtesttest" };
const hmac = (key: string | Uint8Array, text: string) => createHmac("sha256", key).update(text).digest();

/** True signatures, for the peer that verifies them; made once a minute for each path. */
const signed = new Map<string, Record<string, string>>();
function headersFor({ port }: Subject, method: string, path: string): Record<string, string> {
  const name = `${port} ${method} ${path} ${Math.floor(Date.now() / 60_000)}`;
  const known = signed.get(name);
  if (known !== undefined) return known;
  const time = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
  const scope = [time.slice(0, 8), "us-east-1", "s3", "aws4_request"];
  const fields = { host: `127.0.0.1:${port}`, "x-amz-content-sha256": "UNSIGNED-PAYLOAD", "x-amz-date": time };
  const names = Object.keys(fields).join(";");
  const lines = Object.entries(fields).map(([field, value]) => `${field}:${value}\n`);
  const canonical = [method, path, "", lines.join(""), names, "UNSIGNED-PAYLOAD"].join("\n");
  const digest = createHash("sha256").update(canonical).digest("hex");
  const key = scope.reduce<string | Uint8Array>(hmac, `AWS4${credentials.secretAccessKey}`);
  const signature = hmac(key, ["AWS4-HMAC-SHA256", time, scope.join("/"), digest].join("\n")).toString("hex");
  const credential = `${credentials.accessKeyId}/${scope.join("/")}`;
  const authorization = `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${names}, Signature=${signature}`;
  const headers = { ...fields, authorization };
  signed.set(name, headers);
  return headers;
}

const piece = Buffer.alloc(pieceBytes, "mikan");
function bodyOf(bytes: number): Buffer | Readable {
  if (bytes <= pieceBytes) return piece.subarray(0, bytes);
  return Readable.from(Array.from({ length: bytes / pieceBytes }, () => piece));
}

function send(subject: Subject, method: string, path: string, bytes?: number): Promise<number> {
  // s3rver knows its own keys only; without a signature it takes everybody.
  const own = subject.name === "s3rver" ? {} : headersFor(subject, method, path);
  const headers = { ...own, ...(bytes === undefined ? {} : { "content-length": String(bytes) }) };
  return new Promise((resolve, reject) => {
    const outgoing = request({ agent, port: subject.port, host: "127.0.0.1", method, path, headers });
    outgoing.on("error", reject).on("response", (response) => {
      response.on("error", reject).on("end", () => resolve(response.statusCode ?? 0));
      response.resume();
    });
    const body = bytes === undefined ? undefined : bodyOf(bytes);
    if (body instanceof Readable) body.on("error", reject).pipe(outgoing);
    else outgoing.end(body);
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

async function start(name: string, cwd: string, command: (port: number) => string[]): Promise<Subject> {
  const port = await freePort();
  const [program = "", ...words] = command(port);
  const env = {
    ...process.env,
    ROOT_ACCESS_KEY_ID: credentials.accessKeyId,
    ROOT_SECRET_ACCESS_KEY: credentials.secretAccessKey,
  };
  const subject: Subject = { name, port, process: spawn(program, words, { cwd, stdio: "ignore", env }) };
  for (let tries = 0; tries < readyTries; tries += 1) {
    // A peer that is not listening yet refuses the connection.
    const status = await send(subject, "PUT", bucket).catch(() => 0);
    if (status > 0 && status < 500) return subject;
    await rest(50);
  }
  subject.process.kill("SIGKILL");
  throw new Error(`${name} did not answer`);
}

async function startAll(built: string, directory: string, subjects: Subject[]): Promise<void> {
  const mikan = (name: string) => (port: number) => [
    "./mikan",
    "up",
    "--port",
    String(port),
    "--data",
    join(directory, name),
  ];
  subjects.push(await start("mikan", built, mikan("one")), await start("mikan again", built, mikan("two")));
  subjects.push(
    await start("mikan --ephemeral", built, (port) => ["./mikan", "up", "--port", String(port), "--ephemeral"]),
  );
  if (await isThere(s3rver)) {
    const command = (port: number) => [
      process.execPath,
      s3rver,
      "--port",
      String(port),
      "--directory",
      join(directory, "s3rver"),
      "--silent",
    ];
    subjects.push(await start("s3rver", directory, command));
  }
  if (await isInstalled(versitygw)) {
    const root = join(directory, "versitygw");
    await mkdir(root);
    subjects.push(
      await start("versitygw", directory, (port) => [versitygw, "--port", `127.0.0.1:${port}`, "posix", root]),
    );
  }
}

interface Round {
  perSecond: number;
  cpuMs: number;
  p99Ms: number;
}

/** One round: callers that put, or get, one object after another. */
async function round(subject: Subject, method: "PUT" | "GET", { bytes, callers, requests }: Shape): Promise<Round> {
  const times: number[] = [];
  const pid = subject.process.pid ?? 0;
  const cpuBefore = await treeCpuSeconds(pid);
  const startedAt = performance.now();
  let next = 0;
  const goesOn = () => (requests === undefined ? performance.now() < startedAt + roundMs : next < requests);
  const caller = async () => {
    while (goesOn()) {
      const before = performance.now();
      next += 1;
      const path = `${bucket}/object-${bytes}-${next % keys}`;
      const status = await send(subject, method, path, method === "PUT" ? bytes : undefined);
      if (status !== 200) throw new Error(`${subject.name} answered ${method} with ${status}`);
      times.push(performance.now() - before);
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  const seconds = (performance.now() - startedAt) / 1000;
  const cpuMs = (((await treeCpuSeconds(pid)) - cpuBefore) * 1000) / times.length;
  const p99Ms = times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? Number.NaN;
  return { perSecond: times.length / seconds, cpuMs, p99Ms };
}

async function fill(subject: Subject, { bytes, requests = keys }: Shape): Promise<void> {
  for (let i = 1; i <= requests; i += 1) await send(subject, "PUT", `${bucket}/object-${bytes}-${i % keys}`, bytes);
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
  const first = seen.get("mikan") ?? [];
  return [...seen].map(([subject, own]) => {
    const of = (key: keyof Round) => median(own.map((one) => one[key]));
    const ratio = (key: keyof Round) => median(own.map((one, i) => one[key] / (first[i]?.[key] ?? Number.NaN)));
    const rounded = (value: number) => Number(value.toPrecision(3));
    return {
      measure: `${method} ${shape.name}`,
      subject,
      durable: subject === "mikan" || subject === "mikan again" ? "yes" : "no",
      "per second": rounded(of("perSecond")),
      "CPU ms": rounded(of("cpuMs")),
      "p99 ms": rounded(of("p99Ms")),
      rate: rounded(ratio("perSecond")),
      CPU: rounded(ratio("cpuMs")),
    };
  });
}

/** What is promised is of nodes that promise the same: neither is flushed. */
export function promises(figures: readonly S3Figures[]): Kept[] {
  const rateOf = (measure: string, subject: string) =>
    figures.find((figure) => figure.measure === measure && figure.subject === subject)?.rate;
  return [...new Set(figures.map(({ measure }) => measure))].flatMap((measure) => {
    const own = rateOf(measure, "mikan --ephemeral");
    const peer = rateOf(measure, "s3rver");
    if (own === undefined || peer === undefined) return [];
    return [{ what: `${measure}, --ephemeral to s3rver`, value: own / peer, unit: "x", atLeast: 0.8 }];
  });
}

export async function run(wanted: readonly string[] = ["4 KB", "1 MB"]): Promise<S3Figures[]> {
  const directory = await mkdtemp(join(tmpdir(), "mikan-bench-s3-"));
  await using built = await buildMikan();
  const subjects: Subject[] = [];
  try {
    await startAll(built.directory, directory, subjects);
    const figures: S3Figures[] = [];
    for (const shape of shapes.filter(({ name }) => wanted.includes(name))) {
      for (const subject of subjects) await fill(subject, shape);
      figures.push(...(await measure(subjects, "PUT", shape)), ...(await measure(subjects, "GET", shape)));
    }
    return figures;
  } finally {
    agent.destroy();
    for (const { process: child } of subjects) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill("SIGTERM");
      await once(child, "exit");
    }
    await rm(directory, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  const wanted = process.argv.slice(2);
  for (const line of await skippedPeers()) process.stdout.write(`${line}\n`);
  console.table(await run(wanted.length === 0 ? undefined : wanted));
}
