/** Events: accepted is on disk; run by the outbox, twice more when the function fails, for six hours when it is throttled. */
import { asError, isFault } from "../../base/errors.ts";
import type { Call, Principal } from "../../kit/call.ts";
import type { DeliveryPolicy } from "../../kit/delivery.ts";
import type { LambdaDeps } from "./deps.ts";
import { fault } from "./faults.ts";
import { eventAgeMsMax, eventRetryDelaysMs } from "./limits.ts";
import { arnOf, type FunctionRef } from "./names.ts";
import { invocationRunner, targetReader, type InvocationRequest } from "./runs.ts";

/** What waits for its turn. The version is looked up then: an alias may have moved. */
export interface QueuedEvent extends FunctionRef, InvocationRequest {}

/** Source: Lambda guide, "How Lambda handles errors and retries with asynchronous invocation". */
const policy: DeliveryPolicy = {
  retryDelaysMs: eventRetryDelaysMs,
  maxAgeMs: eventAgeMsMax,
  throttles: ["TooManyRequestsException", "ServiceUnavailable"],
};

/** Of a failed function's answer, for the log after the last attempt. */
const reportedLengthMax = 1_000;

const principal: Extract<Principal, { kind: "service" }> = { kind: "service", service: "lambda.amazonaws.com" };

/** Writes an event for the outbox; resolves when it is on disk. */
export function queueEvent({ store, delivery }: Pick<LambdaDeps, "store" | "delivery">) {
  return async (ref: FunctionRef, request: InvocationRequest, call: Call): Promise<void> => {
    const event: QueuedEvent = { ...ref, ...request };
    const { account, region } = ref;
    await store.tx((tx) =>
      delivery.enqueue(tx, {
        target: { service: "lambda", operation: "RunEvent" },
        input: event,
        policy,
        key: request.requestId,
        call: { account, region, trace: call.trace },
        principal,
      }),
    );
  };
}

/** Runs a queued event; the internal operation `lambda:RunEvent`. A fault tells the outbox to try again. */
export function eventOperations(deps: LambdaDeps) {
  const { log } = deps;
  const read = targetReader(deps);
  const run = invocationRunner(deps);

  const attempt = async (event: QueuedEvent, call: Call) => {
    const target = await read(event, call);
    try {
      return await run(target, event, event, call);
    } catch (error) {
      if (isFault(error)) throw error;
      // The node is closing, or its disk is full: not the function's failure, and so no attempt of its.
      throw fault("ServiceUnavailable", "The event could not be run now.", {}, { cause: asError(error) });
    }
  };

  return {
    async RunEvent(event: QueuedEvent, call: Call): Promise<object> {
      const fields = { function: arnOf(event), requestId: event.requestId };
      try {
        const { error, payload } = await attempt(event, call);
        if (error === undefined) return {};
        const reported = Buffer.from(payload).toString().slice(0, reportedLengthMax);
        throw fault("FunctionFailed", `The function ended with an error: ${reported}`);
      } catch (error) {
        if (!isFault(error, "ResourceNotFoundException")) throw error;
        log.info("an event was dropped: its function is gone", fields);
        return {};
      }
    },
  };
}
