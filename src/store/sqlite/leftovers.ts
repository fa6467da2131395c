/** Temporary directories that leave with the process, by one listener for all of them: a test run may have fifty nodes. */
import { rmSync } from "node:fs";

const leftovers = new Set<string>();

function removeAll(): void {
  for (const directory of leftovers) rmSync(directory, { recursive: true, force: true });
}

/** Nobody looks into `directory` again: a process that ends without closing must not leave it. */
export function removeAtExit(directory: string): void {
  if (leftovers.size === 0) process.on("exit", removeAll);
  leftovers.add(directory);
}

/** Removes it now. */
export function removeLeftover(directory: string): void {
  rmSync(directory, { recursive: true, force: true });
  leftovers.delete(directory);
  if (leftovers.size === 0) process.off("exit", removeAll);
}
