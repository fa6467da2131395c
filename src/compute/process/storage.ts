/** What a directory takes on the disk, as far as it must be known to tell whether it is too much. */
import type { Dirent } from "node:fs";
import { lstat, opendir } from "node:fs/promises";
import { join } from "node:path";
import { errorCode } from "../../base/errors.ts";
import { storageEntriesMax } from "../limits.ts";

/** Removed while it was looked at, or made unreadable by the function: what it holds is not known. */
const passedOver = new Set(["ENOENT", "ENOTDIR", "EACCES"]);

async function* entriesOf(directory: string): AsyncGenerator<Dirent> {
  try {
    yield* await opendir(directory);
  } catch (error) {
    if (!passedOver.has(errorCode(error) ?? "")) throw error;
  }
}

async function bytesOf(path: string): Promise<number> {
  try {
    // Blocks and not length: a file may have holes.
    return (await lstat(path)).blocks * 512;
  } catch (error) {
    if (!passedOver.has(errorCode(error) ?? "")) throw error;
    return 0;
  }
}

/** Whether `directory` holds more than `bytesMax`; looks at no more than 20,000 entries. */
export async function holdsMoreThan(directory: string, bytesMax: number): Promise<boolean> {
  const directories = [directory];
  let bytes = 0;
  let entries = 0;
  for (let next = directories.pop(); next !== undefined; next = directories.pop()) {
    for await (const entry of entriesOf(next)) {
      entries += 1;
      if (entries > storageEntriesMax) return false;
      const path = join(next, entry.name);
      if (entry.isDirectory()) directories.push(path);
      else if (entry.isFile()) bytes += await bytesOf(path);
      if (bytes > bytesMax) return true;
    }
  }
  return false;
}
