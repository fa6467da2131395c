/** Tags of certificates. */
import type { Handlers } from "../../kit/handlers.ts";
import { fault } from "./faults.ts";
import { tagsMax } from "./limits.ts";
import { existing, type AcmDeps } from "./lookup.ts";
import { setCertificate, type Tag } from "./tables.ts";

/** `present` and `given` together: one value for each key. */
export function checkTags(
  present: readonly Tag[],
  given: readonly { Key: string; Value?: string | undefined }[],
): Tag[] {
  const tags = new Map(present.map((tag) => [tag.Key, tag]));
  for (const { Key, Value } of given) {
    if (Key.toLowerCase().startsWith("aws:")) {
      throw fault("InvalidTagException", `Tag keys beginning with aws: are reserved: ${Key}`);
    }
    tags.set(Key, Value === undefined ? { Key } : { Key, Value });
  }
  if (tags.size > tagsMax) throw fault("TooManyTagsException", `A certificate has at most ${tagsMax} tags.`);
  return [...tags.values()];
}

export function tagOperations({ store }: AcmDeps) {
  return {
    async AddTagsToCertificate(input, call) {
      await store.tx(async (tx) => {
        const row = await existing(tx, input.CertificateArn, call);
        await setCertificate(tx, row, { tags: checkTags(row.tags, input.Tags) });
      });
      return {};
    },

    async RemoveTagsFromCertificate(input, call) {
      await store.tx(async (tx) => {
        const row = await existing(tx, input.CertificateArn, call);
        // A tag that is given with a value goes only if it has that value.
        const isGiven = (tag: Tag) =>
          input.Tags.some(({ Key, Value }) => Key === tag.Key && (Value === undefined || Value === tag.Value));
        await setCertificate(tx, row, { tags: row.tags.filter((tag) => !isGiven(tag)) });
      });
      return {};
    },

    async ListTagsForCertificate(input, call) {
      const { tags } = await store.read((tx) => existing(tx, input.CertificateArn, call));
      return { Tags: tags };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-acm")>;
}
