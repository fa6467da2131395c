/** Tables in PostgreSQL's words. */
import { idLengthMax, indexName } from "../migrations.ts";
import type { ColumnKind, Columns, Index, Table } from "../tables.ts";

/**
 * Types of the column kinds, as arrays in an append too. A result tells of a column only the type: so `big` is a numeric
 * of 19 digits, which nothing else is, and int8 stays for numbers.
 */
export const columnTypes: Readonly<Record<ColumnKind, string>> = {
  id: `varchar(${idLengthMax})`,
  text: "text",
  bytes: "bytea",
  int: "int8",
  big: "numeric(19,0)",
  bool: "boolean",
  json: "json",
  time_ms: "int8",
};

/** 64 bits are not quite 19 digits. */
const bigRange = (name: string) => ` check (${name} between ${-(2n ** 63n)} and ${2n ** 63n - 1n})`;

function column(name: string, { kind, nullable }: Columns[string]): string {
  // The database's own collation would order text by the customs of a country, and differently on each machine.
  const collation = kind === "id" || kind === "text" ? ' collate "C"' : "";
  const check = kind === "big" ? bigRange(name) : "";
  return `${name} ${columnTypes[kind]}${collation}${nullable ? "" : " not null"}${check}`;
}

function index(table: Table, { columns, unique }: Index): string {
  return `create ${unique ? "unique " : ""}index ${indexName(table, columns)} on ${table.tableName} (${columns.join(", ")})`;
}

/** The statements that make a table and its indexes. */
export function createTable(table: Table): string[] {
  const columns = Object.entries(table.definition).map(([name, of]) => column(name, of));
  const key = `primary key (${table.key.join(", ")})`;
  return [
    `create table ${table.tableName} (${[...columns, key].join(", ")})`,
    ...table.indexes.map((of) => index(table, of)),
  ];
}
