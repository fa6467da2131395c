/** ListObjectVersions: every version of every key, the newest of a key first. */
import type { Handlers } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx } from "../../store/store.ts";
import { storageClassOf } from "./attributes-of.ts";
import { ownBucket } from "./buckets.ts";
import { ownerId } from "./owners.ts";
import { fault } from "./faults.ts";
import { listGrouped, type From } from "./grouping.ts";
import { pageLimit } from "./limits.ts";
import { encoder } from "./listing.ts";
import { inBucket, versions, type Bucket, type Version } from "./tables.ts";
import { findVersion } from "./versions.ts";

export function versionsFrom(tx: ReadTx, bucket: Bucket, from: From<number>, limit: number): Promise<Version[]> {
  const behind = from.place === "behind" ? sql`and (key > ${from.key} or rank > ${from.sub})` : sql``;
  const start = from.place === "past" ? sql`key > ${from.key}` : sql`key >= ${from.key}`;
  return tx.all<Version>(sql`select ${versions.columns} from ${versions.name} where ${inBucket(bucket)}
    and ${start} ${behind} order by key, rank limit ${limit}`);
}

async function startOf(tx: ReadTx, bucket: Bucket, keyMarker: string, idMarker: string): Promise<From<number>> {
  if (idMarker === "") return { key: keyMarker, place: keyMarker === "" ? "at" : "past" };
  if (keyMarker === "") {
    throw fault("InvalidArgument", "A version-id marker cannot be specified without a key marker.", {
      ArgumentName: "version-id-marker",
    });
  }
  const marked = await findVersion(tx, bucket, keyMarker, idMarker);
  if (marked !== undefined) return { key: keyMarker, place: "behind", sub: marked.rank };
  // It was deleted since the page before; its id still tells its place, except for `null`.
  const rank = Number.parseInt(idMarker.slice(0, 14), 16);
  return Number.isNaN(rank) ? { key: keyMarker, place: "past" } : { key: keyMarker, place: "behind", sub: rank };
}

export function versionListingOperations({ store }: Deps) {
  return {
    async ListObjectVersions(input, call) {
      const limit = pageLimit(input.MaxKeys, "maxKeys");
      const prefix = input.Prefix ?? "";
      const delimiter = input.Delimiter ?? "";
      const keyMarker = input.KeyMarker ?? "";
      const idMarker = input.VersionIdMarker ?? "";
      const { rows, commonPrefixes, next } = await store.read(async (tx) => {
        const bucket = await ownBucket(tx, input.Bucket, call);
        const from = await startOf(tx, bucket, keyMarker, idMarker);
        return listGrouped<Version, number>({
          prefix,
          delimiter,
          limit,
          from,
          fetch: (from, limit) => versionsFrom(tx, bucket, from, limit),
          fromRow: (row) => ({ key: row.key, place: "behind", sub: row.rank }),
        });
      });
      const encode = encoder(input.EncodingType);
      const told = (version: Version) => ({
        Key: encode(version.key),
        VersionId: version.version_id,
        IsLatest: version.superseded_ms === null,
        LastModified: new Date(version.modified_ms),
        Owner: { ID: ownerId(call.account), DisplayName: call.account },
      });
      return {
        Name: input.Bucket,
        Prefix: encode(prefix),
        KeyMarker: encode(keyMarker),
        VersionIdMarker: idMarker,
        MaxKeys: limit,
        IsTruncated: next !== undefined,
        ...(delimiter === "" ? {} : { Delimiter: encode(delimiter) }),
        ...(input.EncodingType === undefined ? {} : { EncodingType: input.EncodingType }),
        ...(next === undefined
          ? {}
          : "row" in next
            ? { NextKeyMarker: encode(next.row.key), NextVersionIdMarker: next.row.version_id }
            : { NextKeyMarker: encode(next.prefix) }),
        Versions: rows
          .filter((version) => !version.delete_marker)
          .map((version) => ({
            ...told(version),
            ETag: `"${version.etag}"`,
            Size: version.size_bytes,
            StorageClass: storageClassOf(version),
            ...(version.checksum === null
              ? {}
              : {
                  ChecksumAlgorithm: [version.checksum.algorithm as "CRC32"],
                  ChecksumType: version.checksum.type,
                }),
          })),
        DeleteMarkers: rows.filter((version) => version.delete_marker).map(told),
        CommonPrefixes: commonPrefixes.map((Prefix) => ({ Prefix: encode(Prefix) })),
      };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-s3")>;
}
