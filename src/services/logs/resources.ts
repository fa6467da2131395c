/** CloudWatch Logs' CloudFormation types. */
import { isFault } from "../../base/errors.ts";
import { asProperties, pairsOf, type Json, type JsonObject, type Resource } from "../../kit/resource.ts";
import type { Deps } from "../../kit/service.ts";
import { invalid, notYet } from "./faults.ts";
import { groupCreation, groupDeletion, groupOperations } from "./groups.ts";
import { groupArn } from "./names.ts";
import { findGroup } from "./tables.ts";

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const text = (value: Json | undefined) => (typeof value === "string" ? value : undefined);

function tagsOf(value: Json | undefined): Record<string, string> {
  const list: readonly Json[] = Array.isArray(value) ? value : [];
  const pairs = list.filter(isObject).map((tag) => [text(tag["Key"]) ?? "", text(tag["Value"]) ?? ""]);
  return Object.fromEntries(pairs) as Record<string, string>;
}

function daysOf(value: Json | undefined): number | undefined {
  if (value === undefined) return undefined;
  const days = Number(value);
  if (!Number.isSafeInteger(days)) throw invalid("Property RetentionInDays must be an integer.");
  return days;
}

/** Properties that would change what the group does. */
const refused = [
  "BearerTokenAuthenticationEnabled",
  "DataProtectionPolicy",
  "FieldIndexPolicies",
  "ResourcePolicyDocument",
];

function refuse(properties: JsonObject): void {
  for (const name of refused) if (properties[name] !== undefined) throw notYet(name);
  const isProtected = properties["DeletionProtectionEnabled"];
  if (isProtected === true || isProtected === "true") throw notYet("DeletionProtectionEnabled");
}

export function groupResource(deps: Deps): Resource {
  const create = groupCreation(deps);
  const remove = groupDeletion(deps);
  const operations = groupOperations(deps);
  return {
    type: "AWS::Logs::LogGroup",
    properties: [
      ...refused,
      "DeletionProtectionEnabled",
      "KmsKeyId",
      "LogGroupClass",
      "LogGroupName",
      "RetentionInDays",
      "Tags",
    ],
    required: [],
    attributes: ["Arn"],
    name: { property: "LogGroupName", lengthMax: 512 },
    async create({ properties, physicalName, token, tags }, call) {
      refuse(properties);
      const row = await create(
        {
          name: physicalName,
          logGroupClass: text(properties["LogGroupClass"]),
          kmsKeyId: text(properties["KmsKeyId"]),
          retentionInDays: daysOf(properties["RetentionInDays"]),
          tags: { ...tags, ...tagsOf(properties["Tags"]) },
          token,
        },
        call,
      );
      return { physicalId: row.name, attributes: { Arn: `${groupArn(row)}:*` } };
    },
    replaceOn: ["LogGroupClass"],
    async update({ physicalId: logGroupName, attributes, properties, tags, former }, call) {
      refuse(properties);
      // A new group in its place would lose what is in it.
      if (properties["KmsKeyId"] !== former.properties["KmsKeyId"]) throw notYet("a change of KmsKeyId");
      const retentionInDays = daysOf(properties["RetentionInDays"]);
      if (retentionInDays === undefined) await operations.DeleteRetentionPolicy({ logGroupName }, call);
      else await operations.PutRetentionPolicy({ logGroupName, retentionInDays }, call);
      const next = { ...tags, ...tagsOf(properties["Tags"]) };
      const before = { ...former.tags, ...tagsOf(former.properties["Tags"]) };
      const gone = Object.keys(before).filter((key) => !Object.hasOwn(next, key));
      if (gone.length > 0) await operations.UntagLogGroup({ logGroupName, tags: gone }, call);
      if (Object.keys(next).length > 0) await operations.TagLogGroup({ logGroupName, tags: next }, call);
      return { physicalId: logGroupName, attributes };
    },
    read: async ({ physicalId }, call) => {
      const row = await deps.store.read((tx) => findGroup(tx, call, physicalId));
      if (row === undefined) return undefined;
      return asProperties({
        KmsKeyId: row.kms_key ?? undefined,
        LogGroupClass: row.class,
        LogGroupName: row.name,
        RetentionInDays: row.retention_days ?? undefined,
        Tags: pairsOf(row.tags),
        DeletionProtectionEnabled: false,
      });
    },
    async delete({ physicalId }, call) {
      await remove(physicalId, call).catch((error: unknown) => {
        if (!isFault(error, "ResourceNotFoundException")) throw error;
      });
    },
  };
}
