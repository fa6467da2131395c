/** Emails and texts: they are written down, the newest of an account, for `GET /_mikan/outbox` to show. */
import { hash } from "node:crypto";
import { raw, sql } from "../../store/sql.ts";
import { insert } from "../../store/tables.ts";
import type { SnsDeps } from "./deps.ts";
import { outboxRows } from "./limits.ts";
import { isIn, outbox as table, type OutboxRow, type Place } from "./tables.ts";

export interface Letter {
  protocol: string;
  recipient: string;
  subject: string | undefined;
  body: string;
  topicArn: string | undefined;
  messageId: string;
  /** Of its delivery: one that comes again is the same. */
  key: string;
}

/** Keeps it, and forgets the oldest beyond {@link outboxRows}. */
export async function keep({ store, clock }: Pick<SnsDeps, "store" | "clock">, letter: Letter, place: Place) {
  const now = clock.now();
  const { protocol, recipient, subject, body, topicArn, messageId, key } = letter;
  const row: OutboxRow = {
    ...place,
    id: `${String(now).padStart(15, "0")}-${hash("sha256", key).slice(0, 32)}`,
    protocol,
    recipient,
    subject: subject ?? null,
    body,
    topic_arn: topicArn ?? null,
    message_id: messageId,
    sent_ms: now,
  };
  await store.tx(async (tx) => {
    await tx.run(sql`${insert(table, row)} on conflict (${raw("account, region, id")}) do nothing`);
    const last = await tx.one<{ id: string }>(sql`select id from ${table.name} where ${isIn(place)}
      order by id desc limit 1 offset ${outboxRows}`);
    if (last !== undefined) {
      await tx.run(sql`delete from ${table.name} where ${isIn(place)} and id <= ${last.id}`);
    }
  });
}

/** What the outbox shows of a letter. */
const shown = (row: OutboxRow) => ({
  account: row.account,
  region: row.region,
  protocol: row.protocol,
  to: row.recipient,
  ...(row.subject === null ? {} : { subject: row.subject }),
  body: row.body,
  ...(row.topic_arn === null ? {} : { topicArn: row.topic_arn }),
  messageId: row.message_id,
  sentAt: new Date(row.sent_ms).toISOString(),
});

export function outboxOperations({ store }: Pick<SnsDeps, "store">) {
  return {
    /** The newest letters of all accounts, the newest first. */
    async ReadOutbox(): Promise<object> {
      const rows = await store.read((tx) =>
        tx.all<OutboxRow>(
          sql`select ${table.columns} from ${table.name} order by sent_ms desc, id desc limit ${outboxRows}`,
        ),
      );
      return { letters: rows.map(shown) };
    },
  };
}
