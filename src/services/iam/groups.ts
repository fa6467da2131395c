/** Groups, and who is in them. */
import { globalRegion, type Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx, Tx } from "../../store/store.ts";
import { assign, insert, upsert } from "../../store/tables.ts";
import { admitAttached, admitDeletion, attachAll, detachAll } from "./attachments.ts";
import { checkInlinePolicy, checkInlineSize } from "./documents.ts";
import { admitName, arnOf, fault, noSuch, pageByName, pageOfTable } from "./entities.ts";
import { groupsMax, groupsPerUserMax } from "./limits.ts";
import { countOf, findNamed, groups, isRow, memberships, takenName, users, type Group, type User } from "./tables.ts";
import { describedUser, existingUser } from "./users.ts";

export const groupArn = (group: Pick<Group, "account" | "path" | "name">) => arnOf("group", group);

export const describedGroup = (group: Group) => ({
  Path: group.path,
  GroupName: group.name,
  GroupId: group.id,
  Arn: groupArn(group),
  CreateDate: new Date(group.created_ms),
});

export async function existingGroup(tx: ReadTx, account: string, name: string): Promise<Group> {
  const group = await findNamed(tx, groups, account, name);
  if (group === undefined) throw noSuch("group", name);
  return group;
}

export interface NewGroup {
  name: string;
  path?: string | undefined;
  inline?: Record<string, string>;
  attached?: string[];
  token?: string;
}

/** Creates a group; a second call with the same token gives the group that the first one made. */
export function groupCreation({ store, ids, clock }: Deps) {
  return async (input: NewGroup, call: Call): Promise<Group> => {
    Object.values(input.inline ?? {}).forEach(checkInlinePolicy);
    checkInlineSize("group", input.name, input.inline ?? {});
    admitAttached("group", input.attached ?? []);
    const row: Group = {
      account: call.account,
      region: globalRegion,
      name: input.name,
      id: `AGPA${ids.suffix(17)}`,
      path: input.path ?? "/",
      created_ms: clock.now(),
      inline: input.inline ?? {},
      attached: input.attached ?? [],
      token: input.token ?? null,
    };
    return store.tx(async (tx) => {
      const present = await findNamed(tx, groups, call.account, input.name);
      if (present !== undefined && present.token !== null && present.token === row.token) return present;
      const { account, name } = row;
      await admitName(tx, groups, { title: "Group", quota: "GroupsPerAccount", max: groupsMax, account, name });
      await attachAll(tx, account, row.attached);
      await tx.run(insert(groups, row));
      return row;
    });
  };
}

const ofGroup = ({ account, name }: Pick<Group, "account" | "name">) =>
  sql`account = ${account} and region = ${globalRegion} and group_name = ${name}`;

/** Puts a user into a group; once is enough. */
export async function join(tx: Tx, account: string, userName: string, groupName: string): Promise<void> {
  await existingGroup(tx, account, groupName);
  await existingUser(tx, account, userName);
  await tx.run(upsert(memberships, { account, region: globalRegion, user_name: userName, group_name: groupName }));
  const total = await countOf(tx, memberships, account, sql`user_name = ${userName}`);
  if (total > groupsPerUserMax) {
    throw fault("LimitExceededException", `Cannot exceed quota for GroupsPerUser: ${groupsPerUserMax}`);
  }
}

export async function leave(tx: Tx, account: string, userName: string, groupName: string): Promise<boolean> {
  const gone = await tx.run(sql`delete from ${memberships.name} where account = ${account}
    and region = ${globalRegion} and user_name = ${userName} and group_name = ${groupName}`);
  return gone > 0;
}

/** Removes a group with all that hangs on it, as CloudFormation does. */
export async function removeGroup(tx: Tx, group: Group): Promise<void> {
  await detachAll(tx, group);
  await tx.run(sql`delete from ${memberships.name} where ${ofGroup(group)}`);
  await tx.run(sql`delete from ${groups.name} where ${isRow(group)}`);
}

/** Groups of a user with names after `after`. */
export const groupsOf = (tx: ReadTx, account: string, userName: string, after: string, limit: number) =>
  tx.all<Group>(sql`select ${groups.columns} from ${groups.name}
    where account = ${account} and region = ${globalRegion} and name in (select group_name from ${memberships.name}
      where account = ${account} and region = ${globalRegion} and user_name = ${userName}) and name > ${after}
    order by name limit ${limit}`);

export const membersOf = (tx: ReadTx, account: string, groupName: string, after: string, limit: number) =>
  tx.all<User>(sql`select ${users.columns} from ${users.name}
    where account = ${account} and region = ${globalRegion} and name in (select user_name from ${memberships.name}
      where account = ${account} and region = ${globalRegion} and group_name = ${groupName}) and name > ${after}
    order by name limit ${limit}`);

export function groupOperations(deps: Deps) {
  const { store } = deps;
  const create = groupCreation(deps);

  return {
    async CreateGroup({ GroupName: name, Path: path }, call) {
      return { Group: describedGroup(await create({ name, path }, call)) };
    },

    async GetGroup(input, call) {
      const { account } = call;
      const group = await store.read((tx) => existingGroup(tx, account, input.GroupName));
      const { page, paged } = await pageByName(
        { operation: "GetGroup", filters: input.GroupName, input, call },
        (after, limit) => store.read((tx) => membersOf(tx, account, input.GroupName, after, limit)),
        ({ name }) => name,
      );
      return { Group: describedGroup(group), Users: page.map(describedUser), ...paged };
    },

    async ListGroups(input, call) {
      const { page, paged } = await pageOfTable(store, groups, { operation: "ListGroups", input, call });
      return { Groups: page.map(describedGroup), ...paged };
    },

    async ListGroupsForUser(input, call) {
      await store.read((tx) => existingUser(tx, call.account, input.UserName));
      const { page, paged } = await pageByName(
        { operation: "ListGroupsForUser", filters: input.UserName, input, call },
        (after, limit) => store.read((tx) => groupsOf(tx, call.account, input.UserName, after, limit)),
        ({ name }) => name,
      );
      return { Groups: page.map(describedGroup), ...paged };
    },

    async UpdateGroup({ GroupName: name, NewGroupName: newName = name, NewPath: newPath }, call) {
      return store.tx(async (tx) => {
        const group = await existingGroup(tx, call.account, name);
        const taken = await takenName(tx, groups, call.account, newName);
        if (taken !== undefined && taken !== name) {
          throw fault("EntityAlreadyExistsException", `Group with name ${newName} already exists.`);
        }
        const renamed = { name: newName, path: newPath ?? group.path };
        await tx.run(sql`update ${groups.name} set ${assign(groups, renamed)} where ${isRow(group)}`);
        await tx.run(sql`update ${memberships.name} set group_name = ${newName} where ${ofGroup(group)}`);
        return {};
      });
    },

    DeleteGroup: (input, call) =>
      store.tx(async (tx) => {
        const group = await existingGroup(tx, call.account, input.GroupName);
        if ((await countOf(tx, memberships, call.account, sql`group_name = ${group.name}`)) > 0) {
          throw fault("DeleteConflictException", "Cannot delete entity, must remove users from group first.");
        }
        admitDeletion(group);
        await tx.run(sql`delete from ${groups.name} where ${isRow(group)}`);
        return {};
      }),

    async AddUserToGroup(input, call) {
      await store.tx((tx) => join(tx, call.account, input.UserName, input.GroupName));
      return {};
    },

    RemoveUserFromGroup: (input, call) =>
      store.tx(async (tx) => {
        await existingGroup(tx, call.account, input.GroupName);
        await existingUser(tx, call.account, input.UserName);
        if (!(await leave(tx, call.account, input.UserName, input.GroupName))) {
          throw fault("NoSuchEntityException", `User ${input.UserName} not in group ${input.GroupName}`);
        }
        return {};
      }),
  } satisfies Handlers<typeof import("@aws-sdk/client-iam")>;
}
