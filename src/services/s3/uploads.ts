/** Multipart uploads: begun, given their parts, given up. Source: S3 user guide, "Uploading and copying objects using multipart upload". */
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx, Tx } from "../../store/store.ts";
import { insert, upsert } from "../../store/tables.ts";
import { preparedOf } from "./attributes-of.ts";
import { ownBucket } from "./buckets.ts";
import { givenChecksum, summed, partChecksumMembers, uploadChecksum, type ObjectChecksum } from "./checksums.ts";
import { putBody, type Piece } from "./content.ts";
import { createEncryption, encryptionMembers, type CustomerKey, type ObjectEncryption } from "./encryption.ts";
import { fault } from "./faults.ts";
import { checkKey, checkPartNumber, objectBytesMax } from "./limits.ts";
import {
  allSettings,
  extents,
  ofContent,
  ofKey,
  parts,
  uploads,
  type Bucket,
  type ContentRef,
  type Upload,
} from "./tables.ts";

const uploadRandomBytes = 26;
const uploadIdDigits = 12;

export interface UploadRef {
  Bucket: string;
  Key: string;
  UploadId: string;
}

export async function findUpload(tx: ReadTx, bucket: Bucket, ref: UploadRef): Promise<Upload | undefined> {
  return tx.one<Upload>(sql`select ${uploads.columns} from ${uploads.name}
    where ${ofKey(bucket, ref.Key)} and upload_id = ${ref.UploadId}`);
}

/** The upload under way; throws `NoSuchUpload` for one that is not there, or has ended. */
export async function openUpload(tx: ReadTx, ref: UploadRef, call: Call): Promise<{ bucket: Bucket; upload: Upload }> {
  const bucket = await ownBucket(tx, ref.Bucket, call);
  const upload = await findUpload(tx, bucket, ref);
  if (upload === undefined || upload.completed !== null) throw noSuchUpload(ref.UploadId);
  return { bucket, upload };
}

export const noSuchUpload = (UploadId: string) =>
  fault(
    "NoSuchUpload",
    "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.",
    { UploadId },
  );

export function contentOf({ account, region, upload_id: content }: Upload): ContentRef {
  return { account, region, content };
}

export interface NewPart {
  number: number;
  pieces: readonly Piece[];
  sizeBytes: number;
  etag: string;
  checksum: ObjectChecksum | null;
  modifiedMs: number;
}

/** Names a part's bytes; they take the place of those it had. */
export async function placePart(tx: Tx, upload: Upload, part: NewPart): Promise<void> {
  const ref = contentOf(upload);
  await tx.run(sql`delete from ${extents.name} where ${ofContent(ref)} and part_number = ${part.number}`);
  for (const [position, { blobId, start, length }] of part.pieces.entries()) {
    const place = { ...ref, part_number: part.number, position };
    await tx.run(insert(extents, { ...place, blob_id: blobId, start_bytes: start, length_bytes: length }));
  }
  await tx.run(
    upsert(parts, {
      ...ref,
      part_number: part.number,
      size_bytes: part.sizeBytes,
      etag: part.etag,
      checksum: part.checksum,
      modified_ms: part.modifiedMs,
    }),
  );
}

/** Forgets an upload and its parts; their blobs are swept by the node. */
export async function dropUpload(tx: Tx, upload: Upload): Promise<void> {
  const ref = contentOf(upload);
  if (upload.completed === null) {
    await tx.run(sql`delete from ${extents.name} where ${ofContent(ref)}`);
    await tx.run(sql`delete from ${parts.name} where ${ofContent(ref)}`);
  }
  const { account, region, bucket, key, upload_id: id } = upload;
  await tx.run(sql`delete from ${uploads.name} where account = ${account} and region = ${region} and bucket = ${bucket}
    and key = ${key} and upload_id = ${id}`);
}

/** The key that an upload's parts lie under. */
export function keyOfUpload(
  encryption: ObjectEncryption,
  { bucket, upload }: { bucket: Bucket; upload: Upload },
  given: CustomerKey,
  call: Call,
): Promise<Uint8Array | undefined> {
  const { headers, dataKey = null } = upload.prepared;
  return encryption.keyOf({ headers, dataKey }, given, { bucket, key: upload.key }, call);
}

export function uploadOperations(deps: Deps) {
  const { store, clock, ids } = deps;
  const encryption = createEncryption(deps);
  return {
    async CreateMultipartUpload(input, call) {
      checkKey(input.Key);
      const checksum = uploadChecksum(input.ChecksumAlgorithm, input.ChecksumType);
      const now = clock.now();
      const { bucket, settings } = await store.read(async (tx) => {
        const bucket = await ownBucket(tx, input.Bucket, call);
        return { bucket, settings: await allSettings(tx, bucket) };
      });
      const chosen = await encryption.choose(input, settings.encryption, { bucket, key: input.Key }, call);
      const operation = "CreateMultipartUpload";
      const prepared = preparedOf(input, {
        operation,
        account: call.account,
        settings,
        encryption: chosen,
        nowMs: now,
      });
      // Ids of one key sort by their time, as ListMultipartUploads wants them.
      const id = now.toString(16).padStart(uploadIdDigits, "0") + ids.hex(uploadRandomBytes);
      await store.tx(async (tx) => {
        const { account, region, name } = await ownBucket(tx, input.Bucket, call);
        const place = { account, region, bucket: name, key: input.Key, upload_id: id, created_ms: now };
        await tx.run(insert(uploads, { ...place, prepared, checksum, completed: null }));
      });
      return {
        Bucket: input.Bucket,
        Key: input.Key,
        UploadId: id,
        ...encryptionMembers(prepared.headers),
        ...(checksum === null ? {} : { ChecksumAlgorithm: checksum.algorithm as "CRC32", ChecksumType: checksum.type }),
      };
    },

    async UploadPart(input, call) {
      checkPartNumber(input.PartNumber);
      const open = await store.read((tx) => openUpload(tx, input, call));
      const { upload } = open;
      const key = await keyOfUpload(encryption, open, input, call);
      const wanted = upload.checksum?.algorithm;
      const announced = input.ChecksumAlgorithm ?? givenChecksum(input)?.algorithm;
      // A client that began an upload with an algorithm and sends no checksum still gets the object's.
      const own = wanted !== undefined && announced === undefined ? summed(input.Body, wanted) : undefined;
      const blob = await putBody(store, own?.body ?? input.Body, objectBytesMax, key);
      const checksum = own?.sum() ?? givenChecksum(input);
      if (wanted !== undefined && checksum?.algorithm !== wanted) {
        const actual = checksum?.algorithm.toLowerCase() ?? "null";
        throw fault(
          "InvalidRequest",
          `Checksum Type mismatch occurred, expected checksum Type: ${wanted.toLowerCase()}, actual checksum Type: ${actual}`,
        );
      }
      const part: NewPart = {
        number: input.PartNumber,
        pieces: blob.pieces,
        sizeBytes: blob.sizeBytes,
        etag: blob.md5Hex,
        checksum,
        modifiedMs: clock.now(),
      };
      await store.tx(async (tx) => placePart(tx, (await openUpload(tx, input, call)).upload, part));
      return {
        ETag: `"${blob.md5Hex}"`,
        ...encryptionMembers(upload.prepared.headers),
        ...partChecksumMembers(checksum),
      };
    },

    async AbortMultipartUpload(input, call) {
      await store.tx(async (tx) => {
        const { upload } = await openUpload(tx, input, call);
        await dropUpload(tx, upload);
      });
      return {};
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-s3")>;
}
