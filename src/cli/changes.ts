/** Files that change under some directories, gathered until it is quiet for a moment. */
import { watch, type FSWatcher } from "node:fs";
import { readdir, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { systemClock, type Timer } from "../base/clock.ts";
import { asError, errorCode } from "../base/errors.ts";
import { UserError } from "./command.ts";

/** Directories that are watched, links to them followed. Linux lets a user watch some 65,000 and more. */
const directoriesMax = 20_000;
/** An editor that saves, and a tool that builds, write several times in a row. */
const quietMs = 50;

export interface Changes {
  /** Resolves with the paths that changed since the last time, one at least. */
  next(): Promise<ReadonlySet<string>>;
  /** Something has changed since. */
  readonly pending: boolean;
  /** What changed since is forgotten. */
  drop(): void;
  close(): void;
}

const gone = (error: unknown) => ["ENOENT", "ENOTDIR"].includes(errorCode(error) ?? "");

/** A directory, or a link to one; false for what went away meanwhile. */
async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (!gone(error)) throw error;
    return false;
  }
}

/** Node's own recursive watch sets a watch for each file; one for each directory tells as much. */
class DirectoryWatch implements Changes {
  readonly #isIgnored: (path: string) => boolean;
  /** By their real paths: what is linked twice is watched once, and circles end. */
  readonly #watchers = new Map<string, FSWatcher>();
  #changed = new Set<string>();
  #quiet: Timer | undefined;
  #wake: ((changed: ReadonlySet<string>) => void) | undefined;
  #fail: ((error: Error) => void) | undefined;
  #failure: Error | undefined;
  #closed = false;

  constructor(isIgnored: (path: string) => boolean) {
    this.#isIgnored = isIgnored;
  }

  async add(directory: string): Promise<void> {
    const real = await realpath(directory);
    if (this.#closed || this.#watchers.has(real)) return;
    if (this.#watchers.size >= directoriesMax) {
      throw new UserError(`There are more than ${directoriesMax} directories to watch`);
    }
    const watcher = watch(directory, (_, name) => this.#happened(directory, name ?? ""));
    watcher.on("error", (error) => {
      if (!gone(error) && errorCode(error) !== "EPERM") this.#failed(error);
    });
    watcher.on("close", () => this.#watchers.delete(real));
    this.#watchers.set(real, watcher);
    for (const entry of await readdir(directory, { withFileTypes: true })) {
      const path = join(directory, entry.name);
      if (!entry.isFile() && !this.#isIgnored(path) && (await isDirectory(path))) await this.add(path);
    }
  }

  #happened(directory: string, name: string): void {
    const path = join(directory, name);
    if (this.#closed || this.#isIgnored(path)) return;
    this.#changed.add(path);
    this.#watchNew(path).catch((error: unknown) => {
      if (!gone(error)) this.#failed(asError(error));
    });
    this.#settle();
  }

  async #watchNew(path: string): Promise<void> {
    if (await isDirectory(path)) await this.add(path);
  }

  #failed(error: Error): void {
    const isFull = errorCode(error) === "ENOSPC" || errorCode(error) === "EMFILE";
    this.#failure = isFull
      ? new UserError("The system watches no more directories: raise fs.inotify.max_user_watches", { cause: error })
      : error;
    this.#fail?.(this.#failure);
  }

  #settle(): void {
    this.#quiet?.cancel();
    this.#quiet = systemClock.after(quietMs, () => {
      this.#quiet = undefined;
      if (this.#wake === undefined || this.#changed.size === 0) return;
      const changed = this.#changed;
      this.#changed = new Set();
      this.#wake(changed);
      this.#wake = undefined;
    });
  }

  next(): Promise<ReadonlySet<string>> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#wake = resolve;
      this.#fail = reject;
      if (this.#changed.size > 0) this.#settle();
    });
  }

  get pending(): boolean {
    return this.#changed.size > 0;
  }

  drop(): void {
    this.#changed.clear();
  }

  close(): void {
    this.#closed = true;
    this.#quiet?.cancel();
    for (const watcher of this.#watchers.values()) watcher.close();
  }
}

/** Watches directories with all that is under them; what is `ignored`, and what is under that, is not looked at. */
export async function watchDirectories(
  directories: readonly string[],
  isIgnored: (path: string) => boolean,
): Promise<Changes> {
  const changes = new DirectoryWatch(isIgnored);
  try {
    for (const directory of directories) await changes.add(directory);
  } catch (error) {
    changes.close();
    if (!gone(error)) throw error;
    throw new UserError(`There is no directory ${directories.join(" or ")}`, { cause: error });
  }
  return changes;
}
