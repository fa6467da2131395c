/**
 * Whoever polls the sources of this node's mappings: takes them up under a lease, begins anew when one is changed, and
 * ends with the node. Between a start and an end a mapping's own poller runs by itself.
 */
import { asError } from "../../../base/errors.ts";
import type { Job, ScheduledJob } from "../../../base/scheduler.ts";
import { sql } from "../../../store/sql.ts";
import type { ReadTx, Tx } from "../../../store/store.ts";
import type { LambdaDeps } from "../deps.ts";
import { findQualified } from "../tables.ts";
import { sourceOf, type Source } from "./kinds.ts";
import { mappingsMax, stopMsMax } from "./limits.ts";
import { createQueuePoller } from "./queue-poller.ts";
import { createStreamPoller } from "./stream-poller.ts";
import {
  eventSources,
  findSource,
  functionOf,
  isSource,
  sourceShards,
  type EventSourceRow,
  type SourceKey,
} from "./tables.ts";

/** A node that dies lets its mappings go after this long. */
const leaseMs = 30_000;
const pollMs = 5_000;

/** What polls one mapping. */
export interface Poller {
  /** Takes nothing up any more; resolves when what is under way has ended. */
  stop(): Promise<void>;
}

/** What a poller works for. */
export interface Mapping {
  row: EventSourceRow;
  source: Source;
  roleArn: string;
  /** For longer than this no invocation runs. */
  timeoutMs: number;
}

export interface Pollers {
  /** Takes up all mappings, also those that a dead node still holds. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** A mapping was changed. */
  wake(): void;
}

type Glance = Pick<EventSourceRow, "account" | "region" | "uuid" | "revision" | "owner" | "due_ms">;

/** A mapping that this node holds. */
interface Held {
  key: SourceKey;
  revision: number;
  poller: Poller | undefined;
  /** Set while it is taken up anew. */
  change: Promise<void> | undefined;
}

export function createPollers(deps: LambdaDeps): Pollers {
  const { store, clock, ids, log, scheduler } = deps;
  const me = ids.uuid();
  const held = new Map<string, Held>();
  let scheduled: ScheduledJob | undefined;
  let isStopping = false;

  const startPoller = async (row: EventSourceRow): Promise<Poller | undefined> => {
    const ref = functionOf(row);
    const version = await store.read((tx) => findQualified(tx, ref, ref.qualifier));
    if (version === undefined) return undefined;
    const { role, timeoutSeconds } = version.settings;
    const source = sourceOf(row.source_arn);
    const mapping: Mapping = { row, source, roleArn: role, timeoutMs: timeoutSeconds * 1_000 };
    return source.kind === "sqs" ? createQueuePoller(deps, mapping) : createStreamPoller(deps, mapping);
  };

  const forget = (key: SourceKey) =>
    store.tx(async (tx) => {
      await tx.run(sql`delete from ${sourceShards.name} where ${isSource(key)}`);
      await tx.run(sql`delete from ${eventSources.name} where ${isSource(key)}`);
    });

  const settle = (row: EventSourceRow) =>
    store.tx((tx) =>
      tx.run(sql`update ${eventSources.name} set state = ${row.enabled ? "Enabled" : "Disabled"}
        where ${isSource(row)} and revision = ${row.revision} and owner = ${me}`),
    );

  /** Makes of a mapping what its row says. */
  const apply = async (entry: Held) => {
    await entry.poller?.stop();
    entry.poller = undefined;
    const row = await store.read((tx) => findSource(tx, entry.key));
    if (row === undefined || row.owner !== me || isStopping) return;
    entry.revision = row.revision;
    if (row.state === "Deleting") {
      await forget(entry.key);
      held.delete(row.uuid);
      return;
    }
    if (row.enabled) entry.poller = await startPoller(row);
    // Its function may come back: looked at again with the next round.
    if (row.enabled && entry.poller === undefined) entry.revision = -1;
    if (row.state !== (row.enabled ? "Enabled" : "Disabled")) await settle(row);
  };

  const begin = (entry: Held) => {
    entry.change = apply(entry)
      .catch((error: unknown) => {
        // Looked at again with the next round.
        entry.revision = -1;
        log.error("an event source mapping could not be taken up", { uuid: entry.key.uuid, error: asError(error) });
      })
      .finally(() => {
        entry.change = undefined;
      });
  };

  const release = async (entry: Held) => {
    held.delete(entry.key.uuid);
    await entry.change;
    await entry.poller?.stop();
  };

  const look = async (tx: ReadTx, now: number): Promise<Glance[]> =>
    tx.all<Glance>(sql`select account, region, uuid, revision, owner, due_ms
      from ${eventSources.name} where owner = ${me} or due_ms <= ${now} limit ${mappingsMax}`);

  /** Is it to be claimed, or its lease to be renewed? */
  const isDue = ({ owner, due_ms: dueMs }: Glance, now: number) => owner !== me || dueMs <= now + leaseMs / 2;

  const claim = async (tx: Tx, now: number): Promise<Glance[]> => {
    const rows = await look(tx, now);
    for (const row of rows) {
      if (!isDue(row, now)) continue;
      await tx.run(sql`update ${eventSources.name} set owner = ${me}, due_ms = ${now + leaseMs}
        where ${isSource(row)}`);
    }
    return rows;
  };

  const round = async () => {
    const now = clock.now();
    const seen = await store.read((tx) => look(tx, now));
    // A node without mappings, or with all in hand, writes nothing.
    const rows = seen.some((row) => isDue(row, now)) ? await store.tx((tx) => claim(tx, now)) : seen;
    const present = new Set(rows.map(({ uuid }) => uuid));
    for (const [uuid, entry] of held) if (!present.has(uuid)) await release(entry);
    for (const { account, region, uuid, revision } of rows) {
      const entry = held.get(uuid) ?? {
        key: { account, region, uuid },
        revision: 0,
        poller: undefined,
        change: undefined,
      };
      held.set(uuid, entry);
      if (entry.revision !== revision && entry.change === undefined) begin(entry);
    }
  };

  const job: Job = {
    name: "lambda:event-sources",
    everyMs: pollMs,
    async run(signal) {
      if (!signal.aborted && !isStopping) await round();
    },
  };

  return {
    async start() {
      // The owner in the row makes this safe beside another live node: it lets go at its next round.
      await store.tx((tx) => tx.run(sql`update ${eventSources.name} set due_ms = ${clock.now()}`));
      scheduled = scheduler.start(job);
      scheduled.wake();
    },
    async stop() {
      isStopping = true;
      await scheduled?.stop();
      const ends = Promise.allSettled([...held.values()].map(release));
      const limit = new AbortController();
      await Promise.race([ends, clock.sleep(stopMsMax, limit.signal).catch(() => undefined)]);
      limit.abort();
      await store.tx((tx) =>
        tx.run(sql`update ${eventSources.name} set owner = ${""}, due_ms = ${clock.now()} where owner = ${me}`),
      );
    },
    wake: () => scheduled?.wake(),
  };
}
