/** Secrets: created, changed, described, listed, deleted and brought back. */
import type { SecretListEntry } from "@aws-sdk/client-secrets-manager";
import type { Job } from "../../base/scheduler.ts";
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { pageKey, pageOf } from "../../kit/tokens.ts";
import { join, sql } from "../../store/sql.ts";
import type { ReadTx, Tx } from "../../store/store.ts";
import { insert } from "../../store/tables.ts";
import { badRequest, badToken, fault, invalid, notYet } from "./faults.ts";
import { filterOf } from "./filters.ts";
import { dayMs, listPageDefault, recoveryDaysMax, recoveryDaysMin, tagsMax } from "./limits.ts";
import { alive, checkNewName, existing, findSecret, named, newArn, setSecret, type SecretDeps } from "./lookup.ts";
import { current } from "./stages.ts";
import {
  findByName,
  isIn,
  isSecret,
  ofSecret,
  secrets,
  versions,
  versionsOf,
  type SecretRow,
  type Tag,
  type VersionRow,
} from "./tables.ts";
import { defaultKey, givenValue, isSame, type Value } from "./values.ts";
import { setVersion, versionPut } from "./versions.ts";

export function checkTags(given: readonly { Key?: string | undefined; Value?: string | undefined }[]): Tag[] {
  const tags = new Map(given.map(({ Key = "", Value = "" }) => [Key, Value]));
  if (tags.size > tagsMax) throw invalid(`A secret has at most ${tagsMax} tags.`);
  return [...tags].map(([Key, Value]) => ({ Key, Value }));
}

const date = (ms: number | null) => (ms === null ? undefined : new Date(ms));

/** What DescribeSecret and ListSecrets show alike. */
export function described(row: SecretRow): SecretListEntry {
  const shown: { [K in keyof SecretListEntry]: SecretListEntry[K] | undefined } = {
    ...named(row),
    Description: row.description ?? undefined,
    KmsKeyId: row.kms_key ?? undefined,
    Type: row.type ?? undefined,
    RotationEnabled: row.rotation_enabled ?? undefined,
    RotationLambdaARN: row.rotation_function ?? undefined,
    RotationRules: row.rotation_rules ?? undefined,
    LastRotatedDate: date(row.rotated_ms),
    NextRotationDate: date(row.next_rotation_ms),
    LastChangedDate: new Date(row.changed_ms),
    LastAccessedDate: date(row.accessed_ms),
    DeletedDate: date(row.deletion_ms),
    Tags: row.tags,
    CreatedDate: new Date(row.created_ms),
  };
  return Object.fromEntries(Object.entries(shown).filter(([, value]) => value !== undefined));
}

/** Labels by version; versions without any are not shown. */
export function stagesById(all: readonly VersionRow[]): Record<string, string[]> {
  return Object.fromEntries(all.filter(({ stages }) => stages.length > 0).map(({ id, stages }) => [id, stages]));
}

export interface NewSecret {
  name: string;
  description?: string | undefined;
  kmsKey?: string | undefined;
  type?: string | undefined;
  tags: Tag[];
  value?: Value | undefined;
  versionId: string;
  token?: string;
}

/** Creates a secret; a second call with the same token, client's or CloudFormation's, gives what the first one made. */
export function secretCreation({ store, clock, ids, values }: SecretDeps) {
  const repeated = async (row: SecretRow, given: NewSecret, all: readonly VersionRow[], call: Call) => {
    if (row.token !== null && row.token === given.token) return row;
    if (row.deletion_ms !== null) {
      throw badRequest(
        "You can't create this secret because a secret with this name is already scheduled for deletion.",
      );
    }
    const version = all.find(({ id }) => id === given.versionId);
    const value = version && (await values.open(row, version, call));
    if (given.value !== undefined && value !== undefined && isSame(given.value, value)) return row;
    throw alreadyThere(given.name);
  };

  return async (given: NewSecret, call: Call): Promise<SecretRow> => {
    const { name, value, versionId } = given;
    const { account, region } = call;
    checkNewName(name);
    const present = await store.read(async (tx) => {
      const row = await findByName(tx, call, name);
      return row && { row, all: await versionsOf(tx, row) };
    });
    if (present !== undefined) return repeated(present.row, given, present.all, call);
    const [uid, now] = [ids.uuid(), clock.now()];
    const row: SecretRow = {
      account,
      region,
      name,
      uid,
      arn: newArn(call, name, ids.suffix(6)),
      description: given.description ?? null,
      kms_key: given.kmsKey ?? null,
      type: given.type ?? null,
      tags: given.tags,
      created_ms: now,
      changed_ms: now,
      accessed_ms: null,
      deletion_ms: null,
      policy: null,
      rotation_enabled: null,
      rotation_function: null,
      rotation_rules: null,
      rotation_token: null,
      rotated_ms: null,
      next_rotation_ms: null,
      token: given.token ?? null,
    };
    const key = row.kms_key ?? defaultKey;
    const sealed = value && (await values.seal(value, { arn: row.arn, versionId, key }, call));
    await store.tx(async (tx) => {
      if ((await findByName(tx, call, name)) !== undefined) throw alreadyThere(name);
      await tx.run(insert(secrets, row));
      if (value === undefined || sealed === undefined) return;
      const content = { value: sealed, is_binary: value.isBinary, kms_key: key };
      const times = { created_ms: now, accessed_ms: null };
      await tx.run(insert(versions, { account, region, uid, id: versionId, stages: [current], ...content, ...times }));
    });
    return row;
  };
}

const alreadyThere = (name: string) =>
  fault("ResourceExistsException", `The operation failed because the secret ${name} already exists.`);

export async function removeSecret(tx: Tx, row: SecretRow): Promise<void> {
  await tx.run(sql`delete from ${versions.name} where ${ofSecret(row)}`);
  await tx.run(sql`delete from ${secrets.name} where ${isSecret(row)}`);
}

/** Seals the labelled versions anew under another key; what was put meanwhile is left as it is. */
function reencryption({ store, values }: SecretDeps) {
  return async (row: SecretRow, all: readonly VersionRow[], key: string, call: Call): Promise<void> => {
    for (const version of all.filter(({ stages, kms_key }) => stages.length > 0 && kms_key !== key)) {
      const value = await values.open(row, version, call);
      if (value === undefined) continue;
      const sealed = await values.seal(value, { arn: row.arn, versionId: version.id, key }, call);
      await store.tx(async (tx) => {
        const now = (await versionsOf(tx, row)).find(({ id }) => id === version.id);
        if (now?.kms_key === version.kms_key) await setVersion(tx, version, { value: sealed, kms_key: key });
      });
    }
  };
}

export function secretOperations(deps: SecretDeps) {
  const { store, clock, ids } = deps;
  const create = secretCreation(deps);
  const put = versionPut(deps);
  const reencrypt = reencryption(deps);
  const change = (id: string, call: Call, changes: (row: SecretRow) => Partial<SecretRow>) =>
    store.tx(async (tx) => {
      const row = await alive(tx, id, call);
      await setSecret(tx, row, changes(row));
      return row;
    });

  return {
    async CreateSecret(input, call) {
      if ((input.AddReplicaRegions ?? []).length > 0) throw notYet("AddReplicaRegions");
      const value = givenValue(input);
      const versionId = input.ClientRequestToken ?? ids.uuid();
      const row = await create(
        {
          name: input.Name,
          description: input.Description,
          kmsKey: input.KmsKeyId === "" ? undefined : input.KmsKeyId,
          type: input.Type,
          tags: checkTags(input.Tags ?? []),
          value,
          versionId,
        },
        call,
      );
      return { ...named(row), ...(value === undefined ? {} : { VersionId: versionId }) };
    },

    async UpdateSecret(input, call) {
      const value = givenValue(input);
      const { Description, KmsKeyId, Type } = input;
      const changes = {
        ...(Description === undefined ? {} : { description: Description }),
        ...(KmsKeyId === undefined ? {} : { kms_key: KmsKeyId === "" ? null : KmsKeyId }),
        ...(Type === undefined ? {} : { type: Type }),
      };
      const key = KmsKeyId === undefined ? undefined : KmsKeyId === "" ? defaultKey : KmsKeyId;
      if (key !== undefined) {
        const before = await store.read(async (tx) => {
          const row = await alive(tx, input.SecretId, call);
          return { row, all: await versionsOf(tx, row) };
        });
        await reencrypt(before.row, before.all, key, call);
      }
      if (value === undefined) {
        const changedMs = clock.now();
        return named(await change(input.SecretId, call, () => ({ ...changes, changed_ms: changedMs })));
      }
      const id = input.ClientRequestToken ?? ids.uuid();
      const { secret } = await put(input.SecretId, { id, value, stages: [current], key }, changes, call);
      return { ...named(secret), VersionId: id };
    },

    async DescribeSecret(input, call) {
      const { row, all } = await store.read(async (tx) => {
        const found = await existing(tx, input.SecretId, call);
        return { row: found, all: await versionsOf(tx, found) };
      });
      const stages = stagesById(all);
      return { ...described(row), ...(Object.keys(stages).length === 0 ? {} : { VersionIdsToStages: stages }) };
    },

    async ListSecrets(input, call) {
      const { IncludePlannedDeletion = false, Filters = [], SortOrder = "asc" } = input;
      const matches = filterOf(Filters);
      const listing = { operation: "ListSecrets", filters: [Filters, IncludePlannedDeletion, SortOrder], call };
      const after = pageKey(listing, input.NextToken, badToken);
      const limit = input.MaxResults ?? listPageDefault;
      return store.read(async (tx) => {
        const rows = await scan(
          tx,
          call,
          { isDescending: SortOrder === "desc", after, limit: limit + 1 },
          (row) => (IncludePlannedDeletion || row.deletion_ms === null) && matches(row),
        );
        const { page, nextToken } = pageOf(listing, rows, limit, ({ created_ms, name }) => [created_ms, name]);
        const SecretList: SecretListEntry[] = [];
        for (const row of page) {
          SecretList.push({ ...described(row), SecretVersionsToStages: stagesById(await versionsOf(tx, row)) });
        }
        return { SecretList, ...(nextToken === undefined ? {} : { NextToken: nextToken }) };
      });
    },

    async DeleteSecret(input, call) {
      const { SecretId, RecoveryWindowInDays: days, ForceDeleteWithoutRecovery: force = false } = input;
      if (force && days !== undefined) {
        throw invalid("You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.");
      }
      if (days !== undefined && (days < recoveryDaysMin || days > recoveryDaysMax)) {
        throw invalid(
          `The RecoveryWindowInDays value must be between ${recoveryDaysMin} and ${recoveryDaysMax} days (inclusive).`,
        );
      }
      const now = clock.now();
      const deletionMs = now + (days ?? recoveryDaysMax) * dayMs;
      const suffix = ids.suffix(6);
      return store.tx(async (tx) => {
        if (force) {
          // As on AWS: what is not there is deleted too.
          const row = await findSecret(tx, SecretId, call);
          if (row !== undefined) await removeSecret(tx, row);
          const name = row?.name ?? SecretId;
          return { ARN: row?.arn ?? newArn(call, name, suffix), Name: name, DeletionDate: new Date(now) };
        }
        const row = await alive(tx, SecretId, call);
        await setSecret(tx, row, { deletion_ms: deletionMs });
        return { ...named(row), DeletionDate: new Date(deletionMs) };
      });
    },

    RestoreSecret: (input, call) =>
      store.tx(async (tx) => {
        const row = await existing(tx, input.SecretId, call);
        await setSecret(tx, row, { deletion_ms: null });
        return named(row);
      }),

    async TagResource(input, call) {
      await change(input.SecretId, call, ({ tags }) => ({ tags: checkTags([...tags, ...input.Tags]) }));
      return {};
    },

    async UntagResource(input, call) {
      await change(input.SecretId, call, ({ tags }) => ({
        tags: tags.filter(({ Key }) => !input.TagKeys.includes(Key)),
      }));
      return {};
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-secrets-manager")>;
}

const scanRows = 500;

interface Scan {
  isDescending: boolean;
  after: readonly (string | number)[] | undefined;
  limit: number;
}

/** Secrets in the order they were created, up to `limit` that match. */
export async function scan(
  tx: ReadTx,
  call: Pick<Call, "account" | "region">,
  { isDescending, after, limit }: Scan,
  matches: (row: SecretRow) => boolean,
): Promise<SecretRow[]> {
  const found: SecretRow[] = [];
  let last = after;
  for (;;) {
    const [ms = 0, name = ""] = last ?? [];
    const beyond = isDescending
      ? sql`(created_ms, name) < (${Number(ms)}, ${String(name)})`
      : sql`(created_ms, name) > (${Number(ms)}, ${String(name)})`;
    const order = isDescending ? sql`created_ms desc, name desc` : sql`created_ms, name`;
    const conditions = [isIn(call), ...(last === undefined ? [] : [beyond])];
    const rows = await tx.all<SecretRow>(sql`select ${secrets.columns} from ${secrets.name}
      where ${join(conditions, " and ")} order by ${order} limit ${scanRows}`);
    for (const row of rows) {
      if (matches(row)) found.push(row);
      if (found.length === limit) return found;
      last = [row.created_ms, row.name];
    }
    if (rows.length < scanRows) return found;
  }
}

const deletionEveryMs = 60_000;
const roundMax = 100;

/** Removes the secrets whose recovery window is over. */
export function deletionJob({ store, clock }: SecretDeps): Job {
  return {
    name: "secretsmanager:deletion",
    everyMs: deletionEveryMs,
    async run() {
      const now = clock.now();
      const due = await store.read((tx) =>
        tx.all<SecretRow>(sql`select ${secrets.columns} from ${secrets.name}
          where deletion_ms <= ${now} order by deletion_ms limit ${roundMax}`),
      );
      for (const row of due) {
        await store.tx(async (tx) => {
          const present = await findByName(tx, row, row.name);
          const isDue = present?.uid === row.uid && present.deletion_ms !== null && present.deletion_ms <= now;
          if (isDue) await removeSecret(tx, row);
        });
      }
      return { more: due.length === roundMax };
    },
  };
}
