/** What is under way: the parts of an upload, the uploads of a bucket. */
import type { Handlers } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx } from "../../store/store.ts";
import { ownBucket } from "./buckets.ts";
import { ownerId } from "./owners.ts";
import { partChecksumMembers } from "./checksums.ts";
import { listGrouped, type From } from "./grouping.ts";
import { pageLimit } from "./limits.ts";
import { encoder } from "./listing.ts";
import { partsAfter } from "./parts.ts";
import { inBucket, uploads, type Bucket, type Upload } from "./tables.ts";
import { contentOf, openUpload } from "./uploads.ts";

function uploadsFrom(tx: ReadTx, bucket: Bucket, from: From<string>, limit: number): Promise<Upload[]> {
  const behind = from.place === "behind" ? sql`and (key > ${from.key} or upload_id > ${from.sub})` : sql``;
  const start = from.place === "past" ? sql`key > ${from.key}` : sql`key >= ${from.key}`;
  return tx.all<Upload>(sql`select ${uploads.columns} from ${uploads.name} where ${inBucket(bucket)}
    and completed is null and ${start} ${behind} order by key, upload_id limit ${limit}`);
}

function checksumKind({ checksum }: Upload) {
  return checksum === null ? {} : { ChecksumAlgorithm: checksum.algorithm as "CRC32", ChecksumType: checksum.type };
}

const storageClassOf = ({ prepared }: Upload) => (prepared.headers["StorageClass"] ?? "STANDARD") as "STANDARD";

export function uploadListingOperations({ store }: Deps) {
  return {
    async ListParts(input, call) {
      const limit = pageLimit(input.MaxParts, "max-parts");
      const after = Number(input.PartNumberMarker ?? 0);
      const { upload, rows } = await store.read(async (tx) => {
        const { upload } = await openUpload(tx, input, call);
        return { upload, rows: await partsAfter(tx, contentOf(upload), after, limit + 1) };
      });
      const page = rows.slice(0, limit);
      const last = page.at(-1)?.part_number ?? after;
      const who = { ID: ownerId(call.account), DisplayName: call.account };
      return {
        Bucket: input.Bucket,
        Key: input.Key,
        UploadId: input.UploadId,
        Initiator: who,
        Owner: who,
        StorageClass: storageClassOf(upload),
        PartNumberMarker: String(after),
        NextPartNumberMarker: String(last),
        MaxParts: limit,
        IsTruncated: rows.length > limit,
        ...checksumKind(upload),
        Parts: page.map((part) => ({
          PartNumber: part.part_number,
          LastModified: new Date(part.modified_ms),
          ETag: `"${part.etag}"`,
          Size: part.size_bytes,
          ...partChecksumMembers(part.checksum),
        })),
      };
    },

    async ListMultipartUploads(input, call) {
      const limit = pageLimit(input.MaxUploads, "max-uploads");
      const prefix = input.Prefix ?? "";
      const delimiter = input.Delimiter ?? "";
      const keyMarker = input.KeyMarker ?? "";
      const idMarker = input.UploadIdMarker ?? "";
      const from: From<string> =
        idMarker !== "" && keyMarker !== ""
          ? { key: keyMarker, place: "behind", sub: idMarker }
          : { key: keyMarker, place: keyMarker === "" ? "at" : "past" };
      const found = await store.read(async (tx) => {
        const bucket = await ownBucket(tx, input.Bucket, call);
        return listGrouped<Upload, string>({
          prefix,
          delimiter,
          limit,
          from,
          fetch: (from, limit) => uploadsFrom(tx, bucket, from, limit),
          fromRow: (row) => ({ key: row.key, place: "behind", sub: row.upload_id }),
        });
      });
      const encode = encoder(input.EncodingType);
      const { next } = found;
      const who = { ID: ownerId(call.account), DisplayName: call.account };
      return {
        Bucket: input.Bucket,
        KeyMarker: encode(keyMarker),
        UploadIdMarker: idMarker,
        MaxUploads: limit,
        IsTruncated: next !== undefined,
        ...(prefix === "" ? {} : { Prefix: encode(prefix) }),
        ...(delimiter === "" ? {} : { Delimiter: encode(delimiter) }),
        ...(input.EncodingType === undefined ? {} : { EncodingType: input.EncodingType }),
        ...(next === undefined
          ? {}
          : "row" in next
            ? { NextKeyMarker: encode(next.row.key), NextUploadIdMarker: next.row.upload_id }
            : { NextKeyMarker: encode(next.prefix), NextUploadIdMarker: "" }),
        Uploads: found.rows.map((upload) => ({
          UploadId: upload.upload_id,
          Key: encode(upload.key),
          Initiated: new Date(upload.created_ms),
          StorageClass: storageClassOf(upload),
          Owner: who,
          Initiator: who,
          ...checksumKind(upload),
        })),
        CommonPrefixes: found.commonPrefixes.map((Prefix) => ({ Prefix: encode(Prefix) })),
      };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-s3")>;
}
