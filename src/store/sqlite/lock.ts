/** One node per data directory: a lock that the operating system drops with the process, however that ends. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { errorCode } from "../../base/errors.ts";
import { DirectoryLocked } from "../errors.ts";

export interface DirectoryLock {
  release(): void;
}

/** SQLITE_BUSY and SQLITE_LOCKED: another connection, of this process or another, holds it. */
const heldCodes: readonly number[] = [5, 6];

function holderOf(path: string): string {
  try {
    return ` (process ${readFileSync(path, "utf8").trim()})`;
  } catch (error) {
    // The holder may not have come to write its number; the lock itself is what counts.
    if (errorCode(error) === "ENOENT") return "";
    throw error;
  }
}

/**
 * Locks `directory` until {@link DirectoryLock.release} or the end of the process. SQLite's own file lock is used, as
 * Node has no other: a transaction that stays open on a file of its own. Throws {@link DirectoryLocked}.
 */
export function lockDirectory(directory: string): DirectoryLock {
  const holder = join(directory, "holder");
  const database = new DatabaseSync(join(directory, "lock"), { timeout: 0 });
  try {
    database.exec("begin exclusive");
  } catch (error) {
    database.close();
    if (error instanceof Error && "errcode" in error && heldCodes.includes(Number(error.errcode) & 0xff)) {
      const message = `the data directory ${directory} is in use by another node${holderOf(holder)}`;
      throw new DirectoryLocked(message, { cause: error });
    }
    throw error;
  }
  writeFileSync(holder, `${process.pid}\n`);
  return { release: () => database.close() };
}
