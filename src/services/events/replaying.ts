/** Replays on their way: step by step through the archive, each step on disk with what it causes. */
import type { Job } from "../../base/scheduler.ts";
import { isFault } from "../../base/errors.ts";
import { newTrace } from "../../telemetry/trace.ts";
import { sql } from "../../store/sql.ts";
import { assign } from "../../store/tables.ts";
import type { EventsDeps } from "./deps.ts";
import { eventText, readEvent } from "./envelope.ts";
import { intentsOf } from "./fan-out.ts";
import { activeReplaysMax, replayLeaseMs, replayPollMs, replayStepEvents } from "./limits.ts";
import { ruleArn } from "./names.ts";
import { archived, isIn, isNamed, replays, type ArchivedRow, type ReplayRow } from "./tables.ts";

type Change = Partial<Pick<ReplayRow, "state" | "reason" | "last_ms" | "last_id" | "ended_ms" | "due_ms">>;

export function replayJob({ store, clock, ids, delivery, rulebooks }: EventsDeps): Job {
  /** Unless it was cancelled, or another node has gone on with it. */
  const isStill = (row: ReplayRow) =>
    sql`${isNamed(row)} and state = ${row.state} and coalesce(last_id, '') = ${row.last_id ?? ""}`;
  const write = (row: ReplayRow, change: Change) =>
    store.tx((tx) => tx.run(sql`update ${replays.name} set ${assign(replays, change)} where ${isStill(row)}`));

  const nextEvents = (row: ReplayRow) => {
    const after =
      row.last_ms === null
        ? sql`time_ms >= ${row.from_ms}`
        : sql`(time_ms > ${row.last_ms} or (time_ms = ${row.last_ms} and id > ${row.last_id ?? ""}))`;
    return store.read((tx) =>
      tx.all<ArchivedRow>(sql`select ${archived.columns} from ${archived.name}
        where ${isIn(row)} and archive_uid = ${row.archive_uid} and ${after} and time_ms <= ${row.to_ms}
        order by time_ms, id limit ${replayStepEvents}`),
    );
  };

  /** Takes the next events on; gives the replay as it is then, or undefined once it is over. */
  const step = async (row: ReplayRow): Promise<ReplayRow | undefined> => {
    const now = clock.now();
    if (row.state === "CANCELLING") {
      await write(row, { state: "CANCELLED", ended_ms: now, due_ms: null });
      return undefined;
    }
    const events = await nextEvents(row);
    const last = events.at(-1);
    if (last === undefined) {
      await write(row, { state: "COMPLETED", ended_ms: now, due_ms: null });
      return undefined;
    }
    const book = await rulebooks.of(row);
    const intents = events.flatMap(({ event }) => {
      const envelope = { ...readEvent(event), replayName: row.name };
      const text = eventText(envelope);
      const { subscribers } = book.match(JSON.parse(text));
      const wanted = subscribers.filter(
        ({ rule }) => row.filter_arns.length === 0 || row.filter_arns.includes(ruleArn(rule)),
      );
      const taken = { id: `${row.name}:${envelope.id}`, event: text, ingestedMs: now };
      return wanted.flatMap((subscriber) => intentsOf(subscriber, taken, newTrace(ids, now)));
    });
    const change = { state: "RUNNING", last_ms: last.time_ms, last_id: last.id };
    const isDone = await store.tx(async (tx) => {
      const done = await tx.run(sql`update ${replays.name} set ${assign(replays, change)} where ${isStill(row)}`);
      if (done === 0) return false;
      for (const intent of intents) await delivery.enqueue(tx, intent);
      return true;
    });
    return isDone ? { ...row, ...change } : undefined;
  };

  const run = async (claimed: ReplayRow, signal: AbortSignal) => {
    let row: ReplayRow | undefined = claimed;
    const untilMs = clock.now() + replayLeaseMs / 2;
    try {
      while (row !== undefined && !signal.aborted && clock.now() < untilMs) row = await step(row);
    } catch (error) {
      // A lane is full: the rest goes when there is room again.
      if (!isFault(error, "ServiceUnavailable")) throw error;
    }
    const due = assign(replays, { due_ms: clock.now() + replayPollMs });
    await store.tx((tx) =>
      tx.run(sql`update ${replays.name} set ${due} where ${isNamed(claimed)} and due_ms is not null`),
    );
  };

  return {
    name: "events:replays",
    everyMs: replayPollMs,
    async run(signal) {
      const rows = await store.claim({
        from: replays,
        due: "due_ms",
        count: "claims",
        now: clock.now(),
        leaseMs: replayLeaseMs,
        limit: activeReplaysMax,
      });
      for (const row of rows) await run(row, signal);
    },
  };
}
