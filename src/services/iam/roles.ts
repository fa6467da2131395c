/** Roles: created, read, changed and deleted; stored, and not yet enforced. */
import { formatArn } from "../../base/arn.ts";
import { globalRegion, type Call } from "../../kit/call.ts";
import { faults } from "../../kit/faults.ts";
import type { Handlers } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { pageKey, pageOf } from "../../kit/tokens.ts";
import { sql } from "../../store/sql.ts";
import type { Tx } from "../../store/store.ts";
import { assign, insert } from "../../store/tables.ts";
import { checkPolicy } from "./policies.ts";
import { findRole, roles, rolesAfter, type Role, type Tag } from "./tables.ts";

const fault = faults<typeof import("@aws-sdk/client-iam")>();

const sessionSecondsDefault = 3600;
const pageSizeDefault = 100;
/** Source: IAM and STS quotas. */
const attachedMax = 20;
const tagsMax = 50;

export function roleArn({ account, path, name }: Pick<Role, "account" | "path" | "name">): string {
  return formatArn({ service: "iam", region: "", account, resource: `role${path}${name}` });
}

/** IAM answers policy documents URL-encoded (RFC 3986). */
const encoded = (document: string) => encodeURIComponent(document);

function described(role: Role) {
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

const notFound = (name: string) => fault("NoSuchEntityException", `The role with name ${name} cannot be found.`);

async function existing(tx: Tx, call: Call, name: string): Promise<Role> {
  const role = await findRole(tx, call.account, name);
  if (role === undefined) throw notFound(name);
  return role;
}

function mergeTags(present: readonly Tag[], added: readonly { Key: string; Value: string }[]): Tag[] {
  const merged = new Map([...present, ...added].map((tag) => [tag.Key, tag.Value]));
  if (merged.size > tagsMax) throw fault("LimitExceededException", `Cannot exceed quota for TagsPerRole: ${tagsMax}`);
  return [...merged].map(([Key, Value]) => ({ Key, Value }));
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
    checkPolicy(role.trustPolicy);
    Object.values(role.inline ?? {}).forEach(checkPolicy);
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
      tags: mergeTags([], role.tags ?? []),
      token: role.token ?? null,
    };
    return store.tx(async (tx) => {
      const present = await findRole(tx, call.account, role.name);
      if (present !== undefined && present.token !== null && present.token === row.token) return present;
      if (present !== undefined) {
        throw fault("EntityAlreadyExistsException", `Role with name ${role.name} already exists.`);
      }
      await tx.run(insert(roles, row));
      return row;
    });
  };
}

export function roleOperations(deps: Deps) {
  const { store } = deps;
  const create = roleCreation(deps);
  const change = (call: Call, name: string, changes: (role: Role) => Partial<Role>) =>
    store.tx(async (tx) => {
      const role = await existing(tx, call, name);
      await tx.run(sql`update ${roles.name} set ${assign(roles, changes(role))}
        where account = ${role.account} and region = ${role.region} and name = ${role.name}`);
      return {};
    });

  const read = (call: Call, name: string) =>
    store.read(async (tx) => {
      const role = await findRole(tx, call.account, name);
      if (role === undefined) throw notFound(name);
      return role;
    });

  return {
    async CreateRole(input, call) {
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
      return { Role: described(role) };
    },

    async GetRole(input, call) {
      return { Role: described(await read(call, input.RoleName)) };
    },

    async ListRoles(input, call) {
      const listing = { operation: "ListRoles", filters: input.PathPrefix, call };
      const refusal = () => fault("ValidationError", `Invalid Marker.`);
      const after = String(pageKey(listing, input.Marker, refusal)?.[0] ?? "");
      const limit = input.MaxItems ?? pageSizeDefault;
      const rows = await store.read((tx) => rolesAfter(tx, call.account, input.PathPrefix ?? "/", after, limit + 1));
      const { page, nextToken } = pageOf(listing, rows, limit, (role) => [role.name]);
      const more = nextToken === undefined ? { IsTruncated: false } : { IsTruncated: true, Marker: nextToken };
      return { Roles: page.map(described), ...more };
    },

    DeleteRole: (input, call) =>
      store.tx(async (tx) => {
        const role = await existing(tx, call, input.RoleName);
        if (role.attached.length > 0 || Object.keys(role.inline).length > 0) {
          const what = role.attached.length > 0 ? "detach" : "delete";
          throw fault("DeleteConflictException", `Cannot delete entity, must ${what} all policies first.`);
        }
        await tx.run(sql`delete from ${roles.name}
          where account = ${role.account} and region = ${role.region} and name = ${role.name}`);
        return {};
      }),

    UpdateRole: (input, call) =>
      change(call, input.RoleName, (role) => ({
        description: input.Description ?? role.description,
        session_seconds_max: input.MaxSessionDuration ?? role.session_seconds_max,
      })),

    async UpdateAssumeRolePolicy(input, call) {
      checkPolicy(input.PolicyDocument);
      return change(call, input.RoleName, () => ({ trust_policy: input.PolicyDocument }));
    },

    async PutRolePolicy(input, call) {
      checkPolicy(input.PolicyDocument);
      return change(call, input.RoleName, (role) => ({
        inline: { ...role.inline, [input.PolicyName]: input.PolicyDocument },
      }));
    },

    async GetRolePolicy(input, call) {
      const { inline } = await read(call, input.RoleName);
      const document = inline[input.PolicyName];
      if (document === undefined) throw missingPolicy(input.PolicyName);
      return { RoleName: input.RoleName, PolicyName: input.PolicyName, PolicyDocument: encoded(document) };
    },

    async ListRolePolicies(input, call) {
      const { inline } = await read(call, input.RoleName);
      return { PolicyNames: Object.keys(inline).toSorted(), IsTruncated: false };
    },

    DeleteRolePolicy: (input, call) =>
      change(call, input.RoleName, (role) => {
        const { [input.PolicyName]: gone, ...inline } = role.inline;
        if (gone === undefined) throw missingPolicy(input.PolicyName);
        return { inline };
      }),

    AttachRolePolicy: (input, call) =>
      change(call, input.RoleName, (role) => {
        const attached = [...new Set([...role.attached, input.PolicyArn])];
        if (attached.length > attachedMax) {
          throw fault("LimitExceededException", `Cannot exceed quota for PoliciesPerRole: ${attachedMax}`);
        }
        return { attached };
      }),

    DetachRolePolicy: (input, call) =>
      change(call, input.RoleName, (role) => {
        if (!role.attached.includes(input.PolicyArn)) {
          throw fault("NoSuchEntityException", `Policy ${input.PolicyArn} was not found.`);
        }
        return { attached: role.attached.filter((arn) => arn !== input.PolicyArn) };
      }),

    async ListAttachedRolePolicies(input, call) {
      const { attached } = await read(call, input.RoleName);
      const named = attached.map((PolicyArn) => ({
        PolicyArn,
        PolicyName: PolicyArn.slice(PolicyArn.lastIndexOf("/") + 1),
      }));
      return { AttachedPolicies: named, IsTruncated: false };
    },

    TagRole: (input, call) => change(call, input.RoleName, (role) => ({ tags: mergeTags(role.tags, input.Tags) })),

    UntagRole: (input, call) =>
      change(call, input.RoleName, (role) => ({ tags: role.tags.filter((tag) => !input.TagKeys.includes(tag.Key)) })),

    async ListRoleTags(input, call) {
      const { tags } = await read(call, input.RoleName);
      return { Tags: tags, IsTruncated: false };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-iam")>;
}

function missingPolicy(name: string) {
  return fault("NoSuchEntityException", `The role policy with name ${name} cannot be found.`);
}
