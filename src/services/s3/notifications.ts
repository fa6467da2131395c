/** What happens in a bucket, told to those who asked for it. */
import type { Call } from "../../kit/call.ts";
import type { Tx } from "../../store/store.ts";
import type { Bucket, Version } from "./tables.ts";

/** S3's event names, without `s3:`. */
export type EventName =
  | "ObjectCreated:Put"
  | "ObjectCreated:Post"
  | "ObjectCreated:Copy"
  | "ObjectCreated:CompleteMultipartUpload"
  | "ObjectRemoved:Delete"
  | "ObjectRemoved:DeleteMarkerCreated"
  | "ObjectTagging:Put"
  | "ObjectTagging:Delete"
  | "LifecycleExpiration:Delete"
  | "LifecycleExpiration:DeleteMarkerCreated";

/** Who causes an event: the call of a client, or the node itself. */
export type Cause = Pick<Call, "account" | "region" | "trace" | "requestId" | "principal">;

export interface Events {
  /** Writes, in the transaction of the change, what is to be delivered. */
  happened(tx: Tx, bucket: Bucket, name: EventName, version: Version, cause: Cause): Promise<void>;
}

export function createEvents(): Events {
  return { happened: async () => undefined };
}
