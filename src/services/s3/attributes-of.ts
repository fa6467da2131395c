/** What an object has besides bytes: content type, kept headers, metadata, tags; as requests give it and answers tell it. */
import { objectAcl, type AskedAcl } from "./grants.ts";
import { encryptionMembers, type Chosen } from "./encryption.ts";
import { fault } from "./faults.ts";
import { checkMetadata } from "./limits.ts";
import { lockHeaders, lockOf, type AskedLock } from "./locks.ts";
import type { Settings } from "./settings-of.ts";
import type { Prepared, Version } from "./tables.ts";
import { headerTags } from "./tags.ts";

/** System headers that are kept and given back as they came. */
const keptHeaders = [
  "CacheControl",
  "ContentDisposition",
  "ContentEncoding",
  "ContentLanguage",
  "WebsiteRedirectLocation",
] as const;

/** Headers that a copy never has from its source. */
const ownHeaders: ReadonlySet<string> = new Set([
  "StorageClass",
  "WebsiteRedirectLocation",
  "ServerSideEncryption",
  "SSEKMSKeyId",
  "BucketKeyEnabled",
  "SSECustomerAlgorithm",
  "SSECustomerKeyMD5",
  ...lockHeaders,
]);

/** Classes from which an object can be read at once; kept, and told again. */
const storageClasses = [
  "STANDARD",
  "STANDARD_IA",
  "ONEZONE_IA",
  "INTELLIGENT_TIERING",
  "REDUCED_REDUNDANCY",
  "GLACIER_IR",
];

type Given = { [N in (typeof keptHeaders)[number]]?: string | undefined } & AskedAcl &
  AskedLock & {
    ContentType?: string | undefined;
    Expires?: Date | undefined;
    Metadata?: Record<string, string> | undefined;
    Tagging?: string | undefined;
    StorageClass?: string | undefined;
    WriteOffsetBytes?: number | undefined;
  };

/** Where an object is to be, and how. */
export interface Preparing {
  operation: string;
  account: string;
  settings: Partial<Settings>;
  encryption: Pick<Chosen, "headers" | "dataKey">;
  nowMs: number;
}

export const defaultContentType = "binary/octet-stream";

/** Refuses by name what is not run, and gives what is kept. */
export function preparedOf(input: Given, { operation, account, settings, encryption, nowMs }: Preparing): Prepared {
  if (input.WriteOffsetBytes !== undefined) {
    throw fault("NotImplemented", `Mikan does not implement WriteOffsetBytes of ${operation} yet.`);
  }
  const { StorageClass = "STANDARD", Expires } = input;
  if (!storageClasses.includes(StorageClass)) {
    throw fault("NotImplemented", `Mikan does not implement StorageClass ${StorageClass} yet.`);
  }
  checkMetadata(input.Metadata ?? {});
  const headers: Record<string, string> = { ...encryption.headers, ...lockOf(input, settings.objectLock, nowMs) };
  for (const name of keptHeaders) if (input[name] !== undefined) headers[name] = input[name];
  if (StorageClass !== "STANDARD") headers["StorageClass"] = StorageClass;
  if (Expires !== undefined) headers["Expires"] = Expires.toISOString();
  return {
    contentType: input.ContentType ?? defaultContentType,
    headers,
    metadata: input.Metadata ?? {},
    tags: headerTags(input.Tagging),
    dataKey: encryption.dataKey,
    acl: objectAcl(input, settings.ownershipControls, account),
  };
}

/** The headers of a copy that keeps its source's, under those that are always its own. */
export function copiedHeaders(original: Readonly<Record<string, string>>, own: Readonly<Record<string, string>>) {
  const of = (headers: Readonly<Record<string, string>>, isOwn: boolean) =>
    Object.fromEntries(Object.entries(headers).filter(([name]) => ownHeaders.has(name) === isOwn));
  return { ...of(original, false), ...of(own, true) };
}

/** The columns of a version that hold it. */
export function preparedColumns({ contentType, headers, metadata, tags, dataKey = null, acl = null }: Prepared) {
  return { content_type: contentType, headers, metadata, tags, data_key: dataKey, acl };
}

/** The members that GetObject and HeadObject have in common. */
export function described(version: Version) {
  const { Expires, ObjectLockRetainUntilDate, BucketKeyEnabled: _, ...headers } = version.headers;
  const tagCount = Object.keys(version.tags ?? {}).length;
  return {
    ETag: `"${version.etag}"`,
    LastModified: new Date(version.modified_ms),
    ContentType: version.content_type,
    AcceptRanges: "bytes",
    Metadata: version.metadata,
    ...headers,
    ...encryptionMembers(version.headers),
    ...(Expires === undefined ? {} : { Expires: new Date(Expires) }),
    ...(ObjectLockRetainUntilDate === undefined
      ? {}
      : { ObjectLockRetainUntilDate: new Date(ObjectLockRetainUntilDate) }),
    ...(tagCount === 0 ? {} : { TagCount: tagCount }),
  };
}

export function storageClassOf(version: Version): "STANDARD" {
  return (version.headers["StorageClass"] ?? "STANDARD") as "STANDARD";
}
