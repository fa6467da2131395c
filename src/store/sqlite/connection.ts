/** One connection to the database file: a bounded cache of statements, values checked on the way in, decoded by column on the way out. */
import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from "node:sqlite";
import { asError, Bug } from "../../base/errors.ts";
import type { Statements } from "../body.ts";
import { DuplicateKey, StoreFailure } from "../errors.ts";
import { JsonValue, type Sql, type SqlValue } from "../sql.ts";
import { checkValue, wholeNumber } from "../values.ts";
import { declared } from "./ddl.ts";

/** Statements kept prepared per connection; the house has about ten per table, and preparing one costs some 20 µs. */
const statementsMax = 512;

type Decode = (value: SQLOutputValue) => unknown;
type Cells = Record<number, SQLOutputValue>;

interface Prepared {
  statement: StatementSync;
  names: string[];
  decoders: (Decode | undefined)[];
}

const toNumber: Decode = (value) => (typeof value === "bigint" ? wholeNumber(value) : value);

const decodeKinds: Readonly<Record<string, Decode>> = {
  [declared.json]: (value) => (typeof value === "string" ? JSON.parse(value) : value),
  [declared.bool]: (value) => (value === null ? null : value === 1 || value === 1n),
  [declared.big]: (value) => (typeof value === "number" ? BigInt(value) : value),
};

function prepare(database: DatabaseSync, text: string): Prepared {
  const statement = database.prepare(text);
  statement.setReturnArrays(true);
  const columns = statement.columns();
  // Integers over 2^53 can only be read as bigint, and that is a setting of the whole statement.
  const bigInts = columns.some((column) => column.type === declared.big);
  statement.setReadBigInts(bigInts);
  return {
    statement,
    names: columns.map((column) => column.name),
    decoders: columns.map(({ type }) => decodeKinds[type ?? ""] ?? (bigInts ? toNumber : undefined)),
  };
}

function bind(value: SqlValue): SQLInputValue {
  checkValue(value);
  // A JavaScript number would be bound as REAL, and arithmetic with it would not be that of integers.
  if (typeof value === "number") return BigInt(value);
  if (typeof value === "boolean") return value ? 1n : 0n;
  return value instanceof JsonValue ? value.text : value;
}

function rowOf(prepared: Prepared, cells: Cells): object {
  const row: Record<string, unknown> = {};
  const { names, decoders } = prepared;
  for (let i = 0; i < names.length; i += 1) {
    const decode = decoders[i];
    const cell = cells[i] as SQLOutputValue;
    row[names[i] as string] = decode === undefined ? cell : decode(cell);
  }
  return row;
}

/** SQLITE_CONSTRAINT_PRIMARYKEY and SQLITE_CONSTRAINT_UNIQUE: sqlite.org, "Result and Error Codes". */
const duplicateCodes: readonly number[] = [1555, 2067];
/** Primary codes that are the statement's or its values' fault: ERROR, CONSTRAINT, MISMATCH, RANGE, TOOBIG, READONLY. */
const statementCodes: readonly number[] = [1, 19, 20, 25, 18, 8];

/** The engine's error in the store's words. */
export function sqliteError(error: unknown): Error {
  const cause = asError(error);
  if (!("errcode" in cause) || typeof cause.errcode !== "number") return cause;
  if (duplicateCodes.includes(cause.errcode)) return new DuplicateKey(cause.message, { cause });
  if (statementCodes.includes(cause.errcode & 0xff)) return cause;
  return new StoreFailure(`the database file failed: ${cause.message}`, { cause });
}

export class Connection implements Statements {
  readonly database: DatabaseSync;
  readonly #cache = new Map<string, Prepared>();
  /** The same by the identity of a text's pieces, which is that of a place in the source. Weak, so it needs no bound. */
  #byPieces = new WeakMap<readonly string[], Prepared>();

  constructor(path: string, readOnly: boolean) {
    // The reader may meet the writer's checkpoint restarting the log; it lasts microseconds.
    this.database = new DatabaseSync(path, { readOnly, timeout: 1_000, enableForeignKeyConstraints: true });
  }

  one(query: Sql): object | undefined {
    return this.#execute(query, (prepared, values) => {
      // With arrays switched on, get() gives the cells in order; the types know only of objects.
      const cells = prepared.statement.get(...values);
      return cells === undefined ? undefined : rowOf(prepared, cells);
    });
  }

  all(query: Sql): object[] {
    return this.#execute(query, (prepared, values) => {
      const rows = prepared.statement.all(...values) as unknown as Cells[];
      return rows.map((cells) => rowOf(prepared, cells));
    });
  }

  run(statement: Sql): number {
    return this.#execute(statement, (prepared, values) => Number(prepared.statement.run(...values).changes));
  }

  exec(text: string): void {
    try {
      this.database.exec(text);
    } catch (error) {
      throw sqliteError(error);
    }
  }

  /** A statement without values, for one that runs all the time. */
  command(text: string): () => void {
    const statement = this.database.prepare(text);
    return () => {
      statement.run();
    };
  }

  get inTransaction(): boolean {
    return this.database.isTransaction;
  }

  /** After tables have changed, what the cache knows of their columns may be wrong. */
  forgetStatements(): void {
    this.#cache.clear();
    this.#byPieces = new WeakMap();
  }

  close(): void {
    this.#cache.clear();
    this.database.close();
  }

  #execute<T>(query: Sql, work: (prepared: Prepared, values: SQLInputValue[]) => T): T {
    try {
      return work(this.#prepared(query.strings), query.values.map(bind));
    } catch (error) {
      throw sqliteError(error);
    }
  }

  #prepared(pieces: readonly string[]): Prepared {
    const known = this.#byPieces.get(pieces);
    if (known !== undefined) return known;
    const text = pieces.join("?");
    const prepared = this.#cache.get(text) ?? this.#prepare(text);
    this.#byPieces.set(pieces, prepared);
    return prepared;
  }

  #prepare(text: string): Prepared {
    if (/^\s*(begin|commit|end|rollback|savepoint|release|attach|detach)\b/i.test(text)) {
      throw new Bug(`transactions are the store's: ${text}`);
    }
    const prepared = prepare(this.database, text);
    if (this.#cache.size >= statementsMax) {
      // The oldest goes; one that is in use all the time is soon back as the newest.
      const { value: oldest } = this.#cache.keys().next();
      if (oldest !== undefined) this.#cache.delete(oldest);
    }
    this.#cache.set(text, prepared);
    return prepared;
  }
}
