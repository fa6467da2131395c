/** What nobody can receive any more goes in small steps: expired, purged, of deleted queues, and sends long past. */
import type { Job } from "../../base/scheduler.ts";
import { raw, sql, type Sql } from "../../store/sql.ts";
import type { Tx } from "../../store/store.ts";
import type { Table } from "../../store/tables.ts";
import { removeBodies } from "./bodies.ts";
import { cutoffMs } from "./dead-letters.ts";
import type { SqsDeps } from "./deps.ts";
import { settleGroup } from "./groups.ts";
import { chunkRows, deduplicationMs, deletedKeptMs, receiveAttemptMs, sweepMs } from "./limits.ts";
import { queueOf, type Queue } from "./lookup.ts";
import { firstIdAt } from "./message-ids.ts";
import {
  attempts,
  bodies,
  deduplications,
  deletedQueues,
  fifoMessages,
  groups,
  isIn,
  messages,
  ofQueue,
  queues,
  type DeletedQueueRow,
  type FifoMessageRow,
  type QueueRow,
} from "./tables.ts";

/** Deletes one chunk; true when there may be more. */
type Chunk = (tx: Tx) => Promise<boolean>;

/** The first rows by these columns, which are the rest of the table's key. */
const chunkOf =
  (table: Table, condition: Sql, ...columns: readonly string[]): Chunk =>
  async (tx) => {
    const names = raw(columns.join(", "));
    const removed = await tx.run(sql`delete from ${table.name} where ${condition} and (${names}) in
      (select ${names} from ${table.name} where ${condition} order by ${names} limit ${chunkRows})`);
    return removed === chunkRows;
  };

/** Expired messages of a standard queue, the oldest first; long bodies have the ids of their messages. */
function expiredChunks({ place }: Queue, cutoff: number): Chunk[] {
  const isOld = (column: string) => sql`${ofQueue(place)} and ${raw(column)} < ${firstIdAt(cutoff + 1)}`;
  return [chunkOf(messages, isOld("id"), "id"), chunkOf(bodies, isOld("message_id"), "message_id")];
}

function expiredFifoChunk(queue: Queue, cutoff: number, now: number): Chunk {
  return async (tx) => {
    const rows = await tx.all<Pick<FifoMessageRow, "id" | "group_id" | "sequence">>(sql`
      select id, group_id, sequence from ${fifoMessages.name} where ${ofQueue(queue.place)} and sent_ms <= ${cutoff}
      order by sent_ms, id limit ${chunkRows}`);
    for (const { group_id: groupId, sequence } of rows) {
      await tx.run(sql`delete from ${fifoMessages.name}
        where ${ofQueue(queue.place)} and group_id = ${groupId} and sequence = ${sequence}`);
    }
    const ids = rows.map(({ id }) => id);
    await removeBodies(tx, queue.place, ids);
    for (const groupId of new Set(rows.map((row) => row.group_id))) await settleGroup(tx, queue, groupId, now);
    return rows.length === chunkRows;
  };
}

/** All that a deleted queue has left behind. */
function leftChunks(row: DeletedQueueRow): Chunk[] {
  const condition = ofQueue(row);
  return [
    chunkOf(messages, condition, "id"),
    chunkOf(fifoMessages, condition, "group_id", "sequence"),
    chunkOf(groups, condition, "group_id"),
    chunkOf(bodies, condition, "message_id"),
    chunkOf(deduplications, condition, "scope_id"),
    chunkOf(attempts, condition, "attempt_id"),
  ];
}

export function sweepJob({ store, clock }: SqsDeps): Job {
  const runAll = async (chunks: readonly Chunk[], signal: AbortSignal) => {
    for (const chunk of chunks) {
      let more = true;
      while (more && !signal.aborted) more = await store.tx(chunk);
    }
  };

  /** One look at each queue that has anything too old; most have not. */
  const sweepQueue = async (queue: Queue, signal: AbortSignal) => {
    const now = clock.now();
    const cutoff = cutoffMs(queue, now);
    const oldest = queue.row.is_fifo
      ? sql`select id from ${fifoMessages.name} where ${ofQueue(queue.place)} and sent_ms <= ${cutoff} limit 1`
      : sql`select id from ${messages.name} where ${ofQueue(queue.place)} and id < ${firstIdAt(cutoff + 1)} limit 1`;
    if ((await store.read((tx) => tx.one(oldest))) === undefined) return;
    const chunks = queue.row.is_fifo ? [expiredFifoChunk(queue, cutoff, now)] : expiredChunks(queue, cutoff);
    await runAll(chunks, signal);
  };

  const sweepQueues = async (signal: AbortSignal) => {
    let after: readonly [account: string, region: string, name: string] = ["", "", ""];
    while (!signal.aborted) {
      const [account, region, name] = after;
      const rows = await store.read((tx) =>
        tx.all<QueueRow>(sql`select ${queues.columns} from ${queues.name}
          where (account, region, name) > (${account}, ${region}, ${name})
          order by account, region, name limit ${chunkRows}`),
      );
      for (const row of rows) if (!signal.aborted) await sweepQueue(queueOf(row), signal);
      const last = rows.at(-1);
      if (last === undefined || rows.length < chunkRows) return;
      after = [last.account, last.region, last.name];
    }
  };

  const sweepDeleted = async (signal: AbortSignal) => {
    const rows = await store.read((tx) =>
      tx.all<DeletedQueueRow>(sql`select ${deletedQueues.columns} from ${deletedQueues.name} limit ${chunkRows}`),
    );
    for (const row of rows) {
      await runAll(leftChunks(row), signal);
      // Until then the name is taken, and a send that had begun may still end.
      if (row.deleted_ms + deletedKeptMs > clock.now() || signal.aborted) continue;
      await store.tx((tx) => tx.run(sql`delete from ${deletedQueues.name} where ${isIn(row)} and uid = ${row.uid}`));
    }
  };

  /** By time, whatever queue they are of. */
  const forget = async (table: Table, column: string, key: string, untilMs: number, signal: AbortSignal) => {
    const isPast = sql`${raw(column)} <= ${untilMs}`;
    let more = true;
    while (more && !signal.aborted) {
      more = await store.tx(async (tx) => {
        const rows = await tx.all<{ account: string; region: string; queue_uid: string; name: string }>(sql`
          select account, region, queue_uid, ${raw(key)} as name from ${table.name} where ${isPast}
          limit ${chunkRows}`);
        for (const { queue_uid: uid, name, ...place } of rows) {
          await tx.run(sql`delete from ${table.name} where ${ofQueue({ ...place, uid })} and ${raw(key)} = ${name}
            and ${isPast}`);
        }
        return rows.length === chunkRows;
      });
    }
  };

  return {
    name: "sqs:sweep",
    everyMs: sweepMs,
    async run(signal) {
      await sweepDeleted(signal);
      await sweepQueues(signal);
      const now = clock.now();
      await forget(deduplications, "sent_ms", "scope_id", now - deduplicationMs, signal);
      await forget(attempts, "received_ms", "attempt_id", now - receiveAttemptMs, signal);
    },
  };
}
