/** The proxies of `bench/edge.ts`, one process each, before one static upstream. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { access, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../../test/upstream.ts";

const peersUrl = new URL("../peers/", import.meta.url);
const httpProxy = new URL("../peers/http-proxy/", import.meta.url);

export interface Proxy {
  name: string;
  port: number;
  pid: number;
}

export class EdgeStage {
  readonly #dir: string;
  readonly #children: ChildProcess[] = [];
  readonly upstream: number;

  private constructor(dir: string, upstream: number) {
    this.#dir = dir;
    this.upstream = upstream;
  }

  /** With an upstream that answers everything with a body of `bodyBytes`. */
  static async set(bodyBytes: number): Promise<EdgeStage> {
    const stage = new EdgeStage(await mkdtemp(join(tmpdir(), "bench-edge-")), await freePort());
    // nginx takes no word over 4 KiB in its configuration: a longer body is a file.
    await writeFile(join(stage.#dir, "body"), "x".repeat(bodyBytes));
    const ANSWER =
      bodyBytes < 2_048 ? `return 200 "${"x".repeat(bodyBytes)}";` : `root ${stage.#dir}; try_files /body =404;`;
    const config = await stage.#fillIn("nginx-upstream.conf", 0, { ANSWER });
    await stage.#start("nginx", ["-c", config], stage.upstream);
    return stage;
  }

  async strike(): Promise<void> {
    await Promise.all(this.#children.splice(0).map(stop));
    await rm(this.#dir, { recursive: true, force: true });
  }

  async edge(name: string, rules = 3): Promise<Proxy> {
    const port = await freePort();
    const script = new URL("edge-process.ts", peersUrl).pathname;
    const args = [script, String(port), String(this.upstream), String(rules)];
    return { name, port, pid: await this.#start(process.execPath, args, port) };
  }

  nginx(): Promise<Proxy> {
    return this.#peer("nginx", "nginx-proxy.conf", (config) => ["nginx", "-c", config]);
  }

  haproxy(): Promise<Proxy> {
    return this.#peer("haproxy", "haproxy.cfg", (config) => ["haproxy", "-db", "-f", config]);
  }

  caddy(): Promise<Proxy> {
    return this.#peer("caddy", "Caddyfile", (config) => ["caddy", "run", "--adapter", "caddyfile", "--config", config]);
  }

  /** Undefined where it is not installed; see {@link httpProxyMissing}. */
  async httpProxy(): Promise<Proxy | undefined> {
    const [installed] = await Promise.allSettled([access(new URL("node_modules/http-proxy", httpProxy))]);
    if (installed?.status !== "fulfilled") return undefined;
    const port = await freePort();
    const script = new URL("serve.js", httpProxy).pathname;
    return {
      name: "http-proxy",
      port,
      pid: await this.#start(process.execPath, [script, String(port), String(this.upstream)], port),
    };
  }

  async #peer(name: string, file: string, commandOf: (config: string) => string[]): Promise<Proxy> {
    const port = await freePort();
    const [command = "", ...args] = commandOf(await this.#fillIn(file, port, { LOG: String(await freePort()) }));
    return { name, port, pid: await this.#start(command, args, port) };
  }

  async #fillIn(file: string, port: number, more: Readonly<Record<string, string>>): Promise<string> {
    const words: Record<string, string> = {
      DIR: this.#dir,
      PORT: String(port),
      UPSTREAM: String(this.upstream),
      ...more,
    };
    const text = await readFile(new URL(file, peersUrl), "utf8");
    const path = join(this.#dir, file);
    await writeFile(
      path,
      text.replace(/@([A-Z]+)@/g, (_, word: string) => words[word] ?? ""),
    );
    return path;
  }

  async #start(command: string, args: readonly string[], port: number): Promise<number> {
    const PATH = `${process.env["PATH"] ?? ""}${delimiter}/usr/sbin`;
    // Go's one thread, as nginx has one worker.
    const child = spawn(command, args, {
      stdio: ["ignore", "ignore", "ignore"],
      env: { ...process.env, PATH, GOMAXPROCS: "1" },
    });
    this.#children.push(child);
    const ended = once(child, "exit").then(([code]) => {
      throw new Error(`${command} ended with code ${String(code)} before it listened`);
    });
    ended.catch(() => {});
    await Promise.race([listening(port), ended]);
    return child.pid ?? 0;
  }
}

export const httpProxyMissing = "SKIPPED: http-proxy; `npm ci --prefix bench/peers/http-proxy` brings it.";

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}

/** Resolves when somebody listens on `port`. */
async function listening(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, "127.0.0.1");
    const outcomes = [
      once(socket, "connect").then(
        () => true,
        () => false,
      ),
      once(socket, "close").then(() => false),
    ];
    const open = await Promise.race(outcomes);
    socket.destroy();
    if (open) return;
    await sleep(20);
  }
}
