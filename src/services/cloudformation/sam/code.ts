/** Where a function's code is: SAM's `CodeUri`, `InlineCode` and `ImageUri` as Lambda's `Code`. */
import { isMap, member, type Json, type JsonObject } from "../json.ts";
import { badResource } from "./errors.ts";

/** `Code` of the function's resource. */
export function codeOf(logicalId: string, properties: JsonObject): JsonObject {
  const packageType = member(properties, "PackageType") ?? "Zip";
  if (packageType !== "Zip" && packageType !== "Image") {
    throw badResource(logicalId, `invalid 'PackageType' : ${JSON.stringify(packageType)}`);
  }
  const code = packageType === "Image" ? imageOf(logicalId, properties) : zipOf(logicalId, properties);
  const key = member(properties, "SourceKMSKeyArn");
  return key === undefined || packageType === "Image" ? code : { ...code, SourceKMSKeyArn: key };
}

function imageOf(logicalId: string, properties: JsonObject): JsonObject {
  const image = member(properties, "ImageUri");
  if (image === undefined) throw badResource(logicalId, "'ImageUri' must be set.");
  return { ImageUri: image };
}

function zipOf(logicalId: string, properties: JsonObject): JsonObject {
  const inline = member(properties, "InlineCode");
  if (inline !== undefined) return { ZipFile: inline };
  const uri = member(properties, "CodeUri");
  if (uri === undefined) throw badResource(logicalId, "Only one of 'InlineCode' or 'CodeUri' can be set.");
  return locationOf(logicalId, uri, "CodeUri");
}

/** An object in S3, as an address or as its parts. `property` is its name in the template. */
export function locationOf(logicalId: string, uri: Json, property: string): JsonObject {
  if (typeof uri === "string") return locationInText(logicalId, uri, property);
  if (!isMap(uri)) throw badResource(logicalId, `'${property}' must be of type dict or string.`);
  const bucket = member(uri, "Bucket");
  const key = member(uri, "Key");
  const version = member(uri, "Version");
  if (!bucket || !key)
    throw badResource(logicalId, `'${property}' requires Bucket and Key properties to be specified.`);
  return { S3Bucket: bucket, S3Key: key, ...(version === undefined ? {} : { S3ObjectVersion: version }) };
}

function locationInText(logicalId: string, text: string, property: string): JsonObject {
  const [, bucket, key, query = ""] = /^s3:\/\/([^/?#]+)\/+([^?#]+)(?:\?([^#]*))?/i.exec(text) ?? [];
  if (bucket === undefined || key === undefined) {
    throw badResource(
      logicalId,
      `'${property}' is not a valid S3 Uri of the form 's3://bucket/key' with optional versionId query parameter.`,
    );
  }
  const versions = new URLSearchParams(query).getAll("versionId");
  return { S3Bucket: bucket, S3Key: key, ...(versions.length === 1 ? { S3ObjectVersion: versions[0] ?? "" } : {}) };
}
