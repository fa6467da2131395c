/** Events: accepted is on disk; run by the outbox, twice more when the function fails, for six hours when it is throttled. */
import type { Call, Principal } from "../../kit/call.ts";
import type { DeliveryPolicy } from "../../kit/delivery.ts";
import type { LambdaDeps } from "./deps.ts";
import { eventConfigKey, findEventConfig, type EventConfigRow } from "./event-config-tables.ts";
import { eventAgeMsMax, eventRetryDelaysMs } from "./limits.ts";
import type { FunctionRef } from "./names.ts";
import type { InvocationRequest } from "./runs.ts";

/** What waits for its turn. The version is looked up then: an alias may have moved. */
export interface QueuedEvent extends FunctionRef, InvocationRequest {}

/** Told of an event when it is given up. */
const deadLetter = { service: "lambda", operation: "EventFailed" };

/** Source: Lambda guide, "How Lambda handles errors and retries with asynchronous invocation". */
const policyOf = (config: EventConfigRow | undefined): DeliveryPolicy => ({
  retryDelaysMs: eventRetryDelaysMs.slice(0, config?.retries ?? eventRetryDelaysMs.length),
  maxAgeMs: config?.age_seconds == null ? eventAgeMsMax : config.age_seconds * 1_000,
  throttles: ["TooManyRequestsException", "ServiceUnavailable"],
  final: ["ZeroReservedConcurrency", "RecursiveInvocationException"],
  deadLetter,
});

/** Events of one function under way at once on one node. */
const eventsAtOnceMax = 128;

const principal: Extract<Principal, { kind: "service" }> = { kind: "service", service: "lambda.amazonaws.com" };

/** Writes an event for the outbox; resolves when it is on disk. */
export function queueEvent({ store, delivery }: Pick<LambdaDeps, "store" | "delivery">) {
  return async (ref: FunctionRef, request: InvocationRequest, call: Call): Promise<void> => {
    const event: QueuedEvent = { ...ref, ...request };
    const { account, region } = ref;
    await store.tx(async (tx) => {
      const policy = policyOf(await findEventConfig(tx, eventConfigKey(ref)));
      await delivery.enqueue(tx, {
        target: { service: "lambda", operation: "RunEvent" },
        // A function that is slow, or throttled, holds up its own events only.
        lane: { name: `lambda:${account}:${region}:${ref.name}`, concurrentMax: eventsAtOnceMax },
        input: event,
        policy,
        key: request.requestId,
        call: { account, region, trace: call.trace },
        principal,
      });
    });
  };
}
