/** How many messages a queue has: counted in small steps, so that a million of them hold nobody up. */
import type { Deps } from "../../kit/service.ts";
import { raw, sql } from "../../store/sql.ts";
import { cutoffMs } from "./dead-letters.ts";
import { countCacheMax, countShareMax, countStepRows } from "./limits.ts";
import type { Queue } from "./lookup.ts";
import { firstIdAt } from "./message-ids.ts";
import { fifoMessages, messages, ofQueue, type MessageRow } from "./tables.ts";

export interface Counts {
  visible: number;
  inFlight: number;
  delayed: number;
}

interface HiddenRow {
  visible_ms: number;
  id: string;
  receives: number;
}

/** A standard queue's ids are in the order of sending; in a FIFO queue dead letters came later than their ids say. */
const bySending = {
  standard: { table: messages.name, order: raw("id"), position: raw("id") },
  fifo: { table: fifoMessages.name, order: raw("(sent_ms, id)"), position: raw("sent_ms, id") },
};

export function createCounting({ store, clock }: Pick<Deps, "store" | "clock">) {
  const known = new Map<string, { counts: Counts; untilMs: number }>();

  /** Messages sent at `sinceMs` or later. */
  const countSince = async ({ place, row }: Queue, sinceMs: number): Promise<number> => {
    const { table, order, position } = row.is_fifo ? bySending.fifo : bySending.standard;
    let after = row.is_fifo ? sql`(${sinceMs}, ${""})` : sql`${firstIdAt(sinceMs)}`;
    for (let total = 0; ; total += countStepRows) {
      const beyond = sql`from ${table} where ${ofQueue(place)} and ${order} > ${after}`;
      const end = await store.read((tx) =>
        tx.one<Pick<MessageRow, "sent_ms" | "id">>(sql`select sent_ms, id ${beyond} order by ${position}
          limit 1 offset ${countStepRows - 1}`),
      );
      if (end === undefined) {
        const rest = await store.read((tx) => tx.one<{ rows: number }>(sql`select count(*) as rows ${beyond}`));
        return total + (rest?.rows ?? 0);
      }
      after = row.is_fifo ? sql`(${end.sent_ms}, ${end.id})` : sql`${end.id}`;
    }
  };

  /** Messages that are in flight, and those that wait for their first receive. */
  const countHidden = async ({ place, row }: Queue, now: number): Promise<{ inFlight: number; waiting: number }> => {
    const table = row.is_fifo ? fifoMessages : messages;
    const counts = { inFlight: 0, waiting: 0 };
    let last: Pick<HiddenRow, "visible_ms" | "id"> = { visible_ms: now, id: "g" };
    for (;;) {
      const { visible_ms: lastMs, id: lastId } = last;
      const rows = await store.read((tx) =>
        tx.all<HiddenRow>(sql`select visible_ms, id, receives from ${table.name}
          where ${ofQueue(place)} and (visible_ms, id) > (${lastMs}, ${lastId})
          order by visible_ms, id limit ${countStepRows}`),
      );
      const inFlight = rows.filter(({ receives }) => receives > 0).length;
      counts.inFlight += inFlight;
      counts.waiting += rows.length - inFlight;
      const end = rows.at(-1);
      if (end === undefined || rows.length < countStepRows) return counts;
      last = end;
    }
  };

  const count = async (queue: Queue, now: number): Promise<Counts> => {
    const total = await countSince(queue, cutoffMs(queue, now) + 1);
    const { inFlight, waiting } = await countHidden(queue, now);
    const { delayMs } = queue.settings;
    // A FIFO queue's delay holds for what was sent before it was set, too.
    const delayed = !queue.row.is_fifo ? waiting : delayMs === 0 ? 0 : await countSince(queue, now - delayMs + 1);
    return { visible: Math.max(0, total - inFlight - delayed), inFlight, delayed };
  };

  return {
    /** As they are now; those of a long queue may be older, so that counting takes but a share of the time. */
    async countsOf(queue: Queue): Promise<Counts> {
      const { uid } = queue.place;
      const startedMs = clock.monotonicMs();
      const entry = known.get(uid);
      if (entry !== undefined && startedMs < entry.untilMs) return entry.counts;
      const counts = await count(queue, clock.now());
      const tookMs = clock.monotonicMs() - startedMs;
      if (known.size >= countCacheMax) known.clear();
      known.set(uid, { counts, untilMs: startedMs + tookMs / countShareMax });
      return counts;
    },
    /** Received and not deleted. */
    inFlight: async (queue: Queue): Promise<number> => (await countHidden(queue, clock.now())).inFlight,
  };
}

export type Counting = ReturnType<typeof createCounting>;
