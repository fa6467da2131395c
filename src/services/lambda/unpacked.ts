/** Unpacked code: a cache beside the data, filled from blobs, one directory for each content. */
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { asError } from "../../base/errors.ts";
import type { Ids } from "../../base/ids.ts";
import { createAdmission } from "../../kit/admission.ts";
import type { Blobs } from "../../store/store.ts";
import type { Log } from "../../telemetry/log.ts";
import { fault } from "./faults.ts";
import { unzippedBytesMax } from "./limits.ts";
import { unpackZip } from "./zip.ts";

/** Where a version's code is kept. */
export interface StoredCode {
  blob: string;
  sha256Base64: string;
  sizeBytes: number;
}

/** AWS has no limit of its own for the number; this is far above what 250 MB of real packages hold. */
const entriesMax = 200_000;
/** Unpacked at once: each costs a thread of the pool and a file. */
const unpackingMax = 4;
const unpackingWaitingMax = 1_000;

/** Code as it lies unpacked. */
export interface Unpacked {
  directory: string;
  /** All files together. */
  unzippedBytes: number;
}

interface Entry {
  unpacked: Promise<Unpacked>;
  /** Invocations and uploads that need it now. */
  pins: number;
}

/** Stays as it is until `unpin`. */
export interface PinnedCode extends Unpacked {
  /** Must be called once. */
  unpin(): void;
}

export interface UnpackedCode {
  /** This process's own part of the cache; emptied by the next one. */
  readonly home: string;
  /** Starts from an empty cache; what an earlier process left is removed meanwhile. */
  start(): Promise<void>;
  /** The code's directory, unpacked first where it is not yet. Throws what `unpackZip` throws. */
  pin(code: StoredCode): Promise<PinnedCode>;
  /** Removes the directory, unless somebody needs it. */
  forget(sha256Base64: string): Promise<void>;
  stop(): Promise<void>;
}

export interface UnpackedDeps {
  blobs: Blobs;
  cacheDir: string;
  ids: Ids;
  log: Log;
}

/**
 * Each process has a directory of its own: after a power cut a file that was renamed into place may be there without
 * its bytes, and unpacking again costs less than an fsync of every file would.
 */
export function createUnpackedCode({ blobs, cacheDir, ids, log }: UnpackedDeps): UnpackedCode {
  const home = join(cacheDir, ids.hex(8));
  const entries = new Map<string, Entry>();
  const refusal = () => fault("TooManyRequestsException", "Rate Exceeded.", { Reason: "CallerRateLimitExceeded" });
  const admission = createAdmission({ runningMax: unpackingMax, waitingMax: unpackingWaitingMax }, refusal);
  let sweeping: Promise<void> = Promise.resolve();

  const unpack = async ({ blob, sha256Base64, sizeBytes }: StoredCode): Promise<Unpacked> => {
    // A name of its own each time, so that a removal under way is never in the way.
    const name = `${Buffer.from(sha256Base64, "base64").toString("hex")}-${ids.hex(4)}`;
    const directory = join(home, name);
    const source = { sizeBytes, read: (start: number, end: number) => blobs.read(blob, start, end) };
    try {
      await mkdir(home, { recursive: true });
      const unzippedBytes = await unpackZip(source, directory, { bytesMax: unzippedBytesMax, entriesMax });
      return { directory, unzippedBytes };
    } catch (error) {
      await rm(directory, { recursive: true, force: true });
      throw error;
    }
  };

  const sweep = async () => {
    const kept = home.slice(cacheDir.length + 1);
    for (const name of await readdir(cacheDir)) {
      if (name !== kept) await rm(join(cacheDir, name), { recursive: true, force: true });
    }
  };

  return {
    home,
    async start() {
      await mkdir(home, { recursive: true });
      sweeping = sweep().catch((error: unknown) => {
        log.warn("unpacked code of an earlier run could not be removed", { error: asError(error) });
      });
    },
    async pin(code) {
      const key = code.sha256Base64;
      const entry = entries.get(key) ?? { unpacked: admission.run(() => unpack(code)), pins: 0 };
      entries.set(key, entry);
      entry.pins += 1;
      const unpin = () => {
        entry.pins -= 1;
      };
      try {
        return { ...(await entry.unpacked), unpin };
      } catch (error) {
        unpin();
        // The next one tries again: the disk may have room by then.
        if (entries.get(key) === entry) entries.delete(key);
        throw error;
      }
    },
    async forget(sha256Base64) {
      const entry = entries.get(sha256Base64);
      if (entry === undefined || entry.pins > 0) return;
      entries.delete(sha256Base64);
      await rm((await entry.unpacked).directory, { recursive: true, force: true });
    },
    async stop() {
      await sweeping;
    },
  };
}
