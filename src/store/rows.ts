/** The parts of appends and claims that do not depend on the engine. */
import { assert } from "../base/errors.ts";
import { raw, sql, type Sql } from "./sql.ts";
import type { Claim } from "./store.ts";
import type { Columns, RowOf } from "./tables.ts";

/** Rows of one append or one claim: more would hold the event loop and the locks for longer than 10 ms. */
export const rowsMax = 500;

export function checkAppend(rows: readonly unknown[]): void {
  assert(rows.length <= rowsMax, `${rows.length} rows in one append; ${rowsMax} are allowed`);
}

export function checkClaim<C extends Columns>({ from, due, count, first, limit, leaseMs }: Claim<C>): void {
  assert(from.definition[due]?.kind === "time_ms", `${from.tableName}.${due} is no column of kind time_ms`);
  assert(from.definition[count]?.kind === "int", `${from.tableName}.${count} is no column of kind int`);
  const firstColumn = first === undefined ? undefined : from.definition[first];
  assert(
    first === undefined || (firstColumn?.kind === "time_ms" && firstColumn.nullable),
    `${from.tableName}.${first} is no nullable column of kind time_ms`,
  );
  assert(limit >= 1 && limit <= rowsMax, `a claim of ${limit} rows; 1 to ${rowsMax} are allowed`);
  assert(leaseMs > 0, "a lease of no time is claimed by everybody");
}

/** Longest due first; the key makes the order the same on every node. */
export function claimOrder<C extends Columns>({ from, due }: Claim<C>): Sql {
  return raw([due, ...from.key.filter((name) => name !== due)].join(", "));
}

/** A row as the claim leaves it. */
export function claimed<C extends Columns>({ due, count, first, now, leaseMs }: Claim<C>, row: RowOf<C>): RowOf<C> {
  const after: RowOf<C> = { ...row, [due]: now + leaseMs, [count]: Number(row[count]) + 1 };
  return first === undefined ? after : { ...after, [first]: row[first] ?? now };
}

/** What a claim sets, as in `update ... set`; `prefix` names the row that is read. */
export function claimChange<C extends Columns>({ due, count, first, now, leaseMs }: Claim<C>, prefix = ""): Sql {
  const change = sql`${raw(due)} = ${now + leaseMs}, ${raw(count)} = ${raw(prefix + count)} + 1`;
  return first === undefined ? change : sql`${change}, ${raw(first)} = coalesce(${raw(prefix + first)}, ${now})`;
}
