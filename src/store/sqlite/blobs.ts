/** Blobs as files: written beside, fsynced, renamed into place, and the directory fsynced, before anybody hears of them. */
import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { mkdir, open, readdir, rename, stat, unlink, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../base/clock.ts";
import { errorCode } from "../../base/errors.ts";
import { digested } from "../digests.ts";
import { BlobMissing } from "../errors.ts";
import { blobIdPattern, sweepAgeMs } from "../blobs.ts";
import type { Blobs, StoredBlob } from "../store.ts";

/** Read at once from a file. */
const readBytes = 128 * 1024;

/** Beside the shards `00` to `ff`: blobs that are not whole yet. */
const writingName = "writing";

interface BlobDeps {
  directory: string;
  clock: Clock;
  /** False only where nothing need survive the process. */
  durable: boolean;
  /** The store's entrance: bounded, and closed before the directory's lock is dropped. */
  accept<T>(call: () => Promise<T>): Promise<T>;
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function removeFile(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
  }
}

/** Undefined when the file is gone. */
async function modifiedMs(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).mtimeMs;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

async function openBlob(path: string, id: string): Promise<FileHandle> {
  if (!blobIdPattern.test(id)) throw new BlobMissing(id);
  try {
    return await open(path, "r");
  } catch (error) {
    if (errorCode(error) === "ENOENT") throw new BlobMissing(id);
    throw error;
  }
}

async function* readFileRange(path: string, id: string, start: number, end: number): AsyncGenerator<Uint8Array> {
  const handle = await openBlob(path, id);
  try {
    for (let at = start; at < end;) {
      const buffer = new Uint8Array(Math.min(readBytes, end - at));
      const { bytesRead } = await handle.read(buffer, 0, buffer.byteLength, at);
      if (bytesRead === 0) return;
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}

/** The directory's lock must be held: what an earlier process left half written is removed here. */
export function createFileBlobs({ directory, clock, durable, accept }: BlobDeps): Blobs {
  const writing = join(directory, writingName);
  rmSync(writing, { recursive: true, force: true });
  mkdirSync(writing, { recursive: true });
  const shards = new Set(readdirSync(directory).filter((name) => name !== writingName));
  const pathOf = (id: string) => join(directory, id.slice(0, 2), id);

  async function write(path: string, body: Parameters<Blobs["put"]>[0], limitBytes: number) {
    const handle = await open(path, "wx");
    try {
      const digest = await digested(body, limitBytes, async (piece) => {
        await handle.writeFile(piece);
      });
      // The sweep compares with the house's clock, so the file carries its time.
      await handle.utimes(clock.now() / 1000, clock.now() / 1000);
      if (durable) await handle.sync();
      return digest;
    } finally {
      await handle.close();
    }
  }

  /** The directory of a blob, its own name fsynced before anything in it counts. */
  async function shardOf(id: string): Promise<string> {
    const shard = id.slice(0, 2);
    const path = join(directory, shard);
    if (!shards.has(shard)) {
      await mkdir(path, { recursive: true });
      if (durable) await syncDirectory(directory);
      shards.add(shard);
    }
    return path;
  }

  async function put(body: Parameters<Blobs["put"]>[0], limitBytes: number): Promise<StoredBlob> {
    const id = randomBytes(16).toString("hex");
    const path = join(writing, id);
    try {
      const digest = await write(path, body, limitBytes);
      const shard = await shardOf(id);
      await rename(path, join(shard, id));
      if (durable) await syncDirectory(shard);
      return { id, ...digest };
    } catch (error) {
      await removeFile(path);
      throw error;
    }
  }

  async function sweep(named: (id: string) => Promise<boolean>): Promise<number> {
    const before = clock.now() - sweepAgeMs;
    let removed = 0;
    for (const shard of shards) {
      for (const id of await readdir(join(directory, shard))) {
        const writtenMs = await modifiedMs(pathOf(id));
        if (writtenMs === undefined || writtenMs >= before || (await named(id))) continue;
        await removeFile(pathOf(id));
        removed += 1;
      }
    }
    return removed;
  }

  return {
    put: (body, limitBytes) => accept(() => put(body, limitBytes)),
    read: (id, start = 0, end = Number.MAX_SAFE_INTEGER) => readFileRange(pathOf(id), id, start, end),
    delete: (id) =>
      accept(async () => {
        if (blobIdPattern.test(id)) await removeFile(pathOf(id));
      }),
    sweep: (named) => accept(() => sweep(named)),
  };
}
