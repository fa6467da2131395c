/** Finds the interpreter of a Python runtime on this machine, and Mikan's own program that it runs. */
import { execFile } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { asError } from "../../base/errors.ts";
import type { Log } from "../../telemetry/log.ts";

/** Beside this file, in the checkout and in the package. */
export const pythonProgram = join(dirname(fileURLToPath(import.meta.url)), "runtime-python", "main.py");

export type Python =
  /** The interpreter itself: what is found first is often a launcher that takes longer than Python does. */
  | { command: string; version: string }
  /** What to install. */
  | { hint: string };

const probeMsMax = 10_000;
const oldestMinor = 8;
/** Read by an interpreter of any age. */
const probeProgram = "import sys; print('%d.%d.%d' % sys.version_info[:3]); print(sys.executable)";

interface Found {
  command: string;
  version: string;
}

/** Undefined when there is none of this name, or one that does not run: a launcher may have lost what it launches. */
async function probe(name: string, log: Log): Promise<Found | undefined> {
  try {
    const { stdout } = await promisify(execFile)(name, ["-c", probeProgram], { timeout: probeMsMax });
    const [version = "", command = ""] = stdout.trim().split(/\r?\n/);
    const minor = /^3\.(\d+)\./.exec(version)?.[1];
    if (minor === undefined || Number(minor) < oldestMinor || command === "") return undefined;
    return { command, version };
  } catch (error) {
    log.debug("an interpreter does not run here", { name, error: asError(error) });
    return undefined;
  }
}

/** The search runs once for a runtime; when it found nothing, the next environment looks again. */
export function createPythons(log: Log): (runtime: string) => Promise<Python> {
  const found = new Map<string, Promise<Python>>();
  const find = async (runtime: string): Promise<Python> => {
    const exact = await probe(runtime, log);
    if (exact !== undefined) return exact;
    const other = await probe("python3", log);
    if (other === undefined) {
      found.delete(runtime);
      return {
        hint: `Install ${runtime}, or any python3 from 3.${oldestMinor} on, and put it in the PATH of the node.`,
      };
    }
    const isExact = other.version.startsWith(`${runtime.slice("python".length)}.`);
    if (!isExact) log.warn(`there is no ${runtime} here: its functions run on Python ${other.version}`, { ...other });
    return other;
  };
  return (runtime) => {
    const searching = found.get(runtime) ?? find(runtime);
    found.set(runtime, searching);
    return searching;
  };
}
