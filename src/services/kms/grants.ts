/** Grants: kept and listed; not enforced, as no policy of KMS is yet. */
import { isDeepStrictEqual } from "node:util";
import type { GrantListEntry } from "@aws-sdk/client-kms";
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { pageKey, pageOf } from "../../kit/tokens.ts";
import { join, sql, type Sql } from "../../store/sql.ts";
import type { Tx } from "../../store/store.ts";
import { insert } from "../../store/tables.ts";
import { badMarker, fault, invalid } from "./faults.ts";
import { checkEnabled, ownedKey, type KmsDeps } from "./keyring.ts";
import { checkDryRun } from "./encryption.ts";
import { grantsPerKeyMax, shortPageDefault } from "./limits.ts";
import { keyArn, ownKey } from "./names.ts";
import { grants, isIn, ofKey, type GrantRow, type GrantTerms, type KeyRow } from "./tables.ts";

function shown(row: GrantRow): GrantListEntry {
  return {
    KeyId: keyArn({ ...row, id: row.key_id }),
    GrantId: row.id,
    CreationDate: new Date(row.created_ms),
    IssuingAccount: `arn:aws:iam::${row.account}:root`,
    ...(row.terms as GrantListEntry),
  };
}

const noGrant = () => fault("NotFoundException", "The grant is not found.");

/** Grants of one key and name differ in their terms; more than these are not looked through. */
const namedMax = 1_000;

const namedGrants = (tx: Tx, key: KeyRow, name: string) =>
  tx.all<GrantRow>(sql`select ${grants.columns} from ${grants.name}
    where ${ofKey(key)} and name = ${name} limit ${namedMax}`);

interface Paging {
  Limit?: number | undefined;
  Marker?: string | undefined;
}

export function grantOperations({ store, clock, ids, keyring }: KmsDeps) {
  const list = async (operation: string, filters: unknown, conditions: readonly Sql[], paging: Paging, call: Call) => {
    const listing = { operation, filters, call };
    const [after = ""] = pageKey(listing, paging.Marker, badMarker) ?? [];
    const limit = paging.Limit ?? shortPageDefault;
    const rows = await store.read((tx) =>
      tx.all<GrantRow>(sql`select ${grants.columns} from ${grants.name}
        where ${join([isIn(call), sql`id > ${after}`, ...conditions], " and ")} order by id limit ${limit + 1}`),
    );
    const { page, nextToken } = pageOf(listing, rows, limit, ({ id }) => [id]);
    const Grants = page.map(shown);
    return nextToken === undefined ? { Grants, Truncated: false } : { Grants, Truncated: true, NextMarker: nextToken };
  };

  const remove = (keyId: string, id: string, call: Call) =>
    store.tx(async (tx) => {
      const key = await ownedKey(tx, keyId, call);
      if ((await tx.run(sql`delete from ${grants.name} where ${ofKey(key)} and id = ${id}`)) === 0) throw noGrant();
      return {};
    });

  return {
    async CreateGrant(input, call) {
      const { KeyId, Name, GranteePrincipal, RetiringPrincipal, Operations, Constraints } = input;
      checkDryRun(input.DryRun);
      const terms: GrantTerms = {
        ...(Name === undefined ? {} : { Name }),
        GranteePrincipal: GranteePrincipal ?? "",
        ...(RetiringPrincipal === undefined ? {} : { RetiringPrincipal }),
        Operations,
        ...(Constraints === undefined ? {} : { Constraints: Constraints as NonNullable<GrantTerms["Constraints"]> }),
      };
      if (GranteePrincipal === undefined) throw invalid("GranteePrincipal is required.");
      const [id, token, now] = [ids.hex(32), ids.hex(64), clock.now()];
      return store.tx(async (tx) => {
        const key = await ownedKey(tx, KeyId, call);
        checkEnabled(key);
        // A named grant is made once: the same terms again give the same id.
        const named = Name === undefined ? [] : await namedGrants(tx, key, Name);
        const same = named.find((row) => isDeepStrictEqual(row.terms, terms));
        if (same !== undefined) return { GrantId: same.id, GrantToken: same.token };
        const count = await tx.one<{ present: number }>(
          sql`select count(*) as present from ${grants.name} where ${ofKey(key)}`,
        );
        if (Number(count?.present) >= grantsPerKeyMax) {
          throw fault("LimitExceededException", `A key has at most ${grantsPerKeyMax} grants.`);
        }
        const { account, region, id: key_id } = key;
        const names = { name: Name ?? "", retiring: RetiringPrincipal ?? "" };
        await tx.run(insert(grants, { account, region, key_id, id, token, created_ms: now, ...names, terms }));
        return { GrantId: id, GrantToken: token };
      });
    },

    async ListGrants(input, call) {
      ownKey(input.KeyId, call);
      const key = await keyring.find(input.KeyId, call);
      if (input.GranteePrincipal !== undefined) {
        const { GranteePrincipal: grantee } = input;
        const rows = await store.read((tx) =>
          tx.all<GrantRow>(sql`select ${grants.columns} from ${grants.name} where ${ofKey(key)}
            order by id limit ${grantsPerKeyMax}`),
        );
        const own = rows.filter(({ id, terms }) => terms.GranteePrincipal === grantee && (input.GrantId ?? id) === id);
        return { Grants: own.map(shown), Truncated: false };
      }
      const conditions = [
        sql`key_id = ${key.id}`,
        ...(input.GrantId === undefined ? [] : [sql`id = ${input.GrantId}`]),
      ];
      return list("ListGrants", [key.id, input.GrantId ?? null], conditions, input, call);
    },

    ListRetirableGrants: (input, call) =>
      list(
        "ListRetirableGrants",
        input.RetiringPrincipal,
        [sql`retiring = ${input.RetiringPrincipal ?? ""}`, sql`retiring <> ''`],
        input,
        call,
      ),

    async RevokeGrant(input, call) {
      checkDryRun(input.DryRun);
      return remove(input.KeyId, input.GrantId, call);
    },

    async RetireGrant(input, call) {
      checkDryRun(input.DryRun);
      const { GrantToken: token, KeyId, GrantId } = input;
      if (KeyId !== undefined && GrantId !== undefined && token === undefined) return remove(KeyId, GrantId, call);
      if (token === undefined || KeyId !== undefined || GrantId !== undefined) {
        throw invalid("Either a grant token, or a key ARN with a grant ID, must be given.");
      }
      return store.tx(async (tx) => {
        const gone = await tx.run(sql`delete from ${grants.name} where ${isIn(call)} and token = ${token}`);
        if (gone === 0) throw fault("InvalidGrantTokenException", "The grant token is invalid.");
        return {};
      });
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-kms")>;
}
