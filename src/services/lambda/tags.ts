/** Tags of functions, and of event source mappings. */
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { sql } from "../../store/sql.ts";
import { assign } from "../../store/tables.ts";
import type { LambdaDeps } from "./deps.ts";
import { functionNotFound, invalid, notYet } from "./faults.ts";
import { tagsMax } from "./limits.ts";
import { latest, ownFunction, unqualifiedArn } from "./names.ts";
import { mappingTags, taggedMapping } from "./sources/tags.ts";
import { findFunction, functions, isFunction, versions } from "./tables.ts";

type Tags = Record<string, string>;

export function tagOperations({ store, ids }: LambdaDeps) {
  const mappings = mappingTags({ store });
  const taggedFunction = (arn: string, call: Call, operation: string) => {
    if (!arn.includes(":function:")) throw notYet(`tags of ${arn}`);
    const ref = ownFunction(arn, undefined, call, operation);
    if (ref.qualifier === undefined) return ref;
    throw invalid("Tags on function aliases and versions are not supported. Please specify a function ARN.");
  };

  const change = async (arn: string, call: Call, operation: string, tagsAfter: (tags: Tags) => Tags) => {
    const mapping = taggedMapping(arn, call);
    if (mapping !== undefined) return mappings.change(mapping, tagsAfter);
    const ref = taggedFunction(arn, call, operation);
    const revisionId = ids.uuid();
    await store.tx(async (tx) => {
      const row = await findFunction(tx, ref);
      if (row === undefined) throw functionNotFound(unqualifiedArn(ref));
      const tags = tagsAfter(row.tags);
      await tx.run(sql`update ${functions.name} set ${assign(functions, { tags })} where ${isFunction(ref)}`);
      await tx.run(sql`update ${versions.name} set revision_id = ${revisionId}
        where ${isFunction(ref)} and version = ${latest}`);
    });
    return {};
  };

  return {
    async TagResource(input, call) {
      if (Object.keys(input.Tags).length === 0) {
        throw invalid("An error occurred and the request cannot be processed.");
      }
      return change(input.Resource, call, "TagResource", (tags) => {
        const merged = { ...tags, ...input.Tags };
        if (Object.keys(merged).length > tagsMax) throw invalid("Number of tags exceeds resource tag limit.");
        return merged;
      });
    },

    UntagResource: (input, call) =>
      change(input.Resource, call, "UntagResource", (tags) =>
        Object.fromEntries(Object.entries(tags).filter(([key]) => !input.TagKeys.includes(key))),
      ),

    async ListTags(input, call) {
      const mapping = taggedMapping(input.Resource, call);
      if (mapping !== undefined) return { Tags: await mappings.read(mapping) };
      const ref = taggedFunction(input.Resource, call, "ListTags");
      const row = await store.read((tx) => findFunction(tx, ref));
      if (row === undefined) throw functionNotFound(unqualifiedArn(ref));
      return { Tags: row.tags };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-lambda")>;
}
