/** Objects: written to disk first, then named by a row; read as streams. */
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import type { ReadTx } from "../../store/store.ts";
import { described, preparedColumns, preparedOf } from "./attributes-of.ts";
import { ownBucket } from "./buckets.ts";
import { checksumMembers, defaultChecksum, givenChecksum, summed, type ObjectChecksum } from "./checksums.ts";
import { checkRead, checkWrite, rangeOf, type Conditions, type Range } from "./conditions.ts";
import { cut, piecesOf, putBody, readPieces, type Piece } from "./content.ts";
import { createEncryption, encryptionMembers, type CustomerKey } from "./encryption.ts";
import { fault } from "./faults.ts";
import { expiryOf } from "./lifecycle-rules.ts";
import { checkKey, objectBytesMax } from "./limits.ts";
import type { Events } from "./notifications.ts";
import type { Reading } from "./reading.ts";
import { findPart } from "./parts.ts";
import { newestVersion, placeVersion, readableVersion, versionIdIn, versionRandomBytes, visible } from "./versions.ts";
import { allSettings, settingOf, type Bucket, type Version } from "./tables.ts";

interface ReadInput extends Conditions, CustomerKey {
  Bucket: string;
  Key: string;
  VersionId?: string | undefined;
  Range?: string | undefined;
  PartNumber?: number | undefined;
  ChecksumMode?: string | undefined;
}

interface Found {
  bucket: Bucket;
  version: Version;
  versionId: { VersionId?: string };
  expiration: { Expiration?: string };
  pieces: Piece[];
  /** The part of it that is asked for; undefined for the whole. */
  range: Range | undefined;
  checksum: ObjectChecksum | null;
}

/** Fields of the answer that the request may set itself. */
const overrides = {
  ResponseCacheControl: "CacheControl",
  ResponseContentDisposition: "ContentDisposition",
  ResponseContentEncoding: "ContentEncoding",
  ResponseContentLanguage: "ContentLanguage",
  ResponseContentType: "ContentType",
  ResponseExpires: "Expires",
} as const;
type Overrides = { [N in keyof typeof overrides]?: string | Date | undefined };

function overridden(input: Overrides): Record<string, string | Date> {
  return Object.fromEntries(
    Object.entries(overrides).flatMap(([from, to]) => {
      const value = input[from as keyof Overrides];
      return value === undefined ? [] : [[to, value]];
    }),
  );
}

async function expirationIn(tx: ReadTx, bucket: Bucket, version: Version): Promise<{ Expiration?: string }> {
  if (version.superseded_ms !== null) return {};
  const rules = await settingOf(tx, bucket, "lifecycle");
  const { key, size_bytes: sizeBytes, modified_ms: modifiedMs, tags } = version;
  const Expiration = rules && expiryOf(rules, { key, sizeBytes, modifiedMs, tags: tags ?? {} });
  return Expiration === undefined ? {} : { Expiration };
}

const keptOf = ({ headers, data_key: dataKey }: Version) => ({ headers, dataKey });

function answerOf({ version, versionId, range, checksum, expiration }: Found, input: Overrides) {
  const { start, end } = range ?? { start: 0, end: version.size_bytes };
  return {
    ...described(version),
    ...versionId,
    ...expiration,
    ContentLength: end - start,
    ...(range === undefined ? {} : { ContentRange: `bytes ${start}-${end - 1}/${version.size_bytes}` }),
    ...(version.parts_count === null ? {} : { PartsCount: version.parts_count }),
    ...checksumMembers(checksum),
    ...overridden(input),
  };
}

export function objectOperations(deps: Deps & { reading: Reading }, events: Events) {
  const { store, clock, ids } = deps;
  const encryption = createEncryption(deps);
  const find = (input: ReadInput, call: Call): Promise<Found> =>
    store.read(async (tx) => {
      const bucket = await ownBucket(tx, input.Bucket, call);
      const version = await readableVersion(tx, bucket, input);
      checkRead(input, version);
      if (input.PartNumber !== undefined && input.Range !== undefined) {
        throw fault("InvalidRequest", "Cannot specify both Range header and partNumber query parameter");
      }
      const part = input.PartNumber === undefined ? undefined : await findPart(tx, version, input.PartNumber);
      const range = part?.range ?? rangeOf(input.Range, version.size_bytes);
      const checksum = part === undefined ? (range === undefined ? version.checksum : null) : part.checksum;
      return {
        bucket,
        version,
        expiration: await expirationIn(tx, bucket, version),
        versionId: await versionIdIn(tx, bucket, version),
        pieces: await piecesOf(tx, version),
        // An empty object has no range that could be told.
        range: range !== undefined && range.end > range.start ? range : undefined,
        checksum: input.ChecksumMode === "ENABLED" ? checksum : null,
      };
    });

  return {
    async PutObject(input, call) {
      checkKey(input.Key);
      // The bucket is looked at before a byte is taken, and again when the object is named.
      const { bucket: place, settings } = await store.read(async (tx) => {
        const bucket = await ownBucket(tx, input.Bucket, call);
        return { bucket, settings: await allSettings(tx, bucket) };
      });
      const chosen = await encryption.choose(input, settings.encryption, { bucket: place, key: input.Key }, call);
      const { account } = call;
      const preparing = { operation: "PutObject", account, settings, encryption: chosen, nowMs: clock.now() };
      const prepared = preparedOf(input, preparing);
      const announced = input.ChecksumAlgorithm ?? givenChecksum(input)?.algorithm;
      // Since December 2024 S3 gives every object that comes without a checksum this one.
      const own = announced === undefined ? summed(input.Body, defaultChecksum) : undefined;
      const blob = await putBody(store, own?.body ?? input.Body, objectBytesMax, chosen.key);
      const checksum = givenChecksum(input) ?? own?.sum() ?? null;
      const modifiedMs = clock.now();
      const random = ids.hex(versionRandomBytes);
      const versionId = await store.tx(async (tx) => {
        const bucket = await ownBucket(tx, input.Bucket, call);
        if (input.IfMatch !== undefined || input.IfNoneMatch !== undefined) {
          checkWrite(input, visible(await newestVersion(tx, bucket, input.Key)));
        }
        const fresh = {
          ...preparedColumns(prepared),
          delete_marker: false,
          blob_id: blob.blobId,
          content: null,
          size_bytes: blob.sizeBytes,
          etag: blob.md5Hex,
          modified_ms: modifiedMs,
          checksum,
          parts_count: null,
        };
        const version = await placeVersion(tx, bucket, input.Key, fresh, random);
        await events.happened(tx, bucket, "ObjectCreated:Put", version, call);
        return versionIdIn(tx, bucket, version);
      });
      return {
        ETag: `"${blob.md5Hex}"`,
        ...encryptionMembers(prepared.headers),
        ...versionId,
        ...checksumMembers(checksum),
      };
    },

    async GetObject(input, call) {
      const found = await find(input, call);
      const { bucket, version, pieces, range } = found;
      const key = await encryption.keyOf(keptOf(version), input, { bucket, key: input.Key }, call);
      const wanted = range === undefined ? pieces : cut(pieces, range.start, range.end);
      return {
        ...answerOf(found, input),
        Body: version.size_bytes === 0 ? new Uint8Array(0) : readPieces(deps, wanted, key),
      };
    },

    async HeadObject(input, call) {
      const found = await find(input, call);
      encryption.checkCustomerKey(keptOf(found.version), input);
      return answerOf(found, input);
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-s3")>;
}
