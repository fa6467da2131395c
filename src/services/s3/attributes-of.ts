/** What an object has besides bytes: content type, kept headers, metadata, tags; as requests give it and answers tell it. */
import { fault } from "./faults.ts";
import { checkMetadata } from "./limits.ts";
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

/** Settings that would change what happens to the object, and that are not run. */
const refusedSettings = [
  "SSECustomerKey",
  "SSEKMSKeyId",
  "ObjectLockMode",
  "ObjectLockRetainUntilDate",
  "ObjectLockLegalHoldStatus",
  "GrantFullControl",
  "GrantRead",
  "GrantReadACP",
  "GrantWriteACP",
  "WriteOffsetBytes",
] as const;

/** Classes from which an object can be read at once; kept, and told again. */
const storageClasses = [
  "STANDARD",
  "STANDARD_IA",
  "ONEZONE_IA",
  "INTELLIGENT_TIERING",
  "REDUCED_REDUNDANCY",
  "GLACIER_IR",
];

type Given = { [N in (typeof keptHeaders)[number]]?: string | undefined } & {
  ContentType?: string | undefined;
  Expires?: Date | undefined;
  Metadata?: Record<string, string> | undefined;
  Tagging?: string | undefined;
  StorageClass?: string | undefined;
  ServerSideEncryption?: string | undefined;
  ACL?: string | undefined;
};

export const defaultContentType = "binary/octet-stream";

/** Refuses by name what is not run, and gives what is kept. */
export function preparedOf(input: Given, operation: string): Prepared {
  const settings = input as Given & { [N in (typeof refusedSettings)[number]]?: unknown };
  const refused = refusedSettings.find((name) => settings[name] !== undefined);
  if (refused !== undefined) throw fault("NotImplemented", `Mikan does not implement ${refused} of ${operation} yet.`);
  const { ServerSideEncryption, StorageClass = "STANDARD", ACL = "private", Expires } = input;
  if (ServerSideEncryption !== undefined && ServerSideEncryption !== "AES256") {
    throw fault("NotImplemented", `Mikan does not implement ServerSideEncryption ${ServerSideEncryption} yet.`);
  }
  if (!storageClasses.includes(StorageClass)) {
    throw fault("NotImplemented", `Mikan does not implement StorageClass ${StorageClass} yet.`);
  }
  // Buckets have been without ACLs since 2023, unless their ownership controls bring them back.
  if (ACL !== "private" && ACL !== "bucket-owner-full-control") {
    throw fault("AccessControlListNotSupported", "The bucket does not allow ACLs");
  }
  checkMetadata(input.Metadata ?? {});
  const headers: Record<string, string> = {};
  for (const name of keptHeaders) if (input[name] !== undefined) headers[name] = input[name];
  if (StorageClass !== "STANDARD") headers["StorageClass"] = StorageClass;
  if (Expires !== undefined) headers["Expires"] = Expires.toISOString();
  return {
    contentType: input.ContentType ?? defaultContentType,
    headers,
    metadata: input.Metadata ?? {},
    tags: headerTags(input.Tagging),
  };
}

/** The columns of a version that hold it. */
export function preparedColumns({ contentType, headers, metadata, tags }: Prepared) {
  return { content_type: contentType, headers, metadata, tags };
}

/** The members that GetObject and HeadObject have in common. */
export function described(version: Version) {
  const { Expires, ...headers } = version.headers;
  const tagCount = Object.keys(version.tags ?? {}).length;
  return {
    ETag: `"${version.etag}"`,
    LastModified: new Date(version.modified_ms),
    ContentType: version.content_type,
    AcceptRanges: "bytes",
    Metadata: version.metadata,
    ServerSideEncryption: "AES256" as const,
    ...headers,
    ...(Expires === undefined ? {} : { Expires: new Date(Expires) }),
    ...(tagCount === 0 ? {} : { TagCount: tagCount }),
  };
}

export function storageClassOf(version: Version): "STANDARD" {
  return (version.headers["StorageClass"] ?? "STANDARD") as "STANDARD";
}
