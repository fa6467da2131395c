/**
 * Fair queues: while one tenant's messages (those of one MessageGroupId) fill a standard queue, the others' go first.
 * Source: developer guide, "Amazon SQS fair queues". Queues without groups never come here.
 */
import { sql } from "../../store/sql.ts";
import type { Store } from "../../store/store.ts";
import { fairHopsMax, fairRecent, fairShare, fairTurn, queueCacheMax } from "./limits.ts";
import type { Queue } from "./lookup.ts";
import { messages, ofQueue, type MessageRow } from "./tables.ts";

interface Tenants {
  /** Of the latest messages that were received in the queue's own order. */
  recent: (string | null)[];
  /** The one that has nearly all of them. */
  noisy: string | undefined;
  /** Where the search for others goes on. */
  after: string;
  receives: number;
}

export interface Fairness {
  /** A group other than the noisy one that has a message to receive; undefined where there is no noisy one, too. */
  quietGroup(queue: Queue, now: number): Promise<string | undefined>;
  /** What came in the queue's own order. */
  saw(queue: Queue, rows: readonly MessageRow[]): void;
}

export function createFairness(store: Store): Fairness {
  const known = new Map<string, Tenants>();

  /** The first message of the group after this one. One look at an index, however many messages the groups have. */
  const nextGroup = ({ place }: Queue, after: string) =>
    store.read((tx) =>
      tx.one<Pick<MessageRow, "group_id" | "visible_ms">>(sql`select group_id, visible_ms from ${messages.name}
        where ${ofQueue(place)} and group_id > ${after} order by group_id, visible_ms limit 1`),
    );

  return {
    async quietGroup(queue, now) {
      const tenants = known.get(queue.place.uid);
      if (tenants?.noisy === undefined) return undefined;
      tenants.receives += 1;
      // Now and then the queue's own order counts: the noisy one must not starve, nor stay noisy for ever.
      if (tenants.receives % fairTurn === 0) return undefined;
      for (let hop = 0; hop < fairHopsMax; hop += 1) {
        const row = await nextGroup(queue, tenants.after);
        if (row === undefined && tenants.after === "") return undefined;
        tenants.after = row?.group_id ?? "";
        if (row !== undefined && row.group_id !== tenants.noisy && row.visible_ms <= now) return tenants.after;
      }
      return undefined;
    },

    saw(queue, rows) {
      const { uid } = queue.place;
      const tenants = known.get(uid) ?? { recent: [], noisy: undefined, after: "", receives: 0 };
      if (!known.has(uid)) {
        if (rows.every((row) => row.group_id === null)) return;
        if (known.size >= queueCacheMax) known.clear();
        known.set(uid, tenants);
      }
      tenants.recent = [...tenants.recent, ...rows.map((row) => row.group_id)].slice(-fairRecent);
      const latest = tenants.recent.at(-1) ?? undefined;
      const share = tenants.recent.filter((group) => group === latest).length / fairRecent;
      tenants.noisy = share >= fairShare ? latest : undefined;
    },
  };
}
