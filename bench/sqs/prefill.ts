/** Fills the data of a node that does not run: messages by the million in seconds, and queues by the thousand. */
import { systemClock } from "../../src/base/clock.ts";
import { randomIds } from "../../src/base/ids.ts";
import { createMessageIds } from "../../src/services/sqs/message-ids.ts";
import { messages, queues, type MessageRow, type QueueRow } from "../../src/services/sqs/tables.ts";
import { openStore } from "../../src/store/open.ts";
import { sql } from "../../src/store/sql.ts";
import type { Store } from "../../src/store/store.ts";
import { silentLog } from "../../src/telemetry/log.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";

/** Rows of one append, and appends at once: some batches are always full. */
const [rowsAtOnce, appendsAtOnce] = [500, 16];

export interface Filling {
  /** Messages of each queue, by its name. */
  messages: Readonly<Record<string, number>>;
  /** More queues like `pattern`, with a message each, named after their number. */
  like: { pattern: string; queues: number; nameOf(number: number): string };
  body: string;
}

export async function prefill(directory: string, { messages: wanted, like, body }: Filling): Promise<void> {
  const store = await openStore({ data: directory, clock: systemClock, log: silentLog, metrics: createMetrics() });
  try {
    const nextId = createMessageIds(randomIds);
    const rowOf = ({ account, region, uid }: QueueRow): MessageRow => {
      const now = Date.now();
      const receipts = { sent_ms: now, visible_ms: now, receives: 0, first_received_ms: null };
      const content = { group_id: null, body, extras: null, sender: account };
      return { account, region, queue_uid: uid, id: nextId(now), ...receipts, ...content };
    };
    for (const [name, count] of Object.entries(wanted)) {
      const queue = await queueNamed(store, name);
      await inChunks(count, (rows) =>
        store.append(
          messages,
          Array.from({ length: rows }, () => rowOf(queue)),
        ),
      );
    }
    const pattern = await queueNamed(store, like.pattern);
    let number = 0;
    await inChunks(like.queues, async (rows) => {
      const made = Array.from({ length: rows }, (): QueueRow => {
        number += 1;
        return { ...pattern, name: like.nameOf(number), uid: randomIds.hex(8) };
      });
      await store.append(queues, made);
      await store.append(messages, made.map(rowOf));
    });
  } finally {
    await store.close();
  }
}

async function queueNamed(store: Store, name: string): Promise<QueueRow> {
  const row = await store.read((tx) =>
    tx.one<QueueRow>(sql`select ${queues.columns} from ${queues.name} where name = ${name}`),
  );
  if (row === undefined) throw new Error(`there is no queue ${name}`);
  return row;
}

async function inChunks(count: number, work: (rows: number) => Promise<void>): Promise<void> {
  let left = count;
  const worker = async () => {
    while (left > 0) {
      const rows = Math.min(left, rowsAtOnce);
      left -= rows;
      await work(rows);
    }
  };
  await Promise.all(Array.from({ length: appendsAtOnce }, worker));
}
