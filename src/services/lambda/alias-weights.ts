/** Weighted aliases: a share of the invocations goes to a second version. Source: Lambda guide, "Implement Lambda canary deployments using a weighted alias". */
import type { Ids } from "../../base/ids.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx, Tx } from "../../store/store.ts";
import { c, table, upsert } from "../../store/tables.ts";
import { invalid, functionNotFound } from "./faults.ts";
import { arnOf, latest, type FunctionKey } from "./names.ts";
import { findVersion, isFunction } from "./tables.ts";

/** Versions beside the alias's own, and their shares, 0-1. */
export type Weights = Readonly<Record<string, number>>;

/** A row only where there are weights. */
export const aliasWeights = table(
  "lambda_alias_weights",
  { account: c.id, region: c.id, name: c.id, alias: c.id, weights: c.json<Weights>() },
  { key: ["account", "region", "name", "alias"] },
);

/** "An alias can point to a maximum of two Lambda function versions." */
const additionalMax = 1;

export async function findWeights(tx: ReadTx, key: FunctionKey, alias: string): Promise<Weights> {
  const row = await tx.one<{ weights: Weights }>(sql`select weights from ${aliasWeights.name}
    where ${isFunction(key)} and alias = ${alias}`);
  return row?.weights ?? {};
}

/** Throws AWS's fault for weights that an alias of `version` cannot have. */
async function checkWeights(tx: ReadTx, key: FunctionKey, version: string, weights: Weights): Promise<void> {
  const versions = Object.keys(weights);
  if (versions.length === 0) return;
  if (versions.length > additionalMax)
    throw invalid("Number of items in AdditionalVersionWeights cannot be greater than 1");
  if (version === latest || versions.includes(latest)) {
    throw invalid("$LATEST is not supported for an alias pointing to more than 1 version");
  }
  for (const [additional, weight] of Object.entries(weights)) {
    if (additional === version) {
      throw invalid(
        `Invalid function version ${version}. Function version ${version} is already included in routing configuration.`,
      );
    }
    if (!(weight >= 0 && weight <= 1)) {
      throw invalid(`Invalid weight ${weight} of version ${additional}: it must be from 0 to 1.`);
    }
    if ((await findVersion(tx, key, additional)) === undefined) {
      throw functionNotFound(arnOf({ ...key, qualifier: additional }));
    }
  }
}

/** Sets the weights of an alias that points to `version`; none takes them away. */
export async function setWeights(tx: Tx, key: FunctionKey, alias: string, version: string, weights: Weights) {
  await checkWeights(tx, key, version, weights);
  const { account, region, name } = key;
  if (Object.keys(weights).length > 0) await tx.run(upsert(aliasWeights, { account, region, name, alias, weights }));
  else await forgetWeights(tx, key, alias);
}

/** Removes the weights of one alias, or with `alias` undefined all of a function. */
export async function forgetWeights(tx: Tx, key: FunctionKey, alias?: string): Promise<void> {
  const only = alias === undefined ? sql`` : sql` and alias = ${alias}`;
  await tx.run(sql`delete from ${aliasWeights.name} where ${isFunction(key)}${only}`);
}

/** An alias that sends a share to `version`. */
export async function aliasWeighing(tx: ReadTx, key: FunctionKey, version: string): Promise<string | undefined> {
  const rows = await tx.all<{ alias: string; weights: Weights }>(
    sql`select alias, weights from ${aliasWeights.name} where ${isFunction(key)}`,
  );
  return rows.find(({ weights }) => Object.hasOwn(weights, version))?.alias;
}

/** A number from 0 to below 1. */
export const chanceOf = (ids: Pick<Ids, "hex">) => Number.parseInt(ids.hex(4), 16) / 2 ** 32;

/** The version of one invocation: the lowest part of the range 0-1 is the additional version's. */
export function drawVersion(version: string, weights: Weights, chance: number): string {
  let from = 0;
  for (const [additional, weight] of Object.entries(weights)) {
    if (chance < from + weight) return additional;
    from += weight;
  }
  return version;
}
