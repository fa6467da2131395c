/** The outbox's rows: intents in lanes, and which of them are due. No calls, no clock of its own. */
import type { Store, Tx } from "../store/store.ts";
import { join, sql } from "../store/sql.ts";
import { assign, c, insert, table, type Migration, type Row } from "../store/tables.ts";
import type { Call } from "./call.ts";
import type { DeliveryPolicy, Intent } from "./delivery.ts";

/** Before lanes. What waits in it is carried over by {@link laneMigration}. */
const deliveries = table(
  "kit_deliveries",
  {
    id: c.id,
    due_ms: c.time,
    claims: c.int,
    attempts: c.int,
    throttled: c.int,
    created_ms: c.time,
    account: c.id,
    region: c.id,
    service: c.id,
    operation: c.id,
    dedupe_key: c.id,
    input: c.bytes,
    policy: c.json<DeliveryPolicy>(),
    principal: c.json<Intent["principal"]>(),
    trace: c.json<Call["trace"]>(),
  },
  { key: ["id"], indexes: [{ columns: ["due_ms"] }, { columns: ["service", "operation"] }] },
);
export const deliveryMigration: Migration = { version: 2, create: [deliveries] };

export const intents = table(
  "kit_intents",
  {
    id: c.id,
    lane: c.id,
    /** In a lane that keeps its order: the lowest goes first, and the next when it is done. 0 elsewhere. */
    position: c.int,
    due_ms: c.time,
    claims: c.int,
    /** Attempts that failed for good reason; throttled ones are not counted. */
    attempts: c.int,
    throttled: c.int,
    created_ms: c.time,
    account: c.id,
    region: c.id,
    service: c.id,
    operation: c.id,
    dedupe_key: c.id,
    input: c.bytes,
    policy: c.json<DeliveryPolicy>(),
    principal: c.json<Intent["principal"]>(),
    trace: c.json<Call["trace"]>(),
  },
  { key: ["id"], indexes: [{ columns: ["lane", "due_ms"] }, { columns: ["lane", "position"] }] },
);
export type IntentRow = Row<typeof intents>;

/**
 * A lane has a row while intents wait in it. `due_ms` is not later than that of its next one: so what is due is found
 * without a look at those that are not, or at a lane that is full, however many wait there.
 */
const lanes = table(
  "kit_lanes",
  {
    lane: c.id,
    due_ms: c.time,
    concurrent_max: c.int,
    per_second_max: c.nullable(c.int),
    ordered: c.bool,
  },
  { key: ["lane"], indexes: [{ columns: ["due_ms"] }] },
);
export type LaneRow = Row<typeof lanes>;

/** Deliveries of one lane at once, when the intent does not say. */
export const laneConcurrentMax = 32;

export const laneMigration: Migration = {
  version: 3,
  create: [intents, lanes],
  run: [
    sql`insert into ${intents.name} (${intents.columns})
      select id, service || ':' || operation, 0, due_ms, claims, attempts, throttled, created_ms, account, region, service,
        operation, dedupe_key, input, policy, principal, trace from ${deliveries.name}`,
    sql`insert into ${lanes.name} (${lanes.columns})
      select lane, min(due_ms), ${laneConcurrentMax}, null, ${false} from ${intents.name} group by lane`,
    sql`drop table ${deliveries.name}`,
  ],
};

/** Lanes looked at in one round; the rest have their turn in the next. */
const lanesAtOnceMax = 64;

export const laneNameOf = ({ lane, target }: Pick<Intent, "lane" | "target">) =>
  lane?.name ?? `${target.service}:${target.operation}`;

export async function writeIntent(tx: Tx, row: IntentRow, { lane }: Intent): Promise<void> {
  await tx.run(insert(intents, row));
  const { concurrentMax = laneConcurrentMax, perSecondMax = null, position } = lane ?? {};
  const laneRow = {
    lane: row.lane,
    due_ms: row.due_ms,
    concurrent_max: position === undefined ? concurrentMax : 1,
    per_second_max: perSecondMax,
    ordered: position !== undefined,
  };
  // Not written where it says the same already: a busy lane would be in everybody's way.
  await tx.run(sql`${insert(lanes, laneRow)} on conflict (lane) do update set
    due_ms = case when excluded.due_ms < ${lanes.name}.due_ms then excluded.due_ms else ${lanes.name}.due_ms end,
    concurrent_max = excluded.concurrent_max, per_second_max = excluded.per_second_max, ordered = excluded.ordered
    where excluded.due_ms < ${lanes.name}.due_ms or excluded.concurrent_max <> ${lanes.name}.concurrent_max
      or coalesce(excluded.per_second_max, 0) <> coalesce(${lanes.name}.per_second_max, 0)`);
}

/** How many wait in a lane; counts to `countMax`. */
export async function waitingIn(tx: Tx, lane: string, countMax: number): Promise<number> {
  const found = await tx.one<{ waiting: number }>(sql`select count(*) as waiting from
    (select 1 as present from ${intents.name} where lane = ${lane} limit ${countMax}) as waiting_rows`);
  return found?.waiting ?? 0;
}

export interface Taking {
  now: number;
  leaseMs: number;
  /** Over all lanes. */
  limit: number;
  /** Lanes that take none now; as many as there are deliveries under way, at most. */
  full: readonly string[];
  /** How many more a lane takes. */
  roomIn(lane: LaneRow): number;
}

/** Leases what is due, from each lane in turn: the one that waited longest first. */
export function take(store: Store, taking: Taking): Promise<{ lane: LaneRow; row: IntentRow }[]> {
  const { now, full, roomIn } = taking;
  return store.tx(async (tx) => {
    const taken: { lane: LaneRow; row: IntentRow }[] = [];
    const others = full.length === 0 ? sql`` : sql` and lane not in (${join(full.map((lane) => sql`${lane}`))})`;
    const due = await tx.all<LaneRow>(sql`select ${lanes.columns} from ${lanes.name}
      where due_ms <= ${now}${others} order by due_ms, lane limit ${lanesAtOnceMax}`);
    for (const lane of due) {
      const limit = Math.min(taking.limit - taken.length, roomIn(lane));
      if (limit <= 0) continue;
      for (const row of await takeFrom(tx, lane, limit, taking)) taken.push({ lane, row });
      await setDue(tx, lane, now);
    }
    return taken;
  });
}

async function takeFrom(tx: Tx, { lane, ordered }: LaneRow, limit: number, { now, leaseMs }: Taking) {
  const rows = await tx.all<IntentRow>(
    ordered
      ? sql`select ${intents.columns} from ${intents.name} where lane = ${lane} order by position, id limit 1`
      : sql`select ${intents.columns} from ${intents.name} where lane = ${lane} and due_ms <= ${now}
          order by due_ms, id limit ${limit}`,
  );
  const due = rows.filter((row) => row.due_ms <= now);
  for (const row of due) {
    const change = { due_ms: now + leaseMs, claims: row.claims + 1 };
    await tx.run(sql`update ${intents.name} set ${assign(intents, change)} where id = ${row.id}`);
  }
  return due;
}

/** Of a lane that was just looked at: it goes behind those that wait longer. */
async function setDue(tx: Tx, { lane, ordered }: LaneRow, now: number): Promise<void> {
  const next = await tx.one<{ due_ms: number }>(
    sql`select due_ms from ${intents.name} where lane = ${lane}
      order by ${ordered ? sql`position, id` : sql`due_ms`} limit 1`,
  );
  await tx.run(
    next === undefined
      ? sql`delete from ${lanes.name} where lane = ${lane}`
      : sql`update ${lanes.name} set due_ms = ${Math.max(next.due_ms, now)} where lane = ${lane}`,
  );
}

/** Tries an intent again at `due_ms`. */
export async function postpone(
  tx: Tx,
  { id, lane }: IntentRow,
  change: Pick<IntentRow, "due_ms" | "attempts" | "throttled">,
): Promise<void> {
  await tx.run(sql`update ${intents.name} set ${assign(intents, change)} where id = ${id}`);
  await hasten(tx, lane, change.due_ms);
}

export async function forget(tx: Tx, { id, lane, position }: IntentRow, now: number): Promise<void> {
  await tx.run(sql`delete from ${intents.name} where id = ${id}`);
  // The one behind it in an ordered lane may go now.
  if (position !== 0) await hasten(tx, lane, now);
}

const hasten = (tx: Tx, lane: string, dueMs: number) =>
  tx.run(sql`update ${lanes.name} set due_ms = ${dueMs} where lane = ${lane} and due_ms > ${dueMs}`);

export const renew = (tx: Tx, { id }: IntentRow, dueMs: number) =>
  tx.run(sql`update ${intents.name} set due_ms = ${dueMs} where id = ${id}`);

/**
 * Lets go of what a former node had under way, and did not get to answer. Each claim but the last has ended in an
 * attempt.
 */
export function takeOver(store: Store, now: number): Promise<void> {
  const left = sql`claims > attempts + throttled and due_ms > ${now}`;
  return store.tx(async (tx) => {
    await tx.run(sql`update ${lanes.name} set due_ms = ${now} where due_ms > ${now}
      and lane in (select lane from ${intents.name} where ${left})`);
    await tx.run(sql`update ${intents.name} set due_ms = ${now}, claims = attempts + throttled where ${left}`);
  });
}
