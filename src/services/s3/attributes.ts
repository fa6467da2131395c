/** GetObjectAttributes: what an object is, in one answer, without its bytes. */
import type { Handlers } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { storageClassOf } from "./attributes-of.ts";
import { ownBucket } from "./buckets.ts";
import { checksumMembers, partChecksumMembers } from "./checksums.ts";
import { pageLimit } from "./limits.ts";
import { partsAfter } from "./parts.ts";
import { readableVersion, versionIdIn } from "./versions.ts";

export function attributeOperations({ store }: Deps) {
  return {
    async GetObjectAttributes(input, call) {
      const limit = pageLimit(input.MaxParts, "max-parts");
      const after = Number(input.PartNumberMarker ?? 0);
      const { version, versionId, rows } = await store.read(async (tx) => {
        const bucket = await ownBucket(tx, input.Bucket, call);
        const version = await readableVersion(tx, bucket, input);
        const { account, region, content } = version;
        return {
          version,
          versionId: await versionIdIn(tx, bucket, version),
          rows: content === null ? [] : await partsAfter(tx, { account, region, content }, after, limit + 1),
        };
      });
      const wanted = new Set<string>(input.ObjectAttributes);
      const page = rows.slice(0, limit);
      const { checksum, parts_count: count } = version;
      // Source: GetObjectAttributes, "ObjectParts": the parts themselves only with checksums.
      const listed = page.every((part) => part.checksum !== null);
      const ObjectParts = {
        TotalPartsCount: count ?? 0,
        PartNumberMarker: String(after),
        NextPartNumberMarker: String(page.at(-1)?.part_number ?? after),
        MaxParts: limit,
        IsTruncated: rows.length > limit,
        ...(listed
          ? {
              Parts: page.map((part) => ({
                PartNumber: part.part_number,
                Size: part.size_bytes,
                ...partChecksumMembers(part.checksum),
              })),
            }
          : {}),
      };
      return {
        LastModified: new Date(version.modified_ms),
        ...versionId,
        ...(wanted.has("ETag") ? { ETag: version.etag } : {}),
        ...(wanted.has("Checksum") && checksum !== null ? { Checksum: checksumMembers(checksum) } : {}),
        ...(wanted.has("ObjectParts") && count !== null ? { ObjectParts } : {}),
        ...(wanted.has("StorageClass") ? { StorageClass: storageClassOf(version) } : {}),
        ...(wanted.has("ObjectSize") ? { ObjectSize: version.size_bytes } : {}),
      };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-s3")>;
}
