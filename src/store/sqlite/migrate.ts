/** Brings a database file up to date before anybody is served: one commit for all, as each waits for the disk. */
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../telemetry/log.ts";
import { migrations, stepsDue, type Applied, type Step } from "../migrations.ts";
import { sql } from "../sql.ts";
import { insert, type Schema } from "../tables.ts";
import type { Connection } from "./connection.ts";
import { createTable } from "./ddl.ts";

/**
 * Runs the steps that are due; where one fails, those before it stay. Throws `DataRefused` before the first when any
 * owner's data is newer.
 */
export function migrate(connection: Connection, schemas: readonly Schema[], clock: Clock, log: Log): void {
  const applied = appliedSteps(connection);
  const due = schemas.flatMap((schema) => stepsDue(schema, applied));
  if (due.length === 0) return;
  connection.exec("begin immediate");
  try {
    for (const step of due) runStep(connection, step, clock);
  } finally {
    // Not there when the engine itself dropped it: disk full, I/O.
    if (connection.inTransaction) connection.exec("commit");
    connection.forgetStatements();
  }
  for (const { owner, migration } of due) {
    log.info("tables brought up to date", { owner, version: migration.version });
  }
}

function appliedSteps(connection: Connection): Applied[] {
  const exists = connection.one(sql`select 1 from sqlite_schema where name = ${migrations.tableName}`) !== undefined;
  if (!exists) createTable(migrations).forEach((statement) => connection.exec(statement));
  // The rows are this table's own.
  return connection.all(sql`select ${migrations.columns} from ${migrations.name}`) as Applied[];
}

function runStep(connection: Connection, { owner, migration, fingerprint }: Step, clock: Clock): void {
  connection.exec("savepoint step");
  try {
    migration.create?.flatMap(createTable).forEach((statement) => connection.exec(statement));
    migration.run?.forEach((statement) => connection.run(statement));
    const { version } = migration;
    connection.run(insert(migrations, { owner, version, fingerprint, applied_ms: clock.now() }));
    connection.exec("release step");
  } catch (error) {
    if (connection.inTransaction) connection.exec("rollback to step; release step");
    throw error;
  }
}
