/** Bodies too long for their message's row, which every receive writes anew. */
import { join, sql } from "../../store/sql.ts";
import type { ReadTx, Store, Tx } from "../../store/store.ts";
import { insert } from "../../store/tables.ts";
import { inlineCharactersMax } from "./limits.ts";
import { bodies, ofQueue, type BodyRow, type Place } from "./tables.ts";

type QueuePlace = Place & { uid: string };

export const isLong = (body: string) => body.length > inlineCharactersMax;

export async function putBody(tx: Tx, { account, region, uid }: QueuePlace, id: string, body: string) {
  await tx.run(insert(bodies, { account, region, queue_uid: uid, message_id: id, body }));
}

/** The bodies of these messages that are kept apart, by their ids. */
export async function longBodies(
  store: Store,
  place: QueuePlace,
  rows: readonly { id: string; body: string | null }[],
): Promise<ReadonlyMap<string, string>> {
  const ids = rows.filter(({ body }) => body === null).map(({ id }) => id);
  if (ids.length === 0) return new Map();
  const found = await store.read((tx) => readBodies(tx, place, ids));
  return new Map(found.map(({ message_id: id, body }) => [id, body]));
}

export function readBodies(tx: ReadTx, place: QueuePlace, ids: readonly string[]): Promise<BodyRow[]> {
  return tx.all<BodyRow>(sql`select ${bodies.columns} from ${bodies.name}
    where ${ofQueue(place)} and message_id in (${join(ids)})`);
}

export async function removeBodies(tx: Tx, place: QueuePlace, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await tx.run(sql`delete from ${bodies.name} where ${ofQueue(place)} and message_id in (${join(ids)})`);
}

/** Its long body goes with a message, which may get another id on the way. */
export async function moveBody(tx: Tx, from: QueuePlace, to: QueuePlace, id: string, newId = id): Promise<void> {
  await tx.run(sql`update ${bodies.name}
    set account = ${to.account}, region = ${to.region}, queue_uid = ${to.uid}, message_id = ${newId}
    where ${ofQueue(from)} and message_id = ${id}`);
}
