/** Function URLs. */
import type { Cors } from "@aws-sdk/client-lambda";
import { sql, type Sql } from "../../store/sql.ts";
import type { ReadTx, Tx } from "../../store/store.ts";
import { c, table, type Row } from "../../store/tables.ts";
import type { FunctionKey } from "./names.ts";
import { isFunction } from "./tables.ts";

export const urls = table(
  "lambda_urls",
  {
    account: c.id,
    region: c.id,
    name: c.id,
    /** An alias; empty for the function itself. */
    qualifier: c.id,
    /** The first label of its host. */
    url_id: c.id,
    auth_type: c.id,
    /** Null: the function itself answers pages of other origins. */
    cors: c.nullable(c.json<Cors>()),
    created_ms: c.time,
    modified_ms: c.time,
    token: c.nullable(c.id),
  },
  { key: ["account", "region", "name", "qualifier"], indexes: [{ columns: ["url_id"], unique: true }] },
);
export type UrlRow = Row<typeof urls>;

export interface UrlKey extends FunctionKey {
  qualifier: string;
}

export const isUrl = (key: UrlKey): Sql => sql`${isFunction(key)} and qualifier = ${key.qualifier}`;

export function findUrl(tx: ReadTx, key: UrlKey): Promise<UrlRow | undefined> {
  return tx.one<UrlRow>(sql`select ${urls.columns} from ${urls.name} where ${isUrl(key)}`);
}

/** The URL of a host, whoever it belongs to. */
export function findUrlById(tx: ReadTx, region: string, id: string): Promise<UrlRow | undefined> {
  return tx.one<UrlRow>(sql`select ${urls.columns} from ${urls.name} where url_id = ${id} and region = ${region}`);
}

/** Removes the URL of a function or an alias, or with `qualifier` undefined all of a function. */
export async function forgetUrls(tx: Tx, key: FunctionKey, qualifier?: string): Promise<void> {
  const only = qualifier === undefined ? sql`` : sql` and qualifier = ${qualifier}`;
  await tx.run(sql`delete from ${urls.name} where ${isFunction(key)}${only}`);
}
