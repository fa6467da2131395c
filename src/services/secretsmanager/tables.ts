/** Secrets and their versions. Values are envelopes under a key of KMS; versions belong to a uid, not to a name. */
import { sql } from "../../store/sql.ts";
import type { ReadTx } from "../../store/store.ts";
import { c, table, type Migration, type Row } from "../../store/tables.ts";

export interface Tag {
  Key: string;
  Value: string;
}

export interface RotationRules {
  AutomaticallyAfterDays?: number;
  Duration?: string;
  ScheduleExpression?: string;
}

export const secrets = table(
  "secretsmanager_secrets",
  {
    account: c.id,
    region: c.id,
    name: c.id,
    uid: c.id,
    arn: c.id,
    description: c.nullable(c.text),
    /** As the caller wrote it; null is `alias/aws/secretsmanager`. */
    kms_key: c.nullable(c.id),
    type: c.nullable(c.id),
    tags: c.json<Tag[]>(),
    created_ms: c.time,
    changed_ms: c.time,
    /** The day on which a value was last read. */
    accessed_ms: c.nullable(c.time),
    /** When it will be gone, once it is marked for deletion. */
    deletion_ms: c.nullable(c.time),
    policy: c.nullable(c.text),
    /** Null until rotation was set up. */
    rotation_enabled: c.nullable(c.bool),
    rotation_function: c.nullable(c.id),
    rotation_rules: c.nullable(c.json<RotationRules>()),
    /** The version that a rotation under way is making. */
    rotation_token: c.nullable(c.id),
    rotated_ms: c.nullable(c.time),
    next_rotation_ms: c.nullable(c.time),
    /** The CloudFormation step that made it; null when a client did. */
    token: c.nullable(c.id),
  },
  {
    key: ["account", "region", "name"],
    indexes: [
      { columns: ["account", "region", "created_ms", "name"] },
      { columns: ["deletion_ms"] },
      { columns: ["next_rotation_ms"] },
    ],
  },
);
export type SecretRow = Row<typeof secrets>;

export const versions = table(
  "secretsmanager_versions",
  {
    account: c.id,
    region: c.id,
    uid: c.id,
    /** The client's token. */
    id: c.id,
    stages: c.json<string[]>(),
    /** Sealed; null in a version that a rotation has begun and not filled. */
    value: c.nullable(c.bytes),
    is_binary: c.bool,
    kms_key: c.id,
    created_ms: c.time,
    accessed_ms: c.nullable(c.time),
  },
  { key: ["account", "region", "uid", "id"] },
);
export type VersionRow = Row<typeof versions>;

export const migrations: readonly Migration[] = [{ version: 1, create: [secrets, versions] }];

export interface Place {
  account: string;
  region: string;
}

export const isIn = ({ account, region }: Place) => sql`account = ${account} and region = ${region}`;
/** One made again under the same name is another. */
export const isSecret = (row: SecretRow) => sql`${isIn(row)} and name = ${row.name} and uid = ${row.uid}`;
export const ofSecret = (row: Pick<SecretRow, "account" | "region" | "uid">) => sql`${isIn(row)} and uid = ${row.uid}`;

export function findByName(tx: ReadTx, place: Place, name: string): Promise<SecretRow | undefined> {
  return tx.one<SecretRow>(sql`select ${secrets.columns} from ${secrets.name}
    where ${isIn(place)} and name = ${name}`);
}

/** All versions, the oldest first. */
export function versionsOf(tx: ReadTx, row: Pick<SecretRow, "account" | "region" | "uid">): Promise<VersionRow[]> {
  return tx.all<VersionRow>(sql`select ${versions.columns} from ${versions.name}
    where ${ofSecret(row)} order by created_ms, id`);
}
