/** Buckets, the versions of their objects, and uploads under way. A bucket's name is taken for all accounts; its rows are its owner's. */
import { sql } from "../../store/sql.ts";
import type { ReadTx } from "../../store/store.ts";
import { c, table, type Migration, type Row } from "../../store/tables.ts";
import type { ObjectChecksum } from "./checksums.ts";
import type { SettingName, Settings } from "./settings-of.ts";

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

/** Objects as the first version of these tables had them; moved to `s3_versions`. */
const objects = table(
  "s3_objects",
  {
    account: c.id,
    region: c.id,
    bucket: c.id,
    key: c.id,
    blob_id: c.id,
    size_bytes: c.int,
    etag: c.id,
    modified_ms: c.time,
    content_type: c.text,
    headers: c.json<Record<string, string>>(),
    metadata: c.json<Record<string, string>>(),
  },
  { key: ["account", "region", "bucket", "key"], indexes: [{ columns: ["blob_id"] }] },
);

const versionColumns = {
  account: c.id,
  region: c.id,
  bucket: c.id,
  key: c.id,
  /** Smaller for each newer version of the key, so that the newest comes first. */
  rank: c.int,
  /** `null`, or text that begins with the rank (versions.ts). */
  version_id: c.id,
  /** It is the newest, and no delete marker: what listings and plain reads see. */
  listed: c.bool,
  delete_marker: c.bool,
  /** When a newer version came; null for the newest. */
  superseded_ms: c.nullable(c.time),
  /** The bytes, when they are one whole blob; else null, and `content` names their extents. */
  blob_id: c.nullable(c.id),
  content: c.nullable(c.id),
  size_bytes: c.int,
  /** Without its quotes. */
  etag: c.id,
  modified_ms: c.time,
  content_type: c.text,
  /** System headers kept as they came (Cache-Control ...), by the name of their member. */
  headers: c.json<Record<string, string>>(),
  metadata: c.json<Record<string, string>>(),
  tags: c.nullable(c.json<Record<string, string>>()),
  checksum: c.nullable(c.json<ObjectChecksum>()),
  /** Of a multipart upload; null for an object put in one piece. */
  parts_count: c.nullable(c.int),
};

const versionKeys = {
  key: ["account", "region", "bucket", "key", "rank"],
  indexes: [
    { columns: ["account", "region", "bucket", "listed", "key"] },
    { columns: ["blob_id"] },
    { columns: ["content"] },
  ],
} as const;

/** Versions as the second migration made them. */
const versionsBefore = table("s3_versions", versionColumns, versionKeys);

/** Every version of every object, delete markers too; in a bucket that was never versioned each key has one, `null`. */
export const versions = table(
  "s3_versions",
  {
    ...versionColumns,
    /** Its data key, encrypted by KMS, in base64; null for bytes that lie as they came, or under a customer's key. */
    data_key: c.nullable(c.text),
    /** Grants as JSON, where the bucket's ownership lets objects have some; null for the owner's alone. */
    acl: c.nullable(c.text),
  },
  versionKeys,
);
export type Version = Row<typeof versions>;

/** Pieces of blobs that make up a content, in order: joining parts copies no byte, and neither does copying a part. */
export const extents = table(
  "s3_extents",
  {
    account: c.id,
    region: c.id,
    /** The upload's id. */
    content: c.id,
    part_number: c.int,
    /** Within the part. */
    position: c.int,
    blob_id: c.id,
    start_bytes: c.int,
    length_bytes: c.int,
  },
  { key: ["account", "region", "content", "part_number", "position"], indexes: [{ columns: ["blob_id"] }] },
);
export type Extent = Row<typeof extents>;

/** Parts of an upload under way, and of the object that it became. */
export const parts = table(
  "s3_parts",
  {
    account: c.id,
    region: c.id,
    content: c.id,
    part_number: c.int,
    size_bytes: c.int,
    etag: c.id,
    checksum: c.nullable(c.json<ObjectChecksum>()),
    modified_ms: c.time,
  },
  { key: ["account", "region", "content", "part_number"] },
);
export type Part = Row<typeof parts>;

/** What an upload's object will have besides bytes. */
export interface Prepared {
  contentType: string;
  headers: Record<string, string>;
  metadata: Record<string, string>;
  tags: Record<string, string> | null;
  /** Of the version's column; absent in uploads begun before there was any. */
  dataKey?: string | null;
  acl?: string | null;
}

export const uploads = table(
  "s3_uploads",
  {
    account: c.id,
    region: c.id,
    bucket: c.id,
    key: c.id,
    upload_id: c.id,
    created_ms: c.time,
    prepared: c.json<Prepared>(),
    checksum: c.nullable(c.json<Omit<ObjectChecksum, "value">>()),
    /** The answer of CompleteMultipartUpload once it has run: a client that asks again gets the same. */
    completed: c.nullable(c.json<{ etag: string; versionId: string | null; checksum: ObjectChecksum | null }>()),
  },
  { key: ["account", "region", "bucket", "key", "upload_id"], indexes: [{ columns: ["created_ms"] }] },
);
export type Upload = Row<typeof uploads>;

/** A bucket's configurations, each as its Put operation gave it. */
export const settings = table(
  "s3_settings",
  { account: c.id, region: c.id, bucket: c.id, name: c.id, value: c.json<unknown>(), modified_ms: c.time },
  { key: ["account", "region", "bucket", "name"], indexes: [{ columns: ["name"] }] },
);

export const migrations: readonly Migration[] = [
  { version: 1, create: [buckets, objects] },
  {
    version: 2,
    create: [versionsBefore, extents, parts, uploads, settings],
    run: [
      sql`insert into s3_versions (account, region, bucket, key, rank, version_id, listed, delete_marker, superseded_ms,
            blob_id, content, size_bytes, etag, modified_ms, content_type, headers, metadata, tags, checksum, parts_count)
          select account, region, bucket, key, 9007199254740991 - modified_ms * 1000, 'null', true, false, null,
            blob_id, null, size_bytes, etag, modified_ms, content_type, headers, metadata, null, null, null
          from s3_objects`,
      sql`delete from s3_objects`,
    ],
  },
  {
    version: 3,
    run: [sql`alter table s3_versions add column data_key text`, sql`alter table s3_versions add column acl text`],
  },
];

export function findBucket(tx: ReadTx, name: string): Promise<Bucket | undefined> {
  return tx.one<Bucket>(sql`select ${buckets.columns} from ${buckets.name} where name = ${name}`);
}

/** The condition that picks what is in a bucket. */
export function inBucket({ account, region, name }: Bucket) {
  return sql`account = ${account} and region = ${region} and bucket = ${name}`;
}

/** The condition that picks an object's versions. */
export function ofKey(bucket: Bucket, key: string) {
  return sql`${inBucket(bucket)} and key = ${key}`;
}

export interface ContentRef {
  account: string;
  region: string;
  content: string;
}

/** The condition that picks the extents or parts of a content. */
export function ofContent({ account, region, content }: ContentRef) {
  return sql`account = ${account} and region = ${region} and content = ${content}`;
}

/** Objects at or after `from` (after it when `exclusive`), in byte order of their keys. */
export function objectsFrom(tx: ReadTx, bucket: Bucket, from: string, exclusive: boolean, limit: number) {
  const comparison = exclusive ? sql`key > ${from}` : sql`key >= ${from}`;
  return tx.all<Version>(sql`select ${versions.columns} from ${versions.name}
    where ${inBucket(bucket)} and listed = ${true} and ${comparison} order by key limit ${limit}`);
}

export async function namesBlob(tx: ReadTx, id: string): Promise<boolean> {
  const named = await tx.one(sql`select blob_id from ${versions.name} where blob_id = ${id} limit 1`);
  return (
    named !== undefined ||
    (await tx.one(sql`select blob_id from ${extents.name} where blob_id = ${id} limit 1`)) !== undefined
  );
}

/** All configurations of the bucket. */
export async function allSettings(tx: ReadTx, bucket: Bucket): Promise<Partial<Settings>> {
  const rows = await tx.all<{ name: string; value: unknown }>(
    sql`select name, value from ${settings.name} where ${inBucket(bucket)}`,
  );
  return Object.fromEntries(rows.map(({ name, value }) => [name, value]));
}

/** A configuration of the bucket, or undefined. */
export async function settingOf<N extends SettingName>(
  tx: ReadTx,
  bucket: Bucket,
  name: N,
): Promise<Settings[N] | undefined> {
  const row = await tx.one<{ value: Settings[N] }>(
    sql`select value from ${settings.name} where ${inBucket(bucket)} and name = ${name}`,
  );
  return row?.value;
}
