/** Deployment packages: read under limits, and unpacked so that nothing lands outside their directory. */
import { createWriteStream } from "node:fs";
import { chmod, mkdir, realpath, symlink, unlink } from "node:fs/promises";
import { dirname, join, resolve, sep } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import yauzl from "yauzl";
import { asError, errorCode } from "../../base/errors.ts";

/** A zip somewhere: `read` gives bytes `start` to `end` (exclusive). */
export interface ZipSource {
  sizeBytes: number;
  read(start: number, end: number): AsyncIterable<Uint8Array>;
}

export interface ZipLimits {
  /** All files together, unpacked. */
  bytesMax: number;
  /** Files, directories and links. */
  entriesMax: number;
}

/** Not a zip, a broken one, or one that wants to write where it may not. */
export class BadZip extends Error {
  override readonly name = "BadZip";
}

/** More bytes than the limits allow; told by the directory of the zip, before anything is unpacked. */
export class ZipTooLarge extends Error {
  override readonly name = "ZipTooLarge";
}

/** A zip without one file. */
export class EmptyZip extends Error {
  override readonly name = "EmptyZip";
}

/** Read at once: the directory and small files are many small reads one after another. */
const windowBytes = 256 * 1024;
/** Names of one entry, in bytes; file systems allow 4,096 for a path, and the cache's own comes before it. */
const nameBytesMax = 1_024;
const linkBytesMax = 1_024;

/** yauzl reads through this; ranges inside the last window cost nothing. */
class SourceReader extends yauzl.RandomAccessReader {
  readonly #source: ZipSource;
  #window: Buffer = Buffer.alloc(0);
  #windowStart = 0;

  constructor(source: ZipSource) {
    super();
    this.#source = source;
  }

  override _readStreamForRange(start: number, end: number): Readable {
    const bytes = end - start <= windowBytes ? this.#windowed(start, end) : this.#source.read(start, end);
    return Readable.from(bytes, { objectMode: false });
  }

  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null) => void,
  ): void {
    // Called back in a turn of its own, so that what yauzl does then is not done inside this promise.
    const answer = (error: Error | null) => setImmediate(callback, error);
    this.#load(position, position + length).then(
      (bytes) => {
        bytes.copy(buffer, offset);
        answer(bytes.byteLength < length ? new BadZip("the file ends too early") : null);
      },
      (error: unknown) => answer(asError(error)),
    );
  }

  async *#windowed(start: number, end: number): AsyncGenerator<Uint8Array> {
    yield await this.#load(start, end);
  }

  async #load(start: number, end: number): Promise<Buffer> {
    if (start < this.#windowStart || end > this.#windowStart + this.#window.byteLength) {
      const until = Math.min(this.#source.sizeBytes, Math.max(end, start + windowBytes));
      const chunks: Uint8Array[] = [];
      for await (const chunk of this.#source.read(start, until)) chunks.push(chunk);
      this.#window = Buffer.concat(chunks);
      this.#windowStart = start;
    }
    return this.#window.subarray(start - this.#windowStart, end - this.#windowStart);
  }
}

interface Planned {
  entry: yauzl.Entry;
  /** Relative, with `/`, without a slash at its end. */
  path: string;
  kind: "file" | "directory" | "link";
  /** Permission bits. */
  mode: number;
}

/** The type and permission bits that a zip made on Unix carries in the upper half of its external attributes. */
const unixMadeBy = 3;
const typeMask = 0o170_000;
const kinds = new Map<number, Planned["kind"]>([
  [0, "file"],
  [0o100_000, "file"],
  [0o040_000, "directory"],
  [0o120_000, "link"],
]);

function planned(entry: yauzl.Entry): Planned {
  const path = entry.fileName.replace(/\/+$/, "");
  if (entry.fileName.includes("\0") || Buffer.byteLength(path) > nameBytesMax) {
    throw new BadZip(`an entry's name is not usable: ${JSON.stringify(path.slice(0, 80))}`);
  }
  const unix = entry.versionMadeBy >>> 8 === unixMadeBy ? entry.externalFileAttributes >>> 16 : 0;
  const kind = entry.fileName.endsWith("/") ? "directory" : kinds.get(unix & typeMask);
  if (kind === undefined) throw new BadZip(`${path} is neither a file, a directory nor a link`);
  if (kind !== "directory" && !entry.canDecodeFileData()) {
    throw new BadZip(`${path} is encrypted, or packed by a method other than deflate`);
  }
  // Zips made on other systems, and by libraries that leave the bits out, mean files that everybody may read.
  const mode = unix & 0o777;
  // Readable to all, as the function may be another user: many tools pack files for their owner alone.
  const forOwner = mode === 0 ? 0o644 : mode | 0o400;
  const shared = forOwner & 0o500;
  return { entry, path, kind, mode: forOwner | (shared >> 3) | (shared >> 6) };
}

/** Every path once (the last entry of a name wins, as with unzip), and no file where another entry needs a directory. */
function distinct(entries: readonly Planned[]): Planned[] {
  const byPath = new Map(entries.filter(({ path }) => path !== "" && path !== ".").map((one) => [one.path, one]));
  for (const { path } of byPath.values()) {
    for (let end = path.lastIndexOf("/"); end > 0; end = path.lastIndexOf("/", end - 1)) {
      const parent = byPath.get(path.slice(0, end));
      if (parent === undefined) continue;
      if (parent.kind !== "directory") throw new BadZip(`${parent.path} is a file and a directory`);
      // That directory's own parents were, or will be, looked at with it.
      break;
    }
  }
  return [...byPath.values()];
}

interface OpenZip {
  file: yauzl.ZipFile;
  plan: Planned[];
  /** All files together, unpacked. */
  bytes: number;
}

async function readPlan(file: yauzl.ZipFile, { bytesMax, entriesMax }: ZipLimits): Promise<Omit<OpenZip, "file">> {
  if (file.entryCount > entriesMax) throw new BadZip(`the zip has more than ${entriesMax} entries`);
  const entries: Planned[] = [];
  let bytes = 0;
  for await (const entry of file.eachEntry()) {
    bytes += entry.uncompressedSize;
    if (bytes > bytesMax) throw new ZipTooLarge(`the files of the zip are larger than ${bytesMax} bytes`);
    entries.push(planned(entry));
  }
  const plan = distinct(entries);
  if (plan.length === 0) throw new EmptyZip("the zip has no files");
  return { plan, bytes };
}

/** Codes of the file system that mean two entries are in each other's way, or a name is too long for it. */
const entryCodes: readonly string[] = ["EEXIST", "EISDIR", "ENAMETOOLONG", "ENOTDIR"];

/** What yauzl throws is about the zip; failures of the disk keep their own type. */
function zipError(error: unknown): Error {
  const cause = asError(error);
  if (cause instanceof BadZip || cause instanceof ZipTooLarge || cause instanceof EmptyZip) return cause;
  const code = errorCode(cause);
  if (code !== undefined && !code.startsWith("Z_") && !entryCodes.includes(code)) return cause;
  return new BadZip(cause.message, { cause });
}

async function openZip(source: ZipSource, limits: ZipLimits): Promise<OpenZip> {
  const options = { autoClose: false, lazyEntries: true, validateEntrySizes: true };
  const file = await yauzl.fromRandomAccessReaderPromise(new SourceReader(source), source.sizeBytes, options);
  return { file, ...(await readPlan(file, limits)) };
}

async function readLink(file: yauzl.ZipFile, { entry, path }: Planned): Promise<string> {
  if (entry.uncompressedSize > linkBytesMax) throw new BadZip(`the link ${path} is too long`);
  const chunks: Uint8Array[] = [];
  for await (const chunk of await file.openReadStreamPromise(entry)) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks).toString();
}

const isInside = (root: string, path: string) => path === root || path.startsWith(root + sep);

/**
 * Makes the links, last of all, so that no file is written through one. Each must end inside `root` when all are there;
 * one that leads nowhere is left out, since what it leads to might appear outside.
 */
async function makeLinks(root: string, links: readonly { path: string; target: string }[]): Promise<void> {
  for (const { path, target } of links) {
    if (target.includes("\0") || !isInside(root, resolve(root, dirname(path), target))) {
      throw new BadZip(`the link ${path} leads out of the package`);
    }
    await symlink(target, join(root, path));
  }
  for (const { path } of links) {
    const end = await realpath(join(root, path)).catch((error: unknown) => {
      const code = errorCode(error);
      if (code === "ENOENT" || code === "ELOOP" || code === "ENOTDIR") return undefined;
      throw error;
    });
    if (end === undefined) await unlink(join(root, path));
    else if (!isInside(root, end)) throw new BadZip(`the link ${path} leads out of the package`);
  }
}

async function unpackPlan({ file, plan }: OpenZip, root: string): Promise<void> {
  const made = new Set<string>();
  const ensureDirectory = async (path: string) => {
    if (made.has(path)) return;
    await mkdir(path, { recursive: true, mode: 0o755 });
    made.add(path);
  };
  const links: { path: string; target: string }[] = [];
  const inOrder = plan.toSorted((a, b) => a.entry.relativeOffsetOfLocalHeader - b.entry.relativeOffsetOfLocalHeader);
  for (const one of inOrder) {
    const path = join(root, one.path);
    await ensureDirectory(one.kind === "directory" ? path : dirname(path));
    if (one.kind === "link") links.push({ path: one.path, target: await readLink(file, one) });
    if (one.kind !== "file") continue;
    const bytes = await file.openReadStreamPromise(one.entry);
    // `wx` follows no link and overwrites nothing, whatever the checks above might have missed.
    await pipeline(bytes, createWriteStream(path, { flags: "wx" }));
    await chmod(path, one.mode);
  }
  await makeLinks(root, links);
}

/**
 * Unpacks a zip into `directory`, which must be new, and gives the bytes of its files. Permission bits are kept; owner,
 * time and everything else is not.
 * Throws {@link BadZip}, {@link ZipTooLarge} or {@link EmptyZip}, leaving what was written for the caller to remove.
 */
export async function unpackZip(source: ZipSource, directory: string, limits: ZipLimits): Promise<number> {
  if (source.sizeBytes === 0) throw new EmptyZip("the zip has no bytes");
  try {
    await mkdir(directory, { mode: 0o755 });
    const root = await realpath(directory);
    const zip = await openZip(source, limits);
    await unpackPlan(zip, root);
    return zip.bytes;
  } catch (error) {
    throw zipError(error);
  }
}
