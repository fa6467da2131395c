/** A note in compute's directory: which engine a node has made containers with, for its successor. */
import { writeFileSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { errorCode } from "../../base/errors.ts";

const file = "container-engine";

/** The socket that a former node on this directory used; undefined where it left no container. */
export async function usedSocket(directory: string): Promise<string | undefined> {
  try {
    return await readFile(join(directory, file), "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

export function noteSocket(directory: string, socket: string): void {
  writeFileSync(join(directory, file), socket);
}

export async function forgetSocket(directory: string): Promise<void> {
  await rm(join(directory, file), { force: true });
}
