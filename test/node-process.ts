/** A node as its own process, as `mikan up` starts it: to be killed, and started again. */
import { spawn, type ChildProcess } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const entry = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));
const readyMsMax = 20_000;

export interface NodeProcess {
  url: string;
  pid: number;
  /** SIGKILL, and wait until it is gone. */
  kill(): Promise<void>;
  /** SIGTERM, and wait. Gives the exit code. */
  end(): Promise<number | null>;
  /** All that it wrote to standard error. */
  errors(): string;
}

/** Starts `mikan up` of the sources with further arguments. */
export function startNodeProcess(...args: readonly string[]): Promise<NodeProcess> {
  return startCommand(process.execPath, ["--disable-warning=ExperimentalWarning", entry, "up", ...args]);
}

/** Starts a command that is `mikan up`; rejects when it ends before it is ready, with what it wrote. */
export function startCommand(command: string, args: readonly string[]): Promise<NodeProcess> {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors = (errors + text).slice(-100_000);
  });
  const gone = new Promise<number | null>((resolve) => {
    child.once("exit", (code) => resolve(code));
  });
  const stop = async (signal: NodeJS.Signals) => {
    child.kill(signal);
    return gone;
  };
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      reject(new Error(`not ready after ${readyMsMax} ms: ${errors}`));
    }, readyMsMax);
    void gone.then((code) => {
      clearTimeout(timer);
      reject(new Error(`ended with code ${code}: ${errors}`));
    });
    onReady(child, (url) => {
      clearTimeout(timer);
      resolve({
        url,
        pid: child.pid ?? 0,
        async kill() {
          await stop("SIGKILL");
        },
        end: () => stop("SIGTERM"),
        errors: () => errors,
      });
    });
  });
}

function onReady(child: ChildProcess, ready: (url: string) => void): void {
  let output = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    output += text;
    const match = /ready at (http:\/\/\S+)/.exec(output);
    if (match?.[1] !== undefined) ready(match[1]);
  });
}

/** Processes of functions that call the node at `url`: in a view of their own they know no process id of the machine. */
export async function functionsOf(url: string): Promise<number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const calls = await Promise.all(
    pids.map(async (pid) => {
      // One that ends meanwhile, or is somebody else's, is none.
      const environment = await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "");
      return environment.split("\0").includes(`AWS_ENDPOINT_URL=${url}`);
    }),
  );
  return pids.filter((_, index) => calls[index]).map(Number);
}

/** Is there a process with this id? */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ESRCH") return false;
    throw error;
  }
}
