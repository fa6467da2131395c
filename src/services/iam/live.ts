/** IAM's resources as they are now, in the shape of their templates: what drift detection compares. */
import type { Call } from "../../kit/call.ts";
import { globalRegion } from "../../kit/call.ts";
import {
  asProperties,
  type Comparison,
  type JsonObject,
  type ResourceRequest,
  type ResourceState,
} from "../../kit/resource.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx } from "../../store/store.ts";
import { ownPolicy } from "./attachments.ts";
import { titles, type Kind } from "./entities.ts";
import { versionsOf } from "./managed.ts";
import { inlineOf, textOf, textsOf } from "./properties.ts";
import {
  accessKeys,
  findNamed,
  groups,
  instanceProfiles,
  memberships,
  roles,
  users,
  type AccessKey,
  type Entity,
} from "./tables.ts";

type Request = ResourceRequest & ResourceState;
type Read = (request: Request, call: Call) => Promise<JsonObject | undefined>;

/** A policy is a document: every member of it counts. */
export const comparison = {
  AssumeRolePolicyDocument: "exact",
  PolicyDocument: "exact",
  Serial: "unread",
} as const satisfies Comparison;

const tables = { user: users, group: groups, role: roles } as const;

/** A template's order is its own; documents are compared as what they say. */
const parsed = (document: string) => JSON.parse(document) as JsonObject;

/**
 * The policies of an entity. Other resources of a stack may write theirs into it, or attach theirs to it, and are no
 * drift of it: only the inline policies that the template names are told, and no other policy that a stack has made.
 */
async function policiesIn(tx: ReadTx, account: string, { inline, attached }: Entity, properties: JsonObject) {
  const named = textsOf(properties["ManagedPolicyArns"]);
  const shown: string[] = [];
  for (const arn of attached) {
    const own = named.includes(arn) ? undefined : await ownPolicy(tx, account, arn);
    if (own === undefined || own.token === null) shown.push(arn);
  }
  return {
    ManagedPolicyArns: shown,
    Policies: Object.keys(inlineOf(properties["Policies"])).flatMap((PolicyName) => {
      const document = inline[PolicyName];
      return document === undefined ? [] : [{ PolicyName, PolicyDocument: parsed(document) }];
    }),
  };
}

export function roleReader({ store }: Deps): Read {
  return ({ physicalId, properties }, { account }) =>
    store.read(async (tx) => {
      const role = await findNamed(tx, roles, account, physicalId);
      if (role === undefined) return undefined;
      return asProperties({
        ...(await policiesIn(tx, account, role, properties)),
        AssumeRolePolicyDocument: parsed(role.trust_policy),
        Description: role.description ?? "",
        MaxSessionDuration: role.session_seconds_max,
        Path: role.path,
        RoleName: role.name,
        Tags: role.tags,
      });
    });
}

export function userReader({ store }: Deps): Read {
  return ({ physicalId, properties }, { account }) =>
    store.read(async (tx) => {
      const user = await findNamed(tx, users, account, physicalId);
      if (user === undefined) return undefined;
      const named = textsOf(properties["Groups"]);
      return asProperties({
        ...(await policiesIn(tx, account, user, properties)),
        Groups: (await groupsOf(tx, account, physicalId)).filter((group) => named.includes(group)),
        Path: user.path,
        Tags: user.tags,
        UserName: user.name,
      });
    });
}

async function groupsOf(tx: ReadTx, account: string, user: string): Promise<readonly string[]> {
  const rows = await tx.all<{ group_name: string }>(sql`select group_name from ${memberships.name}
    where account = ${account} and region = ${globalRegion} and user_name = ${user} order by group_name`);
  return rows.map((row) => row.group_name);
}

export function groupReader({ store }: Deps): Read {
  return ({ physicalId, properties }, { account }) =>
    store.read(async (tx) => {
      const group = await findNamed(tx, groups, account, physicalId);
      if (group === undefined) return undefined;
      const policies = await policiesIn(tx, account, group, properties);
      return asProperties({ ...policies, Path: group.path, GroupName: group.name });
    });
}

export function userToGroupReader({ store }: Deps): Read {
  return ({ properties }, { account }) =>
    store.read(async (tx) => {
      const GroupName = textOf(properties["GroupName"]) ?? "";
      const inside = textsOf(properties["Users"]).map(async (user) => ({
        user,
        groups: await groupsOf(tx, account, user),
      }));
      const Users = (await Promise.all(inside)).flatMap(({ user, groups: of }) =>
        of.includes(GroupName) ? [user] : [],
      );
      return Users.length === 0 ? undefined : { GroupName, Users };
    });
}

export function accessKeyReader({ store }: Deps): Read {
  return ({ physicalId }, { account }) =>
    store.read(async (tx) => {
      const key = await tx.one<AccessKey>(sql`select ${accessKeys.columns} from ${accessKeys.name}
        where account = ${account} and region = ${globalRegion} and id = ${physicalId}`);
      return key === undefined ? undefined : { Status: key.status, UserName: key.user_name };
    });
}

export function instanceProfileReader({ store }: Deps): Read {
  return ({ physicalId }, { account }) =>
    store.read(async (tx) => {
      const profile = await findNamed(tx, instanceProfiles, account, physicalId);
      if (profile === undefined) return undefined;
      const { name: InstanceProfileName, path: Path, role_name: role } = profile;
      return { InstanceProfileName, Path, Roles: role === null ? [] : [role] };
    });
}

const kinds = ["user", "group", "role"] as const satisfies readonly Kind[];

/** `Users`, `Groups` and `Roles` that the template names, or the one of `UserName` and the like, that are there. */
async function holdersOf(tx: ReadTx, account: string, properties: JsonObject) {
  const names = kinds.flatMap((kind) => {
    const several = textsOf(properties[`${titles[kind]}s`]);
    const one = textOf(properties[`${titles[kind]}Name`]);
    return [...several, ...(one === undefined ? [] : [one])].map((name) => ({ kind, name }));
  });
  const found = names.map(async ({ kind, name }) => {
    const entity: Entity | undefined = await findNamed(tx, tables[kind], account, name);
    return entity === undefined ? [] : [{ kind, entity }];
  });
  return (await Promise.all(found)).flat();
}

type Holder = Awaited<ReturnType<typeof holdersOf>>[number];

function named(holders: readonly Holder[]): JsonObject {
  return Object.fromEntries(
    kinds.map((kind) => [
      `${titles[kind]}s`,
      holders.flatMap((holder) => (holder.kind === kind ? [holder.entity.name] : [])),
    ]),
  );
}

export function managedPolicyReader({ store }: Deps): Read {
  return ({ physicalId: arn, properties }, { account }) =>
    store.read(async (tx) => {
      const policy = await ownPolicy(tx, account, arn);
      if (policy === undefined) return undefined;
      const current = (await versionsOf(tx, policy)).find(({ version }) => version === policy.default_version);
      const holders = await holdersOf(tx, account, properties);
      return {
        ...named(holders.filter(({ entity }) => entity.attached.includes(arn))),
        Description: policy.description ?? "",
        ManagedPolicyName: policy.name,
        Path: policy.path,
        ...(current === undefined ? {} : { PolicyDocument: parsed(current.document) }),
      };
    });
}

export function inlinePolicyReader({ store }: Deps): Read {
  return ({ physicalId: PolicyName, properties }, { account }) =>
    store.read(async (tx) => {
      const holders = (await holdersOf(tx, account, properties)).filter(({ entity }) => entity.inline[PolicyName]);
      const documents = holders.map(({ entity }) => entity.inline[PolicyName] ?? "");
      const wanted = JSON.stringify(properties["PolicyDocument"]);
      // It is written into each of them; one that is another is what there is to tell.
      const document = documents.find((each) => each !== wanted) ?? documents[0];
      if (document === undefined) return undefined;
      const single = holders.map(({ kind, entity }): [string, string] => [`${titles[kind]}Name`, entity.name]);
      return { ...Object.fromEntries(single), ...named(holders), PolicyName, PolicyDocument: parsed(document) };
    });
}
