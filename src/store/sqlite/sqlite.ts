/** The embedded store: one file through Node's own SQLite, written by one node at a time. */
import { closeSync, fsyncSync, mkdirSync, mkdtempSync, openSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Clock } from "../../base/clock.ts";
import { Bug } from "../../base/errors.ts";
import type { Log } from "../../telemetry/log.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import { Admission } from "../admission.ts";
import { refuseNesting } from "../body.ts";
import { DataRefused } from "../errors.ts";
import { checkAppend, checkClaim } from "../rows.ts";
import { raw } from "../sql.ts";
import type { Store } from "../store.ts";
import { Batches } from "./batches.ts";
import { createFileBlobs } from "./blobs.ts";
import { Connection } from "./connection.ts";
import { blobsName, copyHome, databaseName } from "./copies.ts";
import { removeAtExit, removeLeftover } from "./leftovers.ts";
import { lockDirectory, type DirectoryLock } from "./lock.ts";
import { migrate } from "./migrate.ts";
import { appendRows, claimRows } from "./rows.ts";

export interface SqliteOptions {
  /** Made when it is not there. Left out only with `ephemeral`. */
  directory?: string;
  /** Nothing need survive: a temporary directory, removed at the end, and no fsync. */
  ephemeral?: boolean;
  /** Of an ephemeral one: what it begins with, a directory that `copyTo` has filled. */
  from?: string;
  clock: Clock;
  log: Log;
  metrics: Metrics;
}

/** Blobs being written or removed at a time; each holds a file open. */
const besideMax = 256;
/** How the file is laid out; raised when a Mikan before it could not read it. */
const format = 1;
/** The log is cut to this after a checkpoint, so that one burst does not keep the disk. */
const logBytesMax = 64 * 1024 * 1024;
/**
 * Pages of the log after which a commit copies them into the file: 16 MiB. Each copy is fsynced, so the rate with 4,000
 * is a third over that with SQLite's own 1,000, and what a start after a crash has to read stays small.
 */
const logPagesMax = 4_000;
/** Page cache of each connection, in KiB. */
const cacheKiB = 16 * 1024;

function homeOf({ directory, ephemeral, from }: SqliteOptions): string {
  if (ephemeral) {
    const home = mkdtempSync(join(directory ?? tmpdir(), "mikan-"));
    if (from !== undefined) copyHome(from, home);
    return home;
  }
  if (directory === undefined) throw new Bug("a store that keeps its data needs a directory");
  // Other users of the machine have no business in it.
  const made = mkdirSync(directory, { recursive: true, mode: 0o700 });
  if (made !== undefined) [dirname(directory), dirname(made)].forEach(syncDirectory);
  return directory;
}

/** A new file's name is on disk only when its directory is. */
function syncDirectory(path: string): void {
  const file = openSync(path, "r");
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function openWriter(path: string, durable: boolean): Connection {
  const writer = new Connection(path, false);
  const written = writer.one(raw("pragma user_version")) as { user_version: number };
  if (written.user_version > format) {
    writer.close();
    throw new DataRefused(
      `${path} has format ${written.user_version} and this Mikan knows ${format}: it was written by a newer Mikan`,
    );
  }
  const mode = writer.one(raw("pragma journal_mode = wal")) as { journal_mode: string };
  if (mode.journal_mode !== "wal")
    throw new Error(`${path} cannot have a write-ahead log: its file system lacks shared memory`);
  writer.exec(`pragma synchronous = ${durable ? "full" : "off"};
    pragma wal_autocheckpoint = ${logPagesMax}; pragma journal_size_limit = ${logBytesMax}; pragma cache_size = -${cacheKiB}; pragma user_version = ${format}`);
  return writer;
}

/**
 * How batches begin and commit. What readers see stays open from batch to batch, as opening it costs more than most reads,
 * and is closed before anything is written: so nothing can be committed that an open one does not show, and the log can
 * be cut.
 */
function takeTurns(writer: Connection, reader: Connection) {
  const open = reader.command("begin");
  const close = reader.command("commit");
  const begin = writer.command("begin immediate");
  const endReading = () => {
    if (reader.inTransaction) close();
  };
  return {
    endReading,
    read: {
      begin() {
        if (!reader.inTransaction) open();
      },
      commit() {},
    },
    write: {
      begin() {
        endReading();
        begin();
      },
      commit: writer.command("commit"),
    },
  };
}

/**
 * Opens the store of a data directory, and holds its lock until `close`.
 * Throws `DirectoryLocked` when another node has it, `DataRefused` when a newer Mikan wrote it.
 *
 * @example const store = await createSqliteStore({ directory: ".mikan", clock, log, metrics });
 */
export async function createSqliteStore(options: SqliteOptions): Promise<Store> {
  const home = homeOf(options);
  const lock = lockDirectory(home);
  try {
    return openStoreIn(home, lock, options);
  } catch (error) {
    lock.release();
    throw error;
  }
}

function openStoreIn(home: string, lock: DirectoryLock, options: SqliteOptions): Store {
  const { ephemeral = false, clock, log, metrics } = options;
  const path = join(home, databaseName);
  const writer = openWriter(path, !ephemeral);
  const reader = new Connection(path, true);
  // Calls that run beside the batches, and end before the files are closed.
  const beside = new Admission(besideMax, metrics.counter("store_busy", { kind: "beside" }));
  const blobs = createFileBlobs({
    directory: join(home, blobsName),
    clock,
    durable: !ephemeral,
    accept: (call) => beside.accept(call),
  });
  if (!ephemeral) syncDirectory(home);
  const turns = takeTurns(writer, reader);
  const writes = new Batches(
    { connection: writer, clock, log, metrics },
    { name: "write", ...turns.write, savepoints: true },
  );
  const reads = new Batches(
    { connection: reader, clock, log, metrics },
    { name: "read", ...turns.read, savepoints: false },
  );
  if (ephemeral) removeAtExit(home);
  let closing: Promise<void> | undefined;
  async function close() {
    await Promise.all([writes.close(), reads.close(), beside.close()]);
    reader.close();
    writer.close();
    lock.release();
    if (ephemeral) removeLeftover(home);
  }

  return {
    engine: "sqlite",
    // The directory is locked.
    onlyWriter: true,
    async tx(body) {
      refuseNesting("tx");
      return writes.body(body);
    },
    async read(body) {
      refuseNesting("read");
      return reads.body(body);
    },
    async append(into, rows, seen) {
      refuseNesting("append");
      checkAppend(rows);
      const appended = writes.work((connection) => appendRows(connection, into, rows));
      // What comes after it in line sees them, in the same batch or a later one.
      seen?.();
      await appended;
    },
    async claim(claim) {
      refuseNesting("claim");
      checkClaim(claim);
      return writes.work((connection) => claimRows(connection, claim));
    },
    blobs,
    async migrate(schemas) {
      refuseNesting("migrate");
      await beside.accept(async () => {
        // Alone on the connection: a batch never lasts beyond its turn of the loop.
        turns.endReading();
        migrate(writer, schemas, clock, log);
        reader.forgetStatements();
      });
    },
    async copyTo(directory) {
      refuseNesting("copyTo");
      await beside.accept(async () => {
        // Alone on both connections, as above: so all of the log goes into the file.
        turns.endReading();
        const { busy } = writer.one(raw("pragma wal_checkpoint(truncate)")) as { busy: number };
        if (busy !== 0) throw new Bug("the log was in use while nothing ran");
        copyHome(home, directory);
      });
    },
    close: () => (closing ??= close()),
  };
}
