/** Aliases: names that point to a version, and may send a share to a second one. */
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { pageKey, pageOf } from "../../kit/tokens.ts";
import { sql } from "../../store/sql.ts";
import type { Tx } from "../../store/store.ts";
import { assign, insert } from "../../store/tables.ts";
import type { LambdaDeps } from "./deps.ts";
import { forgetEventConfigs } from "./event-config-tables.ts";
import { findWeights, forgetWeights, setWeights, type Weights } from "./alias-weights.ts";
import { checkRevision, fault, functionNotFound } from "./faults.ts";
import { badMarker, pageLimit } from "./lookup.ts";
import { arnOf, ownFunction, unqualifiedArn, type FunctionRef } from "./names.ts";
import { checkAliasProvisioned } from "./provisioned.ts";
import { findProvisioned, forgetProvisioned } from "./provisioned-tables.ts";
import {
  aliases,
  findAlias,
  findFunction,
  findPolicy,
  findVersion,
  isFunction,
  policies,
  type AliasRow,
} from "./tables.ts";
import { forgetUrls } from "./url-tables.ts";

export function aliasConfiguration(row: AliasRow, weights: Weights) {
  return {
    AliasArn: arnOf({ ...row, qualifier: row.alias }),
    Name: row.alias,
    FunctionVersion: row.version,
    Description: row.description,
    ...(Object.keys(weights).length === 0 ? {} : { RoutingConfig: { AdditionalVersionWeights: weights } }),
    RevisionId: row.revision_id,
  };
}

const isAlias = (ref: FunctionRef, alias: string) => sql`${isFunction(ref)} and alias = ${alias}`;
const aliasArn = (ref: FunctionRef, alias: string) => arnOf({ ...ref, qualifier: alias });

/** Undefined when the routing is to stay as it is. */
const weightsOf = (routing: { AdditionalVersionWeights?: Weights | undefined } | undefined) =>
  routing === undefined ? undefined : (routing.AdditionalVersionWeights ?? {});

export interface NewAlias {
  alias: string;
  version: string;
  weights?: Weights | undefined;
  description?: string | undefined;
  token?: string | undefined;
}

export function aliasCreation({ store, ids }: LambdaDeps) {
  return (ref: FunctionRef, { alias, version, weights = {}, description = "", token }: NewAlias): Promise<AliasRow> => {
    const { account, region, name } = ref;
    const row: AliasRow = {
      account,
      region,
      name,
      alias,
      version,
      description,
      revision_id: ids.uuid(),
      token: token ?? null,
    };
    return store.tx(async (tx) => {
      await checkTarget(tx, ref, version);
      const present = await findAlias(tx, ref, alias);
      if (present !== undefined && present.token !== null && present.token === row.token) return present;
      if (present !== undefined) {
        throw fault("ResourceConflictException", `Alias already exists: ${aliasArn(ref, alias)}`);
      }
      await tx.run(insert(aliases, row));
      await setWeights(tx, ref, alias, version, weights);
      return row;
    });
  };
}

async function checkTarget(tx: Tx, ref: FunctionRef, version: string): Promise<void> {
  if ((await findVersion(tx, ref, version)) === undefined) {
    throw functionNotFound(arnOf({ ...ref, qualifier: version }));
  }
}

/** Where environments are started ahead for an alias, they must be able to follow it. */
async function checkMove(tx: Tx, ref: FunctionRef, { alias, version: from }: AliasRow, to: string): Promise<void> {
  await checkTarget(tx, ref, to);
  const key = { ...ref, qualifier: alias };
  if (from !== to && (await findProvisioned(tx, key)) !== undefined) await checkAliasProvisioned(tx, key, to);
}

export function aliasDeletion({ store, retired, provisioner }: LambdaDeps) {
  return (ref: FunctionRef, alias: string): Promise<void> =>
    store.tx(async (tx) => {
      const { account, region, name } = ref;
      if ((await findFunction(tx, ref)) === undefined) throw functionNotFound(unqualifiedArn(ref));
      const row = await findAlias(tx, ref, alias);
      // Deleting what is not there is no error (API reference, DeleteAlias lists none but for the function).
      if (row === undefined) return;
      const version = await findVersion(tx, ref, row.version);
      const policy = await findPolicy(tx, ref, alias);
      await tx.run(sql`delete from ${aliases.name} where ${isAlias(ref, alias)}`);
      await tx.run(sql`delete from ${policies.name} where ${isFunction(ref)} and qualifier = ${alias}`);
      await forgetUrls(tx, ref, alias);
      await forgetWeights(tx, ref, alias);
      await forgetEventConfigs(tx, ref, alias);
      await forgetProvisioned(tx, ref, alias);
      tx.afterCommit(() => {
        provisioner.wake();
        retired.add({
          account,
          region,
          name,
          versions: version === undefined ? [] : [version],
          aliases: new Map([[alias, row.version]]),
          statements: new Map(policy === undefined ? [] : [[alias, policy.statements]]),
          reserved: null,
        });
      });
    });
}

export function aliasOperations(deps: LambdaDeps) {
  const { store, ids, provisioner } = deps;
  const create = aliasCreation(deps);
  const remove = aliasDeletion(deps);
  const functionOf = (name: string, call: Call, operation: string) => ownFunction(name, undefined, call, operation);

  return {
    async CreateAlias(input, call) {
      const ref = functionOf(input.FunctionName, call, "CreateAlias");
      const weights = weightsOf(input.RoutingConfig) ?? {};
      const { Name: alias, FunctionVersion: version, Description: description } = input;
      return aliasConfiguration(await create(ref, { alias, version, weights, description }), weights);
    },

    async GetAlias(input, call) {
      const ref = functionOf(input.FunctionName, call, "GetAlias");
      const { row, weights } = await store.read(async (tx) => ({
        row: await findAlias(tx, ref, input.Name),
        weights: await findWeights(tx, ref, input.Name),
      }));
      if (row === undefined) {
        throw fault("ResourceNotFoundException", `Cannot find alias arn: ${aliasArn(ref, input.Name)}`);
      }
      return aliasConfiguration(row, weights);
    },

    async ListAliases(input, call) {
      const ref = functionOf(input.FunctionName, call, "ListAliases");
      const listing = { operation: "ListAliases", filters: [ref.name, input.FunctionVersion ?? ""], call };
      const [after = ""] = pageKey(listing, input.Marker, badMarker) ?? [];
      const limit = pageLimit(input.MaxItems);
      const ofVersion = input.FunctionVersion === undefined ? sql`` : sql` and version = ${input.FunctionVersion}`;
      const rows = await store.read(async (tx) => {
        if ((await findFunction(tx, ref)) === undefined) throw functionNotFound(unqualifiedArn(ref));
        const found = await tx.all<AliasRow>(sql`select ${aliases.columns} from ${aliases.name}
          where ${isFunction(ref)} and alias > ${after}${ofVersion} order by alias limit ${limit + 1}`);
        const weighted = [];
        for (const row of found) weighted.push({ row, weights: await findWeights(tx, ref, row.alias) });
        return weighted;
      });
      const { page, nextToken } = pageOf(listing, rows, limit, ({ row }) => [row.alias]);
      return {
        Aliases: page.map(({ row, weights }) => aliasConfiguration(row, weights)),
        ...(nextToken === undefined ? {} : { NextMarker: nextToken }),
      };
    },

    async UpdateAlias(input, call) {
      const ref = functionOf(input.FunctionName, call, "UpdateAlias");
      const newWeights = weightsOf(input.RoutingConfig);
      const revisionId = ids.uuid();
      return store.tx(async (tx) => {
        const row = await findAlias(tx, ref, input.Name);
        if (row === undefined) {
          throw fault("ResourceNotFoundException", `Alias not found: ${aliasArn(ref, input.Name)}`);
        }
        checkRevision(input.RevisionId, row.revision_id);
        if (input.FunctionVersion !== undefined) await checkMove(tx, ref, row, input.FunctionVersion);
        const changed = {
          version: input.FunctionVersion ?? row.version,
          description: input.Description ?? row.description,
          revision_id: revisionId,
        };
        await tx.run(sql`update ${aliases.name} set ${assign(aliases, changed)} where ${isAlias(ref, input.Name)}`);
        const weights = newWeights ?? (await findWeights(tx, ref, input.Name));
        await setWeights(tx, ref, input.Name, changed.version, weights);
        tx.afterCommit(() => provisioner.wake());
        return aliasConfiguration({ ...row, ...changed }, weights);
      });
    },

    async DeleteAlias(input, call) {
      await remove(functionOf(input.FunctionName, call, "DeleteAlias"), input.Name);
      return {};
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-lambda")>;
}
