/** A data directory, copied while its store does nothing: the file, and the blobs by a second name, as they never change. */
import { constants, copyFileSync, linkSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { writingName } from "./blobs.ts";

export const databaseName = "mikan.db";
export const blobsName = "blobs";

/** Both are directories of one file system; `to` is empty. */
export function copyHome(from: string, to: string): void {
  copyFileSync(join(from, databaseName), join(to, databaseName), constants.COPYFILE_FICLONE);
  linkFiles(join(from, blobsName), join(to, blobsName));
}

function linkFiles(from: string, to: string): void {
  mkdirSync(to);
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    // What is not whole yet has no name in any row.
    if (entry.name === writingName) continue;
    if (entry.isDirectory()) linkFiles(join(from, entry.name), join(to, entry.name));
    else linkSync(join(from, entry.name), join(to, entry.name));
  }
}
