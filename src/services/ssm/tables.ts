/** Parameters and their versions. Values of SecureString are ciphertexts of KMS. */
import { sql } from "../../store/sql.ts";
import type { ReadTx } from "../../store/store.ts";
import { c, table, type Migration, type Row } from "../../store/tables.ts";

/** What a version says; a parameter says the same as its latest. */
const content = {
  type: c.id,
  tier: c.id,
  data_type: c.id,
  key_id: c.nullable(c.id),
  description: c.nullable(c.text),
  allowed_pattern: c.nullable(c.text),
  modified_ms: c.time,
  modified_by: c.id,
};

export const parameters = table(
  "ssm_parameters",
  {
    account: c.id,
    region: c.id,
    name: c.id,
    /** The path above it: `/a/b` of `/a/b/c`, `/` of `/a` and of `a`. */
    parent: c.id,
    version: c.int,
    tags: c.json<Record<string, string>>(),
    /** The CloudFormation step that made it; null when a client did. */
    token: c.nullable(c.id),
    ...content,
  },
  { key: ["account", "region", "name"], indexes: [{ columns: ["account", "region", "parent", "name"] }] },
);
export type ParameterRow = Row<typeof parameters>;

export const versions = table(
  "ssm_versions",
  {
    account: c.id,
    region: c.id,
    name: c.id,
    version: c.int,
    value: c.bytes,
    labels: c.json<string[]>(),
    ...content,
  },
  { key: ["account", "region", "name", "version"] },
);
export type VersionRow = Row<typeof versions>;

export const migrations: readonly Migration[] = [{ version: 1, create: [parameters, versions] }];

export interface Place {
  account: string;
  region: string;
}

export const isIn = ({ account, region }: Place) => sql`account = ${account} and region = ${region}`;
export const isNamed = (place: Place, name: string) => sql`${isIn(place)} and name = ${name}`;

export function findParameter(tx: ReadTx, place: Place, name: string): Promise<ParameterRow | undefined> {
  return tx.one<ParameterRow>(sql`select ${parameters.columns} from ${parameters.name} where ${isNamed(place, name)}`);
}

export function findVersion(tx: ReadTx, place: Place, name: string, version: number): Promise<VersionRow | undefined> {
  return tx.one<VersionRow>(sql`select ${versions.columns} from ${versions.name}
    where ${isNamed(place, name)} and version = ${version}`);
}

export function versionsOf(tx: ReadTx, place: Place, name: string): Promise<VersionRow[]> {
  return tx.all<VersionRow>(sql`select ${versions.columns} from ${versions.name}
    where ${isNamed(place, name)} order by version`);
}
