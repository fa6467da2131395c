/** What became of an event, told to its destination. Source: Lambda guide, "Capturing records of Lambda asynchronous invocations". */
import type { FaultMembers } from "../../base/errors.ts";
import type { Call, Principal } from "../../kit/call.ts";
import type { DeadLetter, DeliveryPolicy } from "../../kit/delivery.ts";
import type { LambdaDeps } from "./deps.ts";
import { sendRecord, type Parcel } from "./destinations.ts";
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

type Condition = "Success" | "RetriesExhausted" | "EventAgeExceeded";

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
    roleArn: string,
    record: string,
    endedMs: number,
  ): Parcel => {
    const { account, region, name, qualifier, requestId } = event;
    return { destination, record, source: { account, region, name, qualifier }, roleArn, requestId, endedMs };
  };

  const send = async (parcel: Parcel, call: Call): Promise<object> => {
    try {
      // The caller is Lambda itself on behalf of the function; its own calls carry the function's role.
      await sendRecord({ ...deps, queue }, parcel, call);
      return {};
    } catch (error) {
      metrics.counter("lambda_destination_failures", { function: parcel.source.name }).add();
      throw error;
    }
  };

  return {
    /** Members of the fault of a failed run. */
    failure: (row: VersionRow, payload: Uint8Array): FaultMembers => ({ ended: endedNow(row, payload) }),

    /** Queues the record of an event that went well, where somebody wants it. */
    async succeeded(event: QueuedEvent, row: VersionRow, payload: Uint8Array, call: Call): Promise<void> {
      const config = await store.read((tx) => findEventConfig(tx, eventConfigKey(event)));
      const destination = config?.on_success;
      if (destination == null) return;
      const ended = endedNow(row, payload);
      const record = recordOf(event, "Success", 1, ended, ended.endedMs);
      const { account, region } = event;
      await store.tx((tx) =>
        delivery.enqueue(tx, {
          target: { service: "lambda", operation: "SendRecord" },
          input: parcelOf(event, destination, row.settings.role, record, ended.endedMs),
          policy: recordPolicy,
          key: event.requestId,
          call: { account, region, trace: call.trace },
          principal,
        }),
      );
    },

    operations: {
      SendRecord: (parcel: Parcel, call: Call) => send(parcel, call),

      /** The outbox gave an event up. */
      async EventFailed({ input, error, attempts }: DeadLetter, call: Call): Promise<object> {
        // Written by `queueEvent`.
        const event = input as QueuedEvent;
        const { config, row } = await store.read(async (tx) => ({
          config: await findEventConfig(tx, eventConfigKey(event)),
          row: await findQualified(tx, event, event.qualifier),
        }));
        const destination = config?.on_failure;
        if (destination == null || row === undefined) {
          log.info("an event was given up, and has no destination", {
            function: arnOf(event),
            requestId: event.requestId,
          });
          return {};
        }
        const ended = endedOf(error);
        const condition =
          attempts > (config?.retries ?? eventRetryDelaysMs.length) ? "RetriesExhausted" : "EventAgeExceeded";
        // The same at a second attempt, where it is known.
        const endedMs = ended?.endedMs ?? clock.now();
        const record = recordOf(event, condition, attempts, ended, endedMs);
        return send(parcelOf(event, destination, row.settings.role, record, endedMs), call);
      },
    },
  };
}
