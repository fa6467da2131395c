/** Queued events, run by the outbox. */
import { asError, isFault } from "../../base/errors.ts";
import type { Call } from "../../kit/call.ts";
import type { LambdaDeps } from "./deps.ts";
import type { QueuedEvent } from "./event-queue.ts";
import { eventRecords } from "./event-records.ts";
import { fault } from "./faults.ts";
import { arnOf } from "./names.ts";
import { invocationRunner, targetReader } from "./runs.ts";

/** Of a failed function's answer, for the log after the last attempt. */
const reportedLengthMax = 1_000;

/** Runs a queued event; the internal operation `lambda:RunEvent`. A fault tells the outbox to try again. */
export function eventOperations(deps: LambdaDeps) {
  const { log } = deps;
  const read = targetReader(deps);
  const run = invocationRunner(deps);

  const records = eventRecords(deps);

  const attempt = async (event: QueuedEvent, call: Call) => {
    const target = await read(event, call);
    if (target.demand.reserved === 0 && (await records.isCaught(event, target.row))) {
      throw fault("ZeroReservedConcurrency", "The function's reserved concurrency is zero.");
    }
    try {
      return { target, result: await run(target, event, event, call) };
    } catch (error) {
      if (isFault(error)) throw error;
      // The node is closing, or its disk is full: not the function's failure, and so no attempt of its.
      throw fault("ServiceUnavailable", "The event could not be run now.", {}, { cause: asError(error) });
    }
  };

  return {
    ...records.operations,
    async RunEvent(event: QueuedEvent, call: Call): Promise<object> {
      const fields = { function: arnOf(event), requestId: event.requestId };
      try {
        const { target, result } = await attempt(event, call);
        if (result.error === undefined) {
          await records.succeeded(event, target.row, result.payload, call);
          return {};
        }
        const reported = Buffer.from(result.payload).toString().slice(0, reportedLengthMax);
        const members = records.failure(target.row, result.payload);
        throw fault("FunctionFailed", `The function ended with an error: ${reported}`, members);
      } catch (error) {
        if (!isFault(error, "ResourceNotFoundException")) throw error;
        log.info("an event was dropped: its function is gone", fields);
        return {};
      }
    },
  };
}
