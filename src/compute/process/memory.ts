/** Resident memory of a process and its descendants, from `/proc`. Elsewhere it is unknown, and only the heap limit holds. */
import { readFileSync } from "node:fs";
import { errorCode } from "../../base/errors.ts";
import { memoryProcessesMax } from "../limits.ts";

function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch (error) {
    const code = errorCode(error);
    // Gone in the meantime, or a platform or kernel without this file.
    if (code === "ENOENT" || code === "ESRCH") return undefined;
    throw error;
  }
}

/** KiB of `pid` and everything it started (at most 64 processes); 0 when it is gone. */
export function residentKiBOf(pid: number): number {
  let sum = 0;
  const pids = [pid];
  for (let i = 0; i < pids.length && i < memoryProcessesMax; i += 1) {
    const folder = `/proc/${pids[i]}`;
    const status = readProc(`${folder}/status`);
    if (status === undefined) continue;
    sum += Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0);
    // Children of the main thread only: the kernel keeps the list per thread, and runtimes fork from the main one.
    const children = readProc(`${folder}/task/${pids[i]}/children`) ?? "";
    for (const child of children.split(" ")) if (child !== "") pids.push(Number(child));
  }
  return sum;
}
