/** From a publish to its subscriptions: few are served with it, many in steps by a job, each a transaction of its own. */
import type { Call } from "../../kit/call.ts";
import type { Job } from "../../base/scheduler.ts";
import { sql } from "../../store/sql.ts";
import type { Tx } from "../../store/store.ts";
import { insert } from "../../store/tables.ts";
import type { SnsDeps } from "./deps.ts";
import { fault } from "./faults.ts";
import { audienceOf } from "./filter.ts";
import { fanoutBytes, fanoutPollMs, fanoutRows, fanoutsWaitingMax } from "./limits.ts";
import { findTopic, subscriptionsAfter, type Topic } from "./lookup.ts";
import type { Message } from "./messages.ts";
import { parcelOf, send } from "./parcels.ts";
import { fanouts, isIn, ofTopic, type FanoutRow, type SubscriptionRow, type TopicRow } from "./tables.ts";

const sizeOf = ({ text, texts }: Message) =>
  text.length + Object.values(texts ?? {}).reduce((sum, one) => sum + one.length, 0);

async function serve(
  deps: SnsDeps,
  tx: Tx,
  topic: TopicRow,
  rows: readonly SubscriptionRow[],
  message: Message,
  call: Pick<Call, "trace">,
): Promise<void> {
  for (const row of rows) {
    await send(deps, tx, row, topic, { parcel: parcelOf(row, message), message }, call);
  }
}

/** Writes, in the transaction of the publish, what is to be delivered to whom. */
export async function spread(deps: SnsDeps, tx: Tx, topic: Topic, message: Message, call: Call): Promise<void> {
  const rows = topic.audience?.of(message);
  // A FIFO topic has few subscriptions, and its order is that of its publishes.
  if (rows !== undefined && (topic.row.is_fifo || rows.length * sizeOf(message) <= fanoutBytes)) {
    return serve(deps, tx, topic.row, rows, message, call);
  }
  const waiting = await tx.one<{ count: number }>(sql`select count(*) as count from (select 1 as present
    from ${fanouts.name} where ${ofTopic(topic.place)} limit ${fanoutsWaitingMax}) as waiting_rows`);
  if ((waiting?.count ?? 0) >= fanoutsWaitingMax) throw fault("ThrottledException", "Rate exceeded");
  const { account, region, uid: topic_uid } = topic.place;
  await tx.run(
    insert(fanouts, {
      account,
      region,
      topic_uid,
      id: message.id,
      topic: topic.row.name,
      message,
      trace: call.trace,
      after_id: "",
      turn_ms: message.atMs,
    }),
  );
}

/** Rows of a step: fewer of a long message, at least one. */
const rowsOf = (message: Message) =>
  Math.max(1, Math.min(fanoutRows, Math.floor(fanoutBytes / Math.max(1, sizeOf(message)))));

/** The next subscriptions of the publish whose turn it is. Reads what it has done in its own transaction: two nodes may run it. */
async function step(deps: SnsDeps, tx: Tx, now: number): Promise<boolean> {
  const fanout = await tx.one<FanoutRow>(sql`select ${fanouts.columns} from ${fanouts.name}
    order by turn_ms, id limit 1`);
  if (fanout === undefined) return false;
  const { account, region, topic_uid: uid, topic: name, message, trace } = fanout;
  const topic = await findTopic(tx, { account, region, name });
  const limit = rowsOf(message);
  const rows = topic?.uid === uid ? await subscriptionsAfter(tx, { account, region, uid }, fanout.after_id, limit) : [];
  if (topic !== undefined) await serve(deps, tx, topic, audienceOf(rows).of(message), message, { trace });
  const isThis = sql`${isIn(fanout)} and topic_uid = ${uid} and id = ${fanout.id}`;
  const last = rows.at(-1);
  await tx.run(
    last === undefined || rows.length < limit
      ? sql`delete from ${fanouts.name} where ${isThis}`
      : sql`update ${fanouts.name} set after_id = ${last.id}, turn_ms = ${now} where ${isThis}`,
  );
  return true;
}

export function fanoutJob(deps: SnsDeps): Job {
  return {
    name: "sns:fanout",
    everyMs: fanoutPollMs,
    async run(signal) {
      if (signal.aborted) return { more: false };
      const now = deps.clock.now();
      return { more: await deps.store.tx((tx) => step(deps, tx, now)) };
    },
  };
}
