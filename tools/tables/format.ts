/** The text of a table: valid JSON, a line for each operation and structure, so that a change reads well in a diff. */
import type { Table } from "../../src/wire/table.ts";

export function formatTable(table: Table): string {
  const lines = Object.entries(table)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${JSON.stringify(key)}: ${isRows(key) ? rows(value) : JSON.stringify(value)}`);
  return `{\n${lines.join(",\n")}\n}\n`;
}

const isRows = (key: string) => key === "operations" || key === "structures";

function rows(value: object): string {
  const lines = Object.entries(value).map(([name, row]) => `${JSON.stringify(name)}: ${JSON.stringify(row)}`);
  return lines.length === 0 ? "{}" : `{\n${lines.join(",\n")}\n}`;
}
