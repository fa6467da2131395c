/** Tables as data: columns of a closed list of kinds, a key, indexes; the engines turn them into their own DDL. */
import { json, join, raw, sql, type Sql, type SqlValue } from "./sql.ts";

/**
 * The closed list of column kinds, and what a row holds for each:
 * `id` and `text`: string (compared by bytes; `id` has at most 2,048 characters), `bytes`: Uint8Array,
 * `int`: number to 2^53, `big`: bigint (64 bits), `bool`: boolean, `json`: the parsed value,
 * `time_ms`: number, milliseconds since the epoch.
 */
export type ColumnKind = "id" | "text" | "bytes" | "int" | "big" | "bool" | "json" | "time_ms";

export interface Column<T = unknown> {
  kind: ColumnKind;
  nullable: boolean;
  /** Only for its type. */
  readonly _value?: T;
}

const column = <T>(kind: ColumnKind): Column<T> => ({ kind, nullable: false });

/** Column makers: `{ name: c.id, body: c.bytes, attributes: c.json<Attributes>(), ended_ms: c.nullable(c.time) }`. */
export const c = {
  id: column<string>("id"),
  text: column<string>("text"),
  bytes: column<Uint8Array>("bytes"),
  int: column<number>("int"),
  big: column<bigint>("big"),
  bool: column<boolean>("bool"),
  time: column<number>("time_ms"),
  json: <T>() => column<T>("json"),
  nullable: <T>(of: Column<T>): Column<T | null> => ({ kind: of.kind, nullable: true }),
};

export type Columns = Record<string, Column>;
export type RowOf<C extends Columns> = { [K in keyof C]: C[K] extends Column<infer T> ? T : never };

export interface Index {
  columns: readonly string[];
  unique?: boolean;
}

export interface Table<C extends Columns = Columns> {
  /** As a piece of SQL. */
  readonly name: Sql;
  readonly tableName: string;
  readonly definition: C;
  /** Every column, comma separated, for `select`. */
  readonly columns: Sql;
  /** Primary key, in order. Starts with account and region. */
  readonly key: readonly string[];
  readonly indexes: readonly Index[];
}

/** The row type of a table: `Row<typeof queues>`. */
export type Row<T> = T extends Table<infer C> ? RowOf<C> : never;

/** Declares a table. Names are lower case with underscores and begin with the service's name. */
export function table<C extends Columns>(
  tableName: string,
  definition: C,
  { key, indexes = [] }: { key: readonly (keyof C & string)[]; indexes?: readonly Index[] },
): Table<C> {
  return {
    name: raw(tableName),
    tableName,
    definition,
    columns: raw(Object.keys(definition).join(", ")),
    key,
    indexes,
  };
}

function parameter(definition: Columns, name: string, value: unknown): SqlValue {
  // The row's type promised a value of the column's kind; only json needs another form on the way in.
  return definition[name]?.kind === "json" && value !== null ? json(value) : (value as SqlValue);
}

/** `insert into ... values ...` of one row. Fails on a duplicate key. */
export function insert<C extends Columns>(into: Table<C>, row: RowOf<C>): Sql {
  const names = Object.keys(row);
  const values = names.map((name) => parameter(into.definition, name, row[name]));
  return sql`insert into ${into.name} (${raw(names.join(", "))}) values (${join(values)})`;
}

/** Inserts, or replaces every other column of the row with the same primary key. */
export function upsert<C extends Columns>(into: Table<C>, row: RowOf<C>): Sql {
  const rest = Object.keys(row).filter((name) => !into.key.includes(name));
  const updates = raw(rest.map((name) => `${name} = excluded.${name}`).join(", "));
  const conflict = sql`${insert(into, row)} on conflict (${raw(into.key.join(", "))})`;
  return rest.length === 0 ? sql`${conflict} do nothing` : sql`${conflict} do update set ${updates}`;
}

/** `a = ?, b = ?` for an `update ... set`. */
export function assign<C extends Columns>(of: Table<C>, values: Partial<RowOf<C>>): Sql {
  return join(
    Object.entries(values).map(([name, value]) => sql`${raw(name)} = ${parameter(of.definition, name, value)}`),
  );
}

/**
 * One forward-only step of a service's tables. Versions count 1, 2, 3 ... per service; a step that has shipped is never edited.
 */
export interface Migration {
  version: number;
  /** Tables made by this step, as they are after it. */
  create?: readonly Table[];
  /** Statements after that; plain SQL that both engines understand. */
  run?: readonly Sql[];
}

/** The tables of one service, for the store to bring up to date at start. */
export interface Schema {
  /** The service's name: `sqs`. */
  owner: string;
  migrations: readonly Migration[];
}
