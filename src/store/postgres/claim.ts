/** Claims in one statement: whoever comes second skips the rows that another is taking, and waits for nobody. */
import { claimChange, claimOrder } from "../rows.ts";
import { join, raw, sql } from "../sql.ts";
import type { Claim } from "../store.ts";
import type { Columns, RowOf } from "../tables.ts";
import type { Session } from "./session.ts";

/** `returning` keeps no order and has only the new `due`: so the rows are locked, then numbered, then changed. */
export async function claimRows<C extends Columns>(session: Session, claim: Claim<C>): Promise<RowOf<C>[]> {
  const { from, due, where, now, limit } = claim;
  const condition = where === undefined ? raw("") : sql` and (${where})`;
  const taken = raw([...new Set([due, ...from.key])].join(", "));
  const columns = raw(
    Object.keys(from.definition)
      .map((name) => `target.${name}`)
      .join(", "),
  );
  const sameKey = join(
    from.key.map((name) => raw(`target.${name} = numbered.${name}`)),
    " and ",
  );
  const statement = sql`
    with locked as materialized (
      select ${taken} from ${from.name} where ${raw(due)} <= ${now}${condition}
      order by ${claimOrder(claim)} limit ${limit} for update skip locked
    ), numbered as (
      select ${taken}, row_number() over (order by ${claimOrder(claim)}) as claim_position from locked
    )
    update ${from.name} as target set ${claimChange(claim, "target.")}
    from numbered where ${sameKey} returning ${columns}, numbered.claim_position`;
  const rows = (await session.all(statement)) as (RowOf<C> & { claim_position?: number })[];
  rows.sort((a, b) => (a.claim_position ?? 0) - (b.claim_position ?? 0));
  for (const row of rows) delete row.claim_position;
  return rows;
}
