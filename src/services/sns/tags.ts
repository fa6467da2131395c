/** Tags of topics. */
import type { Handlers } from "../../kit/handlers.ts";
import { sql } from "../../store/sql.ts";
import { assign } from "../../store/tables.ts";
import type { Call } from "../../kit/call.ts";
import type { SnsDeps } from "./deps.ts";
import { fault, invalid } from "./faults.ts";
import { tagKeyLengthMax, tagsMax, tagValueLengthMax } from "./limits.ts";
import { admit, findTopic } from "./lookup.ts";
import { topicRef } from "./names.ts";
import { isTopic, topics as table } from "./tables.ts";

type Tags = Readonly<Record<string, string>>;

/** Throws AWS's words for tags that a topic cannot have. */
export function checkTags(tags: Tags): Tags {
  if (Object.keys(tags).length > tagsMax) {
    throw fault("TagLimitExceededException", "Could not complete request: tag quota of per resource exceeded");
  }
  for (const [key, value] of Object.entries(tags)) {
    if (key === "" || key.length > tagKeyLengthMax || value.length > tagValueLengthMax) throw invalid("Tags");
  }
  return tags;
}

export function tagOperations({ store, topics }: SnsDeps) {
  const rowOf = async (arn: string, action: string, call: Call) => {
    const topic = await topics.find(topicRef("ResourceArn", arn));
    if (topic === undefined) throw fault("ResourceNotFoundException", "Resource does not exist");
    admit(topic.row, action, call);
    return topic.row;
  };
  const change = async (arn: string, action: string, call: Call, make: (tags: Tags) => Tags) => {
    const row = await rowOf(arn, action, call);
    await store.tx(async (tx) => {
      const found = await findTopic(tx, row);
      if (found === undefined) throw fault("ResourceNotFoundException", "Resource does not exist");
      const tags = { ...checkTags(make(found.tags)) };
      await tx.run(sql`update ${table.name} set ${assign(table, { tags })} where ${isTopic(found)}`);
      topics.forgetAfter(tx, row);
    });
    return {};
  };
  return {
    async TagResource({ ResourceArn, Tags: given }, call) {
      const added = Object.fromEntries(given.map(({ Key, Value }) => [Key, Value]));
      if (Object.keys(added).length < given.length) throw invalid("Duplicated keys are not allowed.");
      if (Object.keys(added).some((key) => key.toLowerCase().startsWith("aws:"))) throw invalid("Tags");
      return change(ResourceArn, "TagResource", call, (tags) => ({ ...tags, ...added }));
    },
    UntagResource: async ({ ResourceArn, TagKeys }, call) =>
      change(ResourceArn, "UntagResource", call, (tags) =>
        Object.fromEntries(Object.entries(tags).filter(([key]) => !TagKeys.includes(key))),
      ),
    async ListTagsForResource({ ResourceArn }, call) {
      const { tags } = await rowOf(ResourceArn, "ListTagsForResource", call);
      return { Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })) };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-sns")>;
}
