/** Tags of objects and buckets: what S3 allows of them. Source: S3 user guide, "Categorizing your objects using tags". */
import { fault } from "./faults.ts";

const objectTagsMax = 10;
const bucketTagsMax = 50;
const keyLengthMax = 128;
const valueLengthMax = 256;
const allowed = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u;

export type Tags = Record<string, string>;

/** Tags of a `TagSet`, checked. */
export function tagsOf(
  set: readonly { Key?: string | undefined; Value?: string | undefined }[],
  kind: "object" | "bucket" = "object",
): Tags {
  const max = kind === "object" ? objectTagsMax : bucketTagsMax;
  if (set.length > max) {
    throw fault(
      "BadRequest",
      kind === "object"
        ? `Object tags cannot be greater than ${max}`
        : `Bucket tag count cannot be greater than ${max}`,
    );
  }
  const tags: Tags = {};
  for (const { Key = "", Value = "" } of set) {
    if (Object.hasOwn(tags, Key))
      throw fault("InvalidTag", "Cannot provide multiple Tags with the same key", { TagKey: Key });
    if (Key === "" || Key.length > keyLengthMax || !allowed.test(Key)) {
      throw fault("InvalidTag", "The TagKey you have provided is invalid", { TagKey: Key });
    }
    if (Key.toLowerCase().startsWith("aws:")) {
      throw fault("InvalidTag", "System tags cannot be added/updated by requester", { TagKey: Key });
    }
    if (Value.length > valueLengthMax || !allowed.test(Value)) {
      throw fault("InvalidTag", "The TagValue you have provided is invalid", { TagKey: Key, TagValue: Value });
    }
    tags[Key] = Value;
  }
  return tags;
}

/** Tags of the field `x-amz-tagging`: as a query is written. */
export function headerTags(header: string | undefined): Tags | null {
  if (header === undefined) return null;
  return tagsOf([...new URLSearchParams(header)].map(([Key, Value]) => ({ Key, Value })));
}

export function tagSet(tags: Tags | null | undefined): { Key: string; Value: string }[] {
  return Object.entries(tags ?? {}).map(([Key, Value]) => ({ Key, Value }));
}
