/** IAM's tables. IAM is global: every key is (account, `aws-global`, ...). */
import { beginsWith, raw, sql, type Sql } from "../../store/sql.ts";
import type { ReadTx } from "../../store/store.ts";
import { c, table, type Columns, type Migration, type Row, type RowOf, type Table } from "../../store/tables.ts";
import { globalRegion } from "../../kit/call.ts";

export interface Tag {
  Key: string;
  Value: string;
}

/** What users, groups and roles have in common: who they are, and what policies are on them. */
const entityColumns = {
  account: c.id,
  region: c.id,
  name: c.id,
  id: c.id,
  path: c.id,
  created_ms: c.time,
  /** Inline policies by name, as JSON text. */
  inline: c.json<Record<string, string>>(),
  /** ARNs of managed policies. */
  attached: c.json<string[]>(),
  /** The CloudFormation step that made it; null when a client did. */
  token: c.nullable(c.id),
};
export type Entity = RowOf<typeof entityColumns>;

const nameKey = { key: ["account", "region", "name"] } as const;

export const roles = table(
  "iam_roles",
  {
    account: c.id,
    region: c.id,
    name: c.id,
    id: c.id,
    path: c.id,
    created_ms: c.time,
    trust_policy: c.text,
    description: c.nullable(c.text),
    session_seconds_max: c.int,
    inline: c.json<Record<string, string>>(),
    attached: c.json<string[]>(),
    tags: c.json<Tag[]>(),
    token: c.nullable(c.id),
  },
  nameKey,
);
export type Role = Row<typeof roles>;

export const users = table("iam_users", { ...entityColumns, tags: c.json<Tag[]>() }, nameKey);
export type User = Row<typeof users>;

export const groups = table("iam_groups", entityColumns, nameKey);
export type Group = Row<typeof groups>;

export const memberships = table(
  "iam_memberships",
  { account: c.id, region: c.id, user_name: c.id, group_name: c.id },
  {
    key: ["account", "region", "user_name", "group_name"],
    indexes: [{ columns: ["account", "region", "group_name", "user_name"] }],
  },
);

/** Managed policies that the account made. */
export const policies = table(
  "iam_policies",
  {
    account: c.id,
    region: c.id,
    name: c.id,
    id: c.id,
    path: c.id,
    description: c.nullable(c.text),
    created_ms: c.time,
    updated_ms: c.time,
    default_version: c.int,
    /** Numbers of versions that were deleted are not used again. */
    last_version: c.int,
    /** Users, groups and roles that it is attached to: kept beside them, so that reading a policy reads no entity. */
    attachments: c.int,
    tags: c.json<Tag[]>(),
    token: c.nullable(c.id),
  },
  nameKey,
);
export type Policy = Row<typeof policies>;

export const policyVersions = table(
  "iam_policy_versions",
  { account: c.id, region: c.id, policy_name: c.id, version: c.int, document: c.text, created_ms: c.time },
  { key: ["account", "region", "policy_name", "version"] },
);
export type PolicyVersion = Row<typeof policyVersions>;

export const instanceProfiles = table(
  "iam_instance_profiles",
  {
    account: c.id,
    region: c.id,
    name: c.id,
    id: c.id,
    path: c.id,
    created_ms: c.time,
    role_name: c.nullable(c.id),
    tags: c.json<Tag[]>(),
    token: c.nullable(c.id),
  },
  { ...nameKey, indexes: [{ columns: ["account", "region", "role_name"] }] },
);
export type InstanceProfile = Row<typeof instanceProfiles>;

export const accessKeys = table(
  "iam_access_keys",
  {
    account: c.id,
    region: c.id,
    id: c.id,
    user_name: c.id,
    /** Sealed under the node's master key; shown to nobody after CreateAccessKey. */
    secret: c.bytes,
    status: c.id,
    created_ms: c.time,
    token: c.nullable(c.id),
  },
  {
    key: ["account", "region", "id"],
    // Whoever signs with a key names no account.
    indexes: [{ columns: ["id"], unique: true }, { columns: ["account", "region", "user_name"] }],
  },
);
export type AccessKey = Row<typeof accessKeys>;

export const serverCertificates = table(
  "iam_server_certificates",
  {
    account: c.id,
    region: c.id,
    name: c.id,
    id: c.id,
    path: c.id,
    created_ms: c.time,
    expires_ms: c.time,
    /** PEM. */
    certificate: c.text,
    chain: c.nullable(c.text),
    /** PKCS #8 in PEM, sealed. */
    private_key: c.bytes,
    tags: c.json<Tag[]>(),
  },
  nameKey,
);
export type ServerCertificate = Row<typeof serverCertificates>;

export const migrations: readonly Migration[] = [
  { version: 1, create: [roles] },
  { version: 2, create: [users, groups, memberships, policies, policyVersions, instanceProfiles, accessKeys] },
  { version: 3, create: [serverCertificates] },
];

/** A table whose rows have a name in an account, and lie under a path. */
export type NamedColumns = Columns & Pick<typeof entityColumns, "account" | "region" | "name" | "path">;

/** `account = ... and region = ... and name = ...`, the key of a named row. */
export function isRow({ account, name }: { account: string; name: string }): Sql {
  return sql`account = ${account} and region = ${globalRegion} and name = ${name}`;
}

export function findNamed<C extends NamedColumns>(
  tx: ReadTx,
  from: Table<C>,
  account: string,
  name: string,
): Promise<RowOf<C> | undefined> {
  return tx.one<RowOf<C>>(sql`select ${from.columns} from ${from.name} where ${isRow({ account, name })}`);
}

/** A name like `name` but for its case: IAM's names are unique without regard to it. */
export async function takenName(tx: ReadTx, of: Table, account: string, name: string): Promise<string | undefined> {
  const row = await tx.one<{ name: string }>(sql`select name from ${of.name}
    where account = ${account} and region = ${globalRegion} and lower(name) = ${name.toLowerCase()}`);
  return row?.name;
}

export async function countOf(tx: ReadTx, of: Table, account: string, where: Sql = raw("1 = 1")): Promise<number> {
  const row = await tx.one<{ total: number }>(sql`select count(*) as total from ${of.name}
    where account = ${account} and region = ${globalRegion} and ${where}`);
  return row?.total ?? 0;
}

export interface NamedPage {
  account: string;
  path: string;
  /** Names after this one. */
  after: string;
  limit: number;
}

/** Rows under `path`, in order of name. */
export function namedAfter<C extends NamedColumns>(
  tx: ReadTx,
  from: Table<C>,
  { account, path, after, limit }: NamedPage,
): Promise<RowOf<C>[]> {
  return tx.all<RowOf<C>>(sql`select ${from.columns} from ${from.name}
    where account = ${account} and region = ${globalRegion} and name > ${after} and ${beginsWith("path", path)}
    order by name limit ${limit}`);
}
