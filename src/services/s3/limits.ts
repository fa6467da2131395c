/** What S3 enforces and does not model. Source: S3 user guide, "Bucket naming rules" and "Object key naming". */
import { fault } from "./faults.ts";

/** One PutObject. Source: S3 user guide, "Uploading objects". */
export const objectBytesMax = 5 * 2 ** 30;
const keyBytesMax = 1_024;
const metadataBytesMax = 2_048;
export const listKeysMax = 1_000;
export const deleteKeysMax = 1_000;

const bucketName = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const ipAddress = /^\d+\.\d+\.\d+\.\d+$/;
const reserved = /^(xn--|sthree-|amzn-s3-demo-)|(-s3alias|--ol-s3|\.mrap|--x-s3|--table-s3)$/;

export function checkBucketName(name: string): void {
  const adjacent = name.includes("..") || name.includes(".-") || name.includes("-.");
  if (!bucketName.test(name) || adjacent || ipAddress.test(name) || reserved.test(name)) {
    throw fault("InvalidBucketName", "The specified bucket is not valid.", { BucketName: name });
  }
}

export function checkKey(key: string): void {
  if (Buffer.byteLength(key) > keyBytesMax) throw fault("KeyTooLongError", "Your key is too long");
}

export function checkMetadata(metadata: Readonly<Record<string, string>>): void {
  const bytes = Object.entries(metadata).reduce(
    (sum, [name, value]) => sum + Buffer.byteLength(name) + Buffer.byteLength(value),
    0,
  );
  if (bytes > metadataBytesMax) {
    throw fault("MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size");
  }
}

/** Parts but the last are at least this long. Source: S3 user guide, "Amazon S3 multipart upload limits". */
export const partBytesMin = 5 * 2 ** 20;
export const partNumberMax = 10_000;

export function checkPartNumber(number: number): void {
  if (number >= 1 && number <= partNumberMax) return;
  throw fault("InvalidArgument", `Part number must be an integer between 1 and ${partNumberMax}, inclusive`, {
    ArgumentName: "partNumber",
    ArgumentValue: String(number),
  });
}

/** Entries of a page: as many as are asked for, at most a thousand. */
export function pageLimit(asked: number | undefined, name: string): number {
  if (asked !== undefined && asked < 0) {
    throw fault("InvalidArgument", `Argument ${name} must be an integer between 0 and 2147483647`, {
      ArgumentName: name,
      ArgumentValue: String(asked),
    });
  }
  return Math.min(asked ?? listKeysMax, listKeysMax);
}
