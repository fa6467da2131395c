/** The one durable outbox in the house: an intent is written with the change that caused it, and delivered at least once. */
import type { Clock } from "../base/clock.ts";
import { asError, Fault, type FaultMembers } from "../base/errors.ts";
import type { Ids } from "../base/ids.ts";
import type { Job, ScheduledJob } from "../base/scheduler.ts";
import type { Store, Tx } from "../store/store.ts";
import type { Log } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { serviceCall, type Call, type CallMaker, type Principal } from "./call.ts";
import {
  forget,
  laneNameOf,
  postpone,
  renew,
  take,
  takeOver,
  waitingIn,
  writeIntent,
  type IntentRow,
} from "./delivery-queue.ts";
import { createLaneUse } from "./delivery-lanes.ts";
import { packInput, unpackInput } from "./packing.ts";

/** Who is called: an operation of a service, public or internal. */
export interface DeliveryTarget {
  service: string;
  operation: string;
}

export interface DeliveryPolicy {
  /** Waits before the second, third ... attempt, as many retries as there are waits; or how the waits grow. */
  retryDelaysMs: readonly number[] | Backoff;
  /** No attempt starts later than this after the intent was written. */
  maxAgeMs: number;
  /** Faults that mean "not now": retried with a growing wait until `maxAgeMs`, and not counted as attempts. */
  throttles?: readonly string[];
  /** Faults after which no further attempt can go better: the intent is given up at once. */
  final?: readonly string[];
  /** Told once when all attempts failed, with the same input and why; itself retried for a day. */
  deadLetter?: DeliveryTarget;
}

/** Waits that double from the first to the longest; half of each is by chance. */
export interface Backoff {
  retriesMax: number;
  firstMs: number;
  maxMs: number;
}

/**
 * Where an intent waits: for others of its lane only. A target that is slow, or gone, holds up its own lane, and no
 * other; so each that can be so has one: a subscription, a function, a rule's target.
 */
export interface Lane {
  /** At most 2,048 characters: `sns:` and the subscription's ARN. */
  name: string;
  /** Deliveries at once on one node; 32 when left out. */
  concurrentMax?: number;
  /** Deliveries begun in a second on one node; as many as there are when left out. */
  perSecondMax?: number;
  /** Above 0, in every intent of the lane: one is delivered at a time, the lowest first, and holds up the rest until it is done or given up. */
  position?: number;
}

export interface Intent {
  target: DeliveryTarget;
  /** The target's operation when left out. */
  lane?: Lane;
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
  /** Writes the intent in the caller's own transaction. Throws a fault when its lane is full. */
  enqueue(tx: Tx, intent: Intent): Promise<void>;
}

/** An intent is small; large payloads belong in blobs. Lambda's asynchronous payload (1 MB) fits. */
const intentBytesMax = 2 * 1024 * 1024;
/** Intents that wait in one lane; more are refused at enqueue. */
const waitingPerLaneMax = 100_000;
/** Deliveries under way at once on this node, over all lanes. */
const concurrentMax = 256;
/** A worker that dies lets its deliveries go after this long; it renews while the call runs. */
const leaseMs = 60_000;
const pollMs = 1_000;
/** Waits of throttled deliveries: doubling from the first to the second, with full jitter. */
const throttleBackoffMsMin = 1_000;
const throttleBackoffMsMax = 5 * 60_000;
const deadLetterPolicy: DeliveryPolicy = {
  retryDelaysMs: { retriesMax: 40, firstMs: 1_000, maxMs: 3600_000 },
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
  const use = createLaneUse(clock, waitingPerLaneMax);
  const underWay = new Set<Promise<void>>();

  const rowOf = (intent: Intent, now: number): IntentRow => {
    const { target, lane, input, policy, key, call, principal } = intent;
    const packed = packInput(input);
    if (packed.byteLength > intentBytesMax) {
      throw new Fault(
        "RequestEntityTooLarge",
        `The delivery to ${target.service} is larger than ${intentBytesMax} bytes.`,
      );
    }
    return {
      id: ids.uuid(),
      lane: laneNameOf(intent),
      position: lane?.position ?? 0,
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
    const row = rowOf(intent, clock.now());
    if (await use.isCrowded(row.lane, () => waitingIn(tx, row.lane, waitingPerLaneMax))) {
      metrics.counter("delivery_refused", { service, operation }).add();
      throw new Fault("ServiceUnavailable", `${waitingPerLaneMax} deliveries to ${service}:${operation} wait already.`);
    }
    await writeIntent(tx, row, intent);
    tx.afterCommit(() => scheduled?.wake());
  };

  const failed = async (row: IntentRow, error: Error) => {
    const { service, operation, policy } = row;
    const { code, members } = error instanceof Fault ? error : { code: "InternalFailure", members: {} };
    const throttled = policy.throttles?.includes(code) ?? false;
    const attempts = row.attempts + (throttled ? 0 : 1);
    const delayMs = throttled ? jittered(throttleBackoff, row.throttled, ids) : retryDelayMs(policy, row.attempts, ids);
    const now = clock.now();
    const waitMs = Math.max(delayMs ?? 0, retryAfterMsOf(members));
    const final = policy.final?.includes(code) ?? false;
    if (!final && delayMs !== undefined && now + waitMs <= row.created_ms + policy.maxAgeMs) {
      const next = { due_ms: now + waitMs, attempts, throttled: row.throttled + (throttled ? 1 : 0) };
      await store.tx((tx) => postpone(tx, row, next));
      return;
    }
    metrics.counter("delivery_dead", { service, operation }).add();
    log.warn("a delivery ended without success", { service, operation, attempts, code, reason: error.message });
    await store.tx(async (tx) => {
      await forget(tx, row, now);
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

  const renewing = (row: IntentRow) => {
    const again = async () => {
      const dueMs = clock.now() + leaseMs;
      await store.tx((tx) => renew(tx, row, dueMs));
      timer = clock.after(leaseMs / 2, start);
    };
    const start = () => {
      again().catch((error: unknown) => log.error("could not renew a delivery's lease", { error: asError(error) }));
    };
    let timer = clock.after(leaseMs / 2, start);
    return { stop: () => timer.cancel() };
  };

  const deliver = async (row: IntentRow) => {
    const { service, operation, account, region, principal, trace, dedupe_key: idempotencyKey } = row;
    const attempt = row.attempts + row.throttled + 1;
    const lease = renewing(row);
    try {
      const call = serviceCall(deps, account, region, principal, { trace, idempotencyKey, attempt });
      await deps.invoke(service, operation, unpackInput(row.input), call);
      lease.stop();
      await store.tx((tx) => forget(tx, row, clock.now()));
      metrics.counter("delivery_done", { service, operation }).add();
    } catch (cause) {
      lease.stop();
      if (!abandoned) await failed(row, asError(cause));
    }
  };

  const begin = (row: IntentRow) => {
    const run = deliver(row)
      .catch((error: unknown) => log.error("a delivery could not be recorded", { error: asError(error) }))
      .finally(() => {
        underWay.delete(run);
        use.end(row.lane);
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
        // A directory is one node's at a time: what was under way there need not wait for its lease.
        if (!tookOver && store.engine === "sqlite") await takeOver(store, clock.now());
        tookOver = true;
        const limit = concurrentMax - underWay.size;
        if (limit === 0 || signal.aborted) return { more: false };
        const { full, roomIn } = use;
        const taken = await take(store, { now: clock.now(), leaseMs, limit, full: full(), roomIn });
        for (const { lane, row } of taken) {
          use.begin(lane);
          begin(row);
        }
        use.wakeForTokens(() => scheduled?.wake());
        return { more: taken.length > 0 && underWay.size < concurrentMax };
      },
    },
  };
}

const throttleBackoff = { firstMs: throttleBackoffMsMin, maxMs: throttleBackoffMsMax };

/** A fault with `retryAfterMs` is of a target that says when it wants to be asked again: not before. */
function retryAfterMsOf({ retryAfterMs }: FaultMembers): number {
  return typeof retryAfterMs === "number" ? retryAfterMs : 0;
}

/** Undefined when there is no further attempt. */
function retryDelayMs({ retryDelaysMs: delays }: DeliveryPolicy, attempts: number, ids: Ids): number | undefined {
  if (!("retriesMax" in delays)) return delays[attempts];
  return attempts < delays.retriesMax ? jittered(delays, attempts, ids) : undefined;
}

/** Doubling with each attempt, and half of it by chance, so that those who were refused together do not return together. */
function jittered({ firstMs, maxMs }: Pick<Backoff, "firstMs" | "maxMs">, attempts: number, ids: Ids): number {
  const ceilingMs = Math.min(maxMs, firstMs * 2 ** Math.min(attempts, 30));
  const chance = Number.parseInt(ids.hex(4), 16) / 2 ** 32;
  return Math.round((ceilingMs / 2) * (1 + chance));
}
