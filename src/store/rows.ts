/** The parts of appends and claims that do not depend on the engine. */
import { assert } from "../base/errors.ts";
import { raw, type Sql } from "./sql.ts";
import type { Claim } from "./store.ts";
import type { Columns, RowOf } from "./tables.ts";

/** Rows of one append or one claim: more would hold the event loop and the locks for longer than 10 ms. */
export const rowsMax = 500;

export function checkAppend(rows: readonly unknown[]): void {
  assert(rows.length <= rowsMax, `${rows.length} rows in one append; ${rowsMax} are allowed`);
}

export function checkClaim<C extends Columns>({ from, due, count, limit, leaseMs }: Claim<C>): void {
  assert(from.definition[due]?.kind === "time_ms", `${from.tableName}.${due} is no column of kind time_ms`);
  assert(from.definition[count]?.kind === "int", `${from.tableName}.${count} is no column of kind int`);
  assert(limit >= 1 && limit <= rowsMax, `a claim of ${limit} rows; 1 to ${rowsMax} are allowed`);
  assert(leaseMs > 0, "a lease of no time is claimed by everybody");
}

/** Longest due first; the key makes the order the same on every node. */
export function claimOrder<C extends Columns>({ from, due }: Claim<C>): Sql {
  return raw([due, ...from.key.filter((name) => name !== due)].join(", "));
}

/** A row as the claim leaves it. */
export function claimed<C extends Columns>({ due, count, now, leaseMs }: Claim<C>, row: RowOf<C>): RowOf<C> {
  return { ...row, [due]: now + leaseMs, [count]: Number(row[count]) + 1 };
}
