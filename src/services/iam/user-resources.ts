/** The CloudFormation types of users: users, groups, who is in them, and access keys. */
import type { Call } from "../../kit/call.ts";
import type { JsonObject, Resource } from "../../kit/resource.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import { accessKeyCreation, accessKeyOperations, removeAccessKey } from "./access-keys.ts";
import { policiesOf } from "./attachments.ts";
import { fault } from "./entities.ts";
import { groupArn, groupCreation, groupOperations, join, leave, removeGroup } from "./groups.ts";
import { accessKeyReader, comparison, groupReader, userReader, userToGroupReader } from "./live.ts";
import { changePolicies, goneTags, inlineOf, tagsOf, textOf, textsOf } from "./properties.ts";
import { accessKeys, countOf, findNamed, groups, users } from "./tables.ts";
import { refuseBoundary, removeUser, userArn, userCreation, userOperations } from "./users.ts";

function refuse(properties: JsonObject): void {
  refuseBoundary(textOf(properties["PermissionsBoundary"]));
  if (properties["LoginProfile"] === undefined) return;
  throw fault("ValidationError", "Mikan has no console sign-in: LoginProfile is not implemented.");
}

export function userResource(deps: Deps): Resource {
  const { store } = deps;
  const create = userCreation(deps);
  const operations = userOperations(deps);
  const policies = policiesOf(deps, "user");
  return {
    type: "AWS::IAM::User",
    properties: [
      "Groups",
      "LoginProfile",
      "ManagedPolicyArns",
      "Path",
      "PermissionsBoundary",
      "Policies",
      "Tags",
      "UserName",
    ],
    required: [],
    attributes: ["Arn"],
    name: { property: "UserName", lengthMax: 64 },
    async create(request, call) {
      const { properties, physicalName, token } = request;
      refuse(properties);
      const user = await create(
        {
          name: physicalName,
          path: textOf(properties["Path"]),
          tags: tagsOf(request),
          inline: inlineOf(properties["Policies"]),
          attached: textsOf(properties["ManagedPolicyArns"]),
          token,
        },
        call,
      );
      await store.tx(async (tx) => {
        for (const group of textsOf(properties["Groups"])) await join(tx, call.account, user.name, group);
      });
      return { physicalId: user.name, attributes: { Arn: userArn(user) } };
    },
    async update(request, call) {
      const { physicalId: UserName, properties, former } = request;
      refuse(properties);
      const path = textOf(properties["Path"]) ?? "/";
      await operations.UpdateUser({ UserName, NewPath: path }, call);
      await changePolicies(policies, UserName, { former: former.properties, properties }, call);
      const TagKeys = goneTags(former, request);
      if (TagKeys.length > 0) await operations.UntagUser({ UserName, TagKeys }, call);
      await operations.TagUser({ UserName, Tags: tagsOf(request) }, call);
      const next = textsOf(properties["Groups"]);
      await store.tx(async (tx) => {
        for (const group of textsOf(former.properties["Groups"])) {
          if (!next.includes(group)) await leave(tx, call.account, UserName, group);
        }
        for (const group of next) await join(tx, call.account, UserName, group);
      });
      return { physicalId: UserName, attributes: { Arn: userArn({ account: call.account, path, name: UserName }) } };
    },
    read: userReader(deps),
    comparison,
    async delete({ physicalId }, call) {
      await store.tx(async (tx) => {
        const user = await findNamed(tx, users, call.account, physicalId);
        if (user === undefined) return;
        // Keys that somebody made by hand are somebody's; CloudFormation leaves them, and the user with them.
        if ((await countOf(tx, accessKeys, call.account, sql`user_name = ${user.name}`)) > 0) {
          throw fault("DeleteConflictException", "Cannot delete entity, must delete access keys first.");
        }
        await removeUser(tx, user);
      });
    },
  };
}

export function groupResource(deps: Deps): Resource {
  const { store } = deps;
  const create = groupCreation(deps);
  const { UpdateGroup } = groupOperations(deps);
  const policies = policiesOf(deps, "group");
  return {
    type: "AWS::IAM::Group",
    properties: ["GroupName", "ManagedPolicyArns", "Path", "Policies"],
    required: [],
    attributes: ["Arn"],
    name: { property: "GroupName", lengthMax: 128 },
    async create({ properties, physicalName, token }, call) {
      const group = await create(
        {
          name: physicalName,
          path: textOf(properties["Path"]),
          inline: inlineOf(properties["Policies"]),
          attached: textsOf(properties["ManagedPolicyArns"]),
          token,
        },
        call,
      );
      return { physicalId: group.name, attributes: { Arn: groupArn(group) } };
    },
    async update({ physicalId: name, properties, former }, call) {
      const path = textOf(properties["Path"]) ?? "/";
      await UpdateGroup({ GroupName: name, NewPath: path }, call);
      await changePolicies(policies, name, { former: former.properties, properties }, call);
      return { physicalId: name, attributes: { Arn: groupArn({ account: call.account, path, name }) } };
    },
    read: groupReader(deps),
    comparison,
    async delete({ physicalId }, call) {
      await store.tx(async (tx) => {
        const group = await findNamed(tx, groups, call.account, physicalId);
        if (group !== undefined) await removeGroup(tx, group);
      });
    },
  };
}

/** `AWS::IAM::UserToGroupAddition`. */
export function userToGroupResource(deps: Deps): Resource {
  const { store } = deps;
  const change = async (before: JsonObject, after: JsonObject, { account }: Call) => {
    const [was, is] = [textsOf(before["Users"]), textsOf(after["Users"])];
    const group = textOf(after["GroupName"] ?? before["GroupName"]) ?? "";
    await store.tx(async (tx) => {
      for (const user of was) if (!is.includes(user)) await leave(tx, account, user, group);
      for (const user of is) await join(tx, account, user, group);
    });
  };
  return {
    type: "AWS::IAM::UserToGroupAddition",
    properties: ["GroupName", "Users"],
    required: ["GroupName", "Users"],
    attributes: ["Id"],
    async create({ properties, stackName, logicalId }, call) {
      await change({}, properties, call);
      const id = `${stackName}-${logicalId}`;
      return { physicalId: id, attributes: { Id: id } };
    },
    replaceOn: ["GroupName"],
    async update({ properties, former, physicalId, attributes }, call) {
      await change(former.properties, properties, call);
      return { physicalId, attributes };
    },
    read: userToGroupReader(deps),
    delete: ({ properties }, call) => change(properties, {}, call),
  };
}

export function accessKeyResource(deps: Deps): Resource {
  const create = accessKeyCreation(deps);
  const { UpdateAccessKey } = accessKeyOperations(deps);
  return {
    type: "AWS::IAM::AccessKey",
    properties: ["Serial", "Status", "UserName"],
    required: ["UserName"],
    attributes: ["SecretAccessKey"],
    async create({ properties, token }, call) {
      const status = statusOf(properties);
      const { key, secret } = await create({ user: textOf(properties["UserName"]) ?? "", status, token }, call);
      return { physicalId: key.id, attributes: { SecretAccessKey: secret } };
    },
    // Another Serial is how a template asks for a new key.
    replaceOn: ["Serial", "UserName"],
    async update({ properties, physicalId, attributes }, call) {
      const UserName = textOf(properties["UserName"]) ?? "";
      await UpdateAccessKey({ UserName, AccessKeyId: physicalId, Status: statusOf(properties) }, call);
      return { physicalId, attributes };
    },
    read: accessKeyReader(deps),
    comparison,
    async delete({ physicalId: id }, call) {
      await deps.store.tx((tx) => removeAccessKey(tx, { account: call.account, id }));
    },
  };
}

function statusOf(properties: JsonObject): "Active" | "Inactive" {
  const status = properties["Status"] ?? "Active";
  if (status === "Active" || status === "Inactive") return status;
  throw fault("ValidationError", "Status of an access key is Active or Inactive.");
}
