/** The one durable outbox in the house: an intent is written with the change that caused it, and delivered at least once. */
import type { Clock } from "../base/clock.ts";
import { asError, Fault, must, type FaultMembers } from "../base/errors.ts";
import type { Ids } from "../base/ids.ts";
import type { Job, ScheduledJob } from "../base/scheduler.ts";
import { sql } from "../store/sql.ts";
import type { Store, Tx } from "../store/store.ts";
import { assign, c, insert, table, type Migration, type Row } from "../store/tables.ts";
import type { Log } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { serviceCall, type Call, type CallMaker, type Principal } from "./call.ts";
import { packInput, unpackInput } from "./packing.ts";

/** Who is called: an operation of a service, public or internal. */
export interface DeliveryTarget {
  service: string;
  operation: string;
}

export interface DeliveryPolicy {
  /** Waits before the second, third ... attempt; as many retries as there are waits. */
  retryDelaysMs: readonly number[];
  /** No attempt starts later than this after the intent was written. */
  maxAgeMs: number;
  /** Faults that mean "not now": retried with a growing wait until `maxAgeMs`, and not counted as attempts. */
  throttles?: readonly string[];
  /** Faults after which no further attempt can go better: the intent is given up at once. */
  final?: readonly string[];
  /** Told once when all attempts failed, with the same input and why; itself retried for a day. */
  deadLetter?: DeliveryTarget;
}

export interface Intent {
  target: DeliveryTarget;
  /** Plain data and bytes. Packed it may have {@link intentBytesMax} bytes. */
  input: object;
  policy: DeliveryPolicy;
  /** Travels as `call.idempotencyKey`; the same for every attempt. */
  key: string;
  /** On whose behalf; the worker's calls carry it. */
  call: Pick<Call, "account" | "region" | "trace">;
  principal: Extract<Principal, { kind: "service" }>;
}

/** What a dead letter target receives. */
export interface DeadLetter {
  input: object;
  /** Of the last attempt; members of a fault only. */
  error: { code: string; message: string; members: FaultMembers };
  attempts: number;
}

export interface Delivery {
  /** Writes the intent in the caller's own transaction. Throws a fault when the target's queue is full. */
  enqueue(tx: Tx, intent: Intent): Promise<void>;
}

const deliveries = table(
  "kit_deliveries",
  {
    id: c.id,
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
  { key: ["id"], indexes: [{ columns: ["due_ms"] }, { columns: ["service", "operation"] }] },
);
type DeliveryRow = Row<typeof deliveries>;

export const deliveryMigration: Migration = { version: 2, create: [deliveries] };

/** An intent is small; large payloads belong in blobs. Lambda's asynchronous payload (1 MB) fits. */
const intentBytesMax = 2 * 1024 * 1024;
/** Intents that wait for one operation; more are refused at enqueue. */
const waitingPerTargetMax = 100_000;
/** Deliveries under way at once on this node. */
const concurrentMax = 64;
/** A worker that dies lets its deliveries go after this long; it renews while the call runs. */
const leaseMs = 60_000;
const pollMs = 1_000;
/** Waits of throttled deliveries: doubling from the first to the second, with full jitter. */
const throttleBackoffMsMin = 1_000;
const throttleBackoffMsMax = 5 * 60_000;
const deadLetterPolicy: DeliveryPolicy = {
  retryDelaysMs: Array.from({ length: 20 }, (_, attempt) => Math.min(3600_000, 1_000 * 2 ** attempt)),
  maxAgeMs: 24 * 3600_000,
};

export interface DeliveryDeps extends CallMaker {
  store: Store;
  clock: Clock;
  ids: Ids;
  log: Log;
  metrics: Metrics;
  /** The dispatcher: calls an operation, public or internal. */
  invoke(service: string, operation: string, input: object, call: Call): Promise<object>;
}

export interface DeliveryWorker extends Delivery {
  job: Job;
  /** Handed the scheduled job, so that an enqueue wakes it. */
  attach(job: ScheduledJob): void;
  /** Resolves when no delivery is under way any more. */
  settled(): Promise<void>;
  /** What is under way at the node's end is left to its lease: failures from here on say nothing of the target. */
  abandon(): void;
}

export function createDelivery(deps: DeliveryDeps): DeliveryWorker {
  const { store, clock, ids, log, metrics } = deps;
  let scheduled: ScheduledJob | undefined;
  let abandoned = false;
  let tookOver = false;
  const underWay = new Set<Promise<void>>();

  const rowOf = ({ target, input, policy, key, call, principal }: Intent, now: number): DeliveryRow => {
    const packed = packInput(input);
    if (packed.byteLength > intentBytesMax) {
      throw new Fault(
        "RequestEntityTooLarge",
        `The delivery to ${target.service} is larger than ${intentBytesMax} bytes.`,
      );
    }
    return {
      id: ids.uuid(),
      due_ms: now,
      claims: 0,
      attempts: 0,
      throttled: 0,
      created_ms: now,
      account: call.account,
      region: call.region,
      service: target.service,
      operation: target.operation,
      dedupe_key: key,
      input: packed,
      policy,
      principal,
      trace: call.trace,
    };
  };

  const enqueue = async (tx: Tx, intent: Intent) => {
    const { service, operation } = intent.target;
    const waiting = await tx.one<{ waiting: number }>(sql`
      select count(*) as waiting from (select 1 as present from ${deliveries.name}
      where service = ${service} and operation = ${operation} limit ${waitingPerTargetMax}) as waiting_rows`);
    if (Number(waiting?.waiting) >= waitingPerTargetMax) {
      metrics.counter("delivery_refused", { service, operation }).add();
      throw new Fault(
        "ServiceUnavailable",
        `${waitingPerTargetMax} deliveries to ${service}:${operation} wait already.`,
      );
    }
    await tx.run(insert(deliveries, rowOf(intent, clock.now())));
    tx.afterCommit(() => scheduled?.wake());
  };

  const forget = (tx: Tx, id: string) => tx.run(sql`delete from ${deliveries.name} where id = ${id}`);

  const failed = async (row: DeliveryRow, error: Error) => {
    const { service, operation, policy } = row;
    const { code, members } = error instanceof Fault ? error : { code: "InternalFailure", members: {} };
    const throttled = policy.throttles?.includes(code) ?? false;
    const attempts = row.attempts + (throttled ? 0 : 1);
    const delayMs = throttled ? throttleDelayMs(row.throttled, ids) : policy.retryDelaysMs[row.attempts];
    const now = clock.now();
    const final = policy.final?.includes(code) ?? false;
    if (!final && delayMs !== undefined && now + delayMs <= row.created_ms + policy.maxAgeMs) {
      const next = { due_ms: now + delayMs, attempts, throttled: row.throttled + (throttled ? 1 : 0) };
      await store.tx((tx) =>
        tx.run(sql`update ${deliveries.name} set ${assign(deliveries, next)} where id = ${row.id}`),
      );
      return;
    }
    metrics.counter("delivery_dead", { service, operation }).add();
    log.warn("a delivery ended without success", { service, operation, attempts, code, reason: error.message });
    await store.tx(async (tx) => {
      await forget(tx, row.id);
      if (policy.deadLetter === undefined) return;
      const input: DeadLetter = {
        input: unpackInput(row.input),
        error: { code, message: error.message, members },
        attempts,
      };
      const { account, region, trace, principal, dedupe_key: key } = row;
      await enqueue(tx, {
        target: policy.deadLetter,
        input,
        policy: deadLetterPolicy,
        key,
        call: { account, region, trace },
        principal,
      });
    });
  };

  /**
   * What a former node had under way, and did not get to answer. A directory is one node's at a time: such a delivery
   * need not wait for its lease. Each claim but the last has ended in an attempt.
   */
  const takeOver = async () => {
    if (store.engine !== "sqlite") return;
    const now = clock.now();
    await store.tx((tx) =>
      tx.run(sql`update ${deliveries.name} set due_ms = ${now}, claims = attempts + throttled
        where claims > attempts + throttled and due_ms > ${now}`),
    );
  };

  const renewing = (row: DeliveryRow) => {
    const renew = async () => {
      const dueMs = clock.now() + leaseMs;
      await store.tx((tx) => tx.run(sql`update ${deliveries.name} set due_ms = ${dueMs} where id = ${row.id}`));
      timer = clock.after(leaseMs / 2, start);
    };
    const start = () => {
      renew().catch((error: unknown) => log.error("could not renew a delivery's lease", { error: asError(error) }));
    };
    let timer = clock.after(leaseMs / 2, start);
    return { stop: () => timer.cancel() };
  };

  const deliver = async (row: DeliveryRow) => {
    const { service, operation, account, region, principal, trace, dedupe_key: idempotencyKey } = row;
    const lease = renewing(row);
    try {
      const call = serviceCall(deps, account, region, principal, { trace, idempotencyKey });
      await deps.invoke(service, operation, unpackInput(row.input), call);
      lease.stop();
      await store.tx((tx) => forget(tx, row.id));
      metrics.counter("delivery_done", { service, operation }).add();
    } catch (cause) {
      lease.stop();
      if (!abandoned) await failed(row, asError(cause));
    }
  };

  const begin = (row: DeliveryRow) => {
    const run = deliver(row)
      .catch((error: unknown) => log.error("a delivery could not be recorded", { error: asError(error) }))
      .finally(() => {
        underWay.delete(run);
        scheduled?.wake();
      });
    underWay.add(run);
  };

  return {
    enqueue,
    attach(job) {
      scheduled = job;
    },
    abandon() {
      abandoned = true;
    },
    async settled() {
      while (underWay.size > 0) await Promise.all(underWay);
    },
    job: {
      name: "kit:delivery",
      everyMs: pollMs,
      async run(signal) {
        if (!tookOver) await takeOver();
        tookOver = true;
        const limit = concurrentMax - underWay.size;
        if (limit === 0 || signal.aborted) return { more: false };
        const rows = await store.claim({
          from: deliveries,
          due: "due_ms",
          count: "claims",
          now: clock.now(),
          leaseMs,
          limit,
        });
        for (const row of rows) begin(must(row, "claimed delivery"));
        return { more: rows.length === limit && underWay.size < concurrentMax };
      },
    },
  };
}

/** Doubling with each throttle, and half of it by chance, so that those who were refused together do not return together. */
function throttleDelayMs(throttled: number, ids: Ids): number {
  const ceilingMs = Math.min(throttleBackoffMsMax, throttleBackoffMsMin * 2 ** Math.min(throttled, 20));
  const chance = Number.parseInt(ids.hex(4), 16) / 2 ** 32;
  return Math.round((ceilingMs / 2) * (1 + chance));
}
