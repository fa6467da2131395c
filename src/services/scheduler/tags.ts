/** Tags, which groups have, and their schedules have not. */
import type { Handlers } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import { assign } from "../../store/tables.ts";
import { openGroup } from "./groups.ts";
import { groupOfArn } from "./names.ts";
import { groups, isGroup } from "./tables.ts";
import { checkTags, tagsOf, type Tags } from "./tag-rules.ts";

export function tagOperations({ store, clock }: Deps) {
  const change = async (arn: string, make: (tags: Tags) => Tags) => {
    const ref = groupOfArn(arn);
    const now = clock.now();
    await store.tx(async (tx) => {
      const { tags } = await openGroup(tx, ref, now);
      await tx.run(sql`update ${groups.name} set ${assign(groups, { tags: make(tags) })} where ${isGroup(ref)}`);
    });
    return {};
  };
  return {
    TagResource: async ({ ResourceArn, Tags: given }) =>
      change(ResourceArn, (tags) => checkTags({ ...tags, ...tagsOf(given) })),
    UntagResource: async ({ ResourceArn, TagKeys }) =>
      change(ResourceArn, (tags) => Object.fromEntries(Object.entries(tags).filter(([key]) => !TagKeys.includes(key)))),
    async ListTagsForResource({ ResourceArn }) {
      const ref = groupOfArn(ResourceArn);
      const now = clock.now();
      const { tags } = await store.tx((tx) => openGroup(tx, ref, now));
      return { Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })) };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-scheduler")>;
}
