/** Copies of objects, and of their bytes as parts of an upload. One blob is shared by its copies: no byte is copied. */
import { isFault } from "../../base/errors.ts";
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import type { ReadTx } from "../../store/store.ts";
import { copiedHeaders, preparedColumns, preparedOf } from "./attributes-of.ts";
import { ownBucket } from "./buckets.ts";
import {
  algorithmOf,
  checksumMembers,
  partChecksumMembers,
  summed,
  type AlgorithmName,
  type ObjectChecksum,
} from "./checksums.ts";
import { checkRead, checkWrite, type Range } from "./conditions.ts";
import { cut, piecesOf, putBody, readPieces, type Piece } from "./content.ts";
import { createEncryption, encryptionMembers, type CustomerKey } from "./encryption.ts";
import { fault } from "./faults.ts";
import { checkKey, checkPartNumber, objectBytesMax } from "./limits.ts";
import type { Events } from "./notifications.ts";
import type { Reading } from "./reading.ts";
import { allSettings, type Bucket, type Prepared, type Version } from "./tables.ts";
import { keyOfUpload, openUpload, placePart } from "./uploads.ts";
import { findVersion, newestVersion, placeVersion, versionIdIn, versionRandomBytes, visible } from "./versions.ts";

/** A part that is made of more pieces than this is written anew, so that a read never has to look for too many. */
const sharedPiecesMax = 4;

interface Conditional {
  CopySourceSSECustomerAlgorithm?: string | undefined;
  CopySourceSSECustomerKey?: string | undefined;
  CopySourceSSECustomerKeyMD5?: string | undefined;
  CopySource: string;
  CopySourceIfMatch?: string | undefined;
  CopySourceIfNoneMatch?: string | undefined;
  CopySourceIfModifiedSince?: Date | undefined;
  CopySourceIfUnmodifiedSince?: Date | undefined;
}

interface Source {
  bucket: Bucket;
  version: Version;
  pieces: Piece[];
  sourceVersionId: { CopySourceVersionId?: string };
}

/** `bucket/key` or `/bucket/key`, percent-encoded, with `?versionId=` behind. */
export function parseCopySource(text: string): { Bucket: string; Key: string; VersionId: string | undefined } {
  const [path = "", query] = text.split(/\?versionId=/, 2);
  let decoded: string;
  try {
    decoded = decodeURIComponent(path);
  } catch (cause) {
    if (!(cause instanceof URIError)) throw cause;
    throw invalidSource();
  }
  if (decoded.startsWith("arn:")) throw fault("NotImplemented", "Mikan does not implement access points yet.");
  const match = /^\/?([^/]+)\/(.+)$/s.exec(decoded);
  const [, Bucket, Key] = match ?? [];
  if (Bucket === undefined || Key === undefined) throw invalidSource();
  return { Bucket, Key, VersionId: query };
}

const invalidSource = () =>
  fault("InvalidArgument", "Copy Source must mention the source bucket and key: sourcebucket/sourcekey", {
    ArgumentName: "x-amz-copy-source",
  });

async function readSource(tx: ReadTx, input: Conditional, call: Call): Promise<Source> {
  const { Bucket, Key, VersionId } = parseCopySource(input.CopySource);
  const bucket = await ownBucket(tx, Bucket, call);
  const version = await findVersion(tx, bucket, Key, VersionId);
  if (version?.delete_marker === true && VersionId !== undefined) {
    throw fault(
      "InvalidRequest",
      "The source of a copy request may not specifically refer to a delete marker by version id.",
    );
  }
  if (version === undefined || version.delete_marker) {
    if (VersionId === undefined) throw fault("NoSuchKey", "The specified key does not exist.", { Key });
    throw fault("NoSuchVersion", "The specified version does not exist.", { Key, VersionId });
  }
  checkSource(input, version);
  const { VersionId: id } = await versionIdIn(tx, bucket, version);
  const sourceVersionId = id === undefined ? {} : { CopySourceVersionId: id };
  return { bucket, version, pieces: await piecesOf(tx, version), sourceVersionId };
}

/** A copy whose condition fails is always 412, whatever a read would answer. */
function checkSource(input: Conditional, version: Version): void {
  const conditions = {
    IfMatch: input.CopySourceIfMatch,
    IfNoneMatch: input.CopySourceIfNoneMatch,
    IfModifiedSince: input.CopySourceIfModifiedSince,
    IfUnmodifiedSince: input.CopySourceIfUnmodifiedSince,
  };
  try {
    checkRead(conditions, version);
  } catch (cause) {
    if (!isFault(cause, "NotModified")) throw cause;
    throw fault("PreconditionFailed", "At least one of the pre-conditions you specified did not hold", {}, { cause });
  }
}

/** The bytes that `CopySourceRange` names; unlike a read's, it must lie within the object. */
export function copyRange(text: string | undefined, sizeBytes: number): Range {
  if (text === undefined) return { start: 0, end: sizeBytes };
  const match = /^bytes=(\d+)-(\d+)$/.exec(text);
  const [start, end] = [Number(match?.[1]), Number(match?.[2]) + 1];
  if (match === null || end <= start) {
    throw fault(
      "InvalidArgument",
      "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy",
      {
        ArgumentName: "x-amz-copy-source-range",
        ArgumentValue: text,
      },
    );
  }
  if (end > sizeBytes)
    throw fault("InvalidRange", `Range specified is not valid for source object of size: ${sizeBytes}`);
  return { start, end };
}

/** The source is still what it was when its bytes were read, so that its blobs may be named again. */
async function unchanged(tx: ReadTx, { version, bucket }: Source): Promise<void> {
  const now = await findVersion(tx, bucket, version.key, version.version_id);
  if (now?.blob_id === version.blob_id && now.content === version.content && now.rank === version.rank) return;
  throw fault("ConditionalRequestConflict", "The source object changed while it was copied. Please retry.");
}

/** The customer's key of a copy's source. */
const sourceKey = (input: Conditional): CustomerKey => ({
  SSECustomerAlgorithm: input.CopySourceSSECustomerAlgorithm,
  SSECustomerKey: input.CopySourceSSECustomerKey,
  SSECustomerKeyMD5: input.CopySourceSSECustomerKeyMD5,
});

interface Copying {
  range: Range;
  algorithm: AlgorithmName | undefined;
  /** Of more pieces than this, the copy is written anew. */
  sharedMax: number;
  /** What the source lies under, and what the copy is to. */
  from: Uint8Array | undefined;
  to: Uint8Array | undefined;
}

export function copyOperations(deps: Deps & { reading: Reading }, events: Events) {
  const { store, clock, ids } = deps;
  const encryption = createEncryption(deps);
  const keyOfSource = ({ bucket, version }: Source, input: Conditional, call: Call) => {
    const { headers, data_key: dataKey, key } = version;
    return encryption.keyOf({ headers, dataKey }, sourceKey(input), { bucket, key }, call);
  };

  /** What a copy is made of, and its sums; read through only where a sum has to be computed. */
  const copied = async (source: Source, { range, algorithm, sharedMax, from, to }: Copying) => {
    const pieces = cut(source.pieces, range.start, range.end);
    const sizeBytes = range.end - range.start;
    const { version } = source;
    const whole = sizeBytes === version.size_bytes;
    const known = version.checksum?.type === "FULL_OBJECT" && whole ? version.checksum : null;
    const wanted = algorithm ?? known?.algorithm;
    const knowsSums = version.blob_id !== null && whole && wanted === known?.algorithm;
    const lies = from === undefined && to === undefined;
    if (lies && knowsSums && pieces.length <= sharedMax)
      return { pieces, sizeBytes, etag: version.etag, checksum: known };
    const body = readPieces(deps, pieces, from);
    const reading = wanted === undefined ? { body, sum: () => null } : summed(body, wanted);
    const blob = await putBody(store, reading.body, objectBytesMax, to);
    const checksum: ObjectChecksum | null = reading.sum();
    return { pieces: blob.pieces, sizeBytes, etag: blob.md5Hex, checksum, blobId: blob.blobId };
  };

  return {
    async CopyObject(input, call) {
      checkKey(input.Key);
      const { source, place, settings } = await store.read(async (tx) => {
        const source = await readSource(tx, input, call);
        const place = await ownBucket(tx, input.Bucket, call);
        return { source, place, settings: await allSettings(tx, place) };
      });
      const { version: original } = source;
      refuseIdle(input, source);
      if (original.size_bytes > objectBytesMax) {
        throw fault(
          "InvalidRequest",
          `The specified copy source is larger than the maximum allowable size for a copy source: ${objectBytesMax}`,
        );
      }
      const algorithm = input.ChecksumAlgorithm === undefined ? undefined : algorithmOf(input.ChecksumAlgorithm);
      const modifiedMs = clock.now();
      const chosen = await encryption.choose(input, settings.encryption, { bucket: place, key: input.Key }, call);
      const fromRequest = preparedOf(
        { ...input, Tagging: input.TaggingDirective === "REPLACE" ? input.Tagging : undefined },
        { operation: "CopyObject", account: call.account, settings, encryption: chosen, nowMs: modifiedMs },
      );
      const copy = await copied(source, {
        range: { start: 0, end: original.size_bytes },
        algorithm,
        sharedMax: 1,
        from: await keyOfSource(source, input, call),
        to: chosen.key,
      });
      const prepared = copyPrepared(fromRequest, original, input);
      const random = ids.hex(versionRandomBytes);
      const versionId = await store.tx(async (tx) => {
        const bucket = await ownBucket(tx, input.Bucket, call);
        if (copy.blobId === undefined) await unchanged(tx, source);
        if (input.IfMatch !== undefined || input.IfNoneMatch !== undefined) {
          checkWrite(input, visible(await newestVersion(tx, bucket, input.Key)));
        }
        const fresh = {
          ...preparedColumns(prepared),
          delete_marker: false,
          blob_id: copy.blobId ?? original.blob_id,
          content: null,
          size_bytes: copy.sizeBytes,
          etag: copy.etag,
          modified_ms: modifiedMs,
          checksum: copy.checksum,
          parts_count: null,
        };
        const version = await placeVersion(tx, bucket, input.Key, fresh, random);
        await events.happened(tx, bucket, "ObjectCreated:Copy", version, call);
        return versionIdIn(tx, bucket, version);
      });
      return {
        ...versionId,
        ...source.sourceVersionId,
        ...encryptionMembers(prepared.headers),
        CopyObjectResult: {
          ETag: `"${copy.etag}"`,
          LastModified: new Date(modifiedMs),
          ...checksumMembers(copy.checksum),
        },
      };
    },

    async UploadPartCopy(input, call) {
      checkPartNumber(input.PartNumber);
      const { source, open } = await store.read(async (tx) => ({
        open: await openUpload(tx, input, call),
        source: await readSource(tx, input, call),
      }));
      const { upload } = open;
      const range = copyRange(input.CopySourceRange, source.version.size_bytes);
      if (range.end - range.start > objectBytesMax) {
        throw fault(
          "InvalidRequest",
          `The specified copy source is larger than the maximum allowable size for a copy source: ${objectBytesMax}`,
        );
      }
      const copy = await copied(source, {
        range,
        algorithm: upload.checksum?.algorithm,
        sharedMax: sharedPiecesMax,
        from: await keyOfSource(source, input, call),
        to: await keyOfUpload(encryption, open, input, call),
      });
      const modifiedMs = clock.now();
      await store.tx(async (tx) => {
        const { upload } = await openUpload(tx, input, call);
        if (copy.blobId === undefined) await unchanged(tx, source);
        await placePart(tx, upload, { ...copy, number: input.PartNumber, modifiedMs });
      });
      return {
        ...source.sourceVersionId,
        ...encryptionMembers(upload.prepared.headers),
        CopyPartResult: {
          ETag: `"${copy.etag}"`,
          LastModified: new Date(modifiedMs),
          ...partChecksumMembers(copy.checksum),
        },
      };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-s3")>;
}

interface Directives {
  Bucket: string;
  Key: string;
  CopySource: string;
  MetadataDirective?: string | undefined;
  TaggingDirective?: string | undefined;
  StorageClass?: string | undefined;
  WebsiteRedirectLocation?: string | undefined;
  ServerSideEncryption?: string | undefined;
}

/** Metadata and tags of the copy: the source's, unless the request replaces them. Class and redirect are always its own. */
function copyPrepared(fromRequest: Prepared, original: Version, input: Directives): Prepared {
  const replaces = input.MetadataDirective === "REPLACE";
  return {
    contentType: replaces ? fromRequest.contentType : original.content_type,
    headers: replaces ? fromRequest.headers : copiedHeaders(original.headers, fromRequest.headers),
    metadata: replaces ? fromRequest.metadata : original.metadata,
    dataKey: fromRequest.dataKey ?? null,
    acl: fromRequest.acl ?? null,
    tags: input.TaggingDirective === "REPLACE" ? fromRequest.tags : original.tags,
  };
}

/** Copying an object to itself must change something. */
function refuseIdle(input: Directives, { bucket, version }: Source): void {
  if (input.Bucket !== bucket.name || input.Key !== version.key || version.superseded_ms !== null) return;
  const changes =
    input.MetadataDirective === "REPLACE" ||
    input.TaggingDirective === "REPLACE" ||
    input.StorageClass !== undefined ||
    input.WebsiteRedirectLocation !== undefined ||
    input.ServerSideEncryption !== undefined;
  if (changes) return;
  throw fault(
    "InvalidRequest",
    "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
  );
}
