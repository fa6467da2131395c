/** Settings beside a function's configuration: runtime management, recursive loops, code signing. */
import { sql, type Sql } from "../../store/sql.ts";
import type { ReadTx, Tx } from "../../store/store.ts";
import { c, table, type Row } from "../../store/tables.ts";
import type { FunctionKey } from "./names.ts";
import { isFunction } from "./tables.ts";

/** A row only where something differs from what every function has. */
export const functionOptions = table(
  "lambda_function_options",
  {
    account: c.id,
    region: c.id,
    name: c.id,
    /** `Allow`; null ends recursive loops. */
    recursive_loop: c.nullable(c.id),
    /** ARN; null for none. */
    code_signing: c.nullable(c.id),
  },
  { key: ["account", "region", "name"], indexes: [{ columns: ["code_signing"] }] },
);
export type FunctionOptionsRow = Row<typeof functionOptions>;

export const runtimeManagement = table(
  "lambda_runtime_management",
  {
    account: c.id,
    region: c.id,
    name: c.id,
    version: c.id,
    update_on: c.id,
    runtime_arn: c.nullable(c.id),
  },
  { key: ["account", "region", "name", "version"] },
);
export type RuntimeManagementRow = Row<typeof runtimeManagement>;

export const codeSigningConfigs = table(
  "lambda_code_signing_configs",
  {
    account: c.id,
    region: c.id,
    /** `csc-` and 17 characters. */
    id: c.id,
    description: c.text,
    /** `Warn` or `Enforce`. */
    policy: c.id,
    /** ARNs of signing profile versions. */
    publishers: c.json<string[]>(),
    tags: c.json<Record<string, string>>(),
    modified_ms: c.time,
    /** The CloudFormation step that made it; null when a client did. */
    token: c.nullable(c.id),
  },
  { key: ["account", "region", "id"] },
);
export type CodeSigningRow = Row<typeof codeSigningConfigs>;

export const optionTables = [functionOptions, runtimeManagement, codeSigningConfigs];

export function findOptions(tx: ReadTx, key: FunctionKey): Promise<FunctionOptionsRow | undefined> {
  return tx.one<FunctionOptionsRow>(
    sql`select ${functionOptions.columns} from ${functionOptions.name} where ${isFunction(key)}`,
  );
}

const ofVersion = (version: string | undefined): Sql =>
  version === undefined ? sql`` : sql` and version = ${version}`;

export function findRuntimeManagement(
  tx: ReadTx,
  key: FunctionKey,
  version: string,
): Promise<RuntimeManagementRow | undefined> {
  return tx.one<RuntimeManagementRow>(sql`select ${runtimeManagement.columns} from ${runtimeManagement.name}
    where ${isFunction(key)}${ofVersion(version)}`);
}

/** Removes what belongs to one version, or with `version` undefined to a function that goes. */
export async function forgetOptions(tx: Tx, key: FunctionKey, version?: string): Promise<void> {
  await tx.run(sql`delete from ${runtimeManagement.name} where ${isFunction(key)}${ofVersion(version)}`);
  if (version === undefined) await tx.run(sql`delete from ${functionOptions.name} where ${isFunction(key)}`);
}
