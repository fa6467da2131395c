/** What a function finds under `/opt`: the contents of its layers merged into one directory, a later layer over an earlier. */
import { createHash } from "node:crypto";
import { link, lstat, mkdir, readdir, readlink, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { errorCode } from "../../base/errors.ts";
import type { Ids } from "../../base/ids.ts";
import type { StoredCode, UnpackedCode } from "./unpacked.ts";

/** A layer as a version of a function keeps it: also when the layer's own version is deleted. */
export interface LayerUse extends StoredCode {
  /** With its version. */
  arn: string;
  unzippedBytes: number;
}

/** A text for these contents in this order. */
export const rootOf = (used: readonly StoredCode[]) =>
  createHash("sha256")
    .update(used.map(({ sha256Base64 }) => sha256Base64).join())
    .digest("hex");

export interface LayerRoots {
  /** The merged directory; made first where it is not there yet. Throws what `unpackZip` throws. */
  directoryOf(used: readonly LayerUse[]): Promise<string>;
  /** Removes a directory that no version needs any more. */
  forget(root: string): Promise<void>;
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isDirectory();
  } catch (error) {
    if (errorCode(error) === "ENOENT") return false;
    throw error;
  }
}

/** Hard links: the same bytes serve every set of layers that has them. */
async function overlay(from: string, onto: string): Promise<void> {
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const source = join(from, entry.name);
    const target = join(onto, entry.name);
    if (!entry.isDirectory()) {
      await rm(target, { recursive: true, force: true });
      if (entry.isSymbolicLink()) await symlink(await readlink(source), target);
      else await link(source, target);
      continue;
    }
    // A directory joins a directory, and takes the place of anything else; nothing is written through a link.
    if (!(await isDirectory(target))) {
      await rm(target, { force: true });
      await mkdir(target, { mode: 0o755 });
    }
    await overlay(source, target);
  }
}

/** One directory for each set of layers that is in use, so that their number is bounded by that of the functions. */
export function createLayerRoots({ unpacked, ids }: { unpacked: UnpackedCode; ids: Ids }): LayerRoots {
  const made = new Map<string, Promise<string>>();

  const merge = async (root: string, used: readonly LayerUse[]): Promise<string> => {
    const directory = join(unpacked.home, `opt-${root}-${ids.hex(4)}`);
    try {
      await mkdir(directory, { recursive: true, mode: 0o755 });
      for (const layer of used) {
        const content = await unpacked.pin(layer);
        try {
          await overlay(content.directory, directory);
        } finally {
          content.unpin();
        }
      }
      return directory;
    } catch (error) {
      // The next one tries again: the disk may have room by then.
      made.delete(root);
      await rm(directory, { recursive: true, force: true });
      throw error;
    }
  };

  return {
    directoryOf(used) {
      const root = rootOf(used);
      const directory = made.get(root) ?? merge(root, used);
      made.set(root, directory);
      return directory;
    },
    async forget(root) {
      const directory = made.get(root);
      if (directory === undefined) return;
      made.delete(root);
      await rm(await directory, { recursive: true, force: true });
    },
  };
}
