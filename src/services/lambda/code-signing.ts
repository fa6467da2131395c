/** Code signing: who must have signed a function's code. There is no AWS Signer, so no code is signed: `Enforce` lets none in. */
import type { CodeSigningPolicy } from "@aws-sdk/client-lambda";
import { formatArn, parseArn } from "../../base/arn.ts";
import type { Ids } from "../../base/ids.ts";
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { pageKey, pageOf } from "../../kit/tokens.ts";
import { sql, type Sql } from "../../store/sql.ts";
import type { ReadTx, Tx } from "../../store/store.ts";
import { assign, insert, upsert } from "../../store/tables.ts";
import { lastModified } from "./configuration.ts";
import type { LambdaDeps } from "./deps.ts";
import { fault, functionNotFound } from "./faults.ts";
import { tagsMax } from "./limits.ts";
import { badMarker, pageLimit } from "./lookup.ts";
import { ownFunction, unqualifiedArn, type FunctionKey } from "./names.ts";
import {
  codeSigningConfigs,
  findOptions,
  functionOptions,
  type CodeSigningRow,
  type FunctionOptionsRow,
} from "./option-tables.ts";
import { findFunction } from "./tables.ts";

export interface CodeSigningSettings {
  description?: string | undefined;
  policy?: CodeSigningPolicy | undefined;
  publishers?: readonly string[] | undefined;
}

type ConfigKey = Pick<CodeSigningRow, "account" | "region" | "id">;

const isConfig = ({ account, region, id }: ConfigKey): Sql =>
  sql`account = ${account} and region = ${region} and id = ${id}`;

export const codeSigningArn = ({ account, region, id }: ConfigKey) =>
  formatArn({ service: "lambda", region, account, resource: `code-signing-config:${id}` });

const notFound = (arn: string) =>
  fault("CodeSigningConfigNotFoundException", `The Lambda function code signing config ${arn} doesn't exist.`);

/** Throws AWS's fault for an ARN of another account or region: nobody reads those of others. */
function keyOf(arn: string, call: Call): ConfigKey {
  const { account = "", region = "", resource = "" } = parseArn(arn) ?? {};
  if (account !== call.account || region !== call.region) throw notFound(arn);
  return { account, region, id: resource.slice(resource.indexOf(":") + 1) };
}

async function findConfig(tx: ReadTx, key: ConfigKey): Promise<CodeSigningRow> {
  const row = await tx.one<CodeSigningRow>(
    sql`select ${codeSigningConfigs.columns} from ${codeSigningConfigs.name} where ${isConfig(key)}`,
  );
  if (row === undefined) throw notFound(codeSigningArn(key));
  return row;
}

function shown(row: CodeSigningRow) {
  return {
    CodeSigningConfigId: row.id,
    CodeSigningConfigArn: codeSigningArn(row),
    ...(row.description === "" ? {} : { Description: row.description }),
    AllowedPublishers: { SigningProfileVersionArns: row.publishers },
    // Written by `change`.
    CodeSigningPolicies: { UntrustedArtifactOnDeployment: row.policy as CodeSigningPolicy },
    LastModified: lastModified(row.modified_ms),
  };
}

/** `csc-` and 17 characters of a-z and 0-9. */
const newId = (ids: Ids) => `csc-${ids.suffix(17).toLowerCase()}`;

export function codeSigningCreation({ store, ids, clock }: Pick<LambdaDeps, "store" | "ids" | "clock">) {
  return (settings: CodeSigningSettings, tags: Record<string, string>, call: Call, token?: string) => {
    const { description = "", policy = "Warn", publishers = [] } = settings;
    if (Object.keys(tags).length > tagsMax) {
      throw fault("InvalidParameterValueException", "Number of tags exceeds resource tag limit.");
    }
    const { account, region } = call;
    const key = { account, region, id: newId(ids) };
    const rest = { description, policy, publishers: [...publishers], tags, modified_ms: clock.now() };
    const row: CodeSigningRow = { ...key, ...rest, token: token ?? null };
    return store.tx(async (tx) => {
      const same =
        token === undefined
          ? undefined
          : await tx.one<CodeSigningRow>(sql`select ${codeSigningConfigs.columns} from ${codeSigningConfigs.name}
              where account = ${account} and region = ${region} and token = ${token}`);
      if (same !== undefined) return same;
      await tx.run(insert(codeSigningConfigs, row));
      return row;
    });
  };
}

export function codeSigningUpdate({ store, clock }: Pick<LambdaDeps, "store" | "clock">) {
  return (arn: string, settings: CodeSigningSettings, call: Call): Promise<CodeSigningRow> => {
    const key = keyOf(arn, call);
    const now = clock.now();
    return store.tx(async (tx) => {
      const row = await findConfig(tx, key);
      const changed = {
        description: settings.description ?? row.description,
        policy: settings.policy ?? row.policy,
        publishers: settings.publishers === undefined ? row.publishers : [...settings.publishers],
        modified_ms: now,
      };
      await tx.run(sql`update ${codeSigningConfigs.name} set ${assign(codeSigningConfigs, changed)}
        where ${isConfig(key)}`);
      return { ...row, ...changed };
    });
  };
}

export function codeSigningDeletion({ store }: Pick<LambdaDeps, "store">) {
  return (arn: string, call: Call): Promise<void> => {
    const key = keyOf(arn, call);
    return store.tx(async (tx) => {
      await findConfig(tx, key);
      const user = await tx.one<FunctionOptionsRow>(sql`select ${functionOptions.columns} from ${functionOptions.name}
        where code_signing = ${arn} limit 1`);
      if (user !== undefined) {
        throw fault(
          "ResourceConflictException",
          `Cannot delete the code signing config ${arn}: the function ${user.name} uses it.`,
        );
      }
      await tx.run(sql`delete from ${codeSigningConfigs.name} where ${isConfig(key)}`);
    });
  };
}

/** Sets or takes away a function's code signing configuration, in the caller's transaction. */
export async function signWith(tx: Tx, of: FunctionKey, arn: string | null, call: Call): Promise<void> {
  const { account, region, name } = of;
  const key = { account, region, name };
  if ((await findFunction(tx, key)) === undefined) throw functionNotFound(unqualifiedArn(key));
  if (arn !== null) await findConfig(tx, keyOf(arn, call));
  const present = await findOptions(tx, key);
  await tx.run(upsert(functionOptions, { recursive_loop: null, ...present, ...key, code_signing: arn }));
}

/** Throws AWS's fault when new code must be signed: none is. */
export async function checkSigned(tx: ReadTx, arn: string | null | undefined, call: Call): Promise<void> {
  if (arn == null || (await findConfig(tx, keyOf(arn, call))).policy !== "Enforce") return;
  throw fault(
    "CodeVerificationFailedException",
    "The code signature failed one or more of the validation checks for signature mismatch or expiry, and the code signing policy is set to ENFORCE. Lambda blocks the deployment.",
  );
}

const settingsIn = (input: {
  Description?: string | undefined;
  AllowedPublishers?: { SigningProfileVersionArns: readonly string[] } | undefined;
  CodeSigningPolicies?: { UntrustedArtifactOnDeployment?: CodeSigningPolicy | undefined } | undefined;
}): CodeSigningSettings => ({
  description: input.Description,
  publishers: input.AllowedPublishers?.SigningProfileVersionArns,
  policy: input.CodeSigningPolicies?.UntrustedArtifactOnDeployment,
});

export function codeSigningOperations(deps: LambdaDeps) {
  const { store } = deps;
  const create = codeSigningCreation(deps);
  const update = codeSigningUpdate(deps);
  const remove = codeSigningDeletion(deps);

  return {
    async CreateCodeSigningConfig(input, call) {
      return { CodeSigningConfig: shown(await create(settingsIn(input), { ...input.Tags }, call)) };
    },

    async GetCodeSigningConfig({ CodeSigningConfigArn }, call) {
      const key = keyOf(CodeSigningConfigArn, call);
      return { CodeSigningConfig: shown(await store.read((tx) => findConfig(tx, key))) };
    },

    async UpdateCodeSigningConfig({ CodeSigningConfigArn, ...input }, call) {
      return { CodeSigningConfig: shown(await update(CodeSigningConfigArn, settingsIn(input), call)) };
    },

    async DeleteCodeSigningConfig({ CodeSigningConfigArn }, call) {
      await remove(CodeSigningConfigArn, call);
      return {};
    },

    async ListCodeSigningConfigs(input, call) {
      const listing = { operation: "ListCodeSigningConfigs", filters: "", call };
      const [after = ""] = pageKey(listing, input.Marker, badMarker) ?? [];
      const limit = pageLimit(input.MaxItems);
      const rows = await store.read((tx) =>
        tx.all<CodeSigningRow>(sql`select ${codeSigningConfigs.columns} from ${codeSigningConfigs.name}
          where account = ${call.account} and region = ${call.region} and id > ${after}
          order by id limit ${limit + 1}`),
      );
      const { page, nextToken } = pageOf(listing, rows, limit, ({ id }) => [id]);
      return { CodeSigningConfigs: page.map(shown), ...(nextToken === undefined ? {} : { NextMarker: nextToken }) };
    },

    async PutFunctionCodeSigningConfig({ FunctionName, CodeSigningConfigArn }, call) {
      const ref = ownFunction(FunctionName, undefined, call, "PutFunctionCodeSigningConfig");
      await store.tx((tx) => signWith(tx, ref, CodeSigningConfigArn, call));
      return { CodeSigningConfigArn, FunctionName: ref.name };
    },

    async GetFunctionCodeSigningConfig({ FunctionName }, call) {
      const ref = ownFunction(FunctionName, undefined, call, "GetFunctionCodeSigningConfig");
      const row = await store.read(async (tx) => {
        if ((await findFunction(tx, ref)) === undefined) throw functionNotFound(unqualifiedArn(ref));
        return findOptions(tx, ref);
      });
      return { CodeSigningConfigArn: row?.code_signing ?? undefined, FunctionName: ref.name };
    },

    async DeleteFunctionCodeSigningConfig({ FunctionName }, call) {
      const ref = ownFunction(FunctionName, undefined, call, "DeleteFunctionCodeSigningConfig");
      await store.tx((tx) => signWith(tx, ref, null, call));
      return {};
    },

    async ListFunctionsByCodeSigningConfig(input, call) {
      const { CodeSigningConfigArn: arn } = input;
      const key = keyOf(arn, call);
      const listing = { operation: "ListFunctionsByCodeSigningConfig", filters: arn, call };
      const [after = ""] = pageKey(listing, input.Marker, badMarker) ?? [];
      const limit = pageLimit(input.MaxItems);
      const rows = await store.read(async (tx) => {
        await findConfig(tx, key);
        return tx.all<FunctionOptionsRow>(sql`select ${functionOptions.columns} from ${functionOptions.name}
          where code_signing = ${arn} and name > ${after} order by name limit ${limit + 1}`);
      });
      const { page, nextToken } = pageOf(listing, rows, limit, ({ name }) => [name]);
      return { FunctionArns: page.map(unqualifiedArn), ...(nextToken === undefined ? {} : { NextMarker: nextToken }) };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-lambda")>;
}
