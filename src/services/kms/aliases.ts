/** Aliases: names that point to keys, and can be pointed elsewhere. */
import type { Handlers } from "../../kit/handlers.ts";
import type { Call } from "../../kit/call.ts";
import { pageKey, pageOf } from "../../kit/tokens.ts";
import { join, sql } from "../../store/sql.ts";
import type { Tx } from "../../store/store.ts";
import { insert } from "../../store/tables.ts";
import { badMarker, fault, invalid, notFound } from "./faults.ts";
import { checkNotPending, ownedKey, type KmsDeps } from "./keyring.ts";
import { aliasesPerKeyMax, shortPageDefault } from "./limits.ts";
import { aliasArn } from "./names.ts";
import { aliases, findAlias, findKey, isIn, ofKey, type AliasRow, type KeyRow, type Place } from "./tables.ts";

export function checkAliasName(name: string): void {
  if (!name.startsWith("alias/") || name === "alias/") throw invalid("Invalid identifier");
  if (name.startsWith("alias/aws/")) throw fault("NotAuthorizedException", "");
  if (!/^[a-zA-Z0-9/_-]+$/.test(name)) {
    throw fault("InvalidAliasNameException", `${name} contains invalid characters for an alias`);
  }
}

const isAlias = (place: Place, name: string) => sql`${isIn(place)} and name = ${name}`;

async function checkRoom(tx: Tx, row: KeyRow): Promise<void> {
  const present = await tx.all(sql`select name from ${aliases.name} where ${ofKey(row)} limit ${aliasesPerKeyMax}`);
  if (present.length >= aliasesPerKeyMax) {
    throw fault("LimitExceededException", `A key has at most ${aliasesPerKeyMax} aliases.`);
  }
}

export function aliasOperations({ store, clock, keyring }: KmsDeps) {
  const existing = async (tx: Tx, name: string, call: Call) => {
    const row = await findAlias(tx, call, name);
    if (row === undefined) throw notFound(`Alias ${aliasArn({ ...call, name })} is not found.`);
    return row;
  };

  return {
    async CreateAlias(input, call) {
      const { AliasName: name, TargetKeyId } = input;
      const { account, region } = call;
      checkAliasName(name);
      const now = clock.now();
      return store.tx(async (tx) => {
        const key = await ownedKey(tx, TargetKeyId, call);
        checkNotPending(key);
        if ((await findAlias(tx, call, name)) !== undefined) {
          throw fault(
            "AlreadyExistsException",
            `An alias with the name ${aliasArn({ account, region, name })} already exists`,
          );
        }
        await checkRoom(tx, key);
        await tx.run(insert(aliases, { account, region, name, key_id: key.id, created_ms: now, updated_ms: now }));
        return {};
      });
    },

    async UpdateAlias(input, call) {
      const { AliasName: name, TargetKeyId } = input;
      checkAliasName(name);
      const now = clock.now();
      return store.tx(async (tx) => {
        const alias = await existing(tx, name, call);
        const key = await ownedKey(tx, TargetKeyId, call);
        checkNotPending(key);
        const former = await findKey(tx, call, alias.key_id);
        const isSymmetric = ({ spec }: KeyRow) => spec === "SYMMETRIC_DEFAULT";
        if (former !== undefined && (former.usage !== key.usage || isSymmetric(former) !== isSymmetric(key))) {
          throw invalid(`Alias ${name} can only be pointed to a key of the same type and usage.`);
        }
        if (alias.key_id !== key.id) await checkRoom(tx, key);
        await tx.run(sql`update ${aliases.name} set key_id = ${key.id}, updated_ms = ${now}
          where ${isAlias(call, name)}`);
        return {};
      });
    },

    async DeleteAlias(input, call) {
      checkAliasName(input.AliasName);
      return store.tx(async (tx) => {
        await existing(tx, input.AliasName, call);
        await tx.run(sql`delete from ${aliases.name} where ${isAlias(call, input.AliasName)}`);
        return {};
      });
    },

    async ListAliases(input, call) {
      const listing = { operation: "ListAliases", filters: input.KeyId ?? null, call };
      const [after = ""] = pageKey(listing, input.Marker, badMarker) ?? [];
      const key = input.KeyId === undefined ? undefined : await keyring.find(input.KeyId, call);
      const limit = input.Limit ?? shortPageDefault;
      const conditions = [isIn(call), sql`name > ${after}`, ...(key === undefined ? [] : [sql`key_id = ${key.id}`])];
      const rows = await store.read((tx) =>
        tx.all<AliasRow>(sql`select ${aliases.columns} from ${aliases.name}
          where ${join(conditions, " and ")} order by name limit ${limit + 1}`),
      );
      const { page, nextToken } = pageOf(listing, rows, limit, ({ name }) => [name]);
      const Aliases = page.map((row) => ({
        AliasName: row.name,
        AliasArn: aliasArn(row),
        TargetKeyId: row.key_id,
        CreationDate: new Date(row.created_ms),
        LastUpdatedDate: new Date(row.updated_ms),
      }));
      return nextToken === undefined
        ? { Aliases, Truncated: false }
        : { Aliases, Truncated: true, NextMarker: nextToken };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-kms")>;
}
