/** Secrets Manager's CloudFormation types. */
import { createHash } from "node:crypto";
import { isFault } from "../../base/errors.ts";
import type { Json, JsonObject, Resource } from "../../kit/resource.ts";
import { fault, invalid, notYet } from "./faults.ts";
import { findSecret, setSecret, type SecretDeps } from "./lookup.ts";
import { randomPassword } from "./password.ts";
import { valueOperations } from "./reading.ts";
import { rotationOperations } from "./rotation.ts";
import { checkTags, removeSecret, secretCreation } from "./secrets.ts";
import type { Tag } from "./tables.ts";
import { givenValue } from "./values.ts";

const text = (value: Json | undefined) => (typeof value === "string" ? value : undefined);
const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isTrue = (value: Json | undefined) => value === true || value === "true";
const optional = (value: Json | undefined) => (value === undefined ? undefined : isTrue(value));

function tagsOf(value: Json | undefined): Tag[] {
  const list: readonly Json[] = Array.isArray(value) ? value : [];
  return list.filter(isObject).map((tag) => ({ Key: text(tag["Key"]) ?? "", Value: text(tag["Value"]) ?? "" }));
}

/** A password by the rules, alone or set into a template of JSON. */
function generated(rules: JsonObject): string {
  const { PasswordLength, SecretStringTemplate, GenerateStringKey } = rules;
  const password = randomPassword({
    PasswordLength: PasswordLength === undefined ? undefined : Number(PasswordLength),
    ExcludeCharacters: text(rules["ExcludeCharacters"]),
    ExcludeNumbers: optional(rules["ExcludeNumbers"]),
    ExcludePunctuation: optional(rules["ExcludePunctuation"]),
    ExcludeUppercase: optional(rules["ExcludeUppercase"]),
    ExcludeLowercase: optional(rules["ExcludeLowercase"]),
    IncludeSpace: optional(rules["IncludeSpace"]),
    RequireEachIncludedType: optional(rules["RequireEachIncludedType"]),
  });
  if (SecretStringTemplate === undefined && GenerateStringKey === undefined) return password;
  const key = text(GenerateStringKey);
  const template = text(SecretStringTemplate);
  if (key === undefined || template === undefined) {
    throw invalid("SecretStringTemplate and GenerateStringKey must be given together.");
  }
  let document: unknown;
  try {
    document = JSON.parse(template);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw fault("InvalidParameterException", "SecretStringTemplate is not valid JSON.");
  }
  if (typeof document !== "object" || document === null || Array.isArray(document)) {
    throw invalid("SecretStringTemplate must be a JSON object.");
  }
  return JSON.stringify({ ...document, [key]: password });
}

export function secretResource(deps: SecretDeps): Resource {
  const create = secretCreation(deps);
  const { store } = deps;
  return {
    type: "AWS::SecretsManager::Secret",
    properties: [
      "Description",
      "GenerateSecretString",
      "KmsKeyId",
      "Name",
      "ReplicaRegions",
      "SecretString",
      "Tags",
      "Type",
    ],
    required: [],
    attributes: ["Id"],
    name: { property: "Name", lengthMax: 512 },
    async create({ properties, physicalName, token, tags }, call) {
      if (properties["ReplicaRegions"] !== undefined) throw notYet("ReplicaRegions");
      const rules = properties["GenerateSecretString"];
      const given = properties["SecretString"];
      if (rules !== undefined && given !== undefined) {
        throw invalid("You can't specify both GenerateSecretString and SecretString.");
      }
      const SecretString = isObject(rules) ? generated(rules) : text(given);
      const row = await create(
        {
          name: physicalName,
          description: text(properties["Description"]),
          kmsKey: text(properties["KmsKeyId"]),
          type: text(properties["Type"]),
          tags: [
            ...Object.entries(tags).map(([Key, Value]) => ({ Key, Value })),
            ...checkTags(tagsOf(properties["Tags"])),
          ],
          value: givenValue({ SecretString }),
          versionId: createHash("sha256").update(token).digest("hex").slice(0, 36),
          token,
        },
        call,
      );
      return { physicalId: row.arn, attributes: { Id: row.arn } };
    },
    async delete({ physicalId }, call) {
      // CloudFormation leaves no recovery window: a stack can be made again at once.
      await store.tx(async (tx) => {
        const row = await findSecret(tx, physicalId, call);
        if (row !== undefined) await removeSecret(tx, row);
      });
    },
  };
}

const gone = (error: unknown) =>
  isFault(error, "ResourceNotFoundException") || isFault(error, "InvalidRequestException");

export function resourcePolicyResource(deps: SecretDeps): Resource {
  const { PutResourcePolicy, DeleteResourcePolicy } = valueOperations(deps);
  return {
    type: "AWS::SecretsManager::ResourcePolicy",
    properties: ["BlockPublicPolicy", "ResourcePolicy", "SecretId"],
    required: ["ResourcePolicy", "SecretId"],
    attributes: ["Id"],
    async create({ properties }, call) {
      const policy = properties["ResourcePolicy"];
      const ResourcePolicy = text(policy) ?? JSON.stringify(policy);
      const { ARN } = await PutResourcePolicy({ SecretId: text(properties["SecretId"]) ?? "", ResourcePolicy }, call);
      return { physicalId: ARN, attributes: { Id: ARN } };
    },
    async delete({ physicalId }, call) {
      try {
        await DeleteResourcePolicy({ SecretId: physicalId }, call);
      } catch (error) {
        if (!gone(error)) throw error;
      }
    },
  };
}

export function rotationScheduleResource(deps: SecretDeps): Resource {
  const { RotateSecret } = rotationOperations(deps);
  const { store } = deps;
  return {
    type: "AWS::SecretsManager::RotationSchedule",
    properties: ["HostedRotationLambda", "RotateImmediatelyOnUpdate", "RotationLambdaARN", "RotationRules", "SecretId"],
    required: ["SecretId"],
    attributes: ["Id"],
    async create({ properties, token }, call) {
      if (properties["HostedRotationLambda"] !== undefined) throw notYet("HostedRotationLambda");
      const rules = properties["RotationRules"];
      const days = isObject(rules) ? rules["AutomaticallyAfterDays"] : undefined;
      const immediately = properties["RotateImmediatelyOnUpdate"];
      const { ARN } = await RotateSecret(
        {
          SecretId: text(properties["SecretId"]) ?? "",
          ClientRequestToken: createHash("sha256").update(token).digest("hex").slice(0, 36),
          RotationLambdaARN: text(properties["RotationLambdaARN"]),
          RotationRules: isObject(rules)
            ? {
                AutomaticallyAfterDays: days === undefined ? undefined : Number(days),
                ScheduleExpression: text(rules["ScheduleExpression"]),
                Duration: text(rules["Duration"]),
              }
            : undefined,
          RotateImmediately: immediately === undefined || isTrue(immediately),
        },
        call,
      );
      return { physicalId: ARN, attributes: { Id: ARN } };
    },
    async delete({ physicalId }, call) {
      await store.tx(async (tx) => {
        const row = await findSecret(tx, physicalId, call);
        if (row === undefined) return;
        await setSecret(tx, row, { rotation_enabled: false, rotation_token: null, next_rotation_ms: null });
      });
    },
  };
}
