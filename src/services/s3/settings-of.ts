/** The configurations that a bucket can have, by the name they are stored under. */
import type * as S3 from "@aws-sdk/client-s3";

export interface Settings {
  versioning: { Status: "Enabled" | "Suspended" };
  cors: S3.CORSConfiguration;
  tagging: Record<string, string>;
  policy: string;
  publicAccessBlock: S3.PublicAccessBlockConfiguration;
  ownershipControls: S3.OwnershipControls;
  encryption: S3.ServerSideEncryptionConfiguration;
  lifecycle: S3.BucketLifecycleConfiguration;
  notification: S3.NotificationConfiguration;
  website: S3.WebsiteConfiguration;
}
export type SettingName = keyof Settings;
