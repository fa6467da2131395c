/** Tags of objects and buckets. */
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import { assign } from "../../store/tables.ts";
import { ownBucket } from "./buckets.ts";
import { fault } from "./faults.ts";
import type { Events } from "./notifications.ts";
import { ofKey, settingOf, versions } from "./tables.ts";
import { putSetting, removeSetting } from "./settings.ts";
import { tagSet, tagsOf, type Tags } from "./tags.ts";
import { readableVersion, versionIdIn } from "./versions.ts";

interface ObjectRef {
  Bucket: string;
  Key: string;
  VersionId?: string | undefined;
}

export function taggingOperations(deps: Deps, events: Events) {
  const { store } = deps;
  const setTags = (input: ObjectRef, tags: Tags | null, call: Call) =>
    store.tx(async (tx) => {
      const bucket = await ownBucket(tx, input.Bucket, call);
      const version = await readableVersion(tx, bucket, input);
      await tx.run(sql`update ${versions.name} set ${assign(versions, { tags })}
        where ${ofKey(bucket, version.key)} and rank = ${version.rank}`);
      await events.happened(tx, bucket, tags === null ? "ObjectTagging:Delete" : "ObjectTagging:Put", version, call);
      return versionIdIn(tx, bucket, version);
    });

  return {
    PutObjectTagging: (input, call) => setTags(input, tagsOf(input.Tagging.TagSet), call),
    DeleteObjectTagging: (input, call) => setTags(input, null, call),

    GetObjectTagging: (input, call) =>
      store.read(async (tx) => {
        const bucket = await ownBucket(tx, input.Bucket, call);
        const version = await readableVersion(tx, bucket, input);
        return { TagSet: tagSet(version.tags), ...(await versionIdIn(tx, bucket, version)) };
      }),

    async PutBucketTagging(input, call) {
      await putSetting(deps, input.Bucket, "tagging", tagsOf(input.Tagging.TagSet, "bucket"), call);
      return {};
    },
    async GetBucketTagging(input, call) {
      const tags = await store.read(async (tx) => settingOf(tx, await ownBucket(tx, input.Bucket, call), "tagging"));
      if (tags === undefined) throw fault("NoSuchTagSet", "The TagSet does not exist", { BucketName: input.Bucket });
      return { TagSet: tagSet(tags) };
    },
    async DeleteBucketTagging(input, call) {
      await removeSetting(deps, input.Bucket, "tagging", call);
      return {};
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-s3")>;
}
