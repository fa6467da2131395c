/** The store: one transaction body, two engines. Acknowledged means on disk. */
import type { Sql } from "./sql.ts";
import type { Columns, RowOf, Schema, Table } from "./tables.ts";

export interface ReadTx {
  /** The first row, or undefined. Column kinds are decoded as tables.ts says. */
  one<R extends object>(query: Sql): Promise<R | undefined>;
  all<R extends object>(query: Sql): Promise<R[]>;
}

export interface Tx extends ReadTx {
  /** Runs a change; gives the number of rows it touched. */
  run(statement: Sql): Promise<number>;
  /**
   * Runs once this body's change is on disk; not at all when it is rolled back or rerun.
   * Wake-ups, cache drops and snapshots go here. Must not throw.
   */
  afterCommit(effect: () => void): void;
}

export interface TxOptions {
  /**
   * `claim`: PostgreSQL need not run the body serializably, because all that it reads are rows that it has changed before,
   * or that nobody changes without changing one of these first.
   */
  isolation?: "claim";
}

export interface Store {
  readonly engine: "sqlite" | "postgres";
  /** No other process writes to it: what was read stays so until something is committed here. */
  readonly onlyWriter: boolean;
  /**
   * Runs `body` as if alone, and resolves with its value when the change is on disk.
   * The body may run more than once; it awaits nothing but `tx`, calls no peer, and does not nest.
   * What it throws rolls its own change back and rejects.
   */
  tx<T>(body: (tx: Tx) => Promise<T>, options?: TxOptions): Promise<T>;
  /** Reads one consistent view of what is committed, never a batch in progress. */
  read<T>(body: (tx: ReadTx) => Promise<T>): Promise<T>;
  /**
   * Inserts rows, coalesced with those of other callers; resolves when they are on disk. `seen` runs as soon as what this
   * node begins from then on sees them, which may be before: such work shares their commit, and is answered after it or
   * fails with it. So whoever waits for rows can take them without a commit of its own. It must not throw, and may run
   * for rows that are lost after all.
   */
  append<C extends Columns>(into: Table<C>, rows: readonly RowOf<C>[], seen?: () => void): Promise<void>;
  /**
   * Takes up to `claim.limit` due rows for `leaseMs`, each by exactly one caller at a time: rows of `from` whose
   * `due` column is at or before `now`, in its order; their `due` becomes `now + leaseMs` and `count` grows by one.
   */
  claim<C extends Columns>(claim: Claim<C>): Promise<RowOf<C>[]>;
  readonly blobs: Blobs;
  /** Brings the tables of every service up to date. Refuses, by name, data written by a newer Mikan. */
  migrate(schemas: readonly Schema[]): Promise<void>;
  /**
   * Copies rows and blobs, as they are at one moment, into an empty directory that an ephemeral store can begin with
   * (`from`); it must be on the file system of the data. Only of a store in a directory.
   */
  copyTo?(directory: string): Promise<void>;
  /** Ends the batch in progress, then closes. Later calls are rejected. */
  close(): Promise<void>;
}

export interface Claim<C extends Columns> {
  from: Table<C>;
  /** Column of kind `time_ms`. */
  due: keyof C & string;
  /** Column of kind `int` that counts the claims. */
  count: keyof C & string;
  /** Column of kind `time_ms`, nullable: the first claim sets it to `now`. */
  first?: keyof C & string;
  /** More conditions, without `where`. */
  where?: Sql;
  now: number;
  leaseMs: number;
  limit: number;
}

export type BlobBody = Uint8Array | AsyncIterable<Uint8Array>;

/**
 * Bytes too large for a row. Written and fsynced first, then named by a row in a transaction; what no row names is
 * swept later.
 */
export interface Blobs {
  /**
   * Stores the stream or bytes, at most `limitBytes`, and resolves when they are on disk. Pieces of a stream must not
   * change before that. With `only` they are hashed by MD5 alone, and `sha256Base64` is empty.
   */
  put(body: BlobBody, limitBytes: number, only?: "md5"): Promise<StoredBlob>;
  /** Bytes `start` to `end` (exclusive) of a blob. Throws when it does not exist. */
  read(id: string, start?: number, end?: number): AsyncIterable<Uint8Array>;
  /** Removes a blob; harmless when it is gone. Call it after the commit that dropped its name. */
  delete(id: string): Promise<void>;
  /** Removes what is older than an hour and not in `named`. Gives the number removed. */
  sweep(named: (id: string) => Promise<boolean>): Promise<number>;
}

export interface StoredBlob {
  /** Opaque, 32 lower-case hex digits. */
  id: string;
  sizeBytes: number;
  /** Of the content: 32 hex digits. */
  md5Hex: string;
  /** Of the content, base64, as Lambda's CodeSha256 and S3's checksum write it. */
  sha256Base64: string;
}
