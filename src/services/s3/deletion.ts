/** Deleting objects: for good, or with a delete marker where versions are kept. */
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { isFault } from "../../base/errors.ts";
import type { Tx } from "../../store/store.ts";
import { ownBucket } from "./buckets.ts";
import { checkWrite } from "./conditions.ts";
import { fault } from "./faults.ts";
import { checkKey, deleteKeysMax } from "./limits.ts";
import { isProtected, lockedBy } from "./locks.ts";
import type { Cause, Events } from "./notifications.ts";
import { settingOf, type Bucket } from "./tables.ts";
import {
  deleteMarker,
  findVersion,
  newestVersion,
  placeVersion,
  removeVersion,
  versionRandomBytes,
  visible,
} from "./versions.ts";

interface Target {
  Key: string;
  VersionId?: string | undefined;
  /** Only the object with this ETag. */
  ETag?: string | undefined;
}

interface Deleted {
  /** A delete marker was made, or one was removed. */
  DeleteMarker?: true;
  /** Of the version that was removed, or of the marker that was made. */
  VersionId?: string;
}

export interface Deletion {
  target: Target;
  bucket: Bucket;
  nowMs: number;
  random: string;
  cause: Cause;
  /** Retention in governance mode does not hold. */
  bypass?: boolean;
}

/** Deletes one object or version inside a transaction. */
export async function deleteObject(tx: Tx, events: Events, deletion: Deletion): Promise<Deleted> {
  const { target, bucket, nowMs, random, cause, bypass = false } = deletion;
  const { Key, VersionId, ETag } = target;
  if (ETag !== undefined) checkWrite({ IfMatch: ETag }, visible(await newestVersion(tx, bucket, Key)));
  const versioned = (await settingOf(tx, bucket, "versioning")) !== undefined;
  if (VersionId === undefined && versioned) {
    const marker = await placeVersion(tx, bucket, Key, deleteMarker(nowMs), random);
    await events.happened(tx, bucket, "ObjectRemoved:DeleteMarkerCreated", marker, cause);
    return { DeleteMarker: true, VersionId: marker.version_id };
  }
  const version = await findVersion(tx, bucket, Key, VersionId);
  if (version !== undefined) {
    if (lockedBy(version, { bypass, nowMs }) !== undefined) throw isProtected();
    await removeVersion(tx, bucket, version);
    await events.happened(tx, bucket, "ObjectRemoved:Delete", version, cause);
  }
  return {
    ...(VersionId === undefined ? {} : { VersionId }),
    ...(version?.delete_marker === true ? { DeleteMarker: true } : {}),
  };
}

export function deletionOperations({ store, clock, ids }: Deps, events: Events) {
  const remove = (bucketName: string, target: Target, bypass: boolean, call: Call) => {
    const nowMs = clock.now();
    const random = ids.hex(versionRandomBytes);
    return store.tx(async (tx) => {
      const bucket = await ownBucket(tx, bucketName, call);
      return deleteObject(tx, events, { target, bucket, nowMs, random, cause: call, bypass });
    });
  };

  return {
    async DeleteObject(input, call) {
      checkKey(input.Key);
      const target = { Key: input.Key, VersionId: input.VersionId, ETag: input.IfMatch };
      return remove(input.Bucket, target, input.BypassGovernanceRetention ?? false, call);
    },

    async DeleteObjects(input, call) {
      const targets = input.Delete.Objects;
      if (targets.length === 0 || targets.length > deleteKeysMax) {
        throw fault(
          "MalformedXML",
          "The XML you provided was not well-formed or did not validate against our published schema",
        );
      }
      const nowMs = clock.now();
      const bypass = input.BypassGovernanceRetention ?? false;
      const randoms = targets.map(() => ids.hex(versionRandomBytes));
      // One transaction, so that one flush to disk serves all; a target that is refused leaves the others.
      const outcomes = await store.tx(async (tx) => {
        const bucket = await ownBucket(tx, input.Bucket, call);
        const done = [];
        for (const [i, target] of targets.entries()) {
          done.push(await attempt(tx, { target, bucket, nowMs, random: randoms[i] ?? "", cause: call, bypass }));
        }
        return done;
      });
      const errors = outcomes.flatMap(({ error }) => (error === undefined ? [] : [error]));
      const deleted = outcomes.flatMap(({ deleted }) => (deleted === undefined ? [] : [deleted]));
      return {
        ...(input.Delete.Quiet === true ? {} : { Deleted: deleted }),
        ...(errors.length === 0 ? {} : { Errors: errors }),
      };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-s3")>;

  async function attempt(tx: Tx, deletion: Deletion) {
    const { Key, VersionId: asked } = deletion.target;
    const named = asked === undefined ? { Key } : { Key, VersionId: asked };
    try {
      const { DeleteMarker, VersionId } = await deleteObject(tx, events, deletion);
      if (DeleteMarker === undefined) return { deleted: named };
      const marker = VersionId === undefined ? {} : { DeleteMarkerVersionId: VersionId };
      return { deleted: { ...named, DeleteMarker, ...marker } };
    } catch (error) {
      // Refusals of one target are its own; they come before anything is changed.
      if (!isFault(error)) throw error;
      return { error: { ...named, Code: error.code, Message: error.message } };
    }
  }
}
