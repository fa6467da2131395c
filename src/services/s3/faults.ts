/** S3's errors: those its client models, and those that only its documentation lists. */
import { faults } from "../../kit/faults.ts";

/** Source: S3 API reference, "Error responses". */
type Listed =
  | "AccessControlListNotSupported"
  | "BadDigest"
  | "BadRequest"
  | "BucketNotEmpty"
  | "ConditionalRequestConflict"
  | "EntityTooLarge"
  | "EntityTooSmall"
  | "IllegalLocationConstraintException"
  | "IllegalVersioningConfigurationException"
  | "InvalidArgument"
  | "InvalidBucketName"
  | "InvalidPart"
  | "InvalidPartNumber"
  | "InvalidPartOrder"
  | "InvalidPolicyDocument"
  | "InvalidRange"
  | "InvalidRequest"
  | "InvalidTag"
  | "KeyTooLongError"
  | "MalformedXML"
  | "MalformedPolicy"
  | "MetadataTooLarge"
  | "MethodNotAllowed"
  | "NoSuchBucketPolicy"
  | "NoSuchCORSConfiguration"
  | "NoSuchLifecycleConfiguration"
  | "NoSuchPublicAccessBlockConfiguration"
  | "NoSuchTagSet"
  | "NoSuchUpload"
  | "NoSuchVersion"
  | "NoSuchWebsiteConfiguration"
  | "NotModified"
  | "ObjectLockConfigurationNotFoundError"
  | "OwnershipControlsNotFoundError"
  | "PreconditionFailed"
  | "ReplicationConfigurationNotFoundError";

export const fault = faults<typeof import("@aws-sdk/client-s3"), Listed>();
