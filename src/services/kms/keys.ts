/** Keys: created, described, listed, switched on and off, and deleted after a while. */
import type { KeyMetadata } from "@aws-sdk/client-kms";
import type { Job } from "../../base/scheduler.ts";
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { pageKey, pageOf } from "../../kit/tokens.ts";
import { sql } from "../../store/sql.ts";
import type { Tx } from "../../store/store.ts";
import { assign } from "../../store/tables.ts";
import { badMarker, fault, invalid, notYet } from "./faults.ts";
import { checkCustomer, checkNotPending, ownedKey, specNamed, type KmsDeps } from "./keyring.ts";
import { dayMs, deletionDaysMax, deletionDaysMin, pageDefault } from "./limits.ts";
import { keyArn } from "./names.ts";
import { checkPolicy } from "./policy.ts";
import { algorithmsOf } from "./specs.ts";
import { aliases, grants, isIn, isKey, keys, materials, ofKey, type GrantRow, type KeyRow } from "./tables.ts";
import { checkTags } from "./tags.ts";

export function stateOf(row: KeyRow): "Enabled" | "Disabled" | "PendingDeletion" {
  if (row.deletion_ms !== null) return "PendingDeletion";
  return row.enabled ? "Enabled" : "Disabled";
}

function algorithmMembers(row: KeyRow): Partial<KeyMetadata> {
  const algorithms = [...algorithmsOf(specNamed(row.spec), row.usage)] as never[];
  switch (row.usage) {
    case "ENCRYPT_DECRYPT":
      return { EncryptionAlgorithms: algorithms };
    case "SIGN_VERIFY":
      return { SigningAlgorithms: algorithms };
    case "KEY_AGREEMENT":
      return { KeyAgreementAlgorithms: algorithms };
    default:
      return { MacAlgorithms: algorithms };
  }
}

export function metadataOf(row: KeyRow): KeyMetadata {
  return {
    AWSAccountId: row.account,
    KeyId: row.id,
    Arn: keyArn(row),
    CreationDate: new Date(row.created_ms),
    Enabled: stateOf(row) === "Enabled",
    Description: row.description,
    KeyUsage: row.usage as "ENCRYPT_DECRYPT",
    KeyState: stateOf(row),
    Origin: "AWS_KMS",
    KeyManager: row.manager as "CUSTOMER",
    CustomerMasterKeySpec: row.spec as "SYMMETRIC_DEFAULT",
    KeySpec: row.spec as "SYMMETRIC_DEFAULT",
    MultiRegion: false,
    ...algorithmMembers(row),
    ...(row.deletion_ms === null ? {} : { DeletionDate: new Date(row.deletion_ms) }),
  };
}

export function keyOperations(deps: KmsDeps) {
  const { store, clock, keyring } = deps;

  const change = (keyId: string, call: Call, operation: string, changes: (row: KeyRow) => Partial<KeyRow>) =>
    store.tx(async (tx) => {
      const row = await ownedKey(tx, keyId, call);
      checkCustomer(row, operation);
      await tx.run(sql`update ${keys.name} set ${assign(keys, changes(row))} where ${isKey(row)}`);
      return row;
    });
  const enable = async (keyId: string, call: Call, enabled: boolean) => {
    await change(keyId, call, enabled ? "EnableKey" : "DisableKey", (row) => {
      checkNotPending(row);
      return { enabled };
    });
    return {};
  };

  return {
    async CreateKey(input, call) {
      if (input.MultiRegion) throw notYet("multi-Region keys");
      if (input.Origin !== undefined && input.Origin !== "AWS_KMS") throw notYet(`keys of origin ${input.Origin}`);
      if (input.CustomKeyStoreId !== undefined || input.XksKeyId !== undefined) throw notYet("custom key stores");
      const { KeySpec, CustomerMasterKeySpec } = input;
      if (KeySpec !== undefined && CustomerMasterKeySpec !== undefined) {
        throw invalid("You cannot specify KeySpec and CustomerMasterKeySpec in the same request.");
      }
      if (input.Policy !== undefined) checkPolicy(input.Policy);
      const row = await keyring.create(
        {
          spec: KeySpec ?? CustomerMasterKeySpec ?? "SYMMETRIC_DEFAULT",
          usage: input.KeyUsage ?? "ENCRYPT_DECRYPT",
          description: input.Description ?? "",
          policy: input.Policy,
          tags: checkTags(input.Tags ?? []),
        },
        call,
      );
      return { KeyMetadata: metadataOf(row) };
    },

    async DescribeKey(input, call) {
      return { KeyMetadata: metadataOf(await keyring.find(input.KeyId, call)) };
    },

    async ListKeys(input, call) {
      const listing = { operation: "ListKeys", call };
      const [after = ""] = pageKey(listing, input.Marker, badMarker) ?? [];
      const limit = input.Limit ?? pageDefault;
      const rows = await store.read((tx) =>
        tx.all<KeyRow>(sql`select ${keys.columns} from ${keys.name}
          where ${isIn(call)} and id > ${after} order by id limit ${limit + 1}`),
      );
      const { page, nextToken } = pageOf(listing, rows, limit, ({ id }) => [id]);
      const Keys = page.map((row) => ({ KeyId: row.id, KeyArn: keyArn(row) }));
      return nextToken === undefined ? { Keys, Truncated: false } : { Keys, Truncated: true, NextMarker: nextToken };
    },

    EnableKey: (input, call) => enable(input.KeyId, call, true),
    DisableKey: (input, call) => enable(input.KeyId, call, false),

    async UpdateKeyDescription(input, call) {
      await change(input.KeyId, call, "UpdateKeyDescription", (row) => {
        checkNotPending(row);
        return { description: input.Description };
      });
      return {};
    },

    async ScheduleKeyDeletion(input, call) {
      const days = input.PendingWindowInDays ?? deletionDaysMax;
      if (days < deletionDaysMin || days > deletionDaysMax) {
        throw invalid(`PendingWindowInDays must be between ${deletionDaysMin} and ${deletionDaysMax}.`);
      }
      const deletionMs = clock.now() + days * dayMs;
      const row = await change(input.KeyId, call, "ScheduleKeyDeletion", (found) => {
        checkNotPending(found);
        return { deletion_ms: deletionMs, deletion_days: days };
      });
      return {
        KeyId: keyArn(row),
        DeletionDate: new Date(deletionMs),
        KeyState: "PendingDeletion",
        PendingWindowInDays: days,
      };
    },

    async CancelKeyDeletion(input, call) {
      const row = await change(input.KeyId, call, "CancelKeyDeletion", (found) => {
        if (found.deletion_ms === null) {
          throw fault("KMSInvalidStateException", `${keyArn(found)} is not pending deletion.`);
        }
        // As on AWS, a key that comes back is disabled until somebody enables it.
        return { deletion_ms: null, deletion_days: null, enabled: false };
      });
      return { KeyId: keyArn(row) };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-kms")>;
}

const deletionEveryMs = 60_000;
/** Keys that one round deletes; each with its aliases, material and grants in one transaction. */
const roundMax = 100;

/** Rows that one transaction deletes: a key may have 50,000 grants. */
const chunkRows = 500;

async function dropGrants(tx: Tx, row: KeyRow): Promise<number> {
  const some = await tx.all<Pick<GrantRow, "id">>(
    sql`select id from ${grants.name} where ${ofKey(row)} limit ${chunkRows}`,
  );
  for (const { id } of some) await tx.run(sql`delete from ${grants.name} where ${ofKey(row)} and id = ${id}`);
  return some.length;
}

/** Deletes the keys whose waiting period is over; nothing that they encrypted can be read from then on. */
export function deletionJob({ store, clock }: KmsDeps): Job {
  return {
    name: "kms:deletion",
    everyMs: deletionEveryMs,
    async run() {
      const now = clock.now();
      const due = await store.read((tx) =>
        tx.all<KeyRow>(sql`select ${keys.columns} from ${keys.name}
          where deletion_ms <= ${now} order by deletion_ms limit ${roundMax}`),
      );
      for (const row of due) {
        while ((await store.tx((tx) => dropGrants(tx, row))) === chunkRows);
        await store.tx(async (tx) => {
          const gone = await tx.run(sql`delete from ${keys.name} where ${isKey(row)} and deletion_ms <= ${now}`);
          if (gone === 0) return;
          for (const table of [materials, aliases, grants]) {
            await tx.run(sql`delete from ${table.name} where ${ofKey(row)}`);
          }
        });
      }
      return { more: due.length === roundMax };
    },
  };
}
