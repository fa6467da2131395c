/** SQS as four servers have it: Mikan with every message on disk, Mikan without, ElasticMQ, Moto's server. */
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

/** An operation by the JSON protocol; rejects what is not answered 200. */
export function call(subject: Subject, operation: string, input: object): Promise<Record<string, unknown>> {
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
      const pieces: Buffer[] = [];
      response.on("data", (piece: Buffer) => pieces.push(piece)).on("error", reject);
      response.on("end", () => {
        const text = Buffer.concat(pieces).toString();
        if (response.statusCode === 200) resolve(text === "" ? {} : (JSON.parse(text) as Record<string, unknown>));
        else reject(new Error(`${subject.name} answered ${operation} with ${response.statusCode}: ${text}`));
      });
    });
    outgoing.end(body);
  });
}

export async function createQueue(subject: Subject, QueueName: string): Promise<string> {
  return String((await call(subject, "CreateQueue", { QueueName }))["QueueUrl"]);
}

const isThere = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );
const hasMoto = () =>
  promisify(execFile)("python3", ["-c", "import moto.server"]).then(
    () => true,
    () => false,
  );

/** A line for each peer that is not installed. */
export async function skippedPeers(): Promise<string[]> {
  const skipped: string[] = [];
  if (!(await isThere(elasticmq))) {
    const how = "`mvn -f bench/peers/elasticmq/pom.xml dependency:copy-dependencies` brings it (Java 11 or later)";
    skipped.push(`SKIPPED: ElasticMQ is not installed; ${how}.`);
  }
  if (!(await hasMoto()))
    skipped.push("SKIPPED: Moto's server is not installed; `pip install 'moto[server]'` brings it.");
  return skipped;
}

type Command = (port: number) => readonly string[];

async function start(name: string, durable: "yes" | "no", cwd: string, command: Command): Promise<Subject> {
  const port = await freePort();
  const [program = "", ...words] = command(port);
  const subject: Subject = { name, durable, port, process: spawn(program, words, { cwd, stdio: "ignore" }) };
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

/** Starts all that are installed; those that run are in `subjects` even when one does not. */
export async function startAll(built: string, directory: string, subjects: Subject[]): Promise<void> {
  subjects.push(await start("mikan", "yes", built, mikan("--data", join(directory, "mikan"))));
  subjects.push(await start("mikan --ephemeral", "no", built, mikan("--ephemeral")));
  if (await isThere(elasticmq)) {
    const settings = (port: number) => [
      `-Drest-sqs.bind-port=${port}`,
      "-Drest-sqs.bind-hostname=127.0.0.1",
      "-Drest-stats.enabled=false",
    ];
    const main = ["-cp", `${elasticmq}/*`, "org.elasticmq.server.Main"];
    subjects.push(await start("elasticmq", "no", directory, (port) => ["java", ...settings(port), ...main]));
  }
  if (await hasMoto()) {
    const command: Command = (port) => ["python3", "-m", "moto.server", "-H", "127.0.0.1", "-p", String(port)];
    subjects.push(await start("moto", "no", directory, command));
  }
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
