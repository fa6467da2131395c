/** Tags as a list and as a map, and those that a group cannot have. */
import type { Tag } from "@aws-sdk/client-scheduler";
import { invalid } from "./faults.ts";
import { tagsMax } from "./limits.ts";

export type Tags = Record<string, string>;

export const tagsOf = (list: readonly Tag[] = []): Tags =>
  Object.fromEntries(list.map(({ Key = "", Value = "" }) => [Key, Value]));

export function checkTags(tags: Tags): Tags {
  if (Object.keys(tags).length > tagsMax) throw invalid(`A schedule group can have at most ${tagsMax} tags.`);
  if (Object.keys(tags).some((key) => key.toLowerCase().startsWith("aws:"))) {
    throw invalid("Tag keys that begin with aws: are reserved.");
  }
  return tags;
}
