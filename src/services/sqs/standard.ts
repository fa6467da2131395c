/** Standard queues: any message that is visible may be received, the longest visible first. */
import type { Fault } from "../../base/errors.ts";
import { join, sql, type Sql } from "../../store/sql.ts";
import { insert } from "../../store/tables.ts";
import { isLong, longBodies, putBody, removeBodies } from "./bodies.ts";
import { buryOrKeep, isExpired } from "./dead-letters.ts";
import type { KindDeps } from "./deps.ts";
import { fault } from "./faults.ts";
import { createFairness } from "./fair.ts";
import { notChangeable } from "./handles.ts";
import type { Kind, NewMessage, Taken, Wanted } from "./kinds.ts";
import { receiveRoundsMax } from "./limits.ts";
import type { Queue } from "./lookup.ts";
import { messages, ofQueue, type MessageRow } from "./tables.ts";

function rowOf({ place, settings }: Queue, message: NewMessage): MessageRow {
  const { id, sentMs, body, extras, sender, delayMs = settings.delayMs, groupId = null } = message;
  return {
    account: place.account,
    region: place.region,
    queue_uid: place.uid,
    id,
    sent_ms: sentMs,
    visible_ms: sentMs + delayMs,
    receives: 0,
    first_received_ms: null,
    group_id: groupId,
    body: isLong(body) ? null : body,
    extras,
    sender,
  };
}

export function standardKind({ store, waits, queues }: KindDeps): Kind {
  const fairness = createFairness(store);

  /** Claims until there is enough, or nothing more; what has expired and what is dead is put away on the way. */
  const claim = async (queue: Queue, where: Sql, { messages: wanted, visibilityMs, now }: Wanted) => {
    const taken: MessageRow[] = [];
    for (let round = 0; round < receiveRoundsMax && taken.length < wanted; round += 1) {
      const rows = await store.claim({
        from: messages,
        due: "visible_ms",
        count: "receives",
        first: "first_received_ms",
        where,
        now,
        // A lease of no time would be no lease; it is taken back below.
        leaseMs: Math.max(1, visibilityMs),
        limit: wanted - taken.length,
      });
      const expired = rows.filter((row) => isExpired(queue, row.sent_ms, now));
      if (expired.length > 0) await discard(queue, expired);
      const alive = rows.filter((row) => !expired.includes(row));
      const kept = await buryOrKeep({ store, waits, queues }, queue, alive);
      taken.push(...kept);
      if (kept.length === rows.length) break;
    }
    return taken;
  };

  /** Quiet tenants first, while there is a noisy one. */
  const claimFairly = async (queue: Queue, wanted: Wanted): Promise<MessageRow[]> => {
    const taken: MessageRow[] = [];
    while (taken.length < wanted.messages) {
      const groupId = await fairness.quietGroup(queue, wanted.now);
      if (groupId === undefined) break;
      const ofGroup = sql`${ofQueue(queue.place)} and group_id = ${groupId}`;
      taken.push(...(await claim(queue, ofGroup, { ...wanted, messages: wanted.messages - taken.length })));
    }
    if (taken.length === wanted.messages) return taken;
    const left = { ...wanted, messages: wanted.messages - taken.length };
    const rows = await claim(queue, ofQueue(queue.place), left);
    fairness.saw(queue, rows);
    return [...taken, ...rows];
  };

  const discard = ({ place }: Queue, rows: readonly MessageRow[]) =>
    store.tx(
      async (tx) => {
        const ids = rows.map(({ id }) => id);
        await tx.run(sql`delete from ${messages.name} where ${ofQueue(place)} and id in (${join(ids)})`);
        const long = rows.filter(({ body }) => body === null);
        await removeBodies(
          tx,
          place,
          long.map(({ id }) => id),
        );
      },
      { isolation: "claim" },
    );

  return {
    async send(queue, sent) {
      const rows = sent.map((message) => rowOf(queue, message));
      const long = sent.filter(({ body }) => isLong(body));
      const wake = () => waits.wake(queue.place.uid, rows.length);
      if (long.length === 0) await store.append(messages, rows, wake);
      else {
        await store.tx(
          async (tx) => {
            for (const { id, body } of long) await putBody(tx, queue.place, id, body);
            for (const row of rows) await tx.run(insert(messages, row));
            tx.afterCommit(wake);
          },
          { isolation: "claim" },
        );
      }
      return sent.map(({ id }) => ({ id }));
    },

    async take(queue, wanted) {
      const { visibilityMs, now } = wanted;
      const rows = await claimFairly(queue, wanted);
      if (rows.length === 0) return [];
      if (visibilityMs === 0) {
        const ids = join(rows.map(({ id }) => id));
        await store.tx(
          (tx) =>
            tx.run(
              sql`update ${messages.name} set visible_ms = ${now} where ${ofQueue(queue.place)} and id in (${ids})`,
            ),
          { isolation: "claim" },
        );
      }
      const long = await longBodies(store, queue.place, rows);
      return rows.flatMap((row): Taken[] => {
        const body = row.body ?? long.get(row.id);
        // Deleted by its former receiver in the meantime.
        if (body === undefined) return [];
        const { id: messageId, receives, sent_ms: sentMs, first_received_ms: first, group_id: groupId } = row;
        const { extras, sender } = row;
        const receipt = { messageId, receives, receivedMs: now, isLarge: row.body === null };
        return [{ receipt, sentMs, firstReceivedMs: first ?? now, body, extras, sender, groupId }];
      });
    },

    async remove({ place }, held) {
      await store.tx(
        async (tx) => {
          for (const { messageId, receives, isLarge } of held) {
            const removed = await tx.run(sql`delete from ${messages.name}
              where ${ofQueue(place)} and id = ${messageId} and receives = ${receives}`);
            if (removed > 0 && isLarge) await removeBodies(tx, place, [messageId]);
          }
        },
        { isolation: "claim" },
      );
      // With an older handle the request succeeds and nothing is deleted: API reference, DeleteMessage.
      return held.map(() => undefined);
    },

    async setVisibility({ place }, changes, now) {
      const refusals = await store.tx(async (tx) => {
        const outcomes: (Fault | undefined)[] = [];
        for (const { handle, messageId, receives, visibilityMs } of changes) {
          const isMessage = sql`${ofQueue(place)} and id = ${messageId}`;
          const done = await tx.run(sql`update ${messages.name} set visible_ms = ${now + visibilityMs}
            where ${isMessage} and receives = ${receives} and visible_ms > ${now}`);
          if (done > 0) {
            outcomes.push(undefined);
            continue;
          }
          const row = await tx.one<MessageRow>(
            sql`select ${messages.columns} from ${messages.name} where ${isMessage}`,
          );
          const isVisible = row !== undefined && row.visible_ms <= now;
          outcomes.push(isVisible ? fault("MessageNotInflight", "") : notChangeable(handle));
        }
        return outcomes;
      });
      waits.wake(place.uid, changes.length);
      return refusals;
    },

    async nextMs({ place }) {
      const row = await store.read((tx) =>
        tx.one<{ next_ms: number | null }>(
          sql`select min(visible_ms) as next_ms from ${messages.name} where ${ofQueue(place)}`,
        ),
      );
      return row?.next_ms ?? undefined;
    },
  };
}
