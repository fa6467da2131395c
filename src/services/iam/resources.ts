/** IAM's CloudFormation types. */
import { isFault } from "../../base/errors.ts";
import type { Call } from "../../kit/call.ts";
import type { Json, JsonObject, Resource, ResourceUpdate } from "../../kit/resource.ts";
import type { Deps } from "../../kit/service.ts";
import { attachmentOperations } from "./attachments.ts";
import { fault } from "./entities.ts";
import { removeRole, roleArn, roleCreation, roleOperations } from "./roles.ts";
import { sessionSecondsDefault } from "./limits.ts";
import { findNamed, roles, type Tag } from "./tables.ts";

const text = (value: Json | undefined) => (typeof value === "string" ? value : undefined);
/** A policy in a template is an object, or already text. */
const document = (value: Json | undefined) => (typeof value === "string" ? value : JSON.stringify(value ?? {}));
const listOf = (value: Json | undefined): readonly Json[] => (Array.isArray(value) ? value : []);
const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const textsOf = (value: Json | undefined) => listOf(value).filter((item) => typeof item === "string");

function inlineOf(value: Json | undefined): Record<string, string> {
  const named = listOf(value)
    .filter(isObject)
    .map((policy) => [text(policy["PolicyName"]) ?? "", document(policy["PolicyDocument"])]);
  return Object.fromEntries(named) as Record<string, string>;
}

function tagsOf(value: Json | undefined): Tag[] {
  return listOf(value)
    .filter(isObject)
    .map((tag) => ({ Key: text(tag["Key"]) ?? "", Value: text(tag["Value"]) ?? "" }));
}

/** Keys of the one that the other has not. */
const missing = (before: Readonly<Record<string, unknown>>, after: Readonly<Record<string, unknown>>) =>
  Object.keys(before).filter((key) => !Object.hasOwn(after, key));

/** Policies that other resources wrote into the role or attached to it stay. */
async function changePolicies(deps: Deps, { physicalId: RoleName, properties, former }: ResourceUpdate, call: Call) {
  const operations = attachmentOperations(deps);
  const inline = inlineOf(properties["Policies"]);
  for (const PolicyName of missing(inlineOf(former.properties["Policies"]), inline)) {
    await unlessGone(operations.DeleteRolePolicy({ RoleName, PolicyName }, call));
  }
  for (const [PolicyName, PolicyDocument] of Object.entries(inline)) {
    await operations.PutRolePolicy({ RoleName, PolicyName, PolicyDocument }, call);
  }
  const attached = textsOf(properties["ManagedPolicyArns"]);
  for (const PolicyArn of textsOf(former.properties["ManagedPolicyArns"])) {
    if (!attached.includes(PolicyArn)) await unlessGone(operations.DetachRolePolicy({ RoleName, PolicyArn }, call));
  }
  for (const PolicyArn of attached) await operations.AttachRolePolicy({ RoleName, PolicyArn }, call);
}

async function unlessGone(change: Promise<unknown>): Promise<void> {
  await change.catch((error: unknown) => {
    if (!isFault(error, "NoSuchEntityException")) throw error;
  });
}

export function roleResource(deps: Deps): Resource {
  const create = roleCreation(deps);
  const operations = roleOperations(deps);
  return {
    type: "AWS::IAM::Role",
    properties: [
      "AssumeRolePolicyDocument",
      "Description",
      "ManagedPolicyArns",
      "MaxSessionDuration",
      "Path",
      "PermissionsBoundary",
      "Policies",
      "RoleName",
      "Tags",
    ],
    required: ["AssumeRolePolicyDocument"],
    attributes: ["Arn", "RoleId"],
    name: { property: "RoleName", lengthMax: 64 },
    async create({ properties, physicalName, token, tags }, call) {
      if (properties["PermissionsBoundary"] !== undefined) {
        throw fault("ValidationError", "Mikan does not enforce PermissionsBoundary yet, and will not pretend to.");
      }
      const seconds = properties["MaxSessionDuration"];
      const role = await create(
        {
          name: physicalName,
          path: text(properties["Path"]),
          trustPolicy: document(properties["AssumeRolePolicyDocument"]),
          description: text(properties["Description"]),
          sessionSecondsMax: seconds === undefined ? undefined : Number(seconds),
          tags: [...Object.entries(tags).map(([Key, Value]) => ({ Key, Value })), ...tagsOf(properties["Tags"])],
          inline: inlineOf(properties["Policies"]),
          attached: textsOf(properties["ManagedPolicyArns"]),
          token,
        },
        call,
      );
      return { physicalId: role.name, attributes: { Arn: roleArn(role), RoleId: role.id } };
    },
    replaceOn: ["Path"],
    async update(request, call) {
      const { physicalId: RoleName, attributes, properties, tags, former } = request;
      if (properties["PermissionsBoundary"] !== undefined) {
        throw fault("ValidationError", "Mikan does not enforce PermissionsBoundary yet, and will not pretend to.");
      }
      const PolicyDocument = document(properties["AssumeRolePolicyDocument"]);
      await operations.UpdateAssumeRolePolicy({ RoleName, PolicyDocument }, call);
      const MaxSessionDuration = Number(properties["MaxSessionDuration"] ?? sessionSecondsDefault);
      await operations.UpdateRole(
        { RoleName, Description: text(properties["Description"]) ?? "", MaxSessionDuration },
        call,
      );
      await changePolicies(deps, request, call);
      const next = [...Object.entries(tags).map(([Key, Value]) => ({ Key, Value })), ...tagsOf(properties["Tags"])];
      const before = [...Object.keys(former.tags), ...tagsOf(former.properties["Tags"]).map(({ Key }) => Key)];
      const TagKeys = before.filter((key) => !next.some(({ Key }) => Key === key));
      if (TagKeys.length > 0) await operations.UntagRole({ RoleName, TagKeys }, call);
      if (next.length > 0) await operations.TagRole({ RoleName, Tags: next }, call);
      return { physicalId: RoleName, attributes };
    },
    async delete({ physicalId }, call) {
      // CloudFormation takes the role's own policies with it, which DeleteRole would refuse.
      await deps.store.tx(async (tx) => {
        const role = await findNamed(tx, roles, call.account, physicalId);
        if (role !== undefined) await removeRole(tx, role);
      });
    },
  };
}

/** `AWS::IAM::Policy`: an inline policy of the roles it names. */
export function policyResource(deps: Deps): Resource {
  const { PutRolePolicy, DeleteRolePolicy } = attachmentOperations(deps);
  return {
    type: "AWS::IAM::Policy",
    properties: ["Groups", "PolicyDocument", "PolicyName", "Roles", "Users"],
    required: ["PolicyDocument", "PolicyName"],
    attributes: ["Id"],
    async create({ properties }, call) {
      const name = text(properties["PolicyName"]) ?? "";
      if (listOf(properties["Groups"]).length + listOf(properties["Users"]).length > 0) {
        throw fault("ValidationError", "Mikan has no IAM users and groups yet; attach the policy to Roles.");
      }
      for (const RoleName of textsOf(properties["Roles"])) {
        await PutRolePolicy(
          { RoleName, PolicyName: name, PolicyDocument: document(properties["PolicyDocument"]) },
          call,
        );
      }
      return { physicalId: name, attributes: { Id: name } };
    },
    replaceOn: ["PolicyName"],
    async update({ properties, former, physicalId, attributes }, call) {
      if (listOf(properties["Groups"]).length + listOf(properties["Users"]).length > 0) {
        throw fault("ValidationError", "Mikan has no IAM users and groups yet; attach the policy to Roles.");
      }
      const names = textsOf(properties["Roles"]);
      const PolicyDocument = document(properties["PolicyDocument"]);
      for (const RoleName of names) await PutRolePolicy({ RoleName, PolicyName: physicalId, PolicyDocument }, call);
      for (const RoleName of textsOf(former.properties["Roles"])) {
        if (!names.includes(RoleName)) await unlessGone(DeleteRolePolicy({ RoleName, PolicyName: physicalId }, call));
      }
      return { physicalId, attributes };
    },
    async delete({ properties, physicalId }, call) {
      for (const RoleName of textsOf(properties["Roles"])) {
        await DeleteRolePolicy({ RoleName, PolicyName: physicalId }, call).catch((error: unknown) => {
          if (!isFault(error, "NoSuchEntityException")) throw error;
        });
      }
    },
  };
}
