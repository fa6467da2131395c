/** States that an embedded node was in, kept beside it so that it can be in them again. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { removeAtExit, removeLeftover } from "./store/sqlite/leftovers.ts";

/** What a node was at a moment. Gone with the node, or when it is disposed of. */
export interface Snapshot extends AsyncDisposable {
  /** The node's time then, in milliseconds since the Unix epoch. */
  readonly takenAtMs: number;
}

export interface Snapshots {
  /** @throws Error when there are too many, or when `copy` does. */
  take(nowMs: number, copy: (directory: string) => Promise<void>): Promise<Snapshot>;
  /** Where a snapshot lies. @throws Error for one that is gone, or another node's. */
  directoryOf(snapshot: Snapshot): string;
  removeAll(): void;
}

/** Each has all the rows; a suite that takes one for every test and keeps it would fill the disk. */
const snapshotsMax = 100;

export function createSnapshots(): Snapshots {
  const kept = new Map<Snapshot, string>();
  const remove = (snapshot: Snapshot) => {
    const directory = kept.get(snapshot);
    if (directory !== undefined) removeLeftover(directory);
    kept.delete(snapshot);
  };
  return {
    async take(takenAtMs, copy) {
      if (kept.size >= snapshotsMax)
        throw new Error(`This node keeps ${snapshotsMax} snapshots: dispose of some first.`);
      const directory = mkdtempSync(join(tmpdir(), "mikan-snapshot-"));
      removeAtExit(directory);
      const snapshot: Snapshot = {
        takenAtMs,
        async [Symbol.asyncDispose]() {
          remove(snapshot);
        },
      };
      kept.set(snapshot, directory);
      try {
        await copy(directory);
      } catch (error) {
        remove(snapshot);
        throw error;
      }
      return snapshot;
    },
    directoryOf(snapshot) {
      const directory = kept.get(snapshot);
      if (directory === undefined) throw new Error("This snapshot is not one of this node's, or it is disposed of.");
      return directory;
    },
    removeAll: () => [...kept.keys()].forEach(remove),
  };
}
