/** Parameter Store's CloudFormation type. */
import { asProperties, type Json, type JsonObject, type Resource } from "../../kit/resource.ts";
import { invalid, notYet } from "./faults.ts";
import { sql } from "../../store/sql.ts";
import { assign } from "../../store/tables.ts";
import { findParameter, findVersion, isNamed, parameters } from "./tables.ts";
import { deleteParameter, parameterPut, type SsmDeps } from "./writing.ts";

const text = (value: Json | undefined) => (typeof value === "string" ? value : undefined);
/** Templates write numbers and booleans where text is meant. */
function scalar(value: Json | undefined): string {
  if (typeof value === "object" || value === undefined) throw invalid("A parameter's value and tags must be text.");
  return String(value);
}
const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Tags of this type are a map, unlike those of others. */
function tagsOf(value: Json | undefined): Record<string, string> {
  if (value === undefined) return {};
  if (!isObject(value)) throw invalid("Property Tags of AWS::SSM::Parameter must be a map.");
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, scalar(one)]));
}

/** What a template asks for, apart from name and tags. */
function asked(properties: JsonObject) {
  const type = text(properties["Type"]) ?? "";
  if (properties["Policies"] !== undefined) throw notYet("Policies");
  // As on AWS: a template is no place for a secret.
  if (type !== "String" && type !== "StringList") {
    throw invalid(`Type ${type} is not supported by AWS::SSM::Parameter: it can be String or StringList.`);
  }
  return {
    type,
    value: scalar(properties["Value"]),
    tier: text(properties["Tier"]),
    dataType: text(properties["DataType"]),
    description: text(properties["Description"]),
    allowedPattern: text(properties["AllowedPattern"]),
  };
}

export function parameterResource(deps: SsmDeps): Resource {
  const put = parameterPut(deps);
  return {
    type: "AWS::SSM::Parameter",
    properties: ["AllowedPattern", "DataType", "Description", "Name", "Policies", "Tags", "Tier", "Type", "Value"],
    required: ["Type", "Value"],
    attributes: ["Type", "Value"],
    name: { property: "Name", lengthMax: 1_011 },
    replaceOn: ["DataType"],
    async create({ properties, physicalName, token, tags }, call) {
      const { value, type, ...given } = asked(properties);
      const own = { ...tags, ...tagsOf(properties["Tags"]) };
      const row = await put({ name: physicalName, value, type, ...given, tags: own, token }, call);
      return { physicalId: row.name, attributes: { Type: type, Value: value } };
    },
    async update({ properties, physicalId, tags }, call) {
      const given = asked(properties);
      const own = { ...tags, ...tagsOf(properties["Tags"]) };
      const isCurrent = await deps.store.read(async (tx) => {
        const row = await findParameter(tx, call, physicalId);
        const version = row && (await findVersion(tx, call, physicalId, row.version));
        return (
          version?.type === given.type &&
          Buffer.from(version.value).toString() === given.value &&
          (version.description ?? "") === (given.description ?? "") &&
          (version.allowed_pattern ?? "") === (given.allowedPattern ?? "") &&
          (given.tier === undefined || version.tier === given.tier)
        );
      });
      // A step that is done again after a crash makes no further version.
      if (!isCurrent) {
        const description = given.description ?? "";
        await put({ name: physicalId, ...given, description, overwrite: true }, call);
      }
      await deps.store.tx((tx) =>
        tx.run(sql`update ${parameters.name} set ${assign(parameters, { tags: own })}
          where ${isNamed(call, physicalId)}`),
      );
      return { physicalId, attributes: { Type: given.type, Value: given.value } };
    },
    read: ({ physicalId }, call) =>
      deps.store.read(async (tx) => {
        const row = await findParameter(tx, call, physicalId);
        const version = row && (await findVersion(tx, call, physicalId, row.version));
        if (row === undefined || version === undefined) return undefined;
        return asProperties({
          AllowedPattern: row.allowed_pattern ?? undefined,
          DataType: row.data_type,
          Description: row.description ?? undefined,
          Name: row.name,
          Tags: row.tags,
          Tier: row.tier,
          Type: row.type,
          // What has become a SecureString is shown to nobody.
          Value: row.type === "SecureString" ? undefined : Buffer.from(version.value).toString(),
        });
      }),
    // Its tags are a map of the user's own keys. Of the tier, AWS decides where the template says Intelligent-Tiering.
    comparison: { Tags: "exact", Tier: "unread" },
    async delete({ physicalId }, call) {
      await deps.store.tx((tx) => deleteParameter(tx, call, physicalId));
    },
  };
}
