/** Buckets and objects. A bucket's name is taken for all accounts; its rows are its owner's. */
import { sql } from "../../store/sql.ts";
import type { ReadTx } from "../../store/store.ts";
import { c, table, type Migration, type Row } from "../../store/tables.ts";

export const buckets = table(
  "s3_buckets",
  {
    account: c.id,
    /** Where it was made; not part of its identity. */
    region: c.id,
    name: c.id,
    created_ms: c.time,
    /** The CloudFormation step that made it; null when a client did. */
    token: c.nullable(c.id),
  },
  { key: ["account", "region", "name"], indexes: [{ columns: ["name"], unique: true }] },
);
export type Bucket = Row<typeof buckets>;

export const objects = table(
  "s3_objects",
  {
    account: c.id,
    region: c.id,
    bucket: c.id,
    key: c.id,
    blob_id: c.id,
    size_bytes: c.int,
    /** Without its quotes. */
    etag: c.id,
    modified_ms: c.time,
    content_type: c.text,
    /** System headers kept as they came (Cache-Control ...), by the name of their member. */
    headers: c.json<Record<string, string>>(),
    metadata: c.json<Record<string, string>>(),
  },
  { key: ["account", "region", "bucket", "key"], indexes: [{ columns: ["blob_id"] }] },
);
export type StoredObject = Row<typeof objects>;

export const migrations: readonly Migration[] = [{ version: 1, create: [buckets, objects] }];

export function findBucket(tx: ReadTx, name: string): Promise<Bucket | undefined> {
  return tx.one<Bucket>(sql`select ${buckets.columns} from ${buckets.name} where name = ${name}`);
}

/** The condition that picks a bucket's objects. */
export function inBucket({ account, region, name }: Bucket) {
  return sql`account = ${account} and region = ${region} and bucket = ${name}`;
}

export function findObject(tx: ReadTx, bucket: Bucket, key: string): Promise<StoredObject | undefined> {
  return tx.one<StoredObject>(
    sql`select ${objects.columns} from ${objects.name} where ${inBucket(bucket)} and key = ${key}`,
  );
}

/** Objects at or after `from` (after it when `exclusive`), in byte order of their keys. */
export function objectsFrom(tx: ReadTx, bucket: Bucket, from: string, exclusive: boolean, limit: number) {
  const comparison = exclusive ? sql`key > ${from}` : sql`key >= ${from}`;
  return tx.all<StoredObject>(sql`select ${objects.columns} from ${objects.name}
    where ${inBucket(bucket)} and ${comparison} order by key limit ${limit}`);
}
