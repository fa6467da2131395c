/** Function URLs. */
import type { Cors } from "@aws-sdk/client-lambda";
import { sql, type Sql } from "../../store/sql.ts";
import type { ReadTx, Tx } from "../../store/store.ts";
import { c, insert, table, type Row } from "../../store/tables.ts";
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

/** URLs whose function's answer is passed on as it comes; the others have no row here. */
export const streamedUrls = table(
  "lambda_streamed_urls",
  { account: c.id, region: c.id, name: c.id, qualifier: c.id },
  { key: ["account", "region", "name", "qualifier"] },
);

export interface Url extends UrlRow {
  streamed: boolean;
}

export interface UrlKey extends FunctionKey {
  qualifier: string;
}

export const isUrl = (key: UrlKey): Sql => sql`${isFunction(key)} and qualifier = ${key.qualifier}`;

async function withMode(tx: ReadTx, row: UrlRow | undefined): Promise<Url | undefined> {
  if (row === undefined) return undefined;
  const found = await tx.one(sql`select qualifier from ${streamedUrls.name} where ${isUrl(row)}`);
  return { ...row, streamed: found !== undefined };
}

export async function findUrl(tx: ReadTx, key: UrlKey): Promise<Url | undefined> {
  return withMode(tx, await tx.one<UrlRow>(sql`select ${urls.columns} from ${urls.name} where ${isUrl(key)}`));
}

/** Those of the rows whose answers are streamed, by qualifier. */
export async function streamedOf(tx: ReadTx, key: FunctionKey): Promise<ReadonlySet<string>> {
  const rows = await tx.all<Row<typeof streamedUrls>>(sql`select ${streamedUrls.columns} from ${streamedUrls.name}
    where ${isFunction(key)}`);
  return new Set(rows.map(({ qualifier }) => qualifier));
}

export async function setStreamed(
  tx: Tx,
  { account, region, name, qualifier }: UrlKey,
  streamed: boolean,
): Promise<void> {
  const key = { account, region, name, qualifier };
  await tx.run(sql`delete from ${streamedUrls.name} where ${isUrl(key)}`);
  if (streamed) await tx.run(insert(streamedUrls, key));
}

/** The URL of a host, whoever it belongs to. */
export async function findUrlById(tx: ReadTx, region: string, id: string): Promise<Url | undefined> {
  const isMeant = sql`url_id = ${id} and region = ${region}`;
  return withMode(tx, await tx.one<UrlRow>(sql`select ${urls.columns} from ${urls.name} where ${isMeant}`));
}

/** Removes the URL of a function or an alias, or with `qualifier` undefined all of a function. */
export async function forgetUrls(tx: Tx, key: FunctionKey, qualifier?: string): Promise<void> {
  const only = qualifier === undefined ? sql`` : sql` and qualifier = ${qualifier}`;
  await tx.run(sql`delete from ${urls.name} where ${isFunction(key)}${only}`);
  await tx.run(sql`delete from ${streamedUrls.name} where ${isFunction(key)}${only}`);
}
