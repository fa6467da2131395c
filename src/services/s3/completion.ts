/** An upload's end: its parts are checked and become an object, without a byte being copied. */
import { createHash } from "node:crypto";
import type { Handlers, InputOf, Received } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import type { Tx } from "../../store/store.ts";
import { assign } from "../../store/tables.ts";
import { preparedColumns } from "./attributes-of.ts";
import { ownBucket } from "./buckets.ts";
import { checksumMembers, givenChecksum, joinedChecksum, type ObjectChecksum } from "./checksums.ts";
import { checkWrite } from "./conditions.ts";
import { encryptionMembers } from "./encryption.ts";
import { fault } from "./faults.ts";
import { partBytesMin, partNumberMax } from "./limits.ts";
import type { Events } from "./notifications.ts";
import { partsAfter } from "./parts.ts";
import { extents, ofContent, ofKey, parts, uploads, type Part, type Upload } from "./tables.ts";
import { contentOf, findUpload, noSuchUpload } from "./uploads.ts";
import { newestVersion, placeVersion, versionIdIn, versionRandomBytes, visible } from "./versions.ts";

type Input = Received<InputOf<typeof import("@aws-sdk/client-s3"), "CompleteMultipartUpload">>;
type Claimed = NonNullable<NonNullable<Input["MultipartUpload"]>["Parts"]>;

/** The stored parts that the list names, in order; throws S3's errors where it is not one of theirs. */
export function chosenParts(stored: readonly Part[], claimed: Claimed): Part[] {
  const byNumber = new Map(stored.map((part) => [part.part_number, part]));
  let before = 0;
  const chosen = claimed.map((claim) => {
    const number = claim.PartNumber ?? 0;
    if (number <= before) {
      throw fault(
        "InvalidPartOrder",
        "The list of parts was not in ascending order. Parts must be ordered by part number.",
      );
    }
    before = number;
    const part = byNumber.get(number);
    const sum = givenChecksum(claim);
    const fits =
      part !== undefined &&
      (claim.ETag === undefined || claim.ETag.replaceAll('"', "") === part.etag) &&
      (sum === null || part.checksum === null || sum.value === part.checksum.value);
    if (fits) return part;
    throw fault(
      "InvalidPart",
      "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
      { PartNumber: String(number), ETag: claim.ETag },
    );
  });
  const small = chosen.slice(0, -1).find(({ size_bytes: bytes }) => bytes < partBytesMin);
  if (small === undefined) return chosen;
  throw fault("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size", {
    ProposedSize: String(small.size_bytes),
    MinSizeAllowed: String(partBytesMin),
    PartNumber: String(small.part_number),
    ETag: small.etag,
  });
}

/** The MD5 of the parts' MD5s, and their number. */
export function compositeEtag(chosen: readonly Pick<Part, "etag">[]): string {
  const md5 = createHash("md5");
  for (const { etag } of chosen) md5.update(Buffer.from(etag, "hex"));
  return `${md5.digest("hex")}-${chosen.length}`;
}

/** The whole object's checksum; compared with the one that the request claims. */
function wholeChecksum(upload: Upload, chosen: readonly Part[], input: Input): ObjectChecksum | null {
  const { checksum: kind } = upload;
  if (kind === null) return null;
  if (input.ChecksumType !== undefined && input.ChecksumType !== kind.type) {
    throw fault(
      "InvalidRequest",
      `The upload was created using the ${kind.type} checksum mode. The complete request must use the same checksum mode.`,
    );
  }
  const sums = chosen.flatMap(({ checksum, size_bytes: sizeBytes }) =>
    checksum === null ? [] : [{ value: checksum.value, sizeBytes }],
  );
  if (sums.length < chosen.length) return null;
  const whole = joinedChecksum(kind, sums);
  const claimed = givenChecksum(input);
  const same =
    claimed === null ||
    (claimed.algorithm === kind.algorithm && claimed.value.replace(/-\d+$/, "") === whole.value.replace(/-\d+$/, ""));
  if (same) return whole;
  throw fault("BadDigest", `The ${kind.algorithm.toLowerCase()} you specified did not match the calculated checksum.`);
}

async function dropOthers(tx: Tx, upload: Upload, stored: readonly Part[], chosen: readonly Part[]): Promise<void> {
  const kept = new Set(chosen.map((part) => part.part_number));
  const ref = contentOf(upload);
  for (const { part_number: number } of stored) {
    if (kept.has(number)) continue;
    await tx.run(sql`delete from ${extents.name} where ${ofContent(ref)} and part_number = ${number}`);
    await tx.run(sql`delete from ${parts.name} where ${ofContent(ref)} and part_number = ${number}`);
  }
}

export function completionOperations({ store, clock, ids }: Deps, events: Events) {
  return {
    async CompleteMultipartUpload(input, call) {
      const claimed = input.MultipartUpload?.Parts ?? [];
      if (claimed.length === 0 || claimed.length > partNumberMax) {
        throw fault(
          "MalformedXML",
          "The XML you provided was not well-formed or did not validate against our published schema",
        );
      }
      const modifiedMs = clock.now();
      const random = ids.hex(versionRandomBytes);
      const done = await store.tx(async (tx) => {
        const bucket = await ownBucket(tx, input.Bucket, call);
        const upload = await findUpload(tx, bucket, input);
        if (upload === undefined) throw noSuchUpload(input.UploadId);
        // A client whose answer got lost asks again, and gets it again.
        const told = encryptionMembers(upload.prepared.headers);
        if (upload.completed !== null) return { ...upload.completed, told };
        if (input.IfMatch !== undefined || input.IfNoneMatch !== undefined) {
          checkWrite(input, visible(await newestVersion(tx, bucket, input.Key)));
        }
        const stored = await partsAfter(tx, contentOf(upload), 0, partNumberMax);
        const chosen = chosenParts(stored, claimed);
        const sizeBytes = chosen.reduce((sum, part) => sum + part.size_bytes, 0);
        if (input.MpuObjectSize !== undefined && input.MpuObjectSize !== sizeBytes) {
          const message = `The provided 'x-amz-mp-object-size' header value ${input.MpuObjectSize} does not match what was computed: ${sizeBytes}`;
          throw fault("InvalidRequest", message);
        }
        const etag = compositeEtag(chosen);
        const checksum = wholeChecksum(upload, chosen, input);
        await dropOthers(tx, upload, stored, chosen);
        const fresh = {
          ...preparedColumns(upload.prepared),
          delete_marker: false,
          blob_id: null,
          content: upload.upload_id,
          size_bytes: sizeBytes,
          etag,
          modified_ms: modifiedMs,
          checksum,
          parts_count: chosen.length,
        };
        const version = await placeVersion(tx, bucket, input.Key, fresh, random);
        const { VersionId: versionId = null } = await versionIdIn(tx, bucket, version);
        const completed = { etag, versionId, checksum };
        await tx.run(sql`update ${uploads.name} set ${assign(uploads, { completed })}
          where ${ofKey(bucket, input.Key)} and upload_id = ${input.UploadId}`);
        await events.happened(tx, bucket, "ObjectCreated:CompleteMultipartUpload", version, call);
        return { ...completed, told };
      });
      return {
        Location: `${call.publicUrl}/${input.Bucket}/${input.Key.split("/").map(encodeURIComponent).join("/")}`,
        Bucket: input.Bucket,
        Key: input.Key,
        ETag: `"${done.etag}"`,
        ...done.told,
        ...(done.versionId === null ? {} : { VersionId: done.versionId }),
        ...checksumMembers(done.checksum),
      };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-s3")>;
}
