/** FIFO queues: groups in order, each claimed as a whole, and sends that are the same send for five minutes. */
import { must, type Fault } from "../../base/errors.ts";
import { sql } from "../../store/sql.ts";
import type { Tx } from "../../store/store.ts";
import { assign, insert, upsert } from "../../store/tables.ts";
import { isLong, longBodies, moveBody, putBody, removeBodies } from "./bodies.ts";
import { deadLetterQueue, isExpired } from "./dead-letters.ts";
import type { KindDeps } from "./deps.ts";
import { fault, invalidValue } from "./faults.ts";
import { appendToGroup, headOf, isGroup, lockGroup, setReady, settleGroup, takenOf } from "./groups.ts";
import { notChangeable, type Held } from "./handles.ts";
import type { Kind, NewMessage, Sent, Wanted } from "./kinds.ts";
import { deduplicationMs, receiveRoundsMax } from "./limits.ts";
import type { Queue } from "./lookup.ts";
import { createSequences } from "./message-ids.ts";
import { deduplications, fifoMessages, groups, ofQueue, type DeduplicationRow, type FifoMessageRow } from "./tables.ts";

const isHeld = ({ place }: Queue, { fifo, receives }: Held) => {
  const { groupId, sequence } = must(fifo, "the place of a FIFO message");
  return sql`${isGroup({ place }, groupId)} and sequence = ${sequence} and receives = ${receives}`;
};
/** Groups are locked in one order by all: none waits for one that waits for it. */
const inOrder = <T>(all: readonly T[], groupIdOf: (one: T) => string) =>
  all.toSorted((a, b) => (groupIdOf(a) < groupIdOf(b) ? -1 : groupIdOf(a) > groupIdOf(b) ? 1 : 0));
const groupOf = ({ fifo }: Held) => must(fifo, "the place of a FIFO message").groupId;

export function fifoKind({ store, waits, queues }: KindDeps): Kind {
  const nextSequence = createSequences();

  const sendOne = async (tx: Tx, queue: Queue, message: NewMessage): Promise<Sent> => {
    const { id, sentMs, body, extras, sender } = message;
    const groupId = must(message.groupId, "MessageGroupId");
    const deduplicationId = must(extras?.deduplicationId, "MessageDeduplicationId");
    const scopeId = queue.settings.deduplicatesByGroup ? `${groupId} ${deduplicationId}` : deduplicationId;
    const { account, region, uid: queue_uid } = queue.place;
    const of = { account, region, queue_uid, scope_id: scopeId };
    // Its row is made, or locked: of two that are sent at once into different groups, one must see the other.
    const own = { ...of, sent_ms: sentMs, message_id: id, sequence: "" };
    await tx.run(sql`${insert(deduplications, own)} on conflict (account, region, queue_uid, scope_id)
      do update set sent_ms = ${deduplications.name}.sent_ms`);
    const before = await tx.one<DeduplicationRow>(sql`select ${deduplications.columns} from ${deduplications.name}
      where ${ofQueue(queue.place)} and scope_id = ${scopeId}`);
    if (before !== undefined && before.message_id !== id && before.sent_ms > sentMs - deduplicationMs) {
      return { id: before.message_id, sequence: before.sequence };
    }
    const row = {
      group_id: groupId,
      id,
      sent_ms: sentMs,
      visible_ms: sentMs,
      receives: 0,
      first_received_ms: null,
      body: isLong(body) ? null : body,
      extras,
      sender,
    };
    const sequence = await appendToGroup(tx, queue, row, nextSequence);
    await tx.run(upsert(deduplications, { ...own, sequence }));
    if (row.body === null) await putBody(tx, queue.place, id, body);
    return { id, sequence };
  };

  const discard = async (tx: Tx, queue: Queue, { group_id: groupId, sequence, body, id }: FifoMessageRow) => {
    await tx.run(sql`delete from ${fifoMessages.name} where ${isGroup(queue, groupId)} and sequence = ${sequence}`);
    if (body === null) await removeBodies(tx, queue.place, [id]);
  };

  const bury = async (tx: Tx, queue: Queue, target: Queue, row: FifoMessageRow, now: number) => {
    const { account: _a, region: _r, queue_uid: _q, sequence, ...rest } = row;
    await tx.run(
      sql`delete from ${fifoMessages.name} where ${isGroup(queue, row.group_id)} and sequence = ${sequence}`,
    );
    // The time of sending begins anew in a FIFO queue: developer guide, "Setting-up dead-letter queue retention".
    const moved = { ...rest, sent_ms: now, visible_ms: now, extras: { ...row.extras, sourceArn: queue.arn } };
    await appendToGroup(tx, target, moved, nextSequence);
    if (row.body === null) await moveBody(tx, queue.place, target.place, row.id);
  };

  /** Takes from the head of a group that was claimed; false when its turn was for nothing. */
  const takeGroup = async (
    tx: Tx,
    queue: Queue,
    target: Queue | undefined,
    groupId: string,
    { now, visibilityMs, messages: wanted }: Wanted,
  ): Promise<FifoMessageRow[]> => {
    const receivesMax = target === undefined ? Number.POSITIVE_INFINITY : (queue.settings.deadLetter?.receivesMax ?? 0);
    const taken: FifoMessageRow[] = [];
    for (const row of await headOf(tx, queue, groupId)) {
      if (taken.length === wanted || row.sent_ms + queue.settings.delayMs > now) break;
      if (isExpired(queue, row.sent_ms, now)) await discard(tx, queue, row);
      else if (target !== undefined && row.receives >= receivesMax) await bury(tx, queue, target, row, now);
      else {
        const change = {
          visible_ms: now + visibilityMs,
          receives: row.receives + 1,
          first_received_ms: row.first_received_ms ?? now,
        };
        await tx.run(sql`update ${fifoMessages.name} set ${assign(fifoMessages, change)}
          where ${isGroup(queue, groupId)} and sequence = ${row.sequence}`);
        taken.push({ ...row, ...change });
      }
    }
    if (taken.length === 0 || visibilityMs === 0) await settleDelayed(tx, queue, groupId, now);
    return taken;
  };

  const settleDelayed = async (tx: Tx, queue: Queue, groupId: string, now: number) => {
    const isOpen = await settleGroup(tx, queue, groupId, now);
    const [first] = isOpen && queue.settings.delayMs > 0 ? await headOf(tx, queue, groupId, 1) : [];
    if (first !== undefined) await setReady(tx, queue, groupId, first.sent_ms + queue.settings.delayMs);
  };

  /** Undefined where no group can be received from. */
  const takeRows = async (queue: Queue, wanted: Wanted): Promise<FifoMessageRow[] | undefined> => {
    const claimed = await store.claim({
      from: groups,
      due: "ready_ms",
      count: "claims",
      where: ofQueue(queue.place),
      now: wanted.now,
      leaseMs: Math.max(1, wanted.visibilityMs),
      limit: wanted.messages,
    });
    if (claimed.length === 0) return undefined;
    const target = await deadLetterQueue({ queues }, queue);
    return store.tx(
      async (tx) => {
        const taken: FifoMessageRow[] = [];
        const own: string[] = [];
        for (const { group_id: groupId, claims } of inOrder(claimed, (group) => group.group_id)) {
          // One that took so long to come here that its claim is over has lost the group to another.
          if (await lockGroup(tx, queue, groupId, claims)) own.push(groupId);
        }
        for (const { group_id: groupId } of claimed.filter((group) => own.includes(group.group_id))) {
          const left = wanted.messages - taken.length;
          // More groups than were needed: the next receive has them.
          if (left === 0) await settleGroup(tx, queue, groupId, wanted.now);
          else taken.push(...(await takeGroup(tx, queue, target, groupId, { ...wanted, messages: left })));
        }
        tx.afterCommit(() => {
          if (target !== undefined) waits.wake(target.place.uid, 1);
        });
        return taken;
      },
      { isolation: "claim" },
    );
  };

  /** Changes what is held, then opens the groups again that are free for it. */
  const change = async <H extends Held>(
    queue: Queue,
    held: readonly H[],
    now: number,
    make: (tx: Tx, one: H) => Promise<Fault | undefined>,
  ) =>
    store.tx(
      async (tx) => {
        const groupIds = inOrder([...new Set(held.map(groupOf))], (groupId) => groupId);
        for (const groupId of groupIds) await lockGroup(tx, queue, groupId);
        const refusals: (Fault | undefined)[] = [];
        for (const one of held) refusals.push(await make(tx, one));
        let open = 0;
        for (const groupId of groupIds) if (await settleGroup(tx, queue, groupId, now)) open += 1;
        tx.afterCommit(() => waits.wake(queue.place.uid, open));
        return refusals;
      },
      { isolation: "claim" },
    );

  const rowOf = (tx: Tx, { place }: Queue, { fifo }: Held) => {
    const { groupId, sequence } = must(fifo, "the place of a FIFO message");
    return tx.one<FifoMessageRow>(sql`select ${fifoMessages.columns} from ${fifoMessages.name}
      where ${isGroup({ place }, groupId)} and sequence = ${sequence}`);
  };

  return {
    async send(queue, messages) {
      const sent = await store.tx(
        async (tx) => {
          const all = new Map<NewMessage, Sent>();
          for (const message of inOrder(messages, ({ groupId }) => groupId ?? "")) {
            all.set(message, await sendOne(tx, queue, message));
          }
          return messages.map((message) => must(all.get(message), "sent message"));
        },
        { isolation: "claim" },
      );
      waits.wake(queue.place.uid, sent.length);
      return sent;
    },

    async take(queue, wanted) {
      let rows: FifoMessageRow[] | undefined = [];
      // Groups whose messages had expired, or were dead, are no reason to give nothing.
      for (let round = 0; round < receiveRoundsMax && rows?.length === 0; round += 1)
        rows = await takeRows(queue, wanted);
      if (rows === undefined) return [];
      const long = await longBodies(store, queue.place, rows);
      return rows.flatMap((row) => takenOf(row, row.body ?? long.get(row.id), wanted.now));
    },

    remove: (queue, held, now) =>
      change(queue, held, now, async (tx, one) => {
        const removed = await tx.run(
          sql`delete from ${fifoMessages.name} where ${isHeld(queue, one)} and visible_ms > ${now}`,
        );
        if (removed > 0 && one.isLarge) await removeBodies(tx, queue.place, [one.messageId]);
        if (removed > 0 || (await rowOf(tx, queue, one)) === undefined) return undefined;
        return invalidValue(one.handle, "ReceiptHandle", "The receipt handle has expired.");
      }),

    setVisibility: (queue, changes, now) =>
      change(queue, changes, now, async (tx, one) => {
        const visibleMs = now + one.visibilityMs;
        const changed = await tx.run(sql`update ${fifoMessages.name} set visible_ms = ${visibleMs}
          where ${isHeld(queue, one)} and visible_ms > ${now}`);
        if (changed > 0) return undefined;
        const row = await rowOf(tx, queue, one);
        return row !== undefined && row.visible_ms <= now ? fault("MessageNotInflight", "") : notChangeable(one.handle);
      }),

    async nextMs({ place }) {
      const row = await store.read((tx) =>
        tx.one<{ next_ms: number | null }>(
          sql`select min(ready_ms) as next_ms from ${groups.name} where ${ofQueue(place)}`,
        ),
      );
      return row?.next_ms ?? undefined;
    },
  };
}
