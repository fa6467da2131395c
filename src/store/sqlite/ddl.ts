/** Tables in SQLite's words. The declared type of a column tells the decoder its kind, and holds its values to it. */
import type { ColumnKind, Columns, Index, Table } from "../tables.ts";
import { idLengthMax, indexName } from "../migrations.ts";

/** Declared types: SQLite takes the affinity from the TEXT, INT or BLOB in the name; the rest is for our decoder. */
export const declared: Readonly<Record<ColumnKind, string>> = {
  id: "ID_TEXT",
  text: "TEXT",
  bytes: "BYTES_BLOB",
  int: "INTEGER",
  big: "BIG_INT",
  bool: "BOOL_INT",
  json: "JSON_TEXT",
  time_ms: "TIME_INT",
};

const storage: Readonly<Record<ColumnKind, string>> = {
  id: "text",
  text: "text",
  bytes: "blob",
  int: "integer",
  big: "integer",
  bool: "integer",
  json: "text",
  time_ms: "integer",
};

/** SQLite stores any type in any column; these make it as strict as PostgreSQL. */
function check(name: string, kind: ColumnKind): string {
  const typed = `typeof(${name}) in ('${storage[kind]}', 'null')`;
  return kind === "id" ? `${typed} and length(${name}) <= ${idLengthMax}` : typed;
}

function column(name: string, { kind, nullable }: Columns[string]): string {
  return `${name} ${declared[kind]}${nullable ? "" : " not null"} check (${check(name, kind)})`;
}

function index(table: Table, { columns, unique }: Index): string {
  return `create ${unique ? "unique " : ""}index ${indexName(table, columns)} on ${table.tableName} (${columns.join(", ")})`;
}

/** The statements that make a table and its indexes. */
export function createTable(table: Table): string[] {
  const columns = Object.entries(table.definition).map(([name, of]) => column(name, of));
  const key = `primary key (${table.key.join(", ")})`;
  return [
    // A row of queues and rules is found in one tree instead of two; large bodies spill to overflow pages either way.
    `create table ${table.tableName} (${[...columns, key].join(", ")}) without rowid`,
    ...table.indexes.map((of) => index(table, of)),
  ];
}
