/** Tags of event source mappings. */
import { parseArn } from "../../../base/arn.ts";
import type { Call } from "../../../kit/call.ts";
import { sql } from "../../../store/sql.ts";
import { assign } from "../../../store/tables.ts";
import type { LambdaDeps } from "../deps.ts";
import { invalid } from "../faults.ts";
import { mappingTagsMax } from "./limits.ts";
import { noMapping } from "./mappings.ts";
import { eventSources, findSource, isSource, type SourceKey } from "./tables.ts";

type Tags = Record<string, string>;
const prefix = "event-source-mapping:";

/** The mapping that an ARN names; undefined where it names something else. */
export function taggedMapping(arn: string, { account, region }: Call): SourceKey | undefined {
  const { resource = "" } = parseArn(arn) ?? {};
  return resource.startsWith(prefix) ? { account, region, uuid: resource.slice(prefix.length) } : undefined;
}

export function mappingTags({ store }: Pick<LambdaDeps, "store">) {
  return {
    async change(key: SourceKey, tagsAfter: (tags: Tags) => Tags): Promise<object> {
      await store.tx(async (tx) => {
        const row = await findSource(tx, key);
        if (row === undefined) throw noMapping();
        const tags = tagsAfter(row.tags);
        if (Object.keys(tags).length > mappingTagsMax) throw invalid("Number of tags exceeds resource tag limit.");
        await tx.run(sql`update ${eventSources.name} set ${assign(eventSources, { tags })} where ${isSource(key)}`);
      });
      return {};
    },
    async read(key: SourceKey): Promise<Tags> {
      const row = await store.read((tx) => findSource(tx, key));
      if (row === undefined) throw noMapping();
      return row.tags;
    },
  };
}
