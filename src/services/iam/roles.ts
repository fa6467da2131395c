/** Roles: created, read, changed and deleted. What they may do is stored, and not yet enforced; who may assume them is. */
import { globalRegion, type Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx, Tx } from "../../store/store.ts";
import { assign, insert } from "../../store/tables.ts";
import { admitAttached, admitDeletion, attachAll, detachAll } from "./attachments.ts";
import { checkInlinePolicy, checkInlineSize, checkTrustPolicy } from "./documents.ts";
import { admitName, arnOf, encoded, fault, mergeTags, noSuch, pageOfNames, pageOfTable } from "./entities.ts";
import { rolesMax, sessionSecondsDefault } from "./limits.ts";
import { countOf, findNamed, instanceProfiles, isRow, roles, type Role, type Tag } from "./tables.ts";
import { refuseBoundary } from "./users.ts";

export const roleArn = (role: Pick<Role, "account" | "path" | "name">) => arnOf("role", role);

export function describedRole(role: Role) {
  return {
    Path: role.path,
    RoleName: role.name,
    RoleId: role.id,
    Arn: roleArn(role),
    CreateDate: new Date(role.created_ms),
    AssumeRolePolicyDocument: encoded(role.trust_policy),
    MaxSessionDuration: role.session_seconds_max,
    ...(role.description === null ? {} : { Description: role.description }),
    ...(role.tags.length === 0 ? {} : { Tags: role.tags }),
  };
}

export async function existingRole(tx: ReadTx, account: string, name: string): Promise<Role> {
  const role = await findNamed(tx, roles, account, name);
  if (role === undefined) throw noSuch("role", name);
  return role;
}

export interface NewRole {
  name: string;
  path?: string | undefined;
  trustPolicy: string;
  description?: string | undefined;
  sessionSecondsMax?: number | undefined;
  tags?: readonly Tag[];
  inline?: Record<string, string>;
  attached?: string[];
  token?: string;
}

/** Creates a role; a second call with the same token gives the role that the first one made. */
export function roleCreation({ store, ids, clock }: Deps) {
  return async (role: NewRole, call: Call): Promise<Role> => {
    checkTrustPolicy(role.trustPolicy);
    Object.values(role.inline ?? {}).forEach(checkInlinePolicy);
    checkInlineSize("role", role.name, role.inline ?? {});
    admitAttached("role", role.attached ?? []);
    const row: Role = {
      account: call.account,
      region: globalRegion,
      name: role.name,
      id: `AROA${ids.suffix(17)}`,
      path: role.path ?? "/",
      created_ms: clock.now(),
      trust_policy: role.trustPolicy,
      description: role.description ?? null,
      session_seconds_max: role.sessionSecondsMax ?? sessionSecondsDefault,
      inline: role.inline ?? {},
      attached: role.attached ?? [],
      tags: mergeTags("Role", [], role.tags ?? []),
      token: role.token ?? null,
    };
    return store.tx(async (tx) => {
      const present = await findNamed(tx, roles, call.account, role.name);
      if (present !== undefined && present.token !== null && present.token === row.token) return present;
      const { account, name } = row;
      await admitName(tx, roles, { title: "Role", quota: "RolesPerAccount", max: rolesMax, account, name });
      await attachAll(tx, account, row.attached);
      await tx.run(insert(roles, row));
      return row;
    });
  };
}

/** Removes a role with all that hangs on it, as CloudFormation does. */
export async function removeRole(tx: Tx, role: Role): Promise<void> {
  await detachAll(tx, role);
  await tx.run(sql`update ${instanceProfiles.name} set role_name = null
    where account = ${role.account} and region = ${role.region} and role_name = ${role.name}`);
  await tx.run(sql`delete from ${roles.name} where ${isRow(role)}`);
}

export function roleOperations(deps: Deps) {
  const { store } = deps;
  const create = roleCreation(deps);
  const change = (call: Call, name: string, changes: (role: Role) => Partial<Role>) =>
    store.tx(async (tx) => {
      const role = await existingRole(tx, call.account, name);
      await tx.run(sql`update ${roles.name} set ${assign(roles, changes(role))} where ${isRow(role)}`);
      return {};
    });
  const read = (call: Call, name: string) => store.read((tx) => existingRole(tx, call.account, name));

  return {
    async CreateRole(input, call) {
      refuseBoundary(input.PermissionsBoundary);
      const role = await create(
        {
          name: input.RoleName,
          path: input.Path,
          trustPolicy: input.AssumeRolePolicyDocument,
          description: input.Description,
          sessionSecondsMax: input.MaxSessionDuration,
          tags: input.Tags ?? [],
        },
        call,
      );
      return { Role: describedRole(role) };
    },

    async GetRole(input, call) {
      return { Role: describedRole(await read(call, input.RoleName)) };
    },

    async ListRoles(input, call) {
      const { page, paged } = await pageOfTable(store, roles, { operation: "ListRoles", input, call });
      return { Roles: page.map(describedRole), ...paged };
    },

    DeleteRole: (input, call) =>
      store.tx(async (tx) => {
        const role = await existingRole(tx, call.account, input.RoleName);
        if ((await countOf(tx, instanceProfiles, call.account, sql`role_name = ${role.name}`)) > 0) {
          throw fault(
            "DeleteConflictException",
            "Cannot delete entity, must remove roles from instance profile first.",
          );
        }
        admitDeletion(role);
        await tx.run(sql`delete from ${roles.name} where ${isRow(role)}`);
        return {};
      }),

    UpdateRole: (input, call) =>
      change(call, input.RoleName, (role) => ({
        description: input.Description ?? role.description,
        session_seconds_max: input.MaxSessionDuration ?? role.session_seconds_max,
      })),

    async UpdateRoleDescription(input, call) {
      await change(call, input.RoleName, () => ({ description: input.Description }));
      return { Role: describedRole(await read(call, input.RoleName)) };
    },

    async UpdateAssumeRolePolicy(input, call) {
      checkTrustPolicy(input.PolicyDocument);
      return change(call, input.RoleName, () => ({ trust_policy: input.PolicyDocument }));
    },

    TagRole: (input, call) =>
      change(call, input.RoleName, (role) => ({ tags: mergeTags("Role", role.tags, input.Tags) })),

    UntagRole: (input, call) =>
      change(call, input.RoleName, (role) => ({ tags: role.tags.filter((tag) => !input.TagKeys.includes(tag.Key)) })),

    async ListRoleTags(input, call) {
      const { tags } = await read(call, input.RoleName);
      const listing = { operation: "ListRoleTags", filters: input.RoleName, input, call };
      const { page, paged } = await pageOfNames(listing, tags, ({ Key }) => Key);
      return { Tags: [...page], ...paged };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-iam")>;
}
