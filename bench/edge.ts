/** Requests per second and CPU per request through the edge, nginx and HAProxy, side by side. `node bench/edge.ts` */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { access, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect, createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

const rounds = 7;
const connections = 64;
const roundSeconds = 2;
const bodyBytes = 128;
/** The kernel counts CPU in these; 100 on every Linux that Node runs on. */
const ticksPerSecond = 100;

const peersUrl = new URL("peers/", import.meta.url);

export interface EdgeFigures {
  subject: string;
  /** Medians over the rounds. */
  perSecond: number;
  cpuUsPerRequest: number;
  p99Ms: number;
  /** Medians of each round's ratio to nginx in that round. */
  rateToNginx: number;
  cpuToNginx: number;
  p99ToNginx: number;
}

interface Subject {
  name: string;
  port: number;
  pid: number;
  samples: Sample[];
}

interface Sample {
  perSecond: number;
  cpuUs: number;
  p99Ms: number;
}

/** What a run has opened, to be closed at its end. */
interface Stage {
  dir: string;
  upstream: number;
  children: ChildProcess[];
}

/** Measures, prints, and gives the figures. Needs the Debian packages `nginx-light`, `haproxy` and `wrk`. */
export async function run(): Promise<EdgeFigures[]> {
  await requireCommands(["nginx", "haproxy", "wrk"]);
  const stage: Stage = { dir: await mkdtemp(join(tmpdir(), "bench-edge-")), upstream: await freePort(), children: [] };
  try {
    await startUpstream(stage);
    const subjects = [
      await startEdge(stage, "edge"),
      await startPeer(stage, "nginx", "nginx-proxy.conf", (config) => ["nginx", "-c", config]),
      await startPeer(stage, "haproxy", "haproxy.cfg", (config) => ["haproxy", "-db", "-f", config]),
      // The same thing again: how far it differs from itself is what no other difference may be read from.
      await startEdge(stage, "edge again"),
    ];
    for (const subject of subjects) await load(subject.port, 1);
    for (let round = 0; round < rounds; round += 1) {
      // Each goes first, second, ... in turn, so that none always follows the same one.
      for (let i = 0; i < subjects.length; i += 1) await sample(subjects[(round + i) % subjects.length] as Subject);
    }
    const figures = figuresOf(subjects);
    print(figures);
    return figures;
  } finally {
    await Promise.all(stage.children.map(stop));
    await rm(stage.dir, { recursive: true, force: true });
  }
}

async function requireCommands(names: readonly string[]): Promise<void> {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin"];
  const missing: string[] = [];
  for (const name of names) {
    const found = await Promise.all(
      folders.map((folder) =>
        access(join(folder, name)).then(
          () => true,
          () => false,
        ),
      ),
    );
    if (!found.includes(true)) missing.push(name);
  }
  if (missing.length > 0) throw new Error(`bench/edge.ts needs ${missing.join(", ")} (Debian packages of these names)`);
}

async function start(stage: Stage, command: string, args: readonly string[], port: number): Promise<number> {
  const env = { ...process.env, PATH: `${process.env["PATH"] ?? ""}${delimiter}/usr/sbin` };
  const child = spawn(command, args, { stdio: ["ignore", "ignore", "inherit"], env });
  stage.children.push(child);
  const ended = once(child, "exit").then(([code]) => {
    throw new Error(`${command} ended with code ${String(code)} before it listened`);
  });
  ended.catch(() => {});
  await Promise.race([listening(port), ended]);
  return child.pid ?? 0;
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}

async function fillIn(stage: Stage, file: string, port: number): Promise<string> {
  const words: Record<string, string> = {
    DIR: stage.dir,
    PORT: String(port),
    UPSTREAM: String(stage.upstream),
    BODY: "x".repeat(bodyBytes),
  };
  const text = await readFile(new URL(file, peersUrl), "utf8");
  const path = join(stage.dir, file);
  await writeFile(
    path,
    text.replace(/@([A-Z]+)@/g, (_, word: string) => words[word] ?? ""),
  );
  return path;
}

async function startUpstream(stage: Stage): Promise<void> {
  const config = await fillIn(stage, "nginx-upstream.conf", 0);
  await start(stage, "nginx", ["-c", config], stage.upstream);
}

async function startPeer(
  stage: Stage,
  name: string,
  file: string,
  commandOf: (config: string) => string[],
): Promise<Subject> {
  const port = await freePort();
  const [command = "", ...args] = commandOf(await fillIn(stage, file, port));
  return { name, port, pid: await start(stage, command, args, port), samples: [] };
}

async function startEdge(stage: Stage, name: string): Promise<Subject> {
  const port = await freePort();
  const script = new URL("edge-process.ts", peersUrl).pathname;
  const pid = await start(stage, process.execPath, [script, String(port), String(stage.upstream)], port);
  return { name, port, pid, samples: [] };
}

async function sample(subject: Subject): Promise<void> {
  const before = await cpuSeconds(subject.pid);
  const { requests, perSecond, p99Ms } = await load(subject.port, roundSeconds);
  const cpuUs = (((await cpuSeconds(subject.pid)) - before) * 1e6) / requests;
  subject.samples.push({ perSecond, cpuUs, p99Ms });
}

/** User and system time of a process, all its threads together. */
async function cpuSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  // The second field is the name in brackets, which may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

async function load(port: number, seconds: number): Promise<{ requests: number; perSecond: number; p99Ms: number }> {
  const args = ["-t1", `-c${connections}`, `-d${seconds}`, "--latency", `http://127.0.0.1:${port}/`];
  const child = spawn("wrk", args, { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  await once(child, "close");
  if (/Non-2xx|Socket errors/.test(output)) throw new Error(`wrk met errors:\n${output}`);
  const requests = Number(/(\d+) requests in/.exec(output)?.[1]);
  const perSecond = Number(/Requests\/sec:\s*([\d.]+)/.exec(output)?.[1]);
  const [, value = "NaN", unit = "ms"] = /99%\s+([\d.]+)(us|ms|s)/.exec(output) ?? [];
  const p99Ms = Number(value) * (unit === "us" ? 0.001 : unit === "s" ? 1000 : 1);
  return { requests, perSecond, p99Ms };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function figuresOf(subjects: readonly Subject[]): EdgeFigures[] {
  const nginx = subjects.find(({ name }) => name === "nginx")?.samples ?? [];
  return subjects.map(({ name, samples }) => {
    const of = (key: keyof Sample) => median(samples.map((sample) => sample[key]));
    const ratio = (key: keyof Sample) =>
      median(samples.map((sample, i) => sample[key] / (nginx[i]?.[key] ?? Number.NaN)));
    return {
      subject: name,
      perSecond: of("perSecond"),
      cpuUsPerRequest: of("cpuUs"),
      p99Ms: of("p99Ms"),
      rateToNginx: ratio("perSecond"),
      cpuToNginx: ratio("cpuUs"),
      p99ToNginx: ratio("p99Ms"),
    };
  });
}

function print(figures: readonly EdgeFigures[]): void {
  const line = (cells: readonly string[]) =>
    `${cells.map((cell, i) => (i === 0 ? cell.padEnd(12) : cell.padStart(12))).join("")}\n`;
  process.stdout.write(
    `Through to a static upstream, ${connections} connections, ${rounds} interleaved rounds of ${roundSeconds} s, medians:\n`,
  );
  process.stdout.write(line(["", "requests/s", "CPU us/req", "p99 ms", "rate/nginx", "CPU/nginx", "p99/nginx"]));
  for (const f of figures) {
    const numbers = [f.perSecond.toFixed(0), f.cpuUsPerRequest.toFixed(1), f.p99Ms.toFixed(2)];
    const ratios = [f.rateToNginx, f.cpuToNginx, f.p99ToNginx].map((ratio) => ratio.toFixed(2));
    process.stdout.write(line([f.subject, ...numbers, ...ratios]));
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => {
    server.close(resolve);
  });
  return port;
}

/** Resolves when somebody listens on `port`. */
async function listening(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, "127.0.0.1");
    const open = await Promise.race([
      once(socket, "connect").then(
        () => true,
        () => false,
      ),
      once(socket, "close").then(() => false),
    ]);
    socket.destroy();
    if (open) return;
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
  }
}

if (import.meta.main) await run();
