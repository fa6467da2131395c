/** Functions, their versions, aliases and policies, and what an account uses of its quotas. */
import type { PolicyStatement } from "../../kit/authorize.ts";
import { sql, type Sql } from "../../store/sql.ts";
import type { ReadTx, Tx } from "../../store/store.ts";
import { c, table, upsert, type Row } from "../../store/tables.ts";
import { latest, type FunctionKey } from "./names.ts";
import type { Settings } from "./settings.ts";

export const functions = table(
  "lambda_functions",
  {
    account: c.id,
    region: c.id,
    name: c.id,
    created_ms: c.time,
    /** Reserved concurrency; null takes from the account's pool. */
    reserved: c.nullable(c.int),
    tags: c.json<Record<string, string>>(),
    /** The CloudFormation step that made it; null when a client did. */
    token: c.nullable(c.id),
  },
  { key: ["account", "region", "name"] },
);
export type FunctionRow = Row<typeof functions>;

export const versions = table(
  "lambda_versions",
  {
    account: c.id,
    region: c.id,
    name: c.id,
    /** `$LATEST` or a number. */
    version: c.id,
    /** The number, for order; 0 is `$LATEST`. */
    number: c.int,
    /** Changes with everything a client can change, tags included. */
    revision_id: c.id,
    /** Changes only with what runs: names the environments in compute. */
    build_id: c.id,
    modified_ms: c.time,
    code_blob: c.id,
    /** Base64, as CodeSha256 shows it. */
    code_sha256: c.id,
    code_bytes: c.int,
    settings: c.json<Settings>(),
    /** What `$LATEST` was when this was published; the same again publishes nothing new. */
    source_hash: c.nullable(c.id),
    token: c.nullable(c.id),
  },
  {
    key: ["account", "region", "name", "version"],
    indexes: [
      { columns: ["account", "region", "name", "number"], unique: true },
      { columns: ["code_blob"] },
      { columns: ["code_sha256"] },
    ],
  },
);
export type VersionRow = Row<typeof versions>;

/** Numbers are never used again, even by a function that is deleted and made again (Lambda guide, "Versions"). */
export const counters = table(
  "lambda_counters",
  { account: c.id, region: c.id, name: c.id, last_number: c.int },
  { key: ["account", "region", "name"] },
);

export const aliases = table(
  "lambda_aliases",
  {
    account: c.id,
    region: c.id,
    name: c.id,
    alias: c.id,
    version: c.id,
    description: c.text,
    revision_id: c.id,
    token: c.nullable(c.id),
  },
  { key: ["account", "region", "name", "alias"] },
);
export type AliasRow = Row<typeof aliases>;

export const policies = table(
  "lambda_policies",
  {
    account: c.id,
    region: c.id,
    name: c.id,
    /** A version's number or an alias; empty for the function itself. */
    qualifier: c.id,
    revision_id: c.id,
    statements: c.json<PolicyStatement[]>(),
  },
  { key: ["account", "region", "name", "qualifier"] },
);
export type PolicyRow = Row<typeof policies>;

/** Sums over an account's functions, kept in the transactions that change them: an invocation reads one row. */
export const accounts = table(
  "lambda_accounts",
  { account: c.id, region: c.id, functions: c.int, code_bytes: c.int, reserved: c.int },
  { key: ["account", "region"] },
);
export type AccountRow = Row<typeof accounts>;

/** `account = ... and region = ... and name = ...` */
export const isFunction = ({ account, region, name }: FunctionKey): Sql =>
  sql`account = ${account} and region = ${region} and name = ${name}`;

export function findFunction(tx: ReadTx, key: FunctionKey): Promise<FunctionRow | undefined> {
  return tx.one<FunctionRow>(sql`select ${functions.columns} from ${functions.name} where ${isFunction(key)}`);
}

export function findVersion(tx: ReadTx, key: FunctionKey, version: string): Promise<VersionRow | undefined> {
  return tx.one<VersionRow>(sql`select ${versions.columns} from ${versions.name}
    where ${isFunction(key)} and version = ${version}`);
}

export function findAlias(tx: ReadTx, key: FunctionKey, alias: string): Promise<AliasRow | undefined> {
  return tx.one<AliasRow>(sql`select ${aliases.columns} from ${aliases.name}
    where ${isFunction(key)} and alias = ${alias}`);
}

/** The version that a qualifier names, directly or as an alias. */
export async function findQualified(
  tx: ReadTx,
  key: FunctionKey,
  qualifier: string | undefined,
): Promise<VersionRow | undefined> {
  const direct = await findVersion(tx, key, qualifier ?? latest);
  if (direct !== undefined || qualifier === undefined || qualifier === latest) return direct;
  const alias = await findAlias(tx, key, qualifier);
  return alias === undefined ? undefined : findVersion(tx, key, alias.version);
}

/** What an invocation must know of now; the rest of a version does not change while its build is the same. */
export interface InForce {
  build_id: string;
  /** The same build may be stored anew, when the same code is uploaded again. */
  code_blob: string;
  reserved: number | null;
  /** Null before the account has anything. */
  account_reserved: number | null;
}

/** One read for each invocation: the build that a version has now, and the concurrency that is reserved. */
export function findInForce(
  tx: ReadTx,
  { account, region, name }: FunctionKey,
  version: string,
): Promise<InForce | undefined> {
  return tx.one<InForce>(sql`
    select v.build_id as build_id, v.code_blob as code_blob, f.reserved as reserved, a.reserved as account_reserved
    from ${versions.name} v
    join ${functions.name} f on f.account = v.account and f.region = v.region and f.name = v.name
    left join ${accounts.name} a on a.account = v.account and a.region = v.region
    where v.account = ${account} and v.region = ${region} and v.name = ${name} and v.version = ${version}`);
}

export function findPolicy(tx: ReadTx, key: FunctionKey, qualifier: string): Promise<PolicyRow | undefined> {
  return tx.one<PolicyRow>(sql`select ${policies.columns} from ${policies.name}
    where ${isFunction(key)} and qualifier = ${qualifier}`);
}

export async function accountOf(tx: ReadTx, { account, region }: Omit<FunctionKey, "name">): Promise<AccountRow> {
  const row = await tx.one<AccountRow>(sql`select ${accounts.columns} from ${accounts.name}
    where account = ${account} and region = ${region}`);
  return row ?? { account, region, functions: 0, code_bytes: 0, reserved: 0 };
}

/** Adds to an account's sums; what it gives is after the change. */
export async function addToAccount(
  tx: Tx,
  of: Omit<FunctionKey, "name">,
  change: Partial<Pick<AccountRow, "functions" | "code_bytes" | "reserved">>,
): Promise<AccountRow> {
  const row = await accountOf(tx, of);
  const changed: AccountRow = {
    ...row,
    functions: row.functions + (change.functions ?? 0),
    code_bytes: row.code_bytes + (change.code_bytes ?? 0),
    reserved: row.reserved + (change.reserved ?? 0),
  };
  await tx.run(upsert(accounts, changed));
  return changed;
}

/** The next number of a function's versions. */
export async function nextNumber(tx: Tx, { account, region, name }: FunctionKey): Promise<number> {
  const row = await tx.one<{ last_number: number }>(
    sql`select last_number from ${counters.name} where ${isFunction({ account, region, name })}`,
  );
  const number = (row?.last_number ?? 0) + 1;
  await tx.run(upsert(counters, { account, region, name, last_number: number }));
  return number;
}
