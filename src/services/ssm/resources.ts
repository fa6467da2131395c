/** Parameter Store's CloudFormation type. */
import type { Json, JsonObject, Resource } from "../../kit/resource.ts";
import { invalid, notYet } from "./faults.ts";
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

export function parameterResource(deps: SsmDeps): Resource {
  const put = parameterPut(deps);
  return {
    type: "AWS::SSM::Parameter",
    properties: ["AllowedPattern", "DataType", "Description", "Name", "Policies", "Tags", "Tier", "Type", "Value"],
    required: ["Type", "Value"],
    attributes: ["Type", "Value"],
    name: { property: "Name", lengthMax: 1_011 },
    async create({ properties, physicalName, token, tags }, call) {
      const type = text(properties["Type"]) ?? "";
      if (properties["Policies"] !== undefined) throw notYet("Policies");
      // As on AWS: a template is no place for a secret.
      if (type !== "String" && type !== "StringList") {
        throw invalid(`Type ${type} is not supported by AWS::SSM::Parameter: it can be String or StringList.`);
      }
      const value = scalar(properties["Value"]);
      const row = await put(
        {
          name: physicalName,
          value,
          type,
          tier: text(properties["Tier"]),
          dataType: text(properties["DataType"]),
          description: text(properties["Description"]),
          allowedPattern: text(properties["AllowedPattern"]),
          tags: { ...tags, ...tagsOf(properties["Tags"]) },
          token,
        },
        call,
      );
      return { physicalId: row.name, attributes: { Type: type, Value: value } };
    },
    async delete({ physicalId }, call) {
      await deps.store.tx((tx) => deleteParameter(tx, call, physicalId));
    },
  };
}
