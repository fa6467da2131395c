/**
 * Groups of a FIFO queue: which of them can be received from, and from when on. Who changes a group's messages changes its
 * row first, which no other can then until the commit: so these bodies need not be serializable, and where many meet in
 * one group they wait for one another and do not begin anew.
 */
import { raw, sql } from "../../store/sql.ts";
import type { Tx } from "../../store/store.ts";
import { insert } from "../../store/tables.ts";
import type { Taken } from "./kinds.ts";
import { receiveMax } from "./limits.ts";
import type { Queue } from "./lookup.ts";
import { fifoMessages, groups, ofQueue, type FifoMessageRow, type GroupRow, type Place } from "./tables.ts";

export const isGroup = ({ place }: Pick<Queue, "place">, groupId: string) =>
  sql`${ofQueue(place)} and group_id = ${groupId}`;

/** Of a group that has had no message. */
const noSequence = "";

/** The next sequence number of a group, beyond those that it had. */
export type NextSequence = (now: number, last: string | undefined) => string;

/** False where there is no such group, or `claims` says that another has claimed it since. */
export async function lockGroup(tx: Tx, queue: Queue, groupId: string, claims?: number): Promise<boolean> {
  const own = claims === undefined ? raw("") : sql` and claims = ${claims}`;
  const locked = await tx.run(sql`update ${groups.name} set claims = claims where ${isGroup(queue, groupId)}${own}`);
  return locked > 0;
}

/** Puts a message at the end of its group; gives its sequence number. */
export async function appendToGroup(
  tx: Tx,
  queue: Queue,
  row: Omit<FifoMessageRow, "account" | "region" | "queue_uid" | "sequence">,
  nextSequence: NextSequence,
): Promise<string> {
  const { account, region, uid: queue_uid } = queue.place;
  const { group_id: groupId, sent_ms: sentMs } = row;
  const of = { account, region, queue_uid, group_id: groupId };
  // Made, or locked where it is there.
  // A group that is made anew goes on with other numbers: a claim of the former is none of it.
  await tx.run(sql`${insert(groups, { ...of, ready_ms: sentMs, claims: sentMs, last_sequence: noSequence })}
    on conflict (account, region, queue_uid, group_id) do update set claims = ${groups.name}.claims`);
  const group = await tx.one<Pick<GroupRow, "last_sequence">>(sql`select last_sequence from ${groups.name}
    where ${isGroup(queue, groupId)}`);
  const last = group?.last_sequence;
  const sequence = nextSequence(sentMs, last === noSequence ? undefined : last);
  await tx.run(sql`update ${groups.name} set last_sequence = ${sequence} where ${isGroup(queue, groupId)}`);
  await tx.run(insert(fifoMessages, { account, region, queue_uid, sequence, ...row }));
  return sequence;
}

/** The first messages of a group: those in flight are among as many as one receive takes. */
export function headOf(tx: Tx, queue: Queue, groupId: string, limit = receiveMax): Promise<FifoMessageRow[]> {
  return tx.all<FifoMessageRow>(sql`select ${fifoMessages.columns} from ${fifoMessages.name}
    where ${isGroup(queue, groupId)} order by sequence limit ${limit}`);
}

/** Opens a group for receives when nothing of it is in flight, and forgets an empty one. True when one may look. */
export async function settleGroup(tx: Tx, queue: Queue, groupId: string, now: number): Promise<boolean> {
  const head = await tx.all<Pick<FifoMessageRow, "visible_ms">>(sql`select visible_ms from ${fifoMessages.name}
    where ${isGroup(queue, groupId)} order by sequence limit ${receiveMax}`);
  if (head.length === 0) {
    await tx.run(sql`delete from ${groups.name} where ${isGroup(queue, groupId)}`);
    return false;
  }
  const readyMs = head.reduce((latest, { visible_ms: visibleMs }) => Math.max(latest, visibleMs), now);
  await setReady(tx, queue, groupId, readyMs);
  return readyMs <= now;
}

export async function setReady(tx: Tx, queue: Queue, groupId: string, readyMs: number): Promise<void> {
  await tx.run(sql`update ${groups.name} set ready_ms = ${readyMs} where ${isGroup(queue, groupId)}`);
}

/** Looks again at groups that waited for a delay that was changed: it holds for what was sent before, too. */
export async function openDelayed(tx: Tx, place: Place & { uid: string }, now: number): Promise<void> {
  await tx.run(sql`update ${groups.name} set ready_ms = ${now} where ${ofQueue(place)} and ready_ms > ${now}
    and group_id not in (select group_id from ${fifoMessages.name} where ${ofQueue(place)} and visible_ms > ${now})`);
}

/** A message of a FIFO queue that was received; none when its body is gone, deleted by its former receiver. */
export function takenOf(row: FifoMessageRow, body: string | undefined, receivedMs: number): Taken[] {
  if (body === undefined) return [];
  const { id: messageId, group_id: groupId, sequence, receives, sent_ms: sentMs, extras, sender } = row;
  const receipt = { messageId, receives, receivedMs, isLarge: row.body === null, fifo: { groupId, sequence } };
  return [{ receipt, sentMs, firstReceivedMs: row.first_received_ms ?? receivedMs, body, extras, sender, groupId }];
}
