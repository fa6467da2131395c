/** Rotation: new material for a key, by the calendar or on demand. What older material encrypted still decrypts. */
import type { Job } from "../../base/scheduler.ts";
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { pageKey, pageOf } from "../../kit/tokens.ts";
import { sql } from "../../store/sql.ts";
import type { Tx } from "../../store/store.ts";
import { assign, insert } from "../../store/tables.ts";
import { badMarker, fault } from "./faults.ts";
import { checkCustomer, checkEnabled, checkNotPending, ownedKey, specNamed, type KmsDeps } from "./keyring.ts";
import { dayMs, onDemandRotationsMax, pageDefault, rotationDaysDefault } from "./limits.ts";
import { freshMaterial, type Fresh } from "./material.ts";
import { keyArn, ownKey } from "./names.ts";
import { findKey, isKey, keys, materials, ofKey, type KeyRow, type MaterialRow } from "./tables.ts";

type Origin = "AUTOMATIC" | "ON_DEMAND";

function checkRotates(row: KeyRow): void {
  if (row.spec !== "SYMMETRIC_DEFAULT") {
    throw fault("UnsupportedOperationException", `${keyArn(row)} is a ${row.spec} key, which does not rotate.`);
  }
}

/** The key's next version; earlier ones stay. Later rotations count from this one. */
async function rotate(tx: Tx, { keyring }: KmsDeps, row: KeyRow, fresh: Fresh, origin: Origin, now: number) {
  const { account, region, id: key_id } = row;
  const version = row.version + 1;
  await tx.run(
    insert(materials, keyring.materials.row({ account, region, key_id, version, created_ms: now, origin }, fresh)),
  );
  const next = row.rotation_days === null ? null : now + row.rotation_days * dayMs;
  const changes = origin === "AUTOMATIC" ? { version, rotation_next_ms: next } : { version };
  await tx.run(sql`update ${keys.name} set ${assign(keys, changes)} where ${isKey(row)}`);
}

export function rotationOperations(deps: KmsDeps) {
  const { store, clock, keyring } = deps;

  const schedule = (keyId: string, days: number | null, call: Call, operation: string) => {
    const next = days === null ? null : clock.now() + days * dayMs;
    return store.tx(async (tx) => {
      const row = await ownedKey(tx, keyId, call);
      checkCustomer(row, operation);
      checkEnabled(row);
      checkRotates(row);
      // The calendar is not started anew by asking for what is so already.
      if (row.rotation_days === days) return {};
      const changes = { rotation_days: days, rotation_next_ms: next };
      await tx.run(sql`update ${keys.name} set ${assign(keys, changes)} where ${isKey(row)}`);
      return {};
    });
  };

  return {
    EnableKeyRotation: (input, call) =>
      schedule(input.KeyId, input.RotationPeriodInDays ?? rotationDaysDefault, call, "EnableKeyRotation"),

    DisableKeyRotation: (input, call) => schedule(input.KeyId, null, call, "DisableKeyRotation"),

    async GetKeyRotationStatus(input, call) {
      ownKey(input.KeyId, call);
      const row = await keyring.find(input.KeyId, call);
      checkNotPending(row);
      checkRotates(row);
      if (row.rotation_days === null || row.rotation_next_ms === null) {
        return { KeyRotationEnabled: false, KeyId: keyArn(row) };
      }
      return {
        KeyRotationEnabled: true,
        KeyId: keyArn(row),
        RotationPeriodInDays: row.rotation_days,
        NextRotationDate: new Date(row.rotation_next_ms),
      };
    },

    async RotateKeyOnDemand(input, call) {
      const fresh = await freshMaterial(specNamed("SYMMETRIC_DEFAULT"));
      const now = clock.now();
      return store.tx(async (tx) => {
        const row = await ownedKey(tx, input.KeyId, call);
        checkCustomer(row, "RotateKeyOnDemand");
        checkEnabled(row);
        checkRotates(row);
        const before = await tx.all(sql`select version from ${materials.name}
          where ${ofKey(row)} and origin = 'ON_DEMAND' limit ${onDemandRotationsMax}`);
        if (before.length >= onDemandRotationsMax) {
          throw fault("LimitExceededException", `A key is rotated on demand at most ${onDemandRotationsMax} times.`);
        }
        await rotate(tx, deps, row, fresh, "ON_DEMAND", now);
        return { KeyId: keyArn(row) };
      });
    },

    async ListKeyRotations(input, call) {
      ownKey(input.KeyId, call);
      const row = await keyring.find(input.KeyId, call);
      checkRotates(row);
      const listing = { operation: "ListKeyRotations", filters: row.id, call };
      const [after = 1] = pageKey(listing, input.Marker, badMarker) ?? [];
      const limit = input.Limit ?? pageDefault;
      const rows = await store.read((tx) =>
        tx.all<MaterialRow>(sql`select ${materials.columns} from ${materials.name}
          where ${ofKey(row)} and version > ${Number(after)} order by version limit ${limit + 1}`),
      );
      const { page, nextToken } = pageOf(listing, rows, limit, ({ version }) => [version]);
      const Rotations = page.map(({ created_ms, origin }) => ({
        KeyId: keyArn(row),
        RotationDate: new Date(created_ms),
        RotationType: origin as Origin,
      }));
      return nextToken === undefined
        ? { Rotations, Truncated: false }
        : { Rotations, Truncated: true, NextMarker: nextToken };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-kms")>;
}

const rotationEveryMs = 60_000;
const roundMax = 100;

/** Rotates what is due. Keys that are disabled or pending deletion wait, as on AWS, until they are not. */
export function rotationJob(deps: KmsDeps): Job {
  const { store, clock } = deps;
  return {
    name: "kms:rotation",
    everyMs: rotationEveryMs,
    async run() {
      const now = clock.now();
      const due = await store.read((tx) =>
        tx.all<KeyRow>(sql`select ${keys.columns} from ${keys.name} where rotation_next_ms <= ${now}
          and enabled = ${true} and deletion_ms is null order by rotation_next_ms limit ${roundMax}`),
      );
      for (const { id, ...place } of due) {
        const fresh = await freshMaterial(specNamed("SYMMETRIC_DEFAULT"));
        await store.tx(async (tx) => {
          const row = await findKey(tx, place, id);
          // Another node, or a client, may have been here since it was read.
          if (row === undefined || row.rotation_next_ms === null || row.rotation_next_ms > now) return;
          if (row.enabled && row.deletion_ms === null) await rotate(tx, deps, row, fresh, "AUTOMATIC", now);
        });
      }
      return { more: due.length === roundMax };
    },
  };
}
