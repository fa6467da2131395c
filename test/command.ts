/** The command `mikan`, run to its end as a shell runs it. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const entry = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));
const endMsMax = 25_000;

export interface Ended {
  code: number | null;
  /** Standard output. */
  out: string;
  /** Standard error. */
  err: string;
}

export interface Surroundings {
  cwd?: string;
  /** On top of this process's own. */
  env?: Readonly<Record<string, string>>;
  /** Killed after so long. */
  msMax?: number;
}

/** Runs any program to its end; kills it when it takes longer than a test may. */
export function run(
  file: string,
  args: readonly string[],
  { cwd, env = {}, msMax = endMsMax }: Surroundings = {},
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...env },
      ...(cwd === undefined ? {} : { cwd }),
      timeout: msMax,
      killSignal: "SIGKILL",
    });
    const ended = { out: "", err: "" };
    child.stdout.setEncoding("utf8").on("data", (text: string) => (ended.out += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (ended.err += text));
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, ...ended }));
  });
}

/** `mikan ...args` */
export function mikan(args: readonly string[], surroundings?: Surroundings): Promise<Ended> {
  return run(process.execPath, ["--disable-warning=ExperimentalWarning", entry, ...args], surroundings);
}
