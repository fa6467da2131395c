/** Values: put, read one by one or together, and their versions and labels. */
import type { SecretValueEntry, APIErrorType } from "@aws-sdk/client-secrets-manager";
import { isFault } from "../../base/errors.ts";
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { pageKey, pageOf } from "../../kit/tokens.ts";
import { badRequest, badToken, fault, invalid, noValue } from "./faults.ts";
import { filterOf } from "./filters.ts";
import { batchMax, dayMs, listPageDefault, policyCharactersMax } from "./limits.ts";
import { alive, existing, named, setSecret, type SecretDeps } from "./lookup.ts";
import { randomPassword } from "./password.ts";
import { scan } from "./secrets.ts";
import { current, holderOf, moved } from "./stages.ts";
import { versionsOf, type SecretRow, type VersionRow } from "./tables.ts";
import { givenValue } from "./values.ts";
import { chosen, setVersion, versionPut, writeStages } from "./versions.ts";

const noStage = (id: string | undefined, stage: string | undefined) =>
  noValue(id === undefined ? `staging label: ${stage ?? current}` : `VersionId: ${id}`);

function checkPolicy(policy: string): void {
  if (policy.length > policyCharactersMax) throw invalid(`A policy has at most ${policyCharactersMax} characters.`);
  try {
    JSON.parse(policy);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw fault("MalformedPolicyDocumentException", "This resource policy contains invalid Json.", {}, { cause });
  }
}

/** AWS shows the day on which a value was read, so a read is written down once a day. */
const dayOf = (ms: number) => Math.floor(ms / dayMs) * dayMs;

export function valueOperations(deps: SecretDeps) {
  const { store, clock, ids, values } = deps;
  const put = versionPut(deps);

  const remember = async (row: SecretRow, version: VersionRow) => {
    const day = dayOf(clock.now());
    if (row.accessed_ms === day && version.accessed_ms === day) return;
    await store.tx(async (tx) => {
      await setSecret(tx, row, { accessed_ms: day });
      await setVersion(tx, version, { accessed_ms: day });
    });
  };

  const read = async (secretId: string, id: string | undefined, stage: string | undefined, call: Call) => {
    const { row, version } = await store.read(async (tx) => {
      const found = await alive(tx, secretId, call);
      return { row: found, version: chosen(await versionsOf(tx, found), id, stage) };
    });
    const value = version && (await values.open(row, version, call));
    if (version === undefined || value === undefined) throw noStage(id, stage);
    await remember(row, version);
    const entry: SecretValueEntry = {
      ...named(row),
      VersionId: version.id,
      VersionStages: version.stages,
      CreatedDate: new Date(version.created_ms),
    };
    return value.isBinary
      ? { ...entry, SecretBinary: value.bytes }
      : { ...entry, SecretString: Buffer.from(value.bytes).toString() };
  };

  const setPolicy = (id: string, policy: string | null, call: Call) =>
    store.tx(async (tx) => {
      const row = await alive(tx, id, call);
      await setSecret(tx, row, { policy });
      return named(row);
    });

  return {
    GetSecretValue: (input, call) => read(input.SecretId, input.VersionId, input.VersionStage, call),

    async BatchGetSecretValue(input, call) {
      const { SecretIdList, Filters, MaxResults = batchMax } = input;
      if ((SecretIdList === undefined) === (Filters === undefined)) {
        throw invalid("Either 'SecretIdList' or 'Filters' must be provided, but not both.");
      }
      const listing = { operation: "BatchGetSecretValue", filters: Filters ?? null, call };
      const after = pageKey(listing, input.NextToken, badToken);
      const matches = filterOf(Filters ?? []);
      const listed =
        SecretIdList === undefined
          ? await store.read((tx) =>
              scan(
                tx,
                call,
                { isDescending: false, after, limit: MaxResults + 1 },
                (row) => row.deletion_ms === null && matches(row),
              ),
            )
          : [];
      const { page, nextToken } = pageOf(listing, listed, MaxResults, ({ created_ms, name }) => [created_ms, name]);
      const SecretValues: SecretValueEntry[] = [];
      const Errors: APIErrorType[] = [];
      for (const SecretId of SecretIdList ?? page.map(({ arn }) => arn)) {
        try {
          SecretValues.push(await read(SecretId, undefined, undefined, call));
        } catch (error) {
          if (!isFault(error)) throw error;
          Errors.push({ SecretId, ErrorCode: error.code, Message: error.message });
        }
      }
      return { SecretValues, Errors, ...(nextToken === undefined ? {} : { NextToken: nextToken }) };
    },

    async PutSecretValue(input, call) {
      const value = givenValue(input);
      if (value === undefined) throw badRequest("You must provide either SecretString or SecretBinary.");
      const id = input.ClientRequestToken ?? ids.uuid();
      const { secret, stages } = await put(
        input.SecretId,
        { id, value, stages: input.VersionStages ?? [current] },
        {},
        call,
      );
      return { ...named(secret), VersionId: id, VersionStages: [...stages] };
    },

    async ListSecretVersionIds(input, call) {
      const { row, all } = await store.read(async (tx) => {
        const found = await existing(tx, input.SecretId, call);
        return { row: found, all: await versionsOf(tx, found) };
      });
      const listing = { operation: "ListSecretVersionIds", filters: [row.uid, input.IncludeDeprecated ?? false], call };
      const [ms = -1, after = ""] = pageKey(listing, input.NextToken, badToken) ?? [];
      const left = all
        .filter(({ stages }) => input.IncludeDeprecated === true || stages.length > 0)
        .filter(({ created_ms, id }) => created_ms > Number(ms) || (created_ms === ms && id > String(after)));
      const { page, nextToken } = pageOf(listing, left, input.MaxResults ?? listPageDefault, (version) => [
        version.created_ms,
        version.id,
      ]);
      const Versions = page.map((version) => ({
        VersionId: version.id,
        CreatedDate: new Date(version.created_ms),
        KmsKeyIds: [version.kms_key],
        ...(version.stages.length === 0 ? {} : { VersionStages: version.stages }),
        ...(version.accessed_ms === null ? {} : { LastAccessedDate: new Date(version.accessed_ms) }),
      }));
      return { ...named(row), Versions, ...(nextToken === undefined ? {} : { NextToken: nextToken }) };
    },

    async UpdateSecretVersionStage(input, call) {
      const { VersionStage: stage, RemoveFromVersionId: from, MoveToVersionId: to } = input;
      return store.tx(async (tx) => {
        const row = await alive(tx, input.SecretId, call);
        const all = await versionsOf(tx, row);
        for (const id of [from, to]) {
          if (id !== undefined && !all.some((version) => version.id === id)) throw noValue(`VersionId: ${id}`);
        }
        const holder = holderOf(all, stage)?.id;
        if (to === undefined && stage === current) {
          throw invalid(
            `You can only move staging label ${current} to a different secret version. It can’t be completely removed.`,
          );
        }
        if (holder !== undefined && holder !== to && holder !== from) {
          throw invalid(
            from === undefined
              ? `The parameter RemoveFromVersionId can't be empty. Staging label ${stage} is currently attached to version ${holder}, so you must explicitly reference that version in RemoveFromVersionId.`
              : `Staging label ${stage} is not attached to version ${from}: it is attached to ${holder}.`,
          );
        }
        if (holder === undefined && from !== undefined) {
          throw invalid(`Staging label ${stage} is not attached to version ${from}.`);
        }
        await writeStages(tx, all, moved(all, stage, to));
        return named(row);
      });
    },

    async GetRandomPassword(input) {
      return { RandomPassword: randomPassword(input) };
    },

    async PutResourcePolicy(input, call) {
      checkPolicy(input.ResourcePolicy);
      return setPolicy(input.SecretId, input.ResourcePolicy, call);
    },

    DeleteResourcePolicy: (input, call) => setPolicy(input.SecretId, null, call),

    async GetResourcePolicy(input, call) {
      const row = await store.read((tx) => alive(tx, input.SecretId, call));
      return { ...named(row), ...(row.policy === null ? {} : { ResourcePolicy: row.policy }) };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-secrets-manager")>;
}
