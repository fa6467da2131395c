/** The configurations that a bucket can have, by the name they are stored under. */
import type * as S3 from "@aws-sdk/client-s3";
import type { Received } from "../../kit/handlers.ts";
import type { Grant } from "./grants.ts";
import type { LockMode } from "./locks.ts";

/** A function, a queue or a topic that is told of events. */
export interface NotificationTarget {
  id: string;
  arn: string;
  /** `s3:ObjectCreated:*`. */
  events: string[];
  prefix: string;
  suffix: string;
}

export interface CorsRule {
  ID?: string | undefined;
  AllowedOrigins: string[];
  AllowedMethods: string[];
  AllowedHeaders?: string[] | undefined;
  ExposeHeaders?: string[] | undefined;
  MaxAgeSeconds?: number | undefined;
}

/** Times are whole days; dates are milliseconds. */
export interface LifecycleRule {
  id: string;
  enabled: boolean;
  filter: {
    prefix: string;
    tags: Record<string, string>;
    sizeAbove: number | null;
    sizeBelow: number | null;
    /** How it was written, for the answer. */
    style: "Prefix" | "Filter" | "And";
  };
  expireDays: number | null;
  expireAtMs: number | null;
  expireMarkers: boolean;
  noncurrentDays: number | null;
  noncurrentKept: number | null;
  abortDays: number | null;
  /** Recorded: every object can be read at once. Absent in rules kept before they were taken. */
  transitions?: Transition[];
  noncurrentTransitions?: Transition[];
}

export interface Transition {
  storageClass: S3.TransitionStorageClass;
  days: number | null;
  atMs: number | null;
  newerKept: number | null;
}

export interface Settings {
  versioning: { Status: "Enabled" | "Suspended" };
  cors: CorsRule[];
  tagging: Record<string, string>;
  policy: string;
  publicAccessBlock: S3.PublicAccessBlockConfiguration;
  /** Without rules when they were deleted, which lets ACLs in; a bucket that never had any has its owner alone. */
  ownershipControls: Received<S3.OwnershipControls>;
  acl: Grant[];
  /** Versions may be locked; `retention` is what they get when nobody says otherwise. */
  objectLock: { retention: { mode: LockMode; days: number | null; years: number | null } | null };
  encryption: Received<S3.ServerSideEncryptionConfiguration>;
  lifecycle: LifecycleRule[];
  notification: NotificationTarget[];
  website: Received<S3.WebsiteConfiguration>;
}
export type SettingName = keyof Settings;
