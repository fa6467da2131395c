/** KMS's CloudFormation types. */
import { isFault } from "../../base/errors.ts";
import { asProperties, type Json, type JsonObject, type Resource } from "../../kit/resource.ts";
import { sql } from "../../store/sql.ts";
import { assign } from "../../store/tables.ts";
import { aliasOperations } from "./aliases.ts";
import { invalid, notYet } from "./faults.ts";
import { ownedKey, type KmsDeps } from "./keyring.ts";
import { dayMs, deletionDaysMax, rotationDaysDefault } from "./limits.ts";
import { keyArn } from "./names.ts";
import { checkPolicy, defaultPolicy } from "./policy.ts";
import { findAlias, findKey, isKey, keys, type Tag } from "./tables.ts";
import { checkTags } from "./tags.ts";

const text = (value: Json | undefined) => (typeof value === "string" ? value : undefined);
const isTrue = (value: Json | undefined) => value === true || value === "true";
const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function tagsOf(value: Json | undefined): Tag[] {
  const list: readonly Json[] = Array.isArray(value) ? value : [];
  return list.filter(isObject).map((tag) => ({ TagKey: text(tag["Key"]) ?? "", TagValue: text(tag["Value"]) ?? "" }));
}

function integer(value: Json | undefined, name: string): number | undefined {
  if (value === undefined) return undefined;
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw invalid(`Property ${name} must be an integer.`);
  return number;
}

function checkAsked(properties: JsonObject): void {
  if (isTrue(properties["MultiRegion"])) throw notYet("MultiRegion");
  const origin = properties["Origin"];
  if (origin !== undefined && origin !== "AWS_KMS") throw notYet(`Origin ${JSON.stringify(origin)}`);
}

/** The tags of stack and template together. */
const allTags = (tags: Readonly<Record<string, string>>, own: Json | undefined): Tag[] => [
  ...Object.entries(tags).map(([TagKey, TagValue]) => ({ TagKey, TagValue })),
  ...checkTags(tagsOf(own)),
];

/** Days between rotations, or undefined where the template asks for none. */
function rotationOf(properties: JsonObject, spec: string): number | undefined {
  if (!isTrue(properties["EnableKeyRotation"])) return undefined;
  if (spec !== "SYMMETRIC_DEFAULT") throw invalid(`EnableKeyRotation is not valid for ${spec}.`);
  return integer(properties["RotationPeriodInDays"], "RotationPeriodInDays") ?? rotationDaysDefault;
}

const isEnabled = ({ Enabled }: JsonObject) => Enabled === undefined || isTrue(Enabled);

function policyOf(value: Json | undefined): string | undefined {
  if (value === undefined) return undefined;
  const policy = text(value) ?? JSON.stringify(value);
  checkPolicy(policy);
  return policy;
}

export function keyResource(deps: KmsDeps): Resource {
  const { store, clock, keyring } = deps;
  return {
    type: "AWS::KMS::Key",
    properties: [
      "BypassPolicyLockoutSafetyCheck",
      "Description",
      "EnableKeyRotation",
      "Enabled",
      "KeyPolicy",
      "KeySpec",
      "KeyUsage",
      "MultiRegion",
      "Origin",
      "PendingWindowInDays",
      "RotationPeriodInDays",
      "Tags",
    ],
    required: [],
    attributes: ["Arn", "KeyId"],
    async create({ properties, token, tags }, call) {
      checkAsked(properties);
      const spec = text(properties["KeySpec"]) ?? "SYMMETRIC_DEFAULT";
      const row = await keyring.create(
        {
          spec,
          usage: text(properties["KeyUsage"]) ?? "ENCRYPT_DECRYPT",
          description: text(properties["Description"]) ?? "",
          policy: policyOf(properties["KeyPolicy"]),
          enabled: isEnabled(properties),
          tags: allTags(tags, properties["Tags"]),
          token,
          rotationDays: rotationOf(properties, spec),
        },
        call,
      );
      return { physicalId: row.id, attributes: { Arn: keyArn(row), KeyId: row.id } };
    },
    replaceOn: ["KeySpec", "KeyUsage", "MultiRegion", "Origin"],
    async update({ physicalId, attributes, properties, tags }, call) {
      checkAsked(properties);
      const days = rotationOf(properties, text(properties["KeySpec"]) ?? "SYMMETRIC_DEFAULT") ?? null;
      const changes = {
        description: text(properties["Description"]) ?? "",
        policy: policyOf(properties["KeyPolicy"]) ?? defaultPolicy(call.account),
        enabled: isEnabled(properties),
        tags: allTags(tags, properties["Tags"]),
      };
      const nextMs = days === null ? null : clock.now() + days * dayMs;
      await store.tx(async (tx) => {
        const row = await ownedKey(tx, physicalId, call);
        const rotation = row.rotation_days === days ? {} : { rotation_days: days, rotation_next_ms: nextMs };
        await tx.run(sql`update ${keys.name} set ${assign(keys, { ...changes, ...rotation })} where ${isKey(row)}`);
      });
      return { physicalId, attributes };
    },
    async read({ physicalId }, call) {
      const row = await store.read((tx) => findKey(tx, call, physicalId));
      // For CloudFormation a key that waits for its deletion is gone.
      if (row === undefined || row.deletion_ms !== null) return undefined;
      return asProperties({
        Description: row.description,
        EnableKeyRotation: row.rotation_days !== null,
        Enabled: row.enabled,
        KeyPolicy: row.policy,
        KeySpec: row.spec,
        KeyUsage: row.usage,
        MultiRegion: false,
        Origin: "AWS_KMS",
        RotationPeriodInDays: row.rotation_days ?? undefined,
        Tags: row.tags.map(({ TagKey: Key, TagValue: Value }) => ({ Key, Value })),
      });
    },
    comparison: { KeyPolicy: "exact", BypassPolicyLockoutSafetyCheck: "unread", PendingWindowInDays: "unread" },
    async delete({ physicalId, properties }, call) {
      const days = integer(properties["PendingWindowInDays"], "PendingWindowInDays") ?? deletionDaysMax;
      const deletionMs = clock.now() + days * dayMs;
      await store.tx(async (tx) => {
        const row = await findKey(tx, call, physicalId);
        if (row === undefined || row.deletion_ms !== null) return;
        const changes = { deletion_ms: deletionMs, deletion_days: days };
        await tx.run(sql`update ${keys.name} set ${assign(keys, changes)} where ${isKey(row)}`);
      });
    },
  };
}

export function aliasResource(deps: KmsDeps): Resource {
  const { CreateAlias, DeleteAlias, UpdateAlias } = aliasOperations(deps);
  return {
    type: "AWS::KMS::Alias",
    properties: ["AliasName", "TargetKeyId"],
    required: ["AliasName", "TargetKeyId"],
    attributes: [],
    name: { property: "AliasName", lengthMax: 256 },
    async create({ properties, physicalName }, call) {
      const target = text(properties["TargetKeyId"]) ?? "";
      try {
        await CreateAlias({ AliasName: physicalName, TargetKeyId: target }, call);
      } catch (error) {
        if (!isFault(error, "AlreadyExistsException")) throw error;
        // Made by this step before a crash, if it points where this step would point it.
        const present = await deps.store.read((tx) => findAlias(tx, call, physicalName));
        const key = await deps.keyring.find(target, call);
        if (present?.key_id !== key.id) throw error;
      }
      return { physicalId: physicalName, attributes: {} };
    },
    async update({ physicalId, properties }, call) {
      await UpdateAlias({ AliasName: physicalId, TargetKeyId: text(properties["TargetKeyId"]) ?? "" }, call);
      return { physicalId, attributes: {} };
    },
    async read({ physicalId, properties }, call) {
      const row = await deps.store.read((tx) => findAlias(tx, call, physicalId));
      if (row === undefined) return undefined;
      const wanted = text(properties["TargetKeyId"]) ?? "";
      // A template may name the key by its id or by its ARN.
      const TargetKeyId = wanted.endsWith(row.key_id) ? wanted : row.key_id;
      return { AliasName: row.name, TargetKeyId };
    },
    async delete({ physicalId }, call) {
      try {
        await DeleteAlias({ AliasName: physicalId }, call);
      } catch (error) {
        if (!isFault(error, "NotFoundException")) throw error;
      }
    },
  };
}
