/** What becomes of messages that nobody may receive any more: those that are too old, and those that failed too often. */
import { sql } from "../../store/sql.ts";
import { insert } from "../../store/tables.ts";
import { moveBody } from "./bodies.ts";
import type { KindDeps } from "./deps.ts";
import type { Queue } from "./lookup.ts";
import { refOfArn } from "./names.ts";
import { messages, ofQueue, type MessageRow } from "./tables.ts";

/** Beyond its queue's retention period, or sent before the queue was purged. */
export const isExpired = ({ settings, row }: Queue, sentMs: number, now: number) =>
  sentMs <= cutoffMs({ settings, row }, now);

/** What was sent then or before is gone. */
export const cutoffMs = ({ settings, row }: Pick<Queue, "settings" | "row">, now: number) =>
  // A send in the very millisecond of a purge may have come after it: it is not lost.
  Math.max(now - settings.retentionMs, row.purged_ms - 1);

/** The queue that takes the dead letters, if it is still there. */
export async function deadLetterQueue({ queues }: Pick<KindDeps, "queues">, queue: Queue): Promise<Queue | undefined> {
  const ref = queue.settings.deadLetter && refOfArn(queue.settings.deadLetter.arn);
  const target = ref && (await queues.find(ref));
  return target?.row.is_fifo === queue.row.is_fifo ? target : undefined;
}

/** Moves to the dead-letter queue what was received too often, and gives the others. */
export async function buryOrKeep(
  deps: Pick<KindDeps, "store" | "queues" | "waits">,
  queue: Queue,
  rows: readonly MessageRow[],
): Promise<MessageRow[]> {
  const receivesMax = queue.settings.deadLetter?.receivesMax ?? Number.POSITIVE_INFINITY;
  const dead = rows.filter(({ receives }) => receives > receivesMax);
  const target = dead.length === 0 ? undefined : await deadLetterQueue(deps, queue);
  // Without a queue to go to they stay where they are.
  if (target === undefined) return [...rows];
  await deps.store.tx(async (tx) => {
    for (const row of dead) {
      const { id, receives } = row;
      const removed = await tx.run(
        sql`delete from ${messages.name} where ${ofQueue(queue.place)} and id = ${id} and receives = ${receives}`,
      );
      if (removed === 0) continue;
      const { account, region, uid: queue_uid } = target.place;
      const extras = { ...row.extras, sourceArn: queue.arn };
      // The time of sending stays, and retention counts from there; this receive did not happen.
      const moved = { ...row, account, region, queue_uid, extras, visible_ms: row.sent_ms, receives: receives - 1 };
      await tx.run(insert(messages, moved));
      if (row.body === null) await moveBody(tx, queue.place, target.place, id);
    }
    tx.afterCommit(() => deps.waits.wake(target.place.uid, dead.length));
  });
  return rows.filter((row) => !dead.includes(row));
}
