/** How the events of a function, a version or an alias are tried, and where their results go. */
import { sql, type Sql } from "../../store/sql.ts";
import type { ReadTx, Tx } from "../../store/store.ts";
import { c, table, type Row } from "../../store/tables.ts";
import { latest, type FunctionKey, type FunctionRef } from "./names.ts";
import { isFunction } from "./tables.ts";

export const eventConfigs = table(
  "lambda_event_configs",
  {
    account: c.id,
    region: c.id,
    name: c.id,
    /** `$LATEST`, a version's number or an alias. */
    qualifier: c.id,
    modified_ms: c.time,
    retries: c.nullable(c.int),
    age_seconds: c.nullable(c.int),
    /** ARNs. */
    on_success: c.nullable(c.id),
    on_failure: c.nullable(c.id),
    token: c.nullable(c.id),
  },
  { key: ["account", "region", "name", "qualifier"] },
);
export type EventConfigRow = Row<typeof eventConfigs>;

export interface EventConfigKey extends FunctionKey {
  qualifier: string;
}

/** The configuration that events for `ref` follow: without a qualifier, that of `$LATEST`. */
export const eventConfigKey = ({ account, region, name, qualifier = latest }: FunctionRef): EventConfigKey => ({
  account,
  region,
  name,
  qualifier,
});

export const isEventConfig = (key: EventConfigKey): Sql => sql`${isFunction(key)} and qualifier = ${key.qualifier}`;

export function findEventConfig(tx: ReadTx, key: EventConfigKey): Promise<EventConfigRow | undefined> {
  return tx.one<EventConfigRow>(
    sql`select ${eventConfigs.columns} from ${eventConfigs.name} where ${isEventConfig(key)}`,
  );
}

/** Removes the configuration of one qualifier, or with `qualifier` undefined all of a function. */
export async function forgetEventConfigs(tx: Tx, key: FunctionKey, qualifier?: string): Promise<void> {
  const only = qualifier === undefined ? sql`` : sql` and qualifier = ${qualifier}`;
  await tx.run(sql`delete from ${eventConfigs.name} where ${isFunction(key)}${only}`);
}
