/** Blobs as files: written beside, fsynced, renamed into place, and the directory fsynced, before anybody hears of them. */
import { randomBytes, randomInt } from "node:crypto";
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { mkdir, open, readdir, rename, stat, unlink, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../base/clock.ts";
import { errorCode } from "../../base/errors.ts";
import { digested } from "../digests.ts";
import { BlobMissing } from "../errors.ts";
import { blobIdPattern, sweepAgeMs } from "../blobs.ts";
import type { BlobBody, Blobs, StoredBlob } from "../store.ts";

/** Read at once from a file: few turns of the loop for a large blob, and not much for a reader that is slow. */
const readBytes = 256 * 1024;
/** Written at once, while as much again is gathered and hashed. */
const writeBytes = 512 * 1024;
/** Blobs that go to one directory before the next has its turn, so that those of one moment share its fsync. */
const shardBlobs = 4_096;
const shardCount = 256;

/** Beside the shards `00` to `ff`: blobs that are not whole yet. */
export const writingName = "writing";

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

/** Makes the names in a directory last. Callers that come while it is being flushed share the next flush. */
function directorySync(path: string): () => Promise<void> {
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;
  const flush = () => {
    const flushed = syncDirectory(path).finally(() => {
      running = next;
      next = undefined;
    });
    return flushed;
  };
  return () => {
    if (running === undefined) {
      running = flush();
      return running;
    }
    // The one that runs may have passed the caller's name already.
    next ??= running.then(flush, flush);
    return next;
  };
}

/** Gathers pieces and writes many at once, behind the back of whoever makes the next. */
class Writer {
  readonly #handle: FileHandle;
  #gathered: Uint8Array[] = [];
  #bytes = 0;
  #writing: Promise<unknown> = Promise.resolve();

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async add(piece: Uint8Array): Promise<void> {
    this.#gathered.push(piece);
    this.#bytes += piece.byteLength;
    if (this.#bytes >= writeBytes) await this.#write();
  }

  async #write(): Promise<void> {
    await this.#writing;
    const pieces = this.#gathered;
    const bytes = this.#bytes;
    this.#gathered = [];
    this.#bytes = 0;
    this.#writing = writeAll(this.#handle, pieces, bytes);
    // Whoever adds next, or ends, hears of it; until then it must not count as unheard.
    this.#writing.catch(() => undefined);
  }

  /** Resolves when all is written, rejects when something was not. */
  async end(): Promise<void> {
    if (this.#bytes > 0) await this.#write();
    await this.#writing;
  }
}

async function writeAll(handle: FileHandle, pieces: readonly Uint8Array[], bytes: number): Promise<void> {
  const { bytesWritten } = await handle.writev(pieces);
  if (bytesWritten === bytes) return;
  // A nearly full disk takes less than it is given; the rest makes it say why.
  await handle.writeFile(Buffer.concat(pieces, bytes).subarray(bytesWritten));
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
      // Not zeroed: only what was read is passed on. A slow one has memory of its own, which ends with it.
      const buffer = Buffer.allocUnsafeSlow(Math.min(readBytes, end - at));
      const { bytesRead } = await handle.read(buffer, 0, buffer.byteLength, at);
      if (bytesRead === 0) return;
      at += bytesRead;
      yield bytesRead === buffer.byteLength ? buffer : buffer.subarray(0, bytesRead);
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
  const shards = new Map(
    readdirSync(directory)
      .filter((name) => name !== writingName)
      .map((name) => [name, directorySync(join(directory, name))]),
  );
  let shard = randomInt(shardCount);
  let left = shardBlobs;
  const pathOf = (id: string) => join(directory, id.slice(0, 2), id);

  /** In the directory whose turn it is. */
  function newId(): string {
    if (left === 0) {
      shard = (shard + 1) % shardCount;
      left = shardBlobs;
    }
    left -= 1;
    return shard.toString(16).padStart(2, "0") + randomBytes(15).toString("hex");
  }

  async function write(path: string, body: BlobBody, limitBytes: number, only?: "md5") {
    const handle = await open(path, "wx");
    try {
      const writer = new Writer(handle);
      let digest;
      try {
        digest = await digested(body, limitBytes, (piece) => writer.add(piece), only);
      } finally {
        // What is being written must be over before the file is closed.
        await writer.end();
      }
      // The sweep compares with the house's clock, so the file carries its time.
      await handle.utimes(clock.now() / 1000, clock.now() / 1000);
      if (durable) await handle.sync();
      return digest;
    } finally {
      await handle.close();
    }
  }

  /** Makes the directory of a blob, its own name fsynced before anything in it counts; gives what fsyncs it. */
  async function shardOf(id: string): Promise<() => Promise<void>> {
    const name = id.slice(0, 2);
    const known = shards.get(name);
    if (known !== undefined) return known;
    const path = join(directory, name);
    await mkdir(path, { recursive: true });
    if (durable) await syncDirectory(directory);
    const sync = shards.get(name) ?? directorySync(path);
    shards.set(name, sync);
    return sync;
  }

  async function put(body: BlobBody, limitBytes: number, only?: "md5"): Promise<StoredBlob> {
    const id = newId();
    const path = join(writing, id);
    try {
      const digest = await write(path, body, limitBytes, only);
      const sync = await shardOf(id);
      await rename(path, pathOf(id));
      if (durable) await sync();
      return { id, ...digest };
    } catch (error) {
      await removeFile(path);
      throw error;
    }
  }

  async function sweep(named: (id: string) => Promise<boolean>): Promise<number> {
    const before = clock.now() - sweepAgeMs;
    let removed = 0;
    for (const shard of shards.keys()) {
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
    put: (body, limitBytes, only) => accept(() => put(body, limitBytes, only)),
    read: (id, start = 0, end = Number.MAX_SAFE_INTEGER) => readFileRange(pathOf(id), id, start, end),
    delete: (id) =>
      accept(async () => {
        if (blobIdPattern.test(id)) await removeFile(pathOf(id));
      }),
    sweep: (named) => accept(() => sweep(named)),
  };
}
