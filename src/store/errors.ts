/** What the store answers when it cannot do what was asked; each a type of its own, so that a caller can tell them apart. */

/** The store has too much waiting, or a body was rerun too often: the caller throttles its own caller. Nothing was changed. */
export class StoreBusy extends Error {
  override readonly name = "StoreBusy";
}

/** The store is closing or closed. Nothing was changed. */
export class StoreClosed extends Error {
  override readonly name = "StoreClosed";

  constructor() {
    super("the store is closed");
  }
}

/**
 * The engine gave the transaction up: disk full, I/O error, failing COMMIT, a lost connection. On SQLite nothing was
 * changed; on PostgreSQL a connection lost during COMMIT leaves it open whether the change was made.
 */
export class StoreFailure extends Error {
  override readonly name = "StoreFailure";
}

/** A row with this primary key, or these unique values, exists already. */
export class DuplicateKey extends Error {
  override readonly name = "DuplicateKey";
}

/** A body ran longer than a transaction may. Its change was rolled back. */
export class BodyTimeout extends Error {
  override readonly name = "BodyTimeout";
}

/** Another node holds the data directory. */
export class DirectoryLocked extends Error {
  override readonly name = "DirectoryLocked";
}

/** The data was written by a newer Mikan, or by steps that differ from those of this one. */
export class DataRefused extends Error {
  override readonly name = "DataRefused";
}

/** No blob has this id. */
export class BlobMissing extends Error {
  override readonly name = "BlobMissing";

  constructor(id: string) {
    super(`blob ${id} does not exist`);
  }
}
