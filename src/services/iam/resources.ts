/** IAM's CloudFormation types: all of them, and roles and instance profiles here. */
import type { Json, Resource } from "../../kit/resource.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import { policiesOf } from "./attachments.ts";
import { existingProfile, profileArn, profileCreation } from "./instance-profiles.ts";
import { sessionSecondsDefault } from "./limits.ts";
import { comparison, instanceProfileReader, roleReader } from "./live.ts";
import { inlinePolicyResources, managedPolicyResource } from "./policy-resources.ts";
import { changePolicies, documentOf, goneTags, inlineOf, tagsOf, textOf, textsOf } from "./properties.ts";
import { existingRole, removeRole, roleArn, roleCreation, roleOperations } from "./roles.ts";
import { fault } from "./entities.ts";
import { assign } from "../../store/tables.ts";
import { findNamed, instanceProfiles, isRow, roles } from "./tables.ts";
import { accessKeyResource, groupResource, userResource, userToGroupResource } from "./user-resources.ts";
import { refuseBoundary } from "./users.ts";

export function resourcesOf(deps: Deps): readonly Resource[] {
  return [
    roleResource(deps),
    instanceProfileResource(deps),
    userResource(deps),
    groupResource(deps),
    userToGroupResource(deps),
    accessKeyResource(deps),
    managedPolicyResource(deps),
    ...inlinePolicyResources(deps),
  ];
}

function roleResource(deps: Deps): Resource {
  const create = roleCreation(deps);
  const operations = roleOperations(deps);
  const policies = policiesOf(deps, "role");
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
    async create(request, call) {
      const { properties, physicalName, token } = request;
      refuseBoundary(textOf(properties["PermissionsBoundary"]));
      const seconds = properties["MaxSessionDuration"];
      const role = await create(
        {
          name: physicalName,
          path: textOf(properties["Path"]),
          trustPolicy: documentOf(properties["AssumeRolePolicyDocument"]),
          description: textOf(properties["Description"]),
          sessionSecondsMax: seconds === undefined ? undefined : Number(seconds),
          tags: tagsOf(request),
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
      const { physicalId: RoleName, attributes, properties, former } = request;
      refuseBoundary(textOf(properties["PermissionsBoundary"]));
      const PolicyDocument = documentOf(properties["AssumeRolePolicyDocument"]);
      await operations.UpdateAssumeRolePolicy({ RoleName, PolicyDocument }, call);
      const MaxSessionDuration = Number(properties["MaxSessionDuration"] ?? sessionSecondsDefault);
      const Description = textOf(properties["Description"]) ?? "";
      await operations.UpdateRole({ RoleName, Description, MaxSessionDuration }, call);
      await changePolicies(policies, RoleName, { former: former.properties, properties }, call);
      const TagKeys = goneTags(former, request);
      if (TagKeys.length > 0) await operations.UntagRole({ RoleName, TagKeys }, call);
      const Tags = tagsOf(request);
      if (Tags.length > 0) await operations.TagRole({ RoleName, Tags }, call);
      return { physicalId: RoleName, attributes };
    },
    read: roleReader(deps),
    comparison,
    async delete({ physicalId }, call) {
      // CloudFormation takes the role's own policies with it, which DeleteRole would refuse.
      await deps.store.tx(async (tx) => {
        const role = await findNamed(tx, roles, call.account, physicalId);
        if (role !== undefined) await removeRole(tx, role);
      });
    },
  };
}

/** The one role of a profile. */
function roleIn(value: Json | undefined): string {
  const [role, ...more] = textsOf(value);
  if (role === undefined || more.length > 0)
    throw fault("ValidationError", "Roles of an instance profile are one role.");
  return role;
}

function instanceProfileResource(deps: Deps): Resource {
  const create = profileCreation(deps);
  return {
    type: "AWS::IAM::InstanceProfile",
    properties: ["InstanceProfileName", "Path", "Roles"],
    required: ["Roles"],
    attributes: ["Arn"],
    name: { property: "InstanceProfileName", lengthMax: 128 },
    async create({ properties, physicalName, token }, call) {
      const role = roleIn(properties["Roles"]);
      const profile = await create({ name: physicalName, path: textOf(properties["Path"]), role, token }, call);
      return { physicalId: profile.name, attributes: { Arn: profileArn(profile) } };
    },
    replaceOn: ["Path"],
    async update({ physicalId, attributes, properties }, call) {
      const role_name = roleIn(properties["Roles"]);
      await deps.store.tx(async (tx) => {
        const profile = await existingProfile(tx, call.account, physicalId);
        await existingRole(tx, call.account, role_name);
        await tx.run(sql`update ${instanceProfiles.name} set ${assign(instanceProfiles, { role_name })}
          where ${isRow(profile)}`);
      });
      return { physicalId, attributes };
    },
    read: instanceProfileReader(deps),
    async delete({ physicalId: name }, call) {
      await deps.store.tx((tx) =>
        tx.run(sql`delete from ${instanceProfiles.name} where ${isRow({ account: call.account, name })}`),
      );
    },
  };
}
