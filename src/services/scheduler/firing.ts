/**
 * Runs schedules when they are due: the row moves on to its next occurrence, and the intent to invoke is written, in one
 * transaction. So each occurrence is taken up once, whoever dies when.
 */
import { isFault } from "../../base/errors.ts";
import type { Job } from "../../base/scheduler.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import { assign } from "../../store/tables.ts";
import { newTrace } from "../../telemetry/trace.ts";
import { expiryIntent, invocationIntent, type Occurrence } from "./invocations.ts";
import { crowdedMs, firingAtOnce, firingPollMs } from "./limits.ts";
import { scheduleArn } from "./names.ts";
import { executionIdOf, turnOf, type Turn } from "./occurrences.ts";
import { isSchedule, refOf, schedules, type ScheduleRow } from "./tables.ts";

export function firingJob(deps: Deps): Job {
  const { store, clock, ids, log, metrics, delivery } = deps;
  /** When the next that is known of is due. */
  let nextMs = Number.POSITIVE_INFINITY;
  const counters = {
    run: metrics.counter("scheduler_occurrences", { outcome: "run" }),
    expired: metrics.counter("scheduler_occurrences", { outcome: "expired" }),
  };

  const intentOf = (row: ScheduleRow, arn: string, { occurrenceMs, dueMs, isTooOld }: NonNullable<Turn["run"]>) => {
    const now = clock.now();
    const occurrence: Occurrence = {
      scheduleArn: arn,
      target: row.settings.target,
      scheduledMs: occurrenceMs,
      executionId: executionIdOf(arn, occurrenceMs),
    };
    const trace = newTrace(ids, now);
    if (!isTooOld) return invocationIntent(row, occurrence, now - dueMs, trace);
    log.warn("an occurrence of a schedule was missed and is too old to run", { schedule: arn, occurrenceMs });
    return expiryIntent(row, occurrence, trace);
  };

  const move = async (row: ScheduleRow, { run, next }: Turn, arn: string) => {
    const intent = run === undefined ? undefined : intentOf(row, arn, run);
    const isOver = next.due_ms === null && row.settings.afterCompletion === "DELETE";
    const isStill = sql`${isSchedule(refOf(row))} and revision = ${row.revision} and due_ms = ${row.due_ms}`;
    await store.tx(async (tx) => {
      const moved = isOver
        ? await tx.run(sql`delete from ${schedules.name} where ${isStill}`)
        : await tx.run(sql`update ${schedules.name} set ${assign(schedules, { ...next })} where ${isStill}`);
      // Another node has taken it up, or it was changed since.
      if (moved === 0) return;
      if (intent !== undefined) await delivery.enqueue(tx, intent);
      tx.afterCommit(() => {
        if (run !== undefined) (run.isTooOld ? counters.expired : counters.run).add();
      });
    });
  };

  const fire = async (row: ScheduleRow) => {
    const { occurrence_ms: occurrence, due_ms: due } = row;
    if (occurrence === null || due === null) return;
    const arn = scheduleArn(refOf(row));
    const timing = { arn, settings: row.settings, anchorMs: row.anchor_ms };
    const now = clock.now();
    try {
      await move(row, turnOf(timing, { occurrence, due }, now), arn);
    } catch (error) {
      if (!isFault(error)) throw error;
      // Its target has more before it than may wait: this occurrence keeps its place, and others go on.
      log.warn("a schedule waits, as too many deliveries to its target do", { schedule: arn, reason: error.message });
      await store.tx((tx) =>
        tx.run(sql`update ${schedules.name} set ${assign(schedules, { due_ms: now + crowdedMs })}
          where ${isSchedule(refOf(row))} and revision = ${row.revision} and due_ms = ${due}`),
      );
    }
  };

  return {
    name: "scheduler:due",
    /** Until the next is due, and not longer than until another may have been made. */
    get everyMs() {
      return Math.max(1, Math.min(firingPollMs, nextMs - clock.now()));
    },
    async run() {
      const rows = await store.read((tx) =>
        tx.all<ScheduleRow>(sql`select ${schedules.columns} from ${schedules.name}
          where due_ms is not null order by due_ms limit ${firingAtOnce}`),
      );
      const now = clock.now();
      const due = rows.filter((row) => (row.due_ms ?? now) <= now);
      await Promise.all(due.map(fire));
      nextMs = rows[due.length]?.due_ms ?? Number.POSITIVE_INFINITY;
      return { more: due.length > 0 };
    },
  };
}
