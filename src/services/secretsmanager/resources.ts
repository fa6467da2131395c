/** Secrets Manager's CloudFormation types. */
import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { isFault } from "../../base/errors.ts";
import type { Call } from "../../kit/call.ts";
import { asProperties, type Json, type JsonObject, type Resource } from "../../kit/resource.ts";
import { fault, invalid, notYet } from "./faults.ts";
import { rotationPollMs, rotationWaitMsMax } from "./limits.ts";
import { alive, findSecret, setSecret, type SecretDeps } from "./lookup.ts";
import { randomPassword } from "./password.ts";
import { valueOperations } from "./reading.ts";
import { rotationOperations } from "./rotation.ts";
import { checkTags, removeSecret, secretCreation, secretOperations } from "./secrets.ts";
import { current, holderOf, previous } from "./stages.ts";
import { versionsOf, type Tag } from "./tables.ts";
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

const hashed = (...parts: readonly unknown[]) =>
  createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 36);

/**
 * The id of the version that a step makes: from the resource's token, what is asked for, and the version it follows.
 * A step that is done again after a crash finds its own version current, and makes no other.
 */
function stepVersion({ store }: SecretDeps) {
  return async (secretId: string, token: string, wanted: unknown, call: Call) => {
    const all = await store.read(async (tx) => versionsOf(tx, await alive(tx, secretId, call)));
    const now = holderOf(all, current)?.id ?? "";
    const before = holderOf(all, previous)?.id ?? "";
    return { id: hashed(token, wanted, now), isDone: now !== "" && now === hashed(token, wanted, before) };
  };
}

function valueOf({ GenerateSecretString: rules, SecretString: given }: JsonObject): string | undefined {
  if (rules !== undefined && given !== undefined) {
    throw invalid("You can't specify both GenerateSecretString and SecretString.");
  }
  return isObject(rules) ? generated(rules) : text(given);
}

const allTags = (tags: Readonly<Record<string, string>>, own: Json | undefined): Tag[] =>
  checkTags([...Object.entries(tags).map(([Key, Value]) => ({ Key, Value })), ...tagsOf(own)]);

/** What an update puts: nothing where the value is as it is to be, or was made by this very step before a crash. */
function valueUpdate(deps: SecretDeps) {
  const { store, values } = deps;
  const shown = async (secretId: string, call: Call) => {
    const { row, version } = await store.read(async (tx) => {
      const found = await alive(tx, secretId, call);
      return { row: found, version: (await versionsOf(tx, found)).find(({ stages }) => stages.includes(current)) };
    });
    const value = version && (await values.open(row, version, call));
    return value && Buffer.from(value.bytes).toString();
  };
  return async (secretId: string, token: string, properties: JsonObject, former: JsonObject, call: Call) => {
    const { GenerateSecretString: rules } = properties;
    const SecretString = valueOf(properties);
    if (SecretString === undefined) return {};
    if (rules === undefined) return (await shown(secretId, call)) === SecretString ? {} : { SecretString };
    if (isDeepStrictEqual(rules, former["GenerateSecretString"])) return {};
    const { id, isDone } = await stepVersion(deps)(secretId, token, rules, call);
    return isDone ? {} : { SecretString, ClientRequestToken: id };
  };
}

export function secretResource(deps: SecretDeps): Resource {
  const create = secretCreation(deps);
  const { UpdateSecret } = secretOperations(deps);
  const nextValue = valueUpdate(deps);
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
      const SecretString = valueOf(properties);
      const row = await create(
        {
          name: physicalName,
          description: text(properties["Description"]),
          kmsKey: text(properties["KmsKeyId"]),
          type: text(properties["Type"]),
          tags: allTags(tags, properties["Tags"]),
          value: givenValue({ SecretString }),
          versionId: hashed(token),
          token,
        },
        call,
      );
      return { physicalId: row.arn, attributes: { Id: row.arn } };
    },
    async update({ physicalId, attributes, properties, former, token, tags }, call) {
      if (properties["ReplicaRegions"] !== undefined) throw notYet("ReplicaRegions");
      const SecretString = await nextValue(physicalId, token, properties, former.properties, call);
      const key = text(properties["KmsKeyId"]) ?? "";
      const changesKey = key !== (text(former.properties["KmsKeyId"]) ?? "");
      await UpdateSecret(
        {
          SecretId: physicalId,
          Description: text(properties["Description"]) ?? "",
          ...(changesKey ? { KmsKeyId: key } : {}),
          ...SecretString,
        },
        call,
      );
      await store.tx(async (tx) => {
        const row = await alive(tx, physicalId, call);
        await setSecret(tx, row, { tags: allTags(tags, properties["Tags"]) });
      });
      return { physicalId, attributes };
    },
    async read({ physicalId }, call) {
      const row = await store.read((tx) => findSecret(tx, physicalId, call));
      if (row === undefined || row.deletion_ms !== null) return undefined;
      return asProperties({
        Description: row.description ?? undefined,
        KmsKeyId: row.kms_key ?? undefined,
        Name: row.name,
        Tags: row.tags,
        Type: row.type ?? undefined,
      });
    },
    comparison: { GenerateSecretString: "unread", SecretString: "unread", ReplicaRegions: "unread" },
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
    replaceOn: ["SecretId"],
    async update({ physicalId, attributes, properties }, call) {
      const policy = properties["ResourcePolicy"];
      await PutResourcePolicy({ SecretId: physicalId, ResourcePolicy: text(policy) ?? JSON.stringify(policy) }, call);
      return { physicalId, attributes };
    },
    async read({ physicalId, properties }, call) {
      const row = await deps.store.read((tx) => findSecret(tx, physicalId, call));
      if (row === undefined || row.deletion_ms !== null || row.policy === null) return undefined;
      return asProperties({ ResourcePolicy: row.policy, SecretId: properties["SecretId"] });
    },
    comparison: { ResourcePolicy: "exact", BlockPublicPolicy: "unread" },
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
  const { store, clock } = deps;
  /** What the change before this one has begun: its function takes a moment, in which no other can begin. */
  const untilRotated = async (SecretId: string, token: string, call: Call): Promise<void> => {
    const untilMs = clock.now() + rotationWaitMsMax;
    while (clock.now() < untilMs) {
      const row = await store.read((tx) => findSecret(tx, SecretId, call));
      const running = row?.rotation_token ?? null;
      if (running === null || running === token) return;
      await clock.sleep(rotationPollMs, call.signal);
    }
  };
  const rotate = async (properties: JsonObject, token: string, call: Call): Promise<string> => {
    if (properties["HostedRotationLambda"] !== undefined) throw notYet("HostedRotationLambda");
    const rules = properties["RotationRules"];
    const days = isObject(rules) ? rules["AutomaticallyAfterDays"] : undefined;
    const immediately = properties["RotateImmediatelyOnUpdate"];
    const SecretId = text(properties["SecretId"]) ?? "";
    const { id, isDone } = await stepVersion(deps)(SecretId, token, properties, call);
    await untilRotated(SecretId, id, call);
    const { ARN } = await RotateSecret(
      {
        SecretId,
        ClientRequestToken: id,
        RotationLambdaARN: text(properties["RotationLambdaARN"]),
        RotationRules: isObject(rules)
          ? {
              AutomaticallyAfterDays: days === undefined ? undefined : Number(days),
              ScheduleExpression: text(rules["ScheduleExpression"]),
              Duration: text(rules["Duration"]),
            }
          : undefined,
        RotateImmediately: !isDone && (immediately === undefined || isTrue(immediately)),
      },
      call,
    );
    return ARN;
  };
  return {
    type: "AWS::SecretsManager::RotationSchedule",
    properties: ["HostedRotationLambda", "RotateImmediatelyOnUpdate", "RotationLambdaARN", "RotationRules", "SecretId"],
    required: ["SecretId"],
    attributes: ["Id"],
    async create({ properties, token }, call) {
      const ARN = await rotate(properties, token, call);
      return { physicalId: ARN, attributes: { Id: ARN } };
    },
    replaceOn: ["SecretId"],
    async update({ physicalId, attributes, properties, token }, call) {
      await rotate(properties, token, call);
      return { physicalId, attributes };
    },
    async read({ physicalId, properties }, call) {
      const row = await store.read((tx) => findSecret(tx, physicalId, call));
      if (row === undefined || row.deletion_ms !== null || row.rotation_enabled !== true) return undefined;
      return asProperties({
        RotationLambdaARN: row.rotation_function ?? undefined,
        RotationRules: row.rotation_rules ?? undefined,
        SecretId: properties["SecretId"],
      });
    },
    comparison: { HostedRotationLambda: "unread", RotateImmediatelyOnUpdate: "unread" },
    async delete({ physicalId }, call) {
      await store.tx(async (tx) => {
        const row = await findSecret(tx, physicalId, call);
        if (row === undefined) return;
        await setSecret(tx, row, { rotation_enabled: false, rotation_token: null, next_rotation_ms: null });
      });
    },
  };
}
