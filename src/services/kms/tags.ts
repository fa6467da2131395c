/** Tags of keys, and their policies. */
import type { Handlers } from "../../kit/handlers.ts";
import { sql } from "../../store/sql.ts";
import { assign } from "../../store/tables.ts";
import { fault, notFound } from "./faults.ts";
import { checkCustomer, checkNotPending, ownedKey, type KmsDeps } from "./keyring.ts";
import { tagsMax } from "./limits.ts";
import { ownKey } from "./names.ts";
import { checkPolicy } from "./policy.ts";
import { isKey, keys, type KeyRow, type Tag } from "./tables.ts";
import type { Call } from "../../kit/call.ts";

/** The tags as they are kept: one value for each key, in the order given. */
export function checkTags(given: readonly { TagKey: string; TagValue: string }[]): Tag[] {
  const tags = new Map<string, string>();
  for (const { TagKey, TagValue } of given) {
    if (TagKey.toLowerCase().startsWith("aws:")) throw fault("TagException", "Tags beginning with aws: are reserved");
    tags.set(TagKey, TagValue);
  }
  if (tags.size > tagsMax) throw fault("LimitExceededException", `A key has at most ${tagsMax} tags.`);
  return [...tags].map(([TagKey, TagValue]) => ({ TagKey, TagValue }));
}

export function tagOperations({ store, keyring }: KmsDeps) {
  const change = (keyId: string, call: Call, operation: string, changes: (row: KeyRow) => Partial<KeyRow>) =>
    store.tx(async (tx) => {
      const row = await ownedKey(tx, keyId, call);
      checkCustomer(row, operation);
      checkNotPending(row);
      await tx.run(sql`update ${keys.name} set ${assign(keys, changes(row))} where ${isKey(row)}`);
      return {};
    });
  const checkPolicyName = (name: string | undefined) => {
    if (name !== undefined && name !== "default") throw notFound("No such policy exists");
  };

  return {
    TagResource: (input, call) =>
      change(input.KeyId, call, "TagResource", ({ tags }) => ({ tags: checkTags([...tags, ...input.Tags]) })),

    UntagResource: (input, call) =>
      change(input.KeyId, call, "UntagResource", ({ tags }) => ({
        tags: tags.filter(({ TagKey }) => !input.TagKeys.includes(TagKey)),
      })),

    async ListResourceTags(input, call) {
      ownKey(input.KeyId, call);
      const { tags } = await keyring.find(input.KeyId, call);
      return { Tags: tags, Truncated: false };
    },

    async PutKeyPolicy(input, call) {
      checkPolicyName(input.PolicyName);
      checkPolicy(input.Policy);
      return change(input.KeyId, call, "PutKeyPolicy", () => ({ policy: input.Policy }));
    },

    async GetKeyPolicy(input, call) {
      checkPolicyName(input.PolicyName);
      ownKey(input.KeyId, call);
      return { Policy: (await keyring.find(input.KeyId, call)).policy, PolicyName: "default" };
    },

    async ListKeyPolicies(input, call) {
      ownKey(input.KeyId, call);
      await keyring.find(input.KeyId, call);
      return { PolicyNames: ["default"], Truncated: false };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-kms")>;
}
