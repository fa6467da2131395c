/** Objects: written to disk first, then named by a row; read as streams. */
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { BodyTooLarge, type Body } from "../../base/http.ts";
import { sql } from "../../store/sql.ts";
import type { StoredBlob } from "../../store/store.ts";
import { upsert } from "../../store/tables.ts";
import { ownBucket } from "./buckets.ts";
import { checkRead, checkWrite, rangeOf, type Conditions } from "./conditions.ts";
import { fault } from "./faults.ts";
import { checkKey, checkMetadata, deleteKeysMax, objectBytesMax } from "./limits.ts";
import { findObject, inBucket, objects, type StoredObject } from "./tables.ts";

/** System headers that are kept and given back as they came. */
const keptHeaders = ["CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage"] as const;

/** Settings that would change what happens to the object, and that are not run. */
const refusedSettings = [
  "SSECustomerKey",
  "SSEKMSKeyId",
  "ObjectLockMode",
  "ObjectLockRetainUntilDate",
  "WebsiteRedirectLocation",
  "Tagging",
] as const;

function headersOf(input: Partial<Record<(typeof keptHeaders)[number], string | undefined>>): Record<string, string> {
  return Object.fromEntries(keptHeaders.flatMap((name) => (input[name] === undefined ? [] : [[name, input[name]]])));
}

function described(object: StoredObject) {
  return {
    ETag: `"${object.etag}"`,
    LastModified: new Date(object.modified_ms),
    ContentType: object.content_type,
    AcceptRanges: "bytes",
    Metadata: object.metadata,
    ...object.headers,
  };
}

export function objectOperations({ store, clock }: Deps) {
  const putBlob = async (body: Body): Promise<StoredBlob> => {
    try {
      return await store.blobs.put(body ?? new Uint8Array(0), objectBytesMax);
    } catch (cause) {
      if (!(cause instanceof BodyTooLarge)) throw cause;
      throw fault("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", {}, { cause });
    }
  };

  const find = (input: { Bucket: string; Key: string } & Conditions, call: Call) =>
    store.read(async (tx) => {
      const object = await findObject(tx, await ownBucket(tx, input.Bucket, call), input.Key);
      if (object === undefined) throw fault("NoSuchKey", "The specified key does not exist.", { Key: input.Key });
      checkRead(input, object);
      return object;
    });

  const remove = (bucketName: string, keys: readonly string[], call: Call) =>
    store.tx(async (tx) => {
      const bucket = await ownBucket(tx, bucketName, call);
      for (const key of keys) await tx.run(sql`delete from ${objects.name} where ${inBucket(bucket)} and key = ${key}`);
    });

  return {
    async PutObject(input, call) {
      const refused = refusedSettings.find((name) => input[name] !== undefined);
      if (refused !== undefined) throw fault("NotImplemented", `Mikan does not implement ${refused} of PutObject yet.`);
      checkKey(input.Key);
      checkMetadata(input.Metadata ?? {});
      // The bucket is looked at before a byte is taken, and again when the object is named.
      await store.read((tx) => ownBucket(tx, input.Bucket, call));
      const blob = await putBlob(input.Body);
      const modifiedMs = clock.now();
      await store.tx(async (tx) => {
        const bucket = await ownBucket(tx, input.Bucket, call);
        checkWrite(input, await findObject(tx, bucket, input.Key));
        const row: StoredObject = {
          account: bucket.account,
          region: bucket.region,
          bucket: bucket.name,
          key: input.Key,
          blob_id: blob.id,
          size_bytes: blob.sizeBytes,
          etag: blob.md5Hex,
          modified_ms: modifiedMs,
          content_type: input.ContentType ?? "binary/octet-stream",
          headers: headersOf(input),
          metadata: input.Metadata ?? {},
        };
        await tx.run(upsert(objects, row));
      });
      return { ETag: `"${blob.md5Hex}"` };
    },

    async GetObject(input, call) {
      const object = await find(input, call);
      const range = rangeOf(input.Range, object.size_bytes);
      const { start, end } = range ?? { start: 0, end: object.size_bytes };
      return {
        ...described(object),
        ContentLength: end - start,
        ...(range === undefined ? {} : { ContentRange: `bytes ${start}-${end - 1}/${object.size_bytes}` }),
        Body: end === start ? new Uint8Array(0) : store.blobs.read(object.blob_id, start, end),
      };
    },

    async HeadObject(input, call) {
      const object = await find(input, call);
      return { ...described(object), ContentLength: object.size_bytes };
    },

    async DeleteObject(input, call) {
      await remove(input.Bucket, [input.Key], call);
      return {};
    },

    async DeleteObjects(input, call) {
      const keys = input.Delete.Objects.map(({ Key }) => Key);
      if (keys.length === 0 || keys.length > deleteKeysMax) {
        throw fault(
          "MalformedXML",
          "The XML you provided was not well-formed or did not validate against our published schema",
        );
      }
      await remove(input.Bucket, keys, call);
      return input.Delete.Quiet === true ? {} : { Deleted: keys.map((Key) => ({ Key })) };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-s3")>;
}
