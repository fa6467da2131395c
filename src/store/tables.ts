/** Tables as data: columns of a closed list of kinds, a key, indexes; the engines turn them into their own DDL. */
import { Bug } from "../base/errors.ts";
import { json, join, raw, sql, Sql, type SqlValue } from "./sql.ts";

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

/** Texts of a table's statements on whole rows, made once. */
interface Texts {
  names: readonly string[];
  insert: readonly string[];
  upsert: readonly string[];
}

const textsOf = new WeakMap<Table, Texts>();

function upsertTail(key: readonly string[], names: readonly string[]): string {
  const rest = names.filter((name) => !key.includes(name));
  const updates = rest.map((name) => `${name} = excluded.${name}`).join(", ");
  return ` on conflict (${key.join(", ")}) do ${rest.length === 0 ? "nothing" : `update set ${updates}`}`;
}

function makeTexts(of: Table): Texts {
  const names = Object.keys(of.definition);
  const head = `insert into ${of.tableName} (${names.join(", ")}) values (`;
  const between = names.slice(1).map(() => ", ");
  return {
    names,
    insert: [head, ...between, ")"],
    upsert: [head, ...between, `)${upsertTail(of.key, names)}`],
  };
}

/** The row's values in the order of `names`; throws for a column that is missing or unknown. */
export function parameters<C extends Columns>(of: Table<C>, names: readonly string[], row: RowOf<C>): SqlValue[] {
  let given = 0;
  for (const name in row) if (row[name] !== undefined) given += 1;
  const values = names.map((name) => {
    const value = row[name];
    if (value === undefined) throw new Bug(`column ${name} of ${of.tableName} has no value`);
    return parameter(of.definition, name, value);
  });
  if (given !== names.length) throw new Bug(`${of.tableName} has no such column: ${Object.keys(row).join(", ")}`);
  return values;
}

function texts<C extends Columns>(of: Table<C>): Texts {
  let found = textsOf.get(of);
  if (found === undefined) {
    found = makeTexts(of);
    textsOf.set(of, found);
  }
  return found;
}

/** `insert into ... values ...` of one whole row. Fails on a duplicate key. */
export function insert<C extends Columns>(into: Table<C>, row: RowOf<C>): Sql {
  const { names, insert } = texts(into);
  return new Sql(insert, parameters(into, names, row));
}

/** Inserts, or replaces every other column of the row with the same primary key. */
export function upsert<C extends Columns>(into: Table<C>, row: RowOf<C>): Sql {
  const { names, upsert } = texts(into);
  return new Sql(upsert, parameters(into, names, row));
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
