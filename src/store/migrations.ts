/** Forward-only steps of every owner's tables: which are due, and which data is refused. Both engines follow this plan. */
import { createHash } from "node:crypto";
import { assert } from "../base/errors.ts";
import { DataRefused } from "./errors.ts";
import { c, table, type Migration, type Row, type Schema, type Table } from "./tables.ts";

/** What has run; itself made by the first start. */
export const migrations = table(
  "store_migrations",
  { owner: c.id, version: c.int, fingerprint: c.id, applied_ms: c.time },
  { key: ["owner", "version"] },
);

export type Applied = Row<typeof migrations>;

export interface Step {
  owner: string;
  migration: Migration;
  fingerprint: string;
}

/** Characters of a column of kind `id`: an ARN is at most that long. */
export const idLengthMax = 2_048;

/** PostgreSQL cuts names at 63 bytes without a word, and two cut names may meet. */
const nameLengthMax = 63;

/** The name of an index: the table's and its columns', shortened by a hash where that is too long. */
export function indexName(of: Table, columns: readonly string[]): string {
  const name = `${of.tableName}_by_${columns.join("_")}`;
  if (name.length <= nameLengthMax) return name;
  const hash = createHash("sha256").update(name).digest("hex").slice(0, 8);
  return `${name.slice(0, nameLengthMax - hash.length - 1)}_${hash}`;
}

/** What a step does, in a form that does not depend on the engine or on how this version writes its DDL. */
function fingerprint({ version, create = [], run = [] }: Migration): string {
  const tables = create.map(({ tableName, definition, key, indexes }) => ({
    tableName,
    columns: Object.entries(definition).map(([name, { kind, nullable }]) => [name, kind, nullable]),
    key,
    indexes,
  }));
  const statements = run.map(({ strings }) => strings);
  return createHash("sha256").update(JSON.stringify({ version, tables, statements })).digest("hex").slice(0, 32);
}

const namePattern = /^[a-z][a-z0-9_]*$/;

function checkTable(of: Table): void {
  const columns = Object.keys(of.definition);
  for (const name of [of.tableName, ...columns]) {
    assert(namePattern.test(name) && name.length <= nameLengthMax, `${name} is no name for a table or column`);
  }
  assert(of.key.length > 0, `table ${of.tableName} has no primary key`);
  for (const name of [of.key, ...of.indexes.map((index) => index.columns)].flat()) {
    assert(columns.includes(name), `table ${of.tableName} has no column ${name}`);
  }
}

/** The steps of `schema` that have not run, in order. Throws {@link DataRefused} where the data is not this Mikan's. */
export function stepsDue(schema: Schema, applied: readonly Applied[]): Step[] {
  const { owner } = schema;
  const done = new Map(applied.filter((row) => row.owner === owner).map((row) => [row.version, row.fingerprint]));
  const steps = schema.migrations.map((migration, index): Step => {
    assert(migration.version === index + 1, `${owner}: migration ${index + 1} has version ${migration.version}`);
    migration.create?.forEach(checkTable);
    return { owner, migration, fingerprint: fingerprint(migration) };
  });
  const newest = Math.max(0, ...done.keys());
  if (newest > steps.length) {
    throw new DataRefused(
      `the data of ${owner} is at version ${newest} and this Mikan knows ${steps.length}: it was written by a newer Mikan`,
    );
  }
  return steps.filter(({ migration, fingerprint }) => {
    const recorded = done.get(migration.version);
    if (recorded !== undefined && recorded !== fingerprint) {
      throw new DataRefused(
        `step ${migration.version} of ${owner} is not the one that made this data; a step that has run is never edited`,
      );
    }
    return recorded === undefined;
  });
}
