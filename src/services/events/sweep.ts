/** What has outlived its archive's retention, or its archive, goes in small steps; so do replays that ended long ago. */
import type { Job } from "../../base/scheduler.ts";
import { sql, type Sql } from "../../store/sql.ts";
import type { EventsDeps } from "./deps.ts";
import { chunkRows, dayMs, replayKeptMs, sweepMs } from "./limits.ts";
import { archived, archives, deletedArchives, isIn, replays, type ArchiveRow, type Place } from "./tables.ts";

export function sweepJob({ store, clock }: EventsDeps): Job {
  /** Events of an archive, the oldest first. */
  const removeEvents = async (of: Place & { uid: string }, condition: Sql, signal: AbortSignal): Promise<void> => {
    const which = sql`${isIn(of)} and archive_uid = ${of.uid} and ${condition}`;
    let more = true;
    while (more && !signal.aborted) {
      const removed = await store.tx((tx) =>
        tx.run(sql`delete from ${archived.name} where ${which} and (time_ms, id) in
          (select time_ms, id from ${archived.name} where ${which} order by time_ms, id limit ${chunkRows})`),
      );
      more = removed === chunkRows;
    }
  };
  return {
    name: "events:sweep",
    everyMs: sweepMs,
    async run(signal) {
      const now = clock.now();
      const deleted = await store.read((tx) =>
        tx.all<Place & { uid: string }>(
          sql`select ${deletedArchives.columns} from ${deletedArchives.name} limit ${chunkRows}`,
        ),
      );
      for (const row of deleted) {
        await removeEvents(row, sql`1 = 1`, signal);
        if (signal.aborted) return;
        await store.tx((tx) =>
          tx.run(sql`delete from ${deletedArchives.name} where ${isIn(row)} and uid = ${row.uid}`),
        );
      }
      const limited = await store.read((tx) =>
        tx.all<ArchiveRow>(sql`select ${archives.columns} from ${archives.name} where retention_days > 0`),
      );
      for (const row of limited) {
        await removeEvents(row, sql`time_ms < ${now - row.retention_days * dayMs}`, signal);
      }
      await store.tx((tx) => tx.run(sql`delete from ${replays.name} where ended_ms < ${now - replayKeptMs}`));
    },
  };
}
