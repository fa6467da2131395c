/** Appends and claims as plain work: they join a batch like a body, without its promises. */
import { claimChange, claimed, claimOrder } from "../rows.ts";
import { join, raw, sql, type SqlValue } from "../sql.ts";
import type { Claim } from "../store.ts";
import { insert, type Columns, type RowOf, type Table } from "../tables.ts";
import type { Connection } from "./connection.ts";

export function appendRows<C extends Columns>(connection: Connection, into: Table<C>, rows: readonly RowOf<C>[]): void {
  for (const row of rows) connection.run(insert(into, row));
}

/** Nobody writes between the statements: they run in one turn, in one transaction. */
export function claimRows<C extends Columns>(connection: Connection, claim: Claim<C>): RowOf<C>[] {
  const { from, due, where, now, limit } = claim;
  const dueName = raw(due);
  const condition = where === undefined ? raw("") : sql` and (${where})`;
  const rows = connection.all(
    sql`select ${from.columns} from ${from.name} where ${dueName} <= ${now}${condition} order by ${claimOrder(claim)} limit ${limit}`,
  ) as RowOf<C>[];
  for (const row of rows) {
    const isRow = join(
      from.key.map((name) => sql`${raw(name)} = ${row[name] as SqlValue}`),
      " and ",
    );
    connection.run(sql`update ${from.name} set ${claimChange(claim)} where ${isRow}`);
  }
  return rows.map((row) => claimed(claim, row));
}
