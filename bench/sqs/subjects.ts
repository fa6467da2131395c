/** SQS as several servers have it: Mikan with every message on disk, twice, and without; its floor; and its peers. */
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { access } from "node:fs/promises";
import { Agent, request } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { freePort } from "../../test/upstream.ts";

export interface Subject {
  name: string;
  durable: "yes" | "no";
  port: number;
  process: ChildProcess;
}

const readyTries = 600;
const elasticmq = new URL("../peers/elasticmq/target/dependency", import.meta.url).pathname;
const agent = new Agent({ keepAlive: true, maxSockets: 256 });
export const closeConnections = () => agent.destroy();

/** Nobody here verifies it; Mikan wants to see who calls. */
const authorization = `AWS4-HMAC-SHA256 Credential=000000000000/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=${"0".repeat(64)}`;

export interface Timed {
  output: Record<string, unknown>;
  /** When the answer began, by `performance.now()`. */
  firstByteMs: number;
}

/** An operation by the JSON protocol; rejects what is not answered 200. */
export function timedCall(subject: Subject, operation: string, input: object): Promise<Timed> {
  const body = Buffer.from(JSON.stringify(input));
  const headers = {
    authorization,
    "content-length": body.byteLength,
    "content-type": "application/x-amz-json-1.0",
    "x-amz-date": "20260101T000000Z",
    "x-amz-target": `AmazonSQS.${operation}`,
  };
  return new Promise((resolve, reject) => {
    const outgoing = request({ agent, host: "127.0.0.1", port: subject.port, method: "POST", path: "/", headers });
    outgoing.on("error", reject).on("response", (response) => {
      const firstByteMs = performance.now();
      const pieces: Buffer[] = [];
      response.on("data", (piece: Buffer) => pieces.push(piece)).on("error", reject);
      response.on("end", () => {
        const text = Buffer.concat(pieces).toString();
        if (response.statusCode === 200) resolve({ output: outputOf(text), firstByteMs });
        else reject(new Error(`${subject.name} answered ${operation} with ${response.statusCode}: ${text}`));
      });
    });
    outgoing.end(body);
  });
}

const outputOf = (text: string) => (text === "" ? {} : (JSON.parse(text) as Record<string, unknown>));

export const call = async (subject: Subject, operation: string, input: object): Promise<Record<string, unknown>> =>
  (await timedCall(subject, operation, input)).output;

export async function createQueue(subject: Subject, QueueName: string): Promise<string> {
  return String((await call(subject, "CreateQueue", { QueueName }))["QueueUrl"]);
}

const isThere = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );
/** Of bench/peers/stacks, where they are installed; else Moto's of the machine. */
const python = new URL("../.build/python/bin", import.meta.url).pathname;
const ministack = join(python, "ministack");
async function motoPython(): Promise<string | undefined> {
  for (const command of [join(python, "python3"), "python3"]) {
    const found = await promisify(execFile)(command, ["-c", "import moto.server"]).then(
      () => true,
      () => false,
    );
    if (found) return command;
  }
  return undefined;
}
const floor = new URL("floor.ts", import.meta.url).pathname;

/** A line for each peer that is not installed. */
export async function skippedPeers(): Promise<string[]> {
  const skipped: string[] = [];
  if (!(await isThere(elasticmq))) {
    const how = "`mvn -f bench/peers/elasticmq/pom.xml dependency:copy-dependencies` brings it (Java 11 or later)";
    skipped.push(`SKIPPED: ElasticMQ is not installed; ${how}.`);
  }
  const pip =
    "`python3 -m venv bench/.build/python && bench/.build/python/bin/pip install -r bench/peers/stacks/requirements.txt` brings it.";
  if ((await motoPython()) === undefined) skipped.push(`SKIPPED: Moto's server is not installed; ${pip}`);
  if (!(await isThere(ministack))) skipped.push(`SKIPPED: MiniStack is not installed; ${pip}`);
  return skipped;
}

type Command = (port: number) => readonly string[];

async function start(name: string, durable: "yes" | "no", cwd: string, command: Command): Promise<Subject> {
  const port = await freePort();
  const [program = "", ...words] = command(port);
  const env = { ...process.env, GATEWAY_PORT: String(port) };
  const subject: Subject = { name, durable, port, process: spawn(program, words, { cwd, stdio: "ignore", env }) };
  for (let tries = 0; tries < readyTries; tries += 1) {
    // One that is not listening yet refuses the connection.
    const url = await createQueue(subject, "ready").catch(() => undefined);
    if (url !== undefined) return subject;
    await sleep(50);
  }
  subject.process.kill("SIGKILL");
  throw new Error(`${name} did not answer`);
}

const mikan =
  (...place: readonly string[]): Command =>
  (port) => ["./mikan", "up", "--port", String(port), ...place];

/** A node of the built package with its data in `directory`. */
export const startMikan = (name: string, built: string, directory: string) =>
  start(name, "yes", built, mikan("--data", directory));

/** Starts all that are installed; those that run are in `subjects` even when one does not. The first is Mikan, durable. */
export async function startAll(built: string, directory: string, subjects: Subject[]): Promise<void> {
  subjects.push(await startMikan("mikan", built, join(directory, "mikan")));
  subjects.push(await startMikan("mikan again", built, join(directory, "again")));
  subjects.push(await start("mikan --ephemeral", "no", built, mikan("--ephemeral")));
  const node = [process.execPath, "--disable-warning=ExperimentalWarning", floor];
  subjects.push(await start("floor", "no", directory, (port) => [...node, String(port)]));
  if (await isThere(elasticmq)) {
    const settings = (port: number) => [
      `-Drest-sqs.bind-port=${port}`,
      "-Drest-sqs.bind-hostname=127.0.0.1",
      "-Drest-stats.enabled=false",
    ];
    const main = ["-cp", `${elasticmq}/*`, "org.elasticmq.server.Main"];
    subjects.push(await start("elasticmq", "no", directory, (port) => ["java", ...settings(port), ...main]));
  }
  const moto = await motoPython();
  if (moto !== undefined) {
    const command: Command = (port) => [moto, "-m", "moto.server", "-H", "127.0.0.1", "-p", String(port)];
    subjects.push(await start("moto", "no", directory, command));
  }
  if (await isThere(ministack)) subjects.push(await start("ministack", "no", directory, () => [ministack]));
}

export async function stopAll(subjects: readonly Subject[]): Promise<void> {
  for (const { process: child } of subjects) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const gone = once(child, "exit");
    child.kill("SIGTERM");
    const inTime = await Promise.race([gone.then(() => true), sleep(5_000, false)]);
    if (!inTime) child.kill("SIGKILL");
    await gone;
  }
}
