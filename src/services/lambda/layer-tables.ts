/** Layers, their versions, and which versions of functions use them. */
import type { PolicyStatement } from "../../kit/authorize.ts";
import { sql, type Sql } from "../../store/sql.ts";
import type { ReadTx, Tx } from "../../store/store.ts";
import { c, insert, table, upsert, type Row } from "../../store/tables.ts";
import type { LayerKey, LayerVersionKey } from "./layer-names.ts";
import { rootOf } from "./layer-roots.ts";
import { isFunction, type VersionRow } from "./tables.ts";

export const layers = table(
  "lambda_layers",
  {
    account: c.id,
    region: c.id,
    name: c.id,
    version: c.int,
    /** With the version. */
    arn: c.id,
    created_ms: c.time,
    description: c.text,
    license: c.text,
    runtimes: c.json<string[]>(),
    architectures: c.json<string[]>(),
    code_blob: c.id,
    /** Base64, as CodeSha256 shows it. */
    code_sha256: c.id,
    code_bytes: c.int,
    unzipped_bytes: c.int,
    /** Has files in `extensions/`, which the runtime would have to start. */
    extensions: c.bool,
    statements: c.json<PolicyStatement[]>(),
    /** Changes with the statements. */
    revision_id: c.id,
    /** Deleted, and kept for the functions that use it (Lambda guide, "Deleting a layer version"). */
    deleted_ms: c.nullable(c.time),
    token: c.nullable(c.id),
  },
  {
    key: ["account", "region", "name", "version"],
    indexes: [{ columns: ["code_blob"] }, { columns: ["code_sha256"] }, { columns: ["deleted_ms"] }],
  },
);
export type LayerRow = Row<typeof layers>;

/** Numbers of a layer are never used again. */
const layerCounters = table(
  "lambda_layer_counters",
  { account: c.id, region: c.id, name: c.id, last_number: c.int },
  { key: ["account", "region", "name"] },
);

/** One row for each layer of each version of a function. */
const layerUses = table(
  "lambda_layer_uses",
  {
    account: c.id,
    region: c.id,
    name: c.id,
    version: c.id,
    layer_arn: c.id,
    /** All layers of that version, merged. */
    root: c.id,
  },
  {
    key: ["account", "region", "name", "version", "layer_arn"],
    indexes: [{ columns: ["layer_arn"] }, { columns: ["root"] }],
  },
);

export const layerTables = [layers, layerCounters, layerUses];

export const isLayer = ({ account, region, name }: LayerKey): Sql =>
  sql`account = ${account} and region = ${region} and name = ${name}`;

/** A version of a layer that is not deleted. */
export function findLayer(tx: ReadTx, key: LayerVersionKey): Promise<LayerRow | undefined> {
  return tx.one<LayerRow>(sql`select ${layers.columns} from ${layers.name}
    where ${isLayer(key)} and version = ${key.version} and deleted_ms is null`);
}

/** The next number of a layer's versions. */
export async function nextLayerVersion(tx: Tx, { account, region, name }: LayerKey): Promise<number> {
  const row = await tx.one<{ last_number: number }>(
    sql`select last_number from ${layerCounters.name} where ${isLayer({ account, region, name })}`,
  );
  const number = (row?.last_number ?? 0) + 1;
  await tx.run(upsert(layerCounters, { account, region, name, last_number: number }));
  return number;
}

/** Notes which layers a version has; called wherever its row is written. */
export async function noteUses(tx: Tx, { account, region, name, version, settings }: VersionRow): Promise<void> {
  const used = settings.layers ?? [];
  await forgetUses(tx, { account, region, name }, version);
  for (const { arn } of used) {
    await tx.run(insert(layerUses, { account, region, name, version, layer_arn: arn, root: rootOf(used) }));
  }
}

/** The uses of one version of a function, or of all. */
export async function forgetUses(tx: Tx, key: Pick<VersionRow, "account" | "region" | "name">, version?: string) {
  const only = version === undefined ? sql`` : sql` and version = ${version}`;
  await tx.run(sql`delete from ${layerUses.name} where ${isFunction(key)}${only}`);
}

/** True when a version of a function still has these layers. */
export async function rootIsUsed(tx: ReadTx, root: string): Promise<boolean> {
  return (await tx.one(sql`select root from ${layerUses.name} where root = ${root} limit 1`)) !== undefined;
}

/** Layer versions that were deleted before `deletedBefore`, and that no function uses any more. */
export function unusedLayers(tx: Tx, deletedBefore: number, limit: number): Promise<LayerRow[]> {
  return tx.all<LayerRow>(sql`select ${layers.columns} from ${layers.name}
    where deleted_ms < ${deletedBefore}
    and not exists (select 1 from ${layerUses.name} u where u.layer_arn = arn) limit ${limit}`);
}
