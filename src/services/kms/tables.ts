/** Keys, their material by version, aliases and grants. Material is sealed; no other table holds anything secret. */
import { sql } from "../../store/sql.ts";
import type { ReadTx } from "../../store/store.ts";
import { c, table, type Migration, type Row } from "../../store/tables.ts";

export interface Tag {
  TagKey: string;
  TagValue: string;
}

export const keys = table(
  "kms_keys",
  {
    account: c.id,
    region: c.id,
    /** A UUID. */
    id: c.id,
    description: c.text,
    spec: c.id,
    usage: c.id,
    /** `CUSTOMER`, or `AWS` for those behind `alias/aws/...`. */
    manager: c.id,
    enabled: c.bool,
    created_ms: c.time,
    /** When it will be deleted, while that is pending. */
    deletion_ms: c.nullable(c.time),
    deletion_days: c.nullable(c.int),
    policy: c.text,
    tags: c.json<Tag[]>(),
    /** Version of the material that encrypts; the earlier ones still decrypt. */
    version: c.int,
    /** Days between automatic rotations; null while they are off. */
    rotation_days: c.nullable(c.int),
    rotation_next_ms: c.nullable(c.time),
    /** The CloudFormation step that made it; null when a client did. */
    token: c.nullable(c.id),
  },
  {
    key: ["account", "region", "id"],
    indexes: [
      { columns: ["deletion_ms"] },
      { columns: ["rotation_next_ms"] },
      { columns: ["account", "region", "token"] },
    ],
  },
);
export type KeyRow = Row<typeof keys>;

export const materials = table(
  "kms_materials",
  {
    account: c.id,
    region: c.id,
    key_id: c.id,
    version: c.int,
    /** 64 hex digits, as AWS shows it. */
    id: c.id,
    created_ms: c.time,
    /** `CREATED`, `AUTOMATIC` or `ON_DEMAND`. */
    origin: c.id,
    /** Sealed: the bytes of a symmetric key, the PKCS #8 of a private one. */
    sealed: c.bytes,
    /** SubjectPublicKeyInfo of an asymmetric key. */
    public_key: c.nullable(c.bytes),
  },
  { key: ["account", "region", "key_id", "version"] },
);
export type MaterialRow = Row<typeof materials>;

export const aliases = table(
  "kms_aliases",
  {
    account: c.id,
    region: c.id,
    /** With its `alias/`. */
    name: c.id,
    key_id: c.id,
    created_ms: c.time,
    updated_ms: c.time,
  },
  { key: ["account", "region", "name"], indexes: [{ columns: ["account", "region", "key_id", "name"] }] },
);
export type AliasRow = Row<typeof aliases>;

/** What a grant says beside its ids, as it is shown. */
export interface GrantTerms {
  Name?: string;
  GranteePrincipal: string;
  RetiringPrincipal?: string;
  Operations: string[];
  Constraints?: {
    EncryptionContextSubset?: Record<string, string>;
    EncryptionContextEquals?: Record<string, string>;
  };
}

export const grants = table(
  "kms_grants",
  {
    account: c.id,
    region: c.id,
    key_id: c.id,
    id: c.id,
    token: c.id,
    created_ms: c.time,
    /** Empty without one, as is the next. */
    name: c.id,
    retiring: c.id,
    terms: c.json<GrantTerms>(),
  },
  {
    key: ["account", "region", "key_id", "id"],
    indexes: [
      { columns: ["account", "region", "token"] },
      { columns: ["account", "region", "key_id", "name"] },
      { columns: ["account", "region", "retiring", "id"] },
    ],
  },
);
export type GrantRow = Row<typeof grants>;

export const migrations: readonly Migration[] = [{ version: 1, create: [keys, materials, aliases, grants] }];

export interface Place {
  account: string;
  region: string;
}

export const isIn = ({ account, region }: Place) => sql`account = ${account} and region = ${region}`;
export const isKey = (row: Pick<KeyRow, "account" | "region" | "id">) => sql`${isIn(row)} and id = ${row.id}`;
export const ofKey = (row: Pick<KeyRow, "account" | "region" | "id">) => sql`${isIn(row)} and key_id = ${row.id}`;

export function findKey(tx: ReadTx, place: Place, id: string): Promise<KeyRow | undefined> {
  return tx.one<KeyRow>(sql`select ${keys.columns} from ${keys.name} where ${isIn(place)} and id = ${id}`);
}

export function findAlias(tx: ReadTx, place: Place, name: string): Promise<AliasRow | undefined> {
  return tx.one<AliasRow>(sql`select ${aliases.columns} from ${aliases.name} where ${isIn(place)} and name = ${name}`);
}
