/** Listing keys: byte order, prefixes, delimiters, pages. Source: S3 ListObjectsV2 and ListObjects. */
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { pageKey, pageToken } from "../../kit/tokens.ts";
import type { ReadTx } from "../../store/store.ts";
import { ownBucket } from "./buckets.ts";
import { ownerId } from "./owners.ts";
import { fault } from "./faults.ts";
import { listKeysMax } from "./limits.ts";
import { storageClassOf } from "./attributes-of.ts";
import { objectsFrom, type Bucket, type Version } from "./tables.ts";

interface Query {
  prefix: string;
  delimiter: string;
  /** Keys and common prefixes after this one. */
  after: string;
  limit: number;
}

interface Listing {
  contents: Version[];
  commonPrefixes: string[];
  /** The last key or prefix of this page, when there is more. */
  next: string | undefined;
}

/** The smallest text that comes after every text beginning with `prefix`, by bytes. */
export function afterPrefix(prefix: string): string {
  return `${prefix}\u{10ffff}`;
}

/** One page; reads the index from group to group, so a common prefix of a million keys costs one look-up. */
async function listKeys(tx: ReadTx, bucket: Bucket, { prefix, delimiter, after, limit }: Query): Promise<Listing> {
  const listing: Listing = { contents: [], commonPrefixes: [], next: undefined };
  const groupOf = (key: string) => {
    const end = delimiter === "" ? -1 : key.indexOf(delimiter, prefix.length);
    return end < 0 ? undefined : key.slice(0, end + delimiter.length);
  };
  // A page that ended with a common prefix goes on behind all of its keys.
  const skipped = after.startsWith(prefix) && after !== prefix ? groupOf(after) : undefined;
  let exclusive = after >= prefix && after !== "";
  let from = exclusive ? (skipped === after ? afterPrefix(after) : after) : prefix;
  let last = "";
  for (;;) {
    const rows = await objectsFrom(tx, bucket, from, exclusive, limit + 1);
    let regrouped = false;
    for (const row of rows) {
      if (!row.key.startsWith(prefix)) return listing;
      if (listing.contents.length + listing.commonPrefixes.length === limit) {
        listing.next = last;
        return listing;
      }
      const group = groupOf(row.key);
      last = group ?? row.key;
      from = row.key;
      exclusive = true;
      if (group === undefined) {
        listing.contents.push(row);
        continue;
      }
      listing.commonPrefixes.push(group);
      from = afterPrefix(group);
      regrouped = true;
      break;
    }
    if (!regrouped && rows.length <= limit) return listing;
  }
}

/** Keys as the client asked for them: `url` survives XML's forbidden characters. */
export function encoder(type: string | undefined): (key: string) => string {
  if (type === undefined) return (key) => key;
  return (key) => encodeURIComponent(key).replaceAll("%2F", "/").replaceAll("%20", "+");
}

function described(object: Version, encode: (key: string) => string) {
  return {
    Key: encode(object.key),
    LastModified: new Date(object.modified_ms),
    ETag: `"${object.etag}"`,
    Size: object.size_bytes,
    StorageClass: storageClassOf(object),
    ...(object.checksum === null
      ? {}
      : { ChecksumAlgorithm: [object.checksum.algorithm], ChecksumType: object.checksum.type }),
  };
}

export function listingOperations({ store }: Deps) {
  const list = (bucketName: string, query: Query, call: Call) =>
    store.read(async (tx) => {
      const bucket = await ownBucket(tx, bucketName, call);
      return query.limit === 0 ? { contents: [], commonPrefixes: [], next: undefined } : listKeys(tx, bucket, query);
    });
  const limitOf = (asked: number | undefined) => {
    if (asked !== undefined && asked < 0)
      throw fault("InvalidArgument", "Argument maxKeys must be an integer between 0 and 2147483647");
    return Math.min(asked ?? listKeysMax, listKeysMax);
  };

  return {
    async ListObjectsV2(input, call) {
      const prefix = input.Prefix ?? "";
      const delimiter = input.Delimiter ?? "";
      const limit = limitOf(input.MaxKeys);
      const binding = { operation: "ListObjectsV2", filters: [input.Bucket, prefix, delimiter], call };
      const refusal = () => fault("InvalidArgument", "The continuation token provided is incorrect");
      const after = String(pageKey(binding, input.ContinuationToken, refusal)?.[0] ?? input.StartAfter ?? "");
      const { contents, commonPrefixes, next } = await list(input.Bucket, { prefix, delimiter, after, limit }, call);
      const encode = encoder(input.EncodingType);
      const owner = input.FetchOwner === true ? { Owner: { ID: ownerId(call.account) } } : {};
      return {
        Name: input.Bucket,
        Prefix: encode(prefix),
        MaxKeys: limit,
        KeyCount: contents.length + commonPrefixes.length,
        IsTruncated: next !== undefined,
        Contents: contents.map((object) => ({ ...described(object, encode), ...owner })),
        CommonPrefixes: commonPrefixes.map((Prefix) => ({ Prefix: encode(Prefix) })),
        ...(delimiter === "" ? {} : { Delimiter: encode(delimiter) }),
        ...(input.EncodingType === undefined ? {} : { EncodingType: input.EncodingType }),
        ...(input.StartAfter === undefined ? {} : { StartAfter: encode(input.StartAfter) }),
        ...(input.ContinuationToken === undefined ? {} : { ContinuationToken: input.ContinuationToken }),
        ...(next === undefined ? {} : { NextContinuationToken: pageToken(binding, [next]) }),
      };
    },

    async ListObjects(input, call) {
      const prefix = input.Prefix ?? "";
      const delimiter = input.Delimiter ?? "";
      const limit = limitOf(input.MaxKeys);
      const after = input.Marker ?? "";
      const { contents, commonPrefixes, next } = await list(input.Bucket, { prefix, delimiter, after, limit }, call);
      const encode = encoder(input.EncodingType);
      return {
        Name: input.Bucket,
        Prefix: encode(prefix),
        Marker: encode(after),
        MaxKeys: limit,
        IsTruncated: next !== undefined,
        Contents: contents.map((object) => ({ ...described(object, encode), Owner: { ID: ownerId(call.account) } })),
        CommonPrefixes: commonPrefixes.map((Prefix) => ({ Prefix: encode(Prefix) })),
        ...(delimiter === "" ? {} : { Delimiter: encode(delimiter) }),
        ...(input.EncodingType === undefined ? {} : { EncodingType: input.EncodingType }),
        // Without a delimiter clients go on from the last key themselves.
        ...(next === undefined || delimiter === "" ? {} : { NextMarker: encode(next) }),
      };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-s3")>;
}
