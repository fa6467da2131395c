/** Provisioned concurrency of versions and aliases. Source: Lambda guide, "Configuring provisioned concurrency for a function". */
import type { ProvisionedConcurrencyStatusEnum } from "@aws-sdk/client-lambda";
import type { ProvisionedStatus } from "../../compute/ports.ts";
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { pageKey, pageOf } from "../../kit/tokens.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx } from "../../store/store.ts";
import { upsert } from "../../store/tables.ts";
import { findWeights } from "./alias-weights.ts";
import { lastModified } from "./configuration.ts";
import type { LambdaDeps } from "./deps.ts";
import { fault, functionNotFound, invalid } from "./faults.ts";
import { badMarker, pageLimit } from "./lookup.ts";
import { arnOf, isVersionNumber, latest, ownFunction, unqualifiedArn } from "./names.ts";
import {
  findProvisioned,
  isProvisioned,
  provisionedConfigs,
  provisionedOf,
  totalOf,
  type ProvisionedKey,
  type ProvisionedRow,
} from "./provisioned-tables.ts";
import { checkUnreserved } from "./quotas.ts";
import { findAlias, findFunction, findVersion, isFunction, type FunctionRow } from "./tables.ts";

const statusOf = ({ requested, available, failure }: ProvisionedStatus): ProvisionedConcurrencyStatusEnum => {
  if (available >= requested) return "READY";
  return failure === undefined ? "IN_PROGRESS" : "FAILED";
};

export function shownProvisioned({ requested, modified_ms }: ProvisionedRow, now: ProvisionedStatus) {
  const reached = { ...now, requested };
  const Status = statusOf(reached);
  return {
    RequestedProvisionedConcurrentExecutions: requested,
    AvailableProvisionedConcurrentExecutions: Math.min(now.available, requested),
    AllocatedProvisionedConcurrentExecutions: Math.min(now.allocated, requested),
    Status,
    ...(Status === "FAILED" && now.failure !== undefined ? { StatusReason: now.failure.reason } : {}),
    LastModified: lastModified(modified_ms),
  };
}

const notConfigured = () =>
  fault("ProvisionedConcurrencyConfigNotFoundException", "No Provisioned Concurrency Config found for this function");

const unpublished = () =>
  invalid("Provisioned Concurrency Configs cannot be applied to unpublished function versions.");

const conflict = (message: string) => fault("ResourceConflictException", message);

/** Throws AWS's fault unless environments of the alias `alias`, which points to `version`, may be started ahead. */
export async function checkAliasProvisioned(tx: ReadTx, key: ProvisionedKey, version: string): Promise<void> {
  if (version === latest) throw unpublished();
  if ((await findProvisioned(tx, { ...key, qualifier: version })) !== undefined) {
    throw conflict("Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version");
  }
}

async function checkQualifier(tx: ReadTx, key: ProvisionedKey): Promise<void> {
  const { qualifier } = key;
  if (isVersionNumber(qualifier)) {
    if ((await findVersion(tx, key, qualifier)) === undefined) throw functionNotFound(arnOf(key));
    for (const { qualifier: other } of await provisionedOf(tx, key)) {
      const alias = await findAlias(tx, key, other);
      if (alias?.version === qualifier) throw conflict("Version is pointed by a Provisioned Concurrency alias");
    }
    return;
  }
  const alias = await findAlias(tx, key, qualifier);
  if (alias === undefined) throw fault("ResourceNotFoundException", `Cannot find alias arn: ${arnOf(key)}`);
  await checkAliasProvisioned(tx, key, alias.version);
  if (Object.keys(await findWeights(tx, key, qualifier)).length > 0) {
    throw invalid("Alias with weights can not be used with Provisioned Concurrency");
  }
}

async function checkReservation(tx: ReadTx, { reserved }: FunctionRow, row: ProvisionedRow): Promise<void> {
  const others = (await provisionedOf(tx, row)).filter(({ qualifier }) => qualifier !== row.qualifier);
  if (reserved !== null && totalOf([...others, row]) > reserved) {
    throw invalid(
      "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function",
    );
  }
}

/** Writes what is asked for a version or an alias; environments follow. */
export function provisionedChange({ store, clock, provisioner, accountConcurrency }: LambdaDeps) {
  return ({ account, region, name, qualifier }: ProvisionedKey, requested: number): Promise<ProvisionedRow> => {
    if (qualifier === latest) throw unpublished();
    const row: ProvisionedRow = { account, region, name, qualifier, requested, modified_ms: clock.now() };
    return store.tx(async (tx) => {
      const of = await findFunction(tx, row);
      if (of === undefined) throw functionNotFound(arnOf(row));
      await checkQualifier(tx, row);
      await checkReservation(tx, of, row);
      const present = await findProvisioned(tx, row);
      await tx.run(upsert(provisionedConfigs, row));
      // What makes it less is always allowed.
      if (of.reserved === null && requested > (present?.requested ?? 0)) {
        await checkUnreserved(tx, row, accountConcurrency, "ConcurrentExecutions");
      }
      tx.afterCommit(() => provisioner.wake());
      return row;
    });
  };
}

/** Takes it away again; deleting what is not there is no error (API reference, DeleteProvisionedConcurrencyConfig). */
export function provisionedDeletion({ store, provisioner }: LambdaDeps) {
  return (key: ProvisionedKey): Promise<void> =>
    store.tx(async (tx) => {
      if ((await findFunction(tx, key)) === undefined) throw functionNotFound(arnOf(key));
      await tx.run(sql`delete from ${provisionedConfigs.name} where ${isProvisioned(key)}`);
      tx.afterCommit(() => provisioner.wake());
    });
}

export function provisionedOperations(deps: LambdaDeps) {
  const { store, provisioner } = deps;
  const change = provisionedChange(deps);
  const remove = provisionedDeletion(deps);
  const keyOf = (name: string, qualifier: string, call: Call, operation: string): ProvisionedKey => ({
    ...ownFunction(name, qualifier, call, operation),
    qualifier,
  });

  return {
    async PutProvisionedConcurrencyConfig(input, call) {
      const key = keyOf(input.FunctionName, input.Qualifier, call, "PutProvisionedConcurrencyConfig");
      const row = await change(key, input.ProvisionedConcurrentExecutions);
      return shownProvisioned(row, { requested: row.requested, allocated: 0, available: 0 });
    },

    async GetProvisionedConcurrencyConfig(input, call) {
      const key = keyOf(input.FunctionName, input.Qualifier, call, "GetProvisionedConcurrencyConfig");
      if (key.qualifier === latest)
        throw invalid("The function resource provided must be an alias or a published version.");
      const row = await store.read((tx) => findProvisioned(tx, key));
      if (row === undefined) throw notConfigured();
      return shownProvisioned(row, provisioner.statusOf(row));
    },

    async ListProvisionedConcurrencyConfigs(input, call) {
      const operation = "ListProvisionedConcurrencyConfigs";
      const ref = ownFunction(input.FunctionName, undefined, call, operation);
      const listing = { operation, filters: ref.name, call };
      const [after = ""] = pageKey(listing, input.Marker, badMarker) ?? [];
      const limit = pageLimit(input.MaxItems);
      const rows = await store.read(async (tx) => {
        if ((await findFunction(tx, ref)) === undefined) throw functionNotFound(unqualifiedArn(ref));
        return tx.all<ProvisionedRow>(sql`select ${provisionedConfigs.columns} from ${provisionedConfigs.name}
          where ${isFunction(ref)} and qualifier > ${after} order by qualifier limit ${limit + 1}`);
      });
      const { page, nextToken } = pageOf(listing, rows, limit, ({ qualifier }) => [qualifier]);
      return {
        ProvisionedConcurrencyConfigs: page.map((row) => ({
          FunctionArn: arnOf(row),
          ...shownProvisioned(row, provisioner.statusOf(row)),
        })),
        ...(nextToken === undefined ? {} : { NextMarker: nextToken }),
      };
    },

    async DeleteProvisionedConcurrencyConfig(input, call) {
      await remove(keyOf(input.FunctionName, input.Qualifier, call, "DeleteProvisionedConcurrencyConfig"));
      return {};
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-lambda")>;
}
