/** Tags of queues. */
import type { Handlers } from "../../kit/handlers.ts";
import { sql } from "../../store/sql.ts";
import { assign } from "../../store/tables.ts";
import type { Call } from "../../kit/call.ts";
import type { SqsDeps } from "./deps.ts";
import { fault, noQueue } from "./faults.ts";
import { tagKeyLengthMax, tagsMax, tagValueLengthMax } from "./limits.ts";
import { findRow } from "./lookup.ts";
import { isQueue, queues as table } from "./tables.ts";

type Tags = Readonly<Record<string, string>>;

const refused = (message: string) => fault("InvalidParameterValue", message);

/** Throws AWS's words for tags that a queue cannot have. */
export function checkTags(tags: Tags): Tags {
  if (Object.keys(tags).length > tagsMax) throw refused(`Too many tags added for queue. The maximum is ${tagsMax}.`);
  for (const [key, value] of Object.entries(tags)) {
    if (key === "" || key.length > tagKeyLengthMax) {
      throw refused(`Tag keys must be between 1 and ${tagKeyLengthMax} characters in length.`);
    }
    if (value.length > tagValueLengthMax) {
      throw refused(`Tag values must be between 0 and ${tagValueLengthMax} characters in length.`);
    }
  }
  return tags;
}

export function tagOperations({ store, queues }: SqsDeps) {
  const change = async (url: string, action: string, call: Call, make: (tags: Tags) => Tags) => {
    const { row } = await queues.open(url, action, call);
    await store.tx(async (tx) => {
      const found = await findRow(tx, row);
      if (found === undefined) throw noQueue();
      const tags = { ...checkTags(make(found.tags)) };
      await tx.run(sql`update ${table.name} set ${assign(table, { tags })} where ${isQueue(found)}`);
      queues.forgetAfter(tx, row);
    });
    return {};
  };
  return {
    TagQueue: async ({ QueueUrl, Tags: given }, call) =>
      change(QueueUrl, "TagQueue", call, (tags) => {
        if (Object.keys(given).some((key) => key.toLowerCase().startsWith("aws:"))) {
          throw refused("Tag keys beginning with aws: are reserved for system use.");
        }
        return { ...tags, ...given };
      }),
    UntagQueue: async ({ QueueUrl, TagKeys }, call) =>
      change(QueueUrl, "UntagQueue", call, (tags) =>
        Object.fromEntries(Object.entries(tags).filter(([key]) => !TagKeys.includes(key))),
      ),
    async ListQueueTags({ QueueUrl }, call) {
      const { row } = await queues.open(QueueUrl, "ListQueueTags", call);
      return Object.keys(row.tags).length === 0 ? {} : { Tags: row.tags };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-sqs")>;
}
