/** The processes of a journey: started, waited for until they say where they are, and ended with it. */
import { spawn, type ChildProcess } from "node:child_process";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";

export const mikanCommand = fileURLToPath(new URL("../../mikan", import.meta.url));

const readyMsMax = 30_000;
const endMsMax = 15_000;

export interface Running {
  /** The line by which it said that it is ready. */
  ready: string;
  pid: number;
  /** Asks it to end, and makes it when it does not. */
  end(): Promise<void>;
}

/** Starts `command` and resolves with the first line of its output that `ready` matches. */
export async function start(command: string, args: readonly string[], ready: RegExp): Promise<Running> {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
  const line = await firstLine(child, ready, command);
  child.stdout?.resume();
  return { ready: line, pid: child.pid ?? 0, end: () => end(child) };
}

function firstLine(child: ChildProcess, ready: RegExp, name: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = "";
    const timer = setTimeout(() => reject(new Error(`${name} was not ready after ${readyMsMax} ms`)), readyMsMax);
    const settle = (act: () => void) => {
      clearTimeout(timer);
      act();
    };
    child.once("error", (error) => settle(() => reject(error)));
    child.once("exit", (code) => settle(() => reject(new Error(`${name} ended with code ${code}: ${output}`))));
    child.stdout?.setEncoding("utf8");
    child.stdout?.on("data", (text: string) => {
      output = (output + text).slice(-10_000);
      const line = output.split("\n").find((candidate) => ready.test(candidate));
      if (line !== undefined) settle(() => resolve(line));
    });
  });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
  });
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), endMsMax);
  await gone;
  clearTimeout(timer);
}

export interface Ended {
  code: number;
  output: string;
}

/** Runs `mikan` with `args` to its end; each line of its output is handed on as it comes. */
export function mikan(args: readonly string[], onLine: (line: string) => void): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(mikanCommand, args, { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    let rest = "";
    const take = (text: string) => {
      output += text;
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      lines.forEach(onLine);
    };
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", take);
    child.once("error", reject);
    child.once("close", (code) => {
      if (rest !== "") onLine(rest);
      resolve({ code: code ?? 1, output });
    });
  });
}

/** `preferred` when nobody has it, else a free one. */
export async function freePort(preferred: number): Promise<number> {
  return (await canBind(preferred)) ?? (await canBind(0)) ?? 0;
}

function canBind(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(undefined));
    server.listen(port, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : undefined));
    });
  });
}
