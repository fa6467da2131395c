/** Users: created, read, renamed, tagged and deleted. */
import { globalRegion, type Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { userName } from "../../kit/principals.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx, Tx } from "../../store/store.ts";
import { assign, insert } from "../../store/tables.ts";
import { admitAttached, admitDeletion, attachAll, detachAll } from "./attachments.ts";
import { checkInlinePolicy, checkInlineSize } from "./documents.ts";
import { admitName, arnOf, fault, mergeTags, noSuch, pageOfNames, pageOfTable } from "./entities.ts";
import { usersMax } from "./limits.ts";
import { accessKeys, countOf, findNamed, isRow, memberships, takenName, users, type Tag, type User } from "./tables.ts";

export const userArn = (user: Pick<User, "account" | "path" | "name">) => arnOf("user", user);

export function describedUser(user: User) {
  return {
    Path: user.path,
    UserName: user.name,
    UserId: user.id,
    Arn: userArn(user),
    CreateDate: new Date(user.created_ms),
  };
}

const withTags = (user: User) => ({
  ...describedUser(user),
  ...(user.tags.length === 0 ? {} : { Tags: user.tags }),
});

export async function existingUser(tx: ReadTx, account: string, name: string): Promise<User> {
  const user = await findNamed(tx, users, account, name);
  if (user === undefined) throw noSuch("user", name);
  return user;
}

export interface NewUser {
  name: string;
  path?: string | undefined;
  tags?: readonly Tag[];
  inline?: Record<string, string>;
  attached?: string[];
  token?: string;
}

/** Creates a user; a second call with the same token gives the user that the first one made. */
export function userCreation({ store, ids, clock }: Deps) {
  return async (input: NewUser, call: Call): Promise<User> => {
    Object.values(input.inline ?? {}).forEach(checkInlinePolicy);
    checkInlineSize("user", input.name, input.inline ?? {});
    admitAttached("user", input.attached ?? []);
    const row: User = {
      account: call.account,
      region: globalRegion,
      name: input.name,
      id: `AIDA${ids.suffix(17)}`,
      path: input.path ?? "/",
      created_ms: clock.now(),
      inline: input.inline ?? {},
      attached: input.attached ?? [],
      tags: mergeTags("User", [], input.tags ?? []),
      token: input.token ?? null,
    };
    return store.tx(async (tx) => {
      const present = await findNamed(tx, users, call.account, input.name);
      if (present !== undefined && present.token !== null && present.token === row.token) return present;
      const { account, name } = row;
      await admitName(tx, users, { title: "User", quota: "UsersPerAccount", max: usersMax, account, name });
      await attachAll(tx, account, row.attached);
      await tx.run(insert(users, row));
      return row;
    });
  };
}

export const ofUser = ({ account, name }: Pick<User, "account" | "name">) =>
  sql`account = ${account} and region = ${globalRegion} and user_name = ${name}`;

/** Removes a user with all that hangs on it, as CloudFormation does. */
export async function removeUser(tx: Tx, user: User): Promise<void> {
  await detachAll(tx, user);
  await tx.run(sql`delete from ${memberships.name} where ${ofUser(user)}`);
  await tx.run(sql`delete from ${accessKeys.name} where ${ofUser(user)}`);
  await tx.run(sql`delete from ${users.name} where ${isRow(user)}`);
}

async function admitUserDeletion(tx: Tx, user: User): Promise<void> {
  if ((await countOf(tx, accessKeys, user.account, sql`user_name = ${user.name}`)) > 0) {
    throw fault("DeleteConflictException", "Cannot delete entity, must delete access keys first.");
  }
  if ((await countOf(tx, memberships, user.account, sql`user_name = ${user.name}`)) > 0) {
    throw fault("DeleteConflictException", "Cannot delete entity, must remove users from group first.");
  }
  admitDeletion(user);
}

/** The account's root user, as GetUser shows it. */
function rootUser(call: Call) {
  return {
    Path: "/",
    UserName: "root",
    UserId: call.account,
    Arn: `arn:aws:iam::${call.account}:root`,
    CreateDate: new Date(0),
  };
}

/** The user that an operation is about when it names none: the caller. */
export function callingUser(call: Call): string | undefined {
  return userName(call.principal);
}

export function userOperations(deps: Deps) {
  const { store } = deps;
  const create = userCreation(deps);
  const change = (call: Call, name: string, changes: (user: User) => Partial<User>) =>
    store.tx(async (tx) => {
      const user = await existingUser(tx, call.account, name);
      await tx.run(sql`update ${users.name} set ${assign(users, changes(user))} where ${isRow(user)}`);
      return {};
    });

  return {
    async CreateUser(input, call) {
      refuseBoundary(input.PermissionsBoundary);
      const { UserName: name, Path: path, Tags: tags = [] } = input;
      return { User: withTags(await create({ name, path, tags }, call)) };
    },

    async GetUser(input, call) {
      const name = input.UserName ?? callingUser(call);
      if (name !== undefined) {
        return { User: withTags(await store.read((tx) => existingUser(tx, call.account, name))) };
      }
      if (call.principal.kind === "user") return { User: rootUser(call) };
      throw fault("ValidationError", "Must specify userName when calling with non-User credentials");
    },

    async ListUsers(input, call) {
      const { page, paged } = await pageOfTable(store, users, { operation: "ListUsers", input, call });
      return { Users: page.map(describedUser), ...paged };
    },

    async UpdateUser(input, call) {
      const { UserName: name, NewUserName: newName = name, NewPath: newPath } = input;
      return store.tx(async (tx) => {
        const user = await existingUser(tx, call.account, name);
        const taken = await takenName(tx, users, call.account, newName);
        if (taken !== undefined && taken !== name) {
          throw fault("EntityAlreadyExistsException", `User with name ${newName} already exists.`);
        }
        const renamed = { name: newName, path: newPath ?? user.path };
        await tx.run(sql`update ${users.name} set ${assign(users, renamed)} where ${isRow(user)}`);
        for (const table of [memberships, accessKeys]) {
          await tx.run(sql`update ${table.name} set user_name = ${newName} where ${ofUser(user)}`);
        }
        return {};
      });
    },

    DeleteUser: (input, call) =>
      store.tx(async (tx) => {
        const user = await existingUser(tx, call.account, input.UserName);
        await admitUserDeletion(tx, user);
        await tx.run(sql`delete from ${users.name} where ${isRow(user)}`);
        return {};
      }),

    TagUser: (input, call) =>
      change(call, input.UserName, (user) => ({ tags: mergeTags("User", user.tags, input.Tags) })),

    UntagUser: (input, call) =>
      change(call, input.UserName, (user) => ({ tags: user.tags.filter(({ Key }) => !input.TagKeys.includes(Key)) })),

    async ListUserTags(input, call) {
      const { tags } = await store.read((tx) => existingUser(tx, call.account, input.UserName));
      const listing = { operation: "ListUserTags", filters: input.UserName, input, call };
      const { page, paged } = await pageOfNames(listing, tags, ({ Key }) => Key);
      return { Tags: [...page], ...paged };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-iam")>;
}

/** A boundary takes permissions away; to accept one and not to heed it would give them. */
export function refuseBoundary(boundary: string | undefined): void {
  if (boundary === undefined) return;
  throw fault("ValidationError", "Mikan does not enforce PermissionsBoundary yet, and will not pretend to.");
}
