/** Functions: created, shown, listed and deleted. */
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { pageKey, pageOf } from "../../kit/tokens.ts";
import { sql } from "../../store/sql.ts";
import type { Tx } from "../../store/store.ts";
import { insert } from "../../store/tables.ts";
import { aliasWeighing, forgetWeights } from "./alias-weights.ts";
import { withPackage, type CodeInput } from "./code.ts";
import { checkSigned, signWith } from "./code-signing.ts";
import { configured, listed } from "./configuration.ts";
import { checkDeadLetter } from "./dead-letters.ts";
import type { LambdaDeps } from "./deps.ts";
import { forgetEventConfigs } from "./event-config-tables.ts";
import { codeOf } from "./executions.ts";
import { fault, functionNotFound, invalid } from "./faults.ts";
import { forgetUses, noteUses } from "./layer-tables.ts";
import { checkUnzipped, layerReader } from "./layer-uses.ts";
import { nameLengthMax, tagsMax } from "./limits.ts";
import { badMarker, pageLimit, qualifiedReader } from "./lookup.ts";
import {
  arnOf,
  isVersionNumber,
  latest,
  ownFunction,
  unqualifiedArn,
  type FunctionKey,
  type FunctionRef,
} from "./names.ts";
import { forgetOptions } from "./option-tables.ts";
import { forgetProvisioned } from "./provisioned-tables.ts";
import { addCode, reserve } from "./quotas.ts";
import type { Gone } from "./retired.ts";
import { newSettings, type SettingsInput } from "./settings.ts";
import {
  addToAccount,
  aliases,
  findFunction,
  findVersion,
  functions,
  isFunction,
  policies,
  versions,
  type AliasRow,
  type PolicyRow,
  type VersionRow,
} from "./tables.ts";
import { forgetUrls } from "./url-tables.ts";
import { publish, versionIdentity } from "./versions.ts";

/** Idle environments of a deleted function stay this long, for the requests that the edge took before. */
const deletedGraceMs = 5_000;

export interface NewFunction {
  settings: SettingsInput;
  code: CodeInput;
  publish?: boolean | undefined;
  tags?: Readonly<Record<string, string>> | undefined;
  reserved?: number | undefined;
  /** ARN. */
  codeSigning?: string | undefined;
  /** The answer is given when an image is there; otherwise it may be `Pending`. */
  patient?: boolean;
  /** The CloudFormation step that asks; a repeat gives what the first one made. */
  token?: string | undefined;
}

function checkNew({ name, qualifier }: FunctionRef, tags: object): void {
  if (name.length > nameLengthMax) {
    throw invalid(
      `1 validation error detected: Value '${name}' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to ${nameLengthMax}`,
    );
  }
  if (qualifier !== undefined && qualifier !== latest) throw invalid("The function name must not have a qualifier.");
  if (Object.keys(tags).length > tagsMax) throw invalid("Number of tags exceeds resource tag limit.");
}

/** Creates a function, and its first version where asked for. Gives the version that the answer shows. */
export function functionCreation(deps: LambdaDeps) {
  const { store, clock, ids, accountConcurrency } = deps;
  const readLayers = layerReader(deps);
  return async (ref: FunctionRef, made: NewFunction, call: Call): Promise<VersionRow> => {
    checkNew(ref, made.tags ?? {});
    const { account, region, name } = ref;
    const key = { account, region, name };
    const settings = newSettings(made.settings, call, await readLayers(made.settings.Layers, call));
    await checkDeadLetter(deps, settings.deadLetterArn, call);
    const token = made.token ?? null;
    const isImage = made.settings.PackageType === "Image";
    const packaged = { isImage, patient: made.patient === true || made.publish === true, code: made.code };
    return withPackage(deps, packaged, call, async ({ code, unzippedBytes, image }) => {
      checkUnzipped(unzippedBytes, settings.layers);
      const now = clock.now();
      const row: VersionRow = {
        ...key,
        version: latest,
        number: 0,
        revision_id: ids.uuid(),
        build_id: ids.uuid(),
        modified_ms: now,
        code_blob: code.blob,
        code_sha256: code.sha256Base64,
        code_bytes: code.sizeBytes,
        settings: image === undefined ? settings : { ...settings, image },
        source_hash: null,
        token: null,
      };
      const identity = versionIdentity(deps);
      return store.tx(async (tx) => {
        await checkSigned(tx, made.codeSigning, call);
        const present = await findFunction(tx, key);
        if (present !== undefined) {
          const same = token !== null && present.token === token ? await findVersion(tx, key, latest) : undefined;
          if (same !== undefined) return same;
          throw fault("ResourceConflictException", `Function already exist: ${name}`);
        }
        const tags = { ...made.tags };
        await tx.run(insert(functions, { ...key, created_ms: now, reserved: null, tags, token }));
        await tx.run(insert(versions, row));
        await noteUses(tx, row);
        await addCode(tx, key, code.sizeBytes, 1);
        if (made.codeSigning !== undefined) await signWith(tx, key, made.codeSigning, call);
        if (made.reserved !== undefined) await reserve(tx, key, made.reserved, accountConcurrency);
        tx.afterCommit(() => deps.images.follow(row));
        return made.publish ? publish(tx, row, identity) : row;
      });
    });
  };
}

function goneOf(key: FunctionKey, rows: readonly VersionRow[]): Gone {
  return { ...key, versions: rows, aliases: new Map(), statements: new Map(), reserved: null };
}

async function deleteWhole(tx: Tx, ref: FunctionRef): Promise<Gone> {
  const { account, region, name } = ref;
  const row = await findFunction(tx, ref);
  if (row === undefined) throw functionNotFound(unqualifiedArn(ref));
  const of = <R extends object>(table: typeof versions | typeof aliases | typeof policies) =>
    tx.all<R>(sql`select ${table.columns} from ${table.name} where ${isFunction(ref)}`);
  const versionRows = await of<VersionRow>(versions);
  const aliasRows = await of<AliasRow>(aliases);
  const policyRows = await of<PolicyRow>(policies);
  for (const table of [functions, versions, aliases, policies]) {
    await tx.run(sql`delete from ${table.name} where ${isFunction(ref)}`);
  }
  await forgetUses(tx, ref);
  await forgetUrls(tx, ref);
  await forgetWeights(tx, ref);
  await forgetEventConfigs(tx, ref);
  await forgetProvisioned(tx, ref);
  await forgetOptions(tx, ref);
  const codeBytes = versionRows.reduce((sum, { code_bytes }) => sum + code_bytes, 0);
  await addToAccount(tx, ref, { functions: -1, code_bytes: -codeBytes, reserved: -(row.reserved ?? 0) });
  return {
    ...goneOf({ account, region, name }, versionRows),
    aliases: new Map(aliasRows.map(({ alias, version }) => [alias, version])),
    statements: new Map(policyRows.map(({ qualifier, statements }) => [qualifier, statements])),
    reserved: row.reserved,
  };
}

async function deleteVersion(tx: Tx, ref: FunctionRef & { qualifier: string }): Promise<Gone> {
  const { account, region, name, qualifier } = ref;
  if (qualifier === latest) throw invalid("$LATEST version cannot be deleted without deleting the function.");
  if (!isVersionNumber(qualifier)) throw invalid("Deletion of aliases is not currently supported.");
  if ((await findFunction(tx, ref)) === undefined) throw functionNotFound(unqualifiedArn(ref));
  const row = await findVersion(tx, ref, qualifier);
  if (row === undefined) return goneOf({ account, region, name }, []);
  const alias = await tx.one<AliasRow>(sql`select ${aliases.columns} from ${aliases.name}
    where ${isFunction(ref)} and version = ${qualifier} limit 1`);
  const pointing = alias?.alias ?? (await aliasWeighing(tx, ref, qualifier));
  if (pointing !== undefined) {
    throw fault(
      "ResourceConflictException",
      `Version ${qualifier} of function ${name} cannot be deleted because alias ${pointing} points to it.`,
    );
  }
  const policy = await tx.one<PolicyRow>(sql`select ${policies.columns} from ${policies.name}
    where ${isFunction(ref)} and qualifier = ${qualifier}`);
  await tx.run(sql`delete from ${versions.name} where ${isFunction(ref)} and version = ${qualifier}`);
  await tx.run(sql`delete from ${policies.name} where ${isFunction(ref)} and qualifier = ${qualifier}`);
  await forgetUses(tx, ref, qualifier);
  await forgetEventConfigs(tx, ref, qualifier);
  await forgetProvisioned(tx, ref, qualifier);
  await forgetOptions(tx, ref, qualifier);
  await addToAccount(tx, ref, { code_bytes: -row.code_bytes });
  return {
    ...goneOf({ account, region, name }, [row]),
    statements: new Map(policy === undefined ? [] : [[qualifier, policy.statements]]),
  };
}

/** Deletes a function, or one of its versions when `ref` has a qualifier. */
export function functionDeletion({ store, retired, executions, provisioner }: LambdaDeps) {
  return (ref: FunctionRef): Promise<void> =>
    store.tx(async (tx) => {
      const { qualifier } = ref;
      const gone =
        qualifier === undefined ? await deleteWhole(tx, ref) : await deleteVersion(tx, { ...ref, qualifier });
      tx.afterCommit(() => {
        retired.add(gone);
        for (const row of gone.versions) executions.retire(row, deletedGraceMs);
        provisioner.wake();
      });
    });
}

export function functionOperations(deps: LambdaDeps) {
  const { store } = deps;
  const create = functionCreation(deps);
  const remove = functionDeletion(deps);
  const read = qualifiedReader(deps);
  const codeLocation = (version: VersionRow, call: Call) => {
    const { image } = version.settings;
    if (image === undefined) return { RepositoryType: "S3", Location: deps.downloads.location(codeOf(version), call) };
    const { uri: ImageUri, resolvedUri } = image;
    return { RepositoryType: "ECR", ImageUri, ...(resolvedUri === undefined ? {} : { ResolvedImageUri: resolvedUri }) };
  };

  return {
    async CreateFunction(input, call) {
      const { FunctionName, Code, Publish: publishToo, Tags: tags, CodeSigningConfigArn, ...settings } = input;
      const codeSigning = CodeSigningConfigArn || undefined;
      const ref = ownFunction(FunctionName, undefined, call, "CreateFunction");
      const row = await create(ref, { settings, code: Code, publish: publishToo, tags, codeSigning }, call);
      // Also with Publish: the version in the answer is the new one, the ARN is the function's.
      return configured(row, unqualifiedArn(row));
    },

    async GetFunction(input, call) {
      const ref = ownFunction(input.FunctionName, input.Qualifier, call, "GetFunction");
      const { row, version } = await read(ref);
      return {
        Configuration: configured(version, shownArn(ref, version)),
        Code: codeLocation(version, call),
        ...(Object.keys(row.tags).length === 0 ? {} : { Tags: row.tags }),
        ...(row.reserved === null ? {} : { Concurrency: { ReservedConcurrentExecutions: row.reserved } }),
      };
    },

    async GetFunctionConfiguration(input, call) {
      const ref = ownFunction(input.FunctionName, input.Qualifier, call, "GetFunctionConfiguration");
      const { version } = await read(ref);
      return configured(version, shownArn(ref, version));
    },

    async ListFunctions(input, call) {
      const all = input.FunctionVersion === "ALL";
      const listing = { operation: "ListFunctions", filters: all, call };
      const [afterName = "", afterNumber = -1] = pageKey(listing, input.Marker, badMarker) ?? [];
      const limit = pageLimit(input.MaxItems);
      const which = all
        ? sql`(name > ${afterName} or (name = ${afterName} and number > ${afterNumber}))`
        : sql`number = 0 and name > ${afterName}`;
      const rows = await store.read((tx) =>
        tx.all<VersionRow>(sql`select ${versions.columns} from ${versions.name}
          where account = ${call.account} and region = ${call.region} and ${which}
          order by name, number limit ${limit + 1}`),
      );
      const { page: shown, nextToken } = pageOf(listing, rows, limit, (row) => [row.name, row.number]);
      const arn = (row: VersionRow) => (all ? arnOf({ ...row, qualifier: row.version }) : unqualifiedArn(row));
      return {
        Functions: shown.map((row) => listed(row, arn(row))),
        ...(nextToken === undefined ? {} : { NextMarker: nextToken }),
      };
    },

    async DeleteFunction(input, call) {
      await remove(ownFunction(input.FunctionName, input.Qualifier, call, "DeleteFunction"));
      return { StatusCode: 204 };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-lambda")>;
}

/** With the version's number, or `$LATEST` where that was asked for. */
const shownArn = (ref: FunctionRef, row: VersionRow) =>
  ref.qualifier === undefined ? unqualifiedArn(row) : arnOf({ ...row, qualifier: row.version });
