/** Forgets what is over: subscriptions that nobody confirmed, those of topics that are gone, and old deduplication ids. */
import type { Job } from "../../base/scheduler.ts";
import { sql } from "../../store/sql.ts";
import type { Tx } from "../../store/store.ts";
import { removeSubscription } from "./subscribing.ts";
import type { SnsDeps } from "./deps.ts";
import { chunkRows, deduplicationMs, sweepMs } from "./limits.ts";
import {
  deduplications,
  deletedTopics,
  isIn,
  ofTopic,
  sequences,
  subscriptions,
  type DeduplicationRow,
  type DeletedTopicRow,
  type SubscriptionRow,
} from "./tables.ts";

type Chunk = (tx: Tx) => Promise<boolean>;

export function sweepJob(deps: SnsDeps): Job {
  const { store, clock } = deps;

  const runAll = async (chunk: Chunk, signal: AbortSignal) => {
    while (!signal.aborted && (await store.tx(chunk)));
  };

  const unconfirmed =
    (now: number): Chunk =>
    async (tx) => {
      const rows = await tx.all<SubscriptionRow>(sql`select ${subscriptions.columns} from ${subscriptions.name}
        where expires_ms <= ${now} limit ${chunkRows}`);
      for (const row of rows) await removeSubscription(tx, deps, row);
      return rows.length === chunkRows;
    };

  const ofDeleted: Chunk = async (tx) => {
    const topic = await tx.one<DeletedTopicRow>(
      sql`select ${deletedTopics.columns} from ${deletedTopics.name} limit 1`,
    );
    if (topic === undefined) return false;
    const rows = await tx.all<{ id: string }>(sql`select id from ${subscriptions.name} where ${ofTopic(topic)}
      limit ${chunkRows}`);
    for (const { id } of rows) {
      await tx.run(sql`delete from ${subscriptions.name} where ${ofTopic(topic)} and id = ${id}`);
    }
    if (rows.length === chunkRows) return true;
    await tx.run(sql`delete from ${sequences.name} where ${ofTopic(topic)}`);
    await tx.run(sql`delete from ${deletedTopics.name} where ${isIn(topic)} and uid = ${topic.uid}`);
    return true;
  };

  const repeated =
    (untilMs: number): Chunk =>
    async (tx) => {
      const rows = await tx.all<DeduplicationRow>(sql`select ${deduplications.columns} from ${deduplications.name}
        where sent_ms <= ${untilMs} limit ${chunkRows}`);
      for (const row of rows) {
        await tx.run(sql`delete from ${deduplications.name}
          where ${ofTopic({ ...row, uid: row.topic_uid })} and scope_id = ${row.scope_id} and sent_ms <= ${untilMs}`);
      }
      return rows.length === chunkRows;
    };

  return {
    name: "sns:sweep",
    everyMs: sweepMs,
    async run(signal) {
      const now = clock.now();
      await runAll(unconfirmed(now), signal);
      await runAll(ofDeleted, signal);
      await runAll(repeated(now - deduplicationMs), signal);
    },
  };
}
