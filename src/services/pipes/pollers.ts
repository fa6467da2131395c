/**
 * Whoever runs this node's pipes: takes them up under a lease, begins anew when one is changed, and ends with the node.
 * Between a start and an end a pipe's own poller runs by itself.
 */
import { asError } from "../../base/errors.ts";
import type { Job, ScheduledJob } from "../../base/scheduler.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import { assign } from "../../store/tables.ts";
import type { Tx } from "../../store/store.ts";
import { leaseMs, lookMs, pipesMax } from "./limits.ts";
import type { PipeRef } from "./names.ts";
import { createQueuePoller, type Poller } from "./queue-poller.ts";
import { findPipe, isPipe, pipes, type PipeRow } from "./tables.ts";

export interface Pollers {
  job: Job;
  /** Takes up all pipes, also those that a dead node still holds. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** A pipe was made or changed. */
  wake(): void;
}

type Glance = Pick<PipeRow, "account" | "region" | "name" | "revision" | "owner" | "due_ms">;

/** A pipe that this node holds. */
interface Held {
  ref: PipeRef;
  revision: number;
  poller: Poller | undefined;
  /** Set while it is taken up anew. */
  change: Promise<void> | undefined;
}

const keyOf = ({ account, region, name }: PipeRef) => `${account} ${region} ${name}`;

export function createPollers(deps: Deps): Pollers {
  const { store, clock, ids, log, scheduler } = deps;
  const me = ids.uuid();
  const held = new Map<string, Held>();
  let scheduled: ScheduledJob | undefined;
  let isStopping = false;

  const settle = (row: PipeRow) =>
    store.tx((tx) => {
      const isStill = sql`${isPipe(row)} and revision = ${row.revision} and owner = ${me}`;
      if (row.desired_state === "DELETED") return tx.run(sql`delete from ${pipes.name} where ${isStill}`);
      const change = { current_state: row.desired_state, state_reason: null };
      return tx.run(sql`update ${pipes.name} set ${assign(pipes, change)} where ${isStill}`);
    });

  /** Makes of a pipe what its row says. */
  const apply = async (entry: Held) => {
    await entry.poller?.stop();
    entry.poller = undefined;
    const row = await store.read((tx) => findPipe(tx, entry.ref));
    if (row === undefined || row.owner !== me || isStopping) return;
    entry.revision = row.revision;
    if (row.desired_state === "RUNNING") entry.poller = createQueuePoller(deps, row);
    if (row.current_state !== row.desired_state) await settle(row);
    if (row.desired_state === "DELETED") held.delete(keyOf(row));
  };

  const begin = (entry: Held) => {
    entry.change = apply(entry)
      .catch((error: unknown) => {
        // Looked at again with the next round.
        entry.revision = -1;
        log.error("a pipe could not be taken up", { pipe: entry.ref.name, error: asError(error) });
      })
      .finally(() => {
        entry.change = undefined;
      });
  };

  const release = async (entry: Held) => {
    held.delete(keyOf(entry.ref));
    await entry.change;
    await entry.poller?.stop();
  };

  const seen = sql`select account, region, name, revision, owner, due_ms from ${pipes.name}`;
  /** Is it to be claimed, or its lease to be renewed? */
  const isDue = ({ owner, due_ms: dueMs }: Glance, now: number) => owner !== me || dueMs <= now + leaseMs / 2;

  const claim = async (tx: Tx, now: number): Promise<Glance[]> => {
    const rows = await tx.all<Glance>(sql`${seen} where owner = ${me} or due_ms <= ${now} limit ${pipesMax}`);
    for (const row of rows) {
      if (!isDue(row, now)) continue;
      const change = { owner: me, due_ms: now + leaseMs };
      await tx.run(sql`update ${pipes.name} set ${assign(pipes, change)} where ${isPipe(row)}`);
    }
    return rows;
  };

  const round = async () => {
    const now = clock.now();
    const found = await store.read((tx) =>
      tx.all<Glance>(sql`${seen} where owner = ${me} or due_ms <= ${now} limit ${pipesMax}`),
    );
    // A node without pipes, or with all in hand, writes nothing.
    const rows = found.some((row) => isDue(row, now)) ? await store.tx((tx) => claim(tx, now)) : found;
    const present = new Set(rows.map(keyOf));
    for (const [key, entry] of held) if (!present.has(key)) await release(entry);
    for (const { revision, ...row } of rows) {
      const ref = { account: row.account, region: row.region, name: row.name };
      const entry = held.get(keyOf(ref)) ?? { ref, revision: -1, poller: undefined, change: undefined };
      held.set(keyOf(ref), entry);
      if (entry.change === undefined && entry.revision !== revision) begin(entry);
    }
  };

  const job: Job = { name: "pipes:pollers", everyMs: lookMs, run: round };

  return {
    job,
    async start() {
      // A directory is one node's at a time: what a former one held need not wait for its lease.
      if (store.engine === "sqlite") {
        await store.tx((tx) => tx.run(sql`update ${pipes.name} set due_ms = 0 where due_ms > 0`));
      }
      scheduled = scheduler.start(job);
      scheduled.wake();
    },
    wake: () => scheduled?.wake(),
    async stop() {
      isStopping = true;
      await scheduled?.stop();
      await Promise.all([...held.values()].map(release));
      await store.tx((tx) => tx.run(sql`update ${pipes.name} set due_ms = 0 where owner = ${me}`));
    },
  };
}
