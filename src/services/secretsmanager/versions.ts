/** Versions: made, filled, and the labels that say which is which. */
import type { Call } from "../../kit/call.ts";
import { sql } from "../../store/sql.ts";
import type { Tx } from "../../store/store.ts";
import { assign, insert } from "../../store/tables.ts";
import { badRequest, fault } from "./faults.ts";
import { stagesMax, versionsMax } from "./limits.ts";
import { alive, setSecret, type SecretDeps } from "./lookup.ts";
import { current, moved, type Staged } from "./stages.ts";
import { ofSecret, versions, versionsOf, type SecretRow, type VersionRow } from "./tables.ts";
import { defaultKey, isSame, type Value } from "./values.ts";

const isVersion = (row: VersionRow) => sql`${ofSecret(row)} and id = ${row.id}`;

export function setVersion(tx: Tx, row: VersionRow, changes: Partial<VersionRow>): Promise<number> {
  return tx.run(sql`update ${versions.name} set ${assign(versions, changes)} where ${isVersion(row)}`);
}

/** Writes the labels of those versions where they changed. */
export async function writeStages(tx: Tx, before: readonly VersionRow[], after: readonly Staged[]): Promise<void> {
  const wanted = new Map(after.map(({ id, stages }) => [id, stages]));
  for (const row of before) {
    const stages = [...(wanted.get(row.id) ?? [])];
    if (stages.length > stagesMax) {
      throw fault("LimitExceededException", `A version has at most ${stagesMax} staging labels.`);
    }
    const isKept = stages.length === row.stages.length && stages.every((stage) => row.stages.includes(stage));
    if (!isKept) await setVersion(tx, row, { stages });
  }
}

/** Versions without a label go, the oldest first, when there would be too many. */
export async function makeRoom(tx: Tx, present: readonly VersionRow[]): Promise<VersionRow[]> {
  const excess = present.length + 1 - versionsMax;
  if (excess <= 0) return [...present];
  const gone = present.filter(({ stages }) => stages.length === 0).slice(0, excess);
  if (gone.length < excess) {
    throw fault("LimitExceededException", `A secret has at most ${versionsMax} versions with staging labels.`);
  }
  for (const row of gone) await tx.run(sql`delete from ${versions.name} where ${isVersion(row)}`);
  return present.filter((row) => !gone.includes(row));
}

export interface NewVersion {
  id: string;
  value: Value;
  stages: readonly string[];
  /** Overrides the secret's own, when that changes with the value. */
  key?: string | undefined;
}

const inUse = (id: string, { arn }: SecretRow) =>
  fault(
    "ResourceExistsException",
    `You can't use ClientRequestToken ${id} because that value is already in use for a version of secret ${arn}.`,
  );

/** Puts a value: a new version, or the one that a rotation has begun. The same value under the same token is done once. */
export function versionPut(deps: SecretDeps) {
  const { store, clock, values } = deps;
  const isRepeat = async (secret: SecretRow, row: VersionRow, value: Value, call: Call) => {
    const present = await values.open(secret, row, call);
    if (present !== undefined && !isSame(present, value)) throw inUse(row.id, secret);
    return present !== undefined;
  };

  return async (
    secretId: string,
    { id, value, stages, key }: NewVersion,
    changes: Partial<SecretRow>,
    call: Call,
  ): Promise<{ secret: SecretRow; stages: readonly string[] }> => {
    const { secret, before } = await store.read(async (tx) => {
      const found = await alive(tx, secretId, call);
      return { secret: found, before: (await versionsOf(tx, found)).find((row) => row.id === id) };
    });
    if (before !== undefined && (await isRepeat(secret, before, value, call))) {
      if (Object.keys(changes).length > 0) await store.tx((tx) => setSecret(tx, secret, changes));
      return { secret, stages: before.stages };
    }
    const kms_key = key ?? secret.kms_key ?? defaultKey;
    const sealed = await values.seal(value, { arn: secret.arn, versionId: id, key: kms_key }, call);
    const now = clock.now();
    return store.tx(async (tx) => {
      const row = await alive(tx, secret.arn, call);
      const present = await versionsOf(tx, row);
      const mine = present.find((version) => version.id === id);
      // Somebody with the same token was here since.
      if (mine !== undefined && mine.value !== null) throw inUse(id, row);
      const { account, region, uid } = row;
      const content = { value: sealed, is_binary: value.isBinary, kms_key };
      const fresh: VersionRow = {
        account,
        region,
        uid,
        id,
        stages: [],
        created_ms: now,
        accessed_ms: null,
        ...content,
      };
      const kept = mine === undefined ? [...(await makeRoom(tx, present)), fresh] : present;
      if (mine === undefined) await tx.run(insert(versions, fresh));
      else await setVersion(tx, mine, content);
      const placed = stages.reduce<Staged[]>((all, stage) => moved(all, stage, id), kept);
      await writeStages(tx, kept, placed);
      await setSecret(tx, row, { ...changes, changed_ms: now });
      return { secret: { ...row, ...changes }, stages: placed.find((version) => version.id === id)?.stages ?? [] };
    });
  };
}

/** The version that a request asks for: by id, by label, or the current one. */
export function chosen(
  all: readonly VersionRow[],
  id: string | undefined,
  stage: string | undefined,
): VersionRow | undefined {
  const wanted = id === undefined ? (stage ?? current) : stage;
  const found = all.find((row) => (id ?? row.id) === row.id && (wanted === undefined || row.stages.includes(wanted)));
  const other = id === undefined ? undefined : all.find((row) => row.id === id);
  if (found === undefined && other !== undefined && other.stages.length > 0 && stage !== undefined) {
    throw badRequest("You provided a VersionStage that is not associated to the provided VersionId.");
  }
  return found;
}
