/** Users' own access keys. The secret is shown once; at rest it is sealed. */
import { randomBytes } from "node:crypto";
import { globalRegion, type Call } from "../../kit/call.ts";
import { accessKeyIdOf, type KeyOf } from "../../kit/credentials.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { noMasterKey } from "../../kit/secrets.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx, Tx } from "../../store/store.ts";
import { assign, insert } from "../../store/tables.ts";
import { fault, pageByName } from "./entities.ts";
import { accessKeysPerUserMax } from "./limits.ts";
import { accessKeys, countOf, findNamed, users, type AccessKey } from "./tables.ts";
import { callingUser, existingUser, ofUser, userArn } from "./users.ts";

/** 40 characters of base64. */
const secretBytes = 30;

const missing = (id: string) => fault("NoSuchEntityException", `The Access Key with id ${id} cannot be found.`);
const contextOf = ({ account, id }: Pick<AccessKey, "account" | "id">) => `iam:access-key:${account}:${id}`;
const isKey = ({ account, id }: Pick<AccessKey, "account" | "id">) =>
  sql`account = ${account} and region = ${globalRegion} and id = ${id}`;

/** Operations that name no user are about the caller's own. */
function userOf(given: string | undefined, call: Call): string {
  const name = given ?? callingUser(call);
  if (name !== undefined) return name;
  // AWS would make keys of the root user. There is none here to which they could belong.
  throw fault("ValidationError", "Must specify userName when calling with non-User credentials");
}

async function existingKey(tx: ReadTx, account: string, user: string, id: string): Promise<AccessKey> {
  await existingUser(tx, account, user);
  const key = await tx.one<AccessKey>(sql`select ${accessKeys.columns} from ${accessKeys.name}
    where ${isKey({ account, id })} and user_name = ${user}`);
  if (key === undefined) throw missing(id);
  return key;
}

export async function removeAccessKey(tx: Tx, key: Pick<AccessKey, "account" | "id">): Promise<void> {
  await tx.run(sql`delete from ${accessKeys.name} where ${isKey(key)}`);
}

export interface NewAccessKey {
  user: string;
  status?: string;
  token?: string;
}

/** Creates a key; a second call with the same token gives the key that the first one made. */
export function accessKeyCreation({ store, ids, clock, secrets }: Deps) {
  return async (input: NewAccessKey, call: Call): Promise<{ key: AccessKey; secret: string }> => {
    const { account } = call;
    if (secrets.derive("iam:access-keys") === undefined) throw fault("ValidationError", noMasterKey);
    const id = accessKeyIdOf("AKIA", account, Buffer.from(ids.hex(10), "hex"));
    const secret = randomBytes(secretBytes).toString("base64");
    const row: AccessKey = {
      account,
      region: globalRegion,
      id,
      user_name: input.user,
      secret: secrets.seal(Buffer.from(secret), contextOf({ account, id })),
      status: input.status ?? "Active",
      created_ms: clock.now(),
      token: input.token ?? null,
    };
    const key = await store.tx(async (tx) => {
      const user = await existingUser(tx, account, input.user);
      if (row.token !== null) {
        const made = await tx.one<AccessKey>(sql`select ${accessKeys.columns} from ${accessKeys.name}
          where ${ofUser(user)} and token = ${row.token}`);
        if (made !== undefined) return made;
      }
      if ((await countOf(tx, accessKeys, account, sql`user_name = ${user.name}`)) >= accessKeysPerUserMax) {
        throw fault("LimitExceededException", `Cannot exceed quota for AccessKeysPerUser: ${accessKeysPerUserMax}`);
      }
      await tx.run(insert(accessKeys, row));
      return row;
    });
    return { key, secret: Buffer.from(secrets.open(key.secret, contextOf(key))).toString() };
  };
}

export function accessKeyOperations(deps: Deps) {
  const { store } = deps;
  const create = accessKeyCreation(deps);
  return {
    async CreateAccessKey(input, call) {
      const { key, secret } = await create({ user: userOf(input.UserName, call) }, call);
      return {
        AccessKey: {
          UserName: key.user_name,
          AccessKeyId: key.id,
          Status: "Active",
          SecretAccessKey: secret,
          CreateDate: new Date(key.created_ms),
        },
      };
    },

    async ListAccessKeys(input, call) {
      const name = userOf(input.UserName, call);
      const { page, paged } = await pageByName(
        { operation: "ListAccessKeys", filters: name, input, call },
        (after, limit) =>
          store.read(async (tx) => {
            const user = await existingUser(tx, call.account, name);
            return tx.all<AccessKey>(sql`select ${accessKeys.columns} from ${accessKeys.name}
              where ${ofUser(user)} and id > ${after} order by id limit ${limit}`);
          }),
        ({ id }) => id,
      );
      const shown = page.map(({ id, user_name, status, created_ms }) => ({
        UserName: user_name,
        AccessKeyId: id,
        Status: status === "Active" ? ("Active" as const) : ("Inactive" as const),
        CreateDate: new Date(created_ms),
      }));
      return { AccessKeyMetadata: shown, ...paged };
    },

    async UpdateAccessKey({ UserName, AccessKeyId: id, Status: status }, call) {
      if (status !== "Active" && status !== "Inactive") {
        throw fault("ValidationError", "Mikan lets no access keys expire; Status is Active or Inactive.");
      }
      const user = userOf(UserName, call);
      return store.tx(async (tx) => {
        const key = await existingKey(tx, call.account, user, id);
        await tx.run(sql`update ${accessKeys.name} set ${assign(accessKeys, { status })} where ${isKey(key)}`);
        return {};
      });
    },

    async DeleteAccessKey({ UserName, AccessKeyId: id }, call) {
      const user = userOf(UserName, call);
      return store.tx(async (tx) => {
        await removeAccessKey(tx, await existingKey(tx, call.account, user, id));
        return {};
      });
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-iam")>;
}

/** Users' keys, by their id alone. One that is switched off is as if it were not there. */
export function accessKeySource({ store, secrets }: Deps): KeyOf {
  return async ({ accessKeyId, sessionToken }) => {
    if (sessionToken !== undefined || !/^AKIA[A-Z0-9]{16}$/.test(accessKeyId)) return undefined;
    const found = await store.read(async (tx) => {
      const key = await tx.one<AccessKey>(sql`select ${accessKeys.columns} from ${accessKeys.name}
        where id = ${accessKeyId}`);
      if (key?.status !== "Active") return undefined;
      const user = await findNamed(tx, users, key.account, key.user_name);
      return user === undefined ? undefined : { key, user };
    });
    if (found === undefined) return undefined;
    const { key, user } = found;
    return {
      principal: { kind: "user", account: user.account, accessKeyId, arn: userArn(user), id: user.id },
      // Only a node that verifies needs it.
      get secret() {
        return Buffer.from(secrets.open(key.secret, contextOf(key))).toString();
      },
    };
  };
}
