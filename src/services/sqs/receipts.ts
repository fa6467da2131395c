/** What a receiver does with what it holds: DeleteMessage, ChangeMessageVisibility, and their batches. */
import type { Fault } from "../../base/errors.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { checkBatch, failedEntry, outcomesOf } from "./batches.ts";
import type { SqsDeps } from "./deps.ts";
import { invalidValue } from "./faults.ts";
import { readHandle } from "./handles.ts";
import type { Refusals, VisibilityChange } from "./kinds.ts";
import { visibilitySecondsMax } from "./limits.ts";
import type { Queue } from "./lookup.ts";

function changeOf({ place }: Queue, handle: string, seconds: number, now: number): VisibilityChange {
  const held = readHandle(place.uid, handle);
  if (seconds < 0 || seconds > visibilitySecondsMax) {
    const reason = `VisibilityTimeout must be an integer between 0 and ${visibilitySecondsMax}`;
    throw invalidValue(seconds, "VisibilityTimeout", reason);
  }
  const visibilityMs = seconds * 1_000;
  if (now + visibilityMs > held.receivedMs + visibilitySecondsMax * 1_000) {
    const reason = `Total VisibilityTimeout for the message is beyond the limit [${visibilitySecondsMax} seconds]`;
    throw invalidValue(seconds, "VisibilityTimeout", reason);
  }
  return { ...held, visibilityMs };
}

const throwFirst = ([refusal]: Refusals): void => {
  if (refusal !== undefined) throw refusal;
};

/** Entries that came through, and those that did not, in words of a batch. */
function answered(
  entries: readonly { entryId: string }[],
  refusals: Refusals,
  failed: ReturnType<typeof failedEntry>[],
) {
  const refusalOf = (i: number): Fault | undefined => refusals[i];
  const Failed = entries.flatMap(({ entryId }, i) => {
    const refusal = refusalOf(i);
    return refusal === undefined ? [] : [failedEntry(entryId, refusal)];
  });
  const Successful = entries.flatMap(({ entryId: Id }, i) => (refusalOf(i) === undefined ? [{ Id }] : []));
  return { Successful, Failed: [...failed, ...Failed] };
}

export function receiptOperations({ clock, queues, kindOf }: SqsDeps) {
  return {
    async DeleteMessage(input, call) {
      const queue = await queues.open(input.QueueUrl, "DeleteMessage", call);
      const held = readHandle(queue.place.uid, input.ReceiptHandle);
      throwFirst(await kindOf(queue).remove(queue, [held], clock.now()));
      return {};
    },

    async DeleteMessageBatch(input, call) {
      const queue = await queues.open(input.QueueUrl, "DeleteMessage", call);
      checkBatch(input.Entries, "DeleteMessageBatchRequestEntry");
      const { done, failed } = outcomesOf(input.Entries, ({ Id: entryId, ReceiptHandle }) => ({
        ...readHandle(queue.place.uid, ReceiptHandle),
        entryId,
      }));
      const refusals = done.length === 0 ? [] : await kindOf(queue).remove(queue, done, clock.now());
      return answered(done, refusals, failed);
    },

    async ChangeMessageVisibility(input, call) {
      const queue = await queues.open(input.QueueUrl, "ChangeMessageVisibility", call);
      const now = clock.now();
      const change = changeOf(queue, input.ReceiptHandle, input.VisibilityTimeout, now);
      throwFirst(await kindOf(queue).setVisibility(queue, [change], now));
      return {};
    },

    async ChangeMessageVisibilityBatch(input, call) {
      const queue = await queues.open(input.QueueUrl, "ChangeMessageVisibility", call);
      checkBatch(input.Entries, "ChangeMessageVisibilityBatchRequestEntry");
      const now = clock.now();
      const { done, failed } = outcomesOf(input.Entries, ({ Id: entryId, ReceiptHandle, VisibilityTimeout = 0 }) => ({
        ...changeOf(queue, ReceiptHandle, VisibilityTimeout, now),
        entryId,
      }));
      const refusals = done.length === 0 ? [] : await kindOf(queue).setVisibility(queue, done, now);
      return answered(done, refusals, failed);
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-sqs")>;
}
