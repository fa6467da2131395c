/** S3's errors: those its client models, and those that only its documentation lists. */
import { faults } from "../../kit/faults.ts";

/** Source: S3 API reference, "Error responses". */
type Listed =
  | "BadDigest"
  | "BucketNotEmpty"
  | "EntityTooLarge"
  | "IllegalLocationConstraintException"
  | "InvalidArgument"
  | "InvalidBucketName"
  | "InvalidRange"
  | "KeyTooLongError"
  | "MalformedXML"
  | "MetadataTooLarge"
  | "NotModified"
  | "PreconditionFailed";

export const fault = faults<typeof import("@aws-sdk/client-s3"), Listed>();
