/** What became of an event, told to its destination and its dead letter queue. Source: Lambda guide, "Capturing records of Lambda asynchronous invocations". */
import type { FaultMembers } from "../../base/errors.ts";
import type { Call, Principal } from "../../kit/call.ts";
import type { DeadLetter, DeliveryPolicy } from "../../kit/delivery.ts";
import type { Tx } from "../../store/store.ts";
import { deadLetterOf, sendDeadLetter, type DeadEvent } from "./dead-letters.ts";
import type { LambdaDeps } from "./deps.ts";
import { sendRecord, type Outcome, type Parcel } from "./destinations.ts";
import { eventConfigKey, findEventConfig } from "./event-config-tables.ts";
import { queueEvent, type QueuedEvent } from "./event-queue.ts";
import { eventRetryDelaysMs, recordedResponseBytesMax } from "./limits.ts";
import { arnOf, latest } from "./names.ts";
import { findQualified, type VersionRow } from "./tables.ts";

const principal: Extract<Principal, { kind: "service" }> = { kind: "service", service: "lambda.amazonaws.com" };

/** A destination that is away for a while gets its record when it is back. */
const recordPolicy: DeliveryPolicy = {
  retryDelaysMs: Array.from({ length: 20 }, (_, attempt) => Math.min(3600_000, 1_000 * 2 ** attempt)),
  maxAgeMs: 24 * 3600_000,
};

type Condition =
  | "Success"
  | "RetriesExhausted"
  | "EventAgeExceeded"
  | "ZeroReservedConcurrency"
  | "RecursiveInvocation";

/** How the last run of a function ended; travels in the fault that tells the outbox of a failure. */
interface Ended {
  endedMs: number;
  executedVersion: string;
  /** JSON; null when it is too long for a record. */
  response: string | null;
}

/** Only {@link Ended} that `failure` made comes back in the members of `FunctionFailed`. */
function endedOf({ code, members }: DeadLetter["error"]): Ended | undefined {
  return code === "FunctionFailed" ? (members["ended"] as Ended) : undefined;
}

function conditionOf({ error, attempts }: DeadLetter, retriesMax: number): Condition {
  if (error.code === "ZeroReservedConcurrency") return "ZeroReservedConcurrency";
  if (error.code === "RecursiveInvocationException") return "RecursiveInvocation";
  return attempts > retriesMax ? "RetriesExhausted" : "EventAgeExceeded";
}

function recordOf(
  event: QueuedEvent,
  condition: Condition,
  invokeCount: number,
  ended: Ended | undefined,
  nowMs: number,
) {
  const functionError = condition === "Success" ? {} : { functionError: "Unhandled" };
  return JSON.stringify({
    version: "1.0",
    timestamp: new Date(nowMs).toISOString(),
    requestContext: {
      requestId: event.requestId,
      functionArn: arnOf({ ...event, qualifier: event.qualifier ?? latest }),
      condition,
      approximateInvokeCount: invokeCount,
    },
    requestPayload: JSON.parse(Buffer.from(event.payload).toString()) as unknown,
    ...(ended === undefined
      ? {}
      : {
          responseContext: { statusCode: 200, executedVersion: ended.executedVersion, ...functionError },
          responsePayload: ended.response === null ? null : (JSON.parse(ended.response) as unknown),
        }),
  });
}

export function eventRecords(deps: LambdaDeps) {
  const { store, clock, delivery, log, metrics } = deps;
  const queue = queueEvent(deps);

  const endedNow = ({ version }: VersionRow, payload: Uint8Array): Ended => ({
    endedMs: clock.now(),
    executedVersion: version,
    response: payload.byteLength > recordedResponseBytesMax ? null : Buffer.from(payload).toString() || "null",
  });

  const parcelOf = (
    event: QueuedEvent,
    destination: string,
    outcome: Outcome,
    roleArn: string,
    record: string,
    endedMs: number,
  ): Parcel => {
    const { account, region, name, qualifier, requestId } = event;
    return { destination, outcome, record, source: { account, region, name, qualifier }, roleArn, requestId, endedMs };
  };

  const enqueue = (tx: Tx, operation: string, input: object, event: QueuedEvent, call: Call) => {
    const { account, region } = event;
    return delivery.enqueue(tx, {
      target: { service: "lambda", operation },
      input,
      policy: recordPolicy,
      key: event.requestId,
      call: { account, region, trace: call.trace },
      principal,
    });
  };

  /** A destination that fails is counted, and tried again by the outbox. */
  const counting = async (name: string, metric: string, sending: Promise<void>): Promise<object> => {
    try {
      await sending;
      return {};
    } catch (error) {
      metrics.counter(metric, { function: name }).add();
      throw error;
    }
  };

  return {
    /** Members of the fault of a failed run. */
    failure: (row: VersionRow, payload: Uint8Array): FaultMembers => ({ ended: endedNow(row, payload) }),

    /** Whether somebody is told of an event that is given up. */
    async isCaught(event: QueuedEvent, row: VersionRow): Promise<boolean> {
      if (row.settings.deadLetterArn !== undefined) return true;
      const config = await store.read((tx) => findEventConfig(tx, eventConfigKey(event)));
      return config?.on_failure != null;
    },

    /** Queues the record of an event that went well, where somebody wants it. */
    async succeeded(event: QueuedEvent, row: VersionRow, payload: Uint8Array, call: Call): Promise<void> {
      const config = await store.read((tx) => findEventConfig(tx, eventConfigKey(event)));
      const destination = config?.on_success;
      if (destination == null) return;
      const ended = endedNow(row, payload);
      const record = recordOf(event, "Success", 1, ended, ended.endedMs);
      const parcel = parcelOf(event, destination, "OnSuccess", row.settings.role, record, ended.endedMs);
      await store.tx((tx) => enqueue(tx, "SendRecord", parcel, event, call));
    },

    operations: {
      // The caller is Lambda itself on behalf of the function; its own calls carry the function's role.
      SendRecord: (parcel: Parcel, call: Call) =>
        counting(parcel.source.name, "lambda_destination_failures", sendRecord({ ...deps, queue }, parcel, call)),

      SendDeadLetter: (dead: DeadEvent, call: Call) =>
        counting(dead.source.name, "lambda_dead_letter_failures", sendDeadLetter(deps, dead, call)),

      /** The outbox gave an event up. Each of those who want to know is told on its own. */
      async EventFailed(dead: DeadLetter, call: Call): Promise<object> {
        // Written by `queueEvent`.
        const event = dead.input as QueuedEvent;
        const { config, row } = await store.read(async (tx) => ({
          config: await findEventConfig(tx, eventConfigKey(event)),
          row: await findQualified(tx, event, event.qualifier),
        }));
        const destination = config?.on_failure ?? undefined;
        const deadLetterArn = row?.settings.deadLetterArn;
        if (row === undefined || (destination === undefined && deadLetterArn === undefined)) {
          const fields = { function: arnOf(event), requestId: event.requestId };
          log.info("an event was given up, and has no destination", fields);
          return {};
        }
        const ended = endedOf(dead.error);
        const endedMs = ended?.endedMs ?? clock.now();
        const condition = conditionOf(dead, config?.retries ?? eventRetryDelaysMs.length);
        const record = recordOf(event, condition, dead.attempts, ended, endedMs);
        const { role } = row.settings;
        await store.tx(async (tx) => {
          if (destination !== undefined) {
            const parcel = parcelOf(event, destination, "OnFailure", role, record, endedMs);
            await enqueue(tx, "SendRecord", parcel, event, call);
          }
          if (deadLetterArn !== undefined) {
            const letter = deadLetterOf(event, deadLetterArn, role, dead.error, ended?.response);
            await enqueue(tx, "SendDeadLetter", letter, event, call);
          }
        });
        return {};
      },
    },
  };
}
