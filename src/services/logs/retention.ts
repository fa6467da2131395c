/** Background work: events that have outlived their group's retention, and those of groups and streams that are gone. */
import type { Job } from "../../base/scheduler.ts";
import type { Deps } from "../../kit/service.ts";
import { sql, type Sql } from "../../store/sql.ts";
import type { Tx } from "../../store/store.ts";
import {
  chunks,
  groups,
  isIn,
  purges,
  streams,
  type ChunkRow,
  type GroupRow,
  type PurgeRow,
  type StreamRow,
} from "./tables.ts";

/** Rows that one transaction deletes: a long delete would hold every writer up. */
const lotRows = 500;
const everyMs = 60_000;
/** Groups and purges looked at in one round. */
const roundMax = 100;
const dayMs = 24 * 3600_000;
/** A batch that was being written when its group was deleted is on disk by then. */
const purgeKeptMs = 3600_000;

/** Deletes up to a lot of rows of events; gives their number. */
async function deleteEvents(tx: Tx, where: Sql): Promise<number> {
  const rows = await tx.all<Pick<ChunkRow, "account" | "region" | "stream_uid" | "time_ms" | "id">>(
    sql`select account, region, stream_uid, time_ms, id from ${chunks.name} where ${where} limit ${lotRows}`,
  );
  for (const row of rows) {
    await tx.run(sql`delete from ${chunks.name} where ${isIn(row)}
      and stream_uid = ${row.stream_uid} and time_ms = ${row.time_ms} and id = ${row.id}`);
  }
  return rows.length;
}

/** Deletes up to a lot of the streams of a deleted group. */
async function deleteStreams(tx: Tx, { uid, ...place }: PurgeRow): Promise<number> {
  const inGroup = sql`${isIn(place)} and group_uid = ${uid}`;
  const rows = await tx.all<Pick<StreamRow, "name">>(
    sql`select name from ${streams.name} where ${inGroup} limit ${lotRows}`,
  );
  for (const { name } of rows) await tx.run(sql`delete from ${streams.name} where ${inGroup} and name = ${name}`);
  return rows.length;
}

/** Takes away what is older than its group keeps. Empty streams of that age go too, as on AWS. */
export function retentionJob({ store, clock }: Deps): Job {
  return {
    name: "logs:retention",
    everyMs,
    async run(signal) {
      let last: Pick<GroupRow, "account" | "region" | "name"> = { account: "", region: "", name: "" };
      for (;;) {
        const { account, region, name } = last;
        const rows = await store.read((tx) =>
          tx.all<GroupRow>(sql`select ${groups.columns} from ${groups.name} where retention_days is not null
            and (account, region, name) > (${account}, ${region}, ${name})
            order by account, region, name limit ${roundMax}`),
        );
        for (const row of rows) {
          const beforeMs = clock.now() - (row.retention_days ?? 0) * dayMs;
          const inGroup = sql`${isIn(row)} and group_uid = ${row.uid}`;
          const expired = sql`${inGroup} and time_ms < ${beforeMs} and last_ms < ${beforeMs}`;
          while (!signal.aborted && (await store.tx((tx) => deleteEvents(tx, expired))) === lotRows);
          await store.tx((tx) =>
            tx.run(sql`delete from ${streams.name} where ${inGroup}
              and last_event_ms < ${beforeMs} and last_ingested_ms < ${beforeMs} and created_ms < ${beforeMs}`),
          );
          last = row;
        }
        if (rows.length < roundMax || signal.aborted) return;
      }
    },
  };
}

/** Takes away the events of deleted groups and streams, and the streams of deleted groups. */
export function purgeJob({ store, clock }: Deps): Job {
  const all = async (signal: AbortSignal, lot: (tx: Tx) => Promise<number>) => {
    while (!signal.aborted && (await store.tx(lot)) === lotRows);
  };
  return {
    name: "logs:purge",
    everyMs,
    async run(signal) {
      const rows = await store.read((tx) =>
        tx.all<PurgeRow>(sql`select ${purges.columns} from ${purges.name} order by since_ms limit ${roundMax}`),
      );
      for (const row of rows) {
        const { uid, since_ms: sinceMs } = row;
        await all(signal, (tx) => deleteEvents(tx, sql`${isIn(row)} and group_uid = ${uid}`));
        await all(signal, (tx) => deleteEvents(tx, sql`${isIn(row)} and stream_uid = ${uid}`));
        await all(signal, (tx) => deleteStreams(tx, row));
        if (sinceMs + purgeKeptMs > clock.now() || signal.aborted) continue;
        await store.tx((tx) => tx.run(sql`delete from ${purges.name} where ${isIn(row)} and uid = ${uid}`));
      }
    },
  };
}
