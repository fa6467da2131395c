/** One step of a message move task: some messages leave one queue and arrive in others, in one transaction. */
import { join, sql } from "../../store/sql.ts";
import type { Tx } from "../../store/store.ts";
import { assign, insert } from "../../store/tables.ts";
import { moveBody } from "./bodies.ts";
import type { SqsDeps } from "./deps.ts";
import { appendToGroup, settleGroup } from "./groups.ts";
import { moveStepMessages } from "./limits.ts";
import { findRow, queueOf, type Queue } from "./lookup.ts";
import { createMessageIds, createSequences } from "./message-ids.ts";
import { refOfArn } from "./names.ts";
import {
  fifoMessages,
  isMove,
  messages,
  moves,
  ofQueue,
  type FifoMessageRow,
  type MessageRow,
  type MoveRow,
} from "./tables.ts";

const gone = "AWS.SimpleQueueService.NonExistentQueue";

/** Why a task cannot go on; its own transaction keeps what was moved before. */
class MoveFailure extends Error {
  override readonly name = "MoveFailure";
}

export function moveStep({ store, clock, ids, waits }: SqsDeps) {
  const nextId = createMessageIds(ids);
  const nextSequence = createSequences();

  const queueAt = async (tx: Tx, arn: string | undefined): Promise<Queue> => {
    const ref = arn === undefined ? undefined : refOfArn(arn);
    const row = ref && (await findRow(tx, ref));
    if (row === undefined) throw new MoveFailure(gone);
    return queueOf(row);
  };

  const targetOf = async (tx: Tx, task: MoveRow, source: Queue, row: MessageRow | FifoMessageRow): Promise<Queue> => {
    const arn = task.destination_arn ?? row.extras?.sourceArn;
    if (arn === undefined) throw new MoveFailure("CouldNotDetermineMessageSource");
    const target = await queueAt(tx, arn);
    if (target.row.is_fifo !== source.row.is_fifo) throw new MoveFailure("AWS.SimpleQueueService.UnsupportedOperation");
    return target;
  };

  /** What arrives is a new message: with an id, a time and a count of its own. Source: guide, "dead-letter queue redrive". */
  const renewed = (row: MessageRow | FifoMessageRow, id: string, now: number) => {
    const { sourceArn: _, ...extras } = row.extras ?? {};
    return {
      id,
      sent_ms: now,
      visible_ms: now,
      receives: 0,
      first_received_ms: null,
      body: row.body,
      extras: Object.keys(extras).length === 0 ? null : extras,
      sender: row.sender,
    };
  };

  const moveStandard = async (tx: Tx, task: MoveRow, source: Queue, limit: number, now: number, newIds: string[]) => {
    const rows = await tx.all<MessageRow>(sql`select ${messages.columns} from ${messages.name}
      where ${ofQueue(source.place)} and visible_ms <= ${now} order by visible_ms, id limit ${limit}`);
    for (const [i, row] of rows.entries()) {
      const target = await targetOf(tx, task, source, row);
      const { account, region, uid: queue_uid } = target.place;
      const id = newIds[i] ?? row.id;
      await tx.run(insert(messages, { account, region, queue_uid, group_id: row.group_id, ...renewed(row, id, now) }));
      if (row.body === null) await moveBody(tx, source.place, target.place, row.id, id);
      tx.afterCommit(() => waits.wake(target.place.uid, 1));
    }
    if (rows.length > 0) {
      const taken = join(rows.map(({ id }) => id));
      await tx.run(sql`delete from ${messages.name} where ${ofQueue(source.place)} and id in (${taken})`);
    }
    return rows.length;
  };

  const moveFifo = async (tx: Tx, task: MoveRow, source: Queue, limit: number, now: number, newIds: string[]) => {
    const rows = await tx.all<FifoMessageRow>(sql`select ${fifoMessages.columns} from ${fifoMessages.name}
      where ${ofQueue(source.place)} and visible_ms <= ${now} order by sent_ms, id limit ${limit}`);
    const inOrder = rows.toSorted((a, b) => (a.sequence < b.sequence ? -1 : 1));
    for (const [i, row] of inOrder.entries()) {
      const target = await targetOf(tx, task, source, row);
      const id = newIds[i] ?? row.id;
      await appendToGroup(tx, target, { group_id: row.group_id, ...renewed(row, id, now) }, nextSequence);
      if (row.body === null) await moveBody(tx, source.place, target.place, row.id, id);
      await tx.run(sql`delete from ${fifoMessages.name} where ${ofQueue(source.place)}
        and group_id = ${row.group_id} and sequence = ${row.sequence}`);
      tx.afterCommit(() => waits.wake(target.place.uid, 1));
    }
    for (const groupId of new Set(rows.map((row) => row.group_id))) await settleGroup(tx, source, groupId, now);
    return rows.length;
  };

  /** Moves some messages of a task that still runs, and gives their number; none ends it. */
  return async (task: MoveRow, most: number): Promise<number> => {
    const now = clock.now();
    const limit = Math.min(most, moveStepMessages);
    const newIds = Array.from({ length: limit }, () => nextId(now));
    const isRunning = sql`${isMove(task)} and status = ${"RUNNING"}`;
    const end = (change: Partial<MoveRow>) =>
      sql`update ${moves.name} set ${assign(moves, { ...change, due_ms: null })} where ${isRunning}`;
    try {
      return await store.tx(async (tx) => {
        const running = await tx.one<MoveRow>(sql`select ${moves.columns} from ${moves.name} where ${isRunning}`);
        if (running === undefined) return 0;
        const source = await queueAt(tx, task.source_arn);
        const move = source.row.is_fifo ? moveFifo : moveStandard;
        const moved = await move(tx, running, source, limit, now, newIds);
        if (moved === 0) await tx.run(end({ status: "COMPLETED" }));
        else await tx.run(sql`update ${moves.name} set moved = moved + ${moved} where ${isRunning}`);
        return moved;
      });
    } catch (error) {
      if (!(error instanceof MoveFailure)) throw error;
      await store.tx((tx) => tx.run(end({ status: "FAILED", failure: error.message })));
      return 0;
    }
  };
}
