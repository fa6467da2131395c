/** Receives that name themselves: one whose answer was lost is asked for again. Source: API reference, ReceiveRequestAttemptId. */
import { sql } from "../../store/sql.ts";
import { assign, upsert } from "../../store/tables.ts";
import { longBodies } from "./bodies.ts";
import type { KindDeps } from "./deps.ts";
import { isGroup, settleGroup, takenOf } from "./groups.ts";
import { readHandle, writeHandle, type Held } from "./handles.ts";
import type { Taken, Wanted } from "./kinds.ts";
import { receiveAttemptMs } from "./limits.ts";
import type { Queue } from "./lookup.ts";
import { attempts, fifoMessages, ofQueue, type AttemptRow, type FifoMessageRow } from "./tables.ts";

export interface Attempts {
  /** What this receive gave before, hidden anew; undefined when it is another, or something was done with what it gave. */
  repeat(queue: Queue, attemptId: string, wanted: Wanted): Promise<Taken[] | undefined>;
  note(queue: Queue, attemptId: string, taken: readonly Taken[], now: number): Promise<void>;
}

interface Again {
  held: Held;
  row: FifoMessageRow;
}

export function createAttempts({ store }: Pick<KindDeps, "store">): Attempts {
  return {
    async repeat(queue, attemptId, { now, visibilityMs }) {
      const visibleMs = now + visibilityMs;
      const found = await store.tx(async (tx) => {
        const attempt = await tx.one<AttemptRow>(sql`select ${attempts.columns} from ${attempts.name}
          where ${ofQueue(queue.place)} and attempt_id = ${attemptId} and received_ms > ${now - receiveAttemptMs}`);
        if (attempt === undefined) return undefined;
        const again: Again[] = [];
        for (const held of attempt.handles.map((handle) => readHandle(queue.place.uid, handle))) {
          const { groupId = "", sequence = "" } = held.fifo ?? {};
          const isMessage = sql`${isGroup(queue, groupId)} and sequence = ${sequence}
            and receives = ${held.receives} and visible_ms > ${now}`;
          const row = await tx.one<FifoMessageRow>(
            sql`select ${fifoMessages.columns} from ${fifoMessages.name} where ${isMessage}`,
          );
          if (row === undefined) return undefined;
          again.push({ held, row });
        }
        for (const { row } of again) {
          await tx.run(sql`update ${fifoMessages.name} set ${assign(fifoMessages, { visible_ms: visibleMs })}
            where ${isGroup(queue, row.group_id)} and sequence = ${row.sequence}`);
        }
        const groupIds = new Set(again.map(({ row }) => row.group_id));
        for (const groupId of groupIds) await settleGroup(tx, queue, groupId, now);
        return again;
      });
      if (found === undefined) return undefined;
      const long = await longBodies(
        store,
        queue.place,
        found.map(({ row }) => row),
      );
      return found.flatMap(({ held, row }) => takenOf(row, row.body ?? long.get(row.id), held.receivedMs));
    },

    async note(queue, attemptId, taken, now) {
      const { account, region, uid } = queue.place;
      const handles = taken.map(({ receipt }) => writeHandle(uid, receipt));
      const row = { account, region, queue_uid: uid, attempt_id: attemptId, received_ms: now, handles };
      await store.tx((tx) => tx.run(upsert(attempts, row)));
    },
  };
}
