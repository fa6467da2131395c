/** Provisioned concurrency: how many environments of a version or an alias are asked for ahead. */
import { sql, type Sql } from "../../store/sql.ts";
import type { ReadTx, Tx } from "../../store/store.ts";
import { c, table, type Row } from "../../store/tables.ts";
import type { FunctionKey } from "./names.ts";
import { functions, isFunction } from "./tables.ts";

export const provisionedConfigs = table(
  "lambda_provisioned",
  {
    account: c.id,
    region: c.id,
    name: c.id,
    /** A version's number or an alias. */
    qualifier: c.id,
    requested: c.int,
    modified_ms: c.time,
  },
  { key: ["account", "region", "name", "qualifier"] },
);
export type ProvisionedRow = Row<typeof provisionedConfigs>;

export interface ProvisionedKey extends FunctionKey {
  qualifier: string;
}

export const isProvisioned = (key: ProvisionedKey): Sql => sql`${isFunction(key)} and qualifier = ${key.qualifier}`;

export function findProvisioned(tx: ReadTx, key: ProvisionedKey): Promise<ProvisionedRow | undefined> {
  return tx.one<ProvisionedRow>(
    sql`select ${provisionedConfigs.columns} from ${provisionedConfigs.name} where ${isProvisioned(key)}`,
  );
}

/** All of a function, in order of their qualifiers. */
export function provisionedOf(tx: ReadTx, key: FunctionKey): Promise<ProvisionedRow[]> {
  return tx.all<ProvisionedRow>(sql`select ${provisionedConfigs.columns} from ${provisionedConfigs.name}
    where ${isFunction(key)} order by qualifier`);
}

/** What all versions and aliases of a function ask for together. */
export const totalOf = (rows: readonly ProvisionedRow[]) => rows.reduce((sum, { requested }) => sum + requested, 0);

/** What functions without a reservation ask for together: it is taken from the account's pool. */
export async function pooledProvisioned(tx: ReadTx, { account, region }: Omit<FunctionKey, "name">): Promise<number> {
  // PostgreSQL gives a sum as text.
  const row = await tx.one<{ requested: number | string | null }>(sql`
    select sum(p.requested) as requested from ${provisionedConfigs.name} p
    join ${functions.name} f on f.account = p.account and f.region = p.region and f.name = p.name
    where p.account = ${account} and p.region = ${region} and f.reserved is null`);
  return Number(row?.requested ?? 0);
}

/** Removes what is asked for one qualifier, or with `qualifier` undefined for all of a function. */
export async function forgetProvisioned(tx: Tx, key: FunctionKey, qualifier?: string): Promise<void> {
  const only = qualifier === undefined ? sql`` : sql` and qualifier = ${qualifier}`;
  await tx.run(sql`delete from ${provisionedConfigs.name} where ${isFunction(key)}${only}`);
}
