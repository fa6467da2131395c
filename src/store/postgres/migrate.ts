/** Brings a database up to date, one step per transaction; of nodes that start together, one does it and the others wait. */
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../telemetry/log.ts";
import { migrations, stepsDue, type Applied, type Step } from "../migrations.ts";
import { sql } from "../sql.ts";
import { insert, type Schema } from "../tables.ts";
import { createTable } from "./ddl.ts";
import type { Session } from "./session.ts";

/** Any number that other users of the database are unlikely to lock: "mikan" in ASCII. */
const lockNumber = 0x6d696b616e;

/** Runs the steps that are due. Throws `DataRefused` before the first when any owner's data is newer. */
export async function migrate(session: Session, schemas: readonly Schema[], clock: Clock, log: Log): Promise<void> {
  await session.execute({ text: `select pg_advisory_lock(${lockNumber})` });
  try {
    const applied = await appliedSteps(session);
    const due = schemas.flatMap((schema) => stepsDue(schema, applied));
    for (const step of due) {
      await runStep(session, step, clock);
      log.info("tables brought up to date", { owner: step.owner, version: step.migration.version });
    }
  } finally {
    await session.execute({ text: `select pg_advisory_unlock(${lockNumber})` });
  }
}

async function appliedSteps(session: Session): Promise<Applied[]> {
  const found = await session.one(sql`select to_regclass(${migrations.tableName}) is null as missing`);
  if (found !== undefined && "missing" in found && found.missing === 1) {
    for (const text of createTable(migrations)) await session.execute({ text });
  }
  // The rows are this table's own.
  return (await session.all(sql`select ${migrations.columns} from ${migrations.name}`)) as Applied[];
}

async function runStep(session: Session, { owner, migration, fingerprint }: Step, clock: Clock): Promise<void> {
  await session.execute({ text: "begin" });
  try {
    for (const text of migration.create?.flatMap(createTable) ?? []) await session.execute({ text });
    for (const statement of migration.run ?? []) await session.run(statement);
    const { version } = migration;
    await session.run(insert(migrations, { owner, version, fingerprint, applied_ms: clock.now() }));
    await session.execute({ text: "commit" });
  } catch (error) {
    await session.execute({ text: "rollback" });
    throw error;
  }
}
