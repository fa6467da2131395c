/** Versions of an object: how a new one is placed, an old one found or removed. Source: S3 user guide, "How S3 Versioning works". */
import { sql } from "../../store/sql.ts";
import type { ReadTx, Tx } from "../../store/store.ts";
import { assign, upsert } from "../../store/tables.ts";
import { fault } from "./faults.ts";
import { extents, ofContent, ofKey, parts, settingOf, versions, type Bucket, type Version } from "./tables.ts";

export const nullVersion = "null";

/** Ranks count microseconds down, so that a version made in the same millisecond still has a place of its own. */
const rankMax = Number.MAX_SAFE_INTEGER;
const ranksPerMs = 1_000;
const rankDigits = 14;
/** Bytes of an id that nobody can guess; with the rank an id has 32 characters. */
export const versionRandomBytes = 9;

/** What its maker says of a version; the rest follows from where it is placed. */
export type NewVersion = Omit<
  Version,
  "account" | "region" | "bucket" | "key" | "rank" | "version_id" | "listed" | "superseded_ms"
>;

const select = sql`select ${versions.columns} from ${versions.name}`;

export function newestVersion(tx: ReadTx, bucket: Bucket, key: string): Promise<Version | undefined> {
  return tx.one<Version>(sql`${select} where ${ofKey(bucket, key)} order by rank limit 1`);
}

/** A version by its id; the newest without one. */
export async function findVersion(
  tx: ReadTx,
  bucket: Bucket,
  key: string,
  id: string | undefined,
): Promise<Version | undefined> {
  if (id === undefined) return newestVersion(tx, bucket, key);
  if (id === nullVersion) {
    return tx.one<Version>(sql`${select} where ${ofKey(bucket, key)} and version_id = ${nullVersion} limit 1`);
  }
  // An id begins with its rank, so that it is found by the primary key.
  const rank = Number.parseInt(id.slice(0, rankDigits), 16);
  if (!/^[0-9a-f]{32}$/.test(id) || rank > rankMax) throw fault("InvalidArgument", "Invalid version id specified");
  return tx.one<Version>(sql`${select} where ${ofKey(bucket, key)} and rank = ${rank} and version_id = ${id}`);
}

/** The version that a read asks for, with bytes; throws S3's errors for one that is not there or is a delete marker. */
export async function readableVersion(
  tx: ReadTx,
  bucket: Bucket,
  { Key, VersionId }: { Key: string; VersionId?: string | undefined },
): Promise<Version> {
  const found = await findVersion(tx, bucket, Key, VersionId);
  if (found === undefined) {
    if (VersionId === undefined) throw fault("NoSuchKey", "The specified key does not exist.", { Key });
    throw fault("NoSuchVersion", "The specified version does not exist.", { Key, VersionId });
  }
  if (!found.delete_marker) return found;
  if (VersionId === undefined) throw fault("NoSuchKey", "The specified key does not exist.", { Key });
  throw fault("MethodNotAllowed", "The specified method is not allowed against this resource.", {
    Method: "GET",
    ResourceType: "DeleteMarker",
  });
}

/** The newest version unless it is a delete marker: what conditional writes compare with. */
export function visible(newest: Version | undefined): Version | undefined {
  return newest?.delete_marker === false ? newest : undefined;
}

/**
 * Makes a version the newest of its key: beside the others in a bucket with versioning, else in place of the version
 * `null`. `random` makes its id.
 */
export async function placeVersion(
  tx: Tx,
  bucket: Bucket,
  key: string,
  fresh: NewVersion,
  random: string,
): Promise<Version> {
  const versioning = (await settingOf(tx, bucket, "versioning"))?.Status;
  const newest = await newestVersion(tx, bucket, key);
  const timely = rankMax - fresh.modified_ms * ranksPerMs;
  let rank = newest === undefined ? timely : Math.min(timely, newest.rank - 1);
  let id = rank.toString(16).padStart(rankDigits, "0") + random;
  let left = newest;
  if (versioning !== "Enabled") {
    id = nullVersion;
    const replaced =
      newest?.version_id === nullVersion || versioning === undefined
        ? newest
        : await findVersion(tx, bucket, key, nullVersion);
    if (replaced !== undefined) {
      await dropContent(tx, replaced);
      if (replaced === newest) {
        rank = newest.rank;
        left = undefined;
      } else await tx.run(sql`delete from ${versions.name} where ${ofKey(bucket, key)} and rank = ${replaced.rank}`);
    }
  }
  if (left !== undefined) await mark(tx, left, { listed: false, superseded_ms: fresh.modified_ms });
  const { account, region, name } = bucket;
  const version: Version = {
    ...fresh,
    account,
    region,
    bucket: name,
    key,
    rank,
    version_id: id,
    listed: !fresh.delete_marker,
    superseded_ms: null,
  };
  await tx.run(upsert(versions, version));
  return version;
}

/** Removes a version for good; the one below it becomes the newest. */
export async function removeVersion(tx: Tx, bucket: Bucket, version: Version): Promise<void> {
  await dropContent(tx, version);
  const own = ofKey(bucket, version.key);
  await tx.run(sql`delete from ${versions.name} where ${own} and rank = ${version.rank}`);
  if (version.superseded_ms !== null) return;
  const below = await newestVersion(tx, bucket, version.key);
  if (below !== undefined) await mark(tx, below, { listed: !below.delete_marker, superseded_ms: null });
}

function mark(tx: Tx, { account, region, bucket, key, rank }: Version, changes: Partial<Version>) {
  return tx.run(sql`update ${versions.name} set ${assign(versions, changes)} where account = ${account}
    and region = ${region} and bucket = ${bucket} and key = ${key} and rank = ${rank}`);
}

/** Forgets the extents and parts of a version; blobs that nothing names any more are swept by the node. */
async function dropContent(tx: Tx, { account, region, content }: Version): Promise<void> {
  if (content === null) return;
  await tx.run(sql`delete from ${extents.name} where ${ofContent({ account, region, content })}`);
  await tx.run(sql`delete from ${parts.name} where ${ofContent({ account, region, content })}`);
}

/** A delete marker: a version without bytes. */
export function deleteMarker(modifiedMs: number): NewVersion {
  return {
    delete_marker: true,
    blob_id: null,
    content: null,
    size_bytes: 0,
    etag: "",
    modified_ms: modifiedMs,
    content_type: "",
    headers: {},
    metadata: {},
    tags: null,
    checksum: null,
    parts_count: null,
    data_key: null,
    acl: null,
  };
}

/** `VersionId` as answers carry it: nothing in a bucket that was never versioned. */
export async function versionIdIn(tx: ReadTx, bucket: Bucket, version: Version): Promise<{ VersionId?: string }> {
  if (version.version_id !== nullVersion) return { VersionId: version.version_id };
  return (await settingOf(tx, bucket, "versioning")) === undefined ? {} : { VersionId: nullVersion };
}
