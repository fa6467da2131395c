/** ReceiveMessage: what can be received now, or the wait until something can. */
import { hash } from "node:crypto";
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { StoreClosed } from "../../store/errors.ts";
import { createAttempts } from "./attempts.ts";
import { unknownAttribute } from "./attributes.ts";
import type { SqsDeps } from "./deps.ts";
import { checkId, invalidValue, otherKind } from "./faults.ts";
import { createFlights, overLimit } from "./flights.ts";
import { writeHandle } from "./handles.ts";
import type { Taken } from "./kinds.ts";
import { receiveMax, visibilitySecondsMax, waitPollMs, waitSecondsMax } from "./limits.ts";
import type { Queue } from "./lookup.ts";
import { askedAttributes, attributesMd5, shownAttribute } from "./message-attributes.ts";

/** What a receive may ask for by AttributeNames and MessageSystemAttributeNames. */
const systemNames: ReadonlySet<string> = new Set([
  "All",
  "SenderId",
  "SentTimestamp",
  "ApproximateReceiveCount",
  "ApproximateFirstReceiveTimestamp",
  "SequenceNumber",
  "MessageDeduplicationId",
  "MessageGroupId",
  "AWSTraceHeader",
  "DeadLetterQueueSourceArn",
]);

interface Asked {
  messages: number;
  visibilityMs: number;
  waitMs: number;
  attemptId: string | undefined;
}

interface Given {
  MaxNumberOfMessages?: number | undefined;
  VisibilityTimeout?: number | undefined;
  WaitTimeSeconds?: number | undefined;
  ReceiveRequestAttemptId?: string | undefined;
}

function askedOf({ row, settings }: Queue, input: Given): Asked {
  const { MaxNumberOfMessages: messages = 1, VisibilityTimeout, WaitTimeSeconds } = input;
  const { ReceiveRequestAttemptId: attemptId } = input;
  checkId("ReceiveRequestAttemptId", attemptId);
  if (attemptId !== undefined && !row.is_fifo) throw otherKind(attemptId, "ReceiveRequestAttemptId");
  if (messages < 1 || messages > receiveMax) {
    throw invalidValue(messages, "MaxNumberOfMessages", `Must be between 1 and ${receiveMax}, if provided.`);
  }
  if (VisibilityTimeout !== undefined && (VisibilityTimeout < 0 || VisibilityTimeout > visibilitySecondsMax)) {
    const reason = `Must be between 0 and ${visibilitySecondsMax}, if provided.`;
    throw invalidValue(VisibilityTimeout, "VisibilityTimeout", reason);
  }
  if (WaitTimeSeconds !== undefined && (WaitTimeSeconds < 0 || WaitTimeSeconds > waitSecondsMax)) {
    throw invalidValue(WaitTimeSeconds, "WaitTimeSeconds", `Must be >= 0 and <= ${waitSecondsMax}, if provided.`);
  }
  return {
    messages,
    visibilityMs: VisibilityTimeout === undefined ? settings.visibilityMs : VisibilityTimeout * 1_000,
    attemptId,
    waitMs: WaitTimeSeconds === undefined ? settings.waitMs : WaitTimeSeconds * 1_000,
  };
}

/** System attributes of a message, all of them. Source: API reference, ReceiveMessage. */
function systemAttributes({
  receipt,
  sentMs,
  firstReceivedMs,
  extras,
  sender,
  groupId,
}: Taken): Record<string, string> {
  const { traceHeader, deduplicationId, sourceArn } = extras ?? {};
  return {
    SenderId: sender,
    SentTimestamp: String(sentMs),
    ApproximateReceiveCount: String(receipt.receives),
    ApproximateFirstReceiveTimestamp: String(firstReceivedMs),
    ...(receipt.fifo === undefined ? {} : { SequenceNumber: receipt.fifo.sequence }),
    ...(deduplicationId === undefined ? {} : { MessageDeduplicationId: deduplicationId }),
    ...(groupId === null ? {} : { MessageGroupId: groupId }),
    ...(traceHeader === undefined ? {} : { AWSTraceHeader: traceHeader }),
    ...(sourceArn === undefined ? {} : { DeadLetterQueueSourceArn: sourceArn }),
  };
}

function askedSystemAttributes(taken: Taken, asked: readonly string[]): Record<string, string> | undefined {
  if (asked.length === 0) return undefined;
  const all = systemAttributes(taken);
  if (asked.includes("All")) return all;
  const found = Object.entries(all).filter(([name]) => asked.includes(name));
  return found.length === 0 ? undefined : Object.fromEntries(found);
}

function shown(queue: Queue, taken: Taken, system: readonly string[], names: readonly string[] | undefined) {
  const { receipt, body, extras } = taken;
  const Attributes = askedSystemAttributes(taken, system);
  const attributes = askedAttributes(extras?.attributes, names);
  const md5 = attributesMd5(attributes);
  return {
    MessageId: receipt.messageId,
    ReceiptHandle: writeHandle(queue.place.uid, receipt),
    MD5OfBody: hash("md5", body),
    Body: body,
    ...(Attributes === undefined ? {} : { Attributes }),
    ...(attributes === undefined || md5 === undefined
      ? {}
      : {
          MD5OfMessageAttributes: md5,
          MessageAttributes: Object.fromEntries(
            Object.entries(attributes).map(([name, attribute]) => [name, shownAttribute(attribute)]),
          ),
        }),
  };
}

export function receivingOperations(deps: SqsDeps) {
  const { clock, queues, waits, kindOf, counting } = deps;
  const flights = createFlights(counting, clock);
  const attempts = createAttempts(deps);

  const take = async (queue: Queue, { messages, visibilityMs, waitMs, attemptId }: Asked): Promise<Taken[]> => {
    const wanted = { messages, visibilityMs, now: clock.now() };
    const again = attemptId === undefined ? undefined : await attempts.repeat(queue, attemptId, wanted);
    if (again !== undefined) return again;
    if (!(await flights.hasRoom(queue))) {
      // One who waits is told nothing: developer guide, "Amazon SQS message quotas".
      if (waitMs === 0) throw overLimit();
      return [];
    }
    const taken = await kindOf(queue).take(queue, wanted);
    flights.took(queue, taken.length);
    if (attemptId !== undefined && taken.length > 0) await attempts.note(queue, attemptId, taken, wanted.now);
    return taken;
  };

  /** Looks whenever its turn comes, or a message falls due, until there is something or the time is over. */
  const takeWaiting = async (url: string, asked: Asked, call: Call): Promise<{ queue: Queue; taken: Taken[] }> => {
    const untilMs = clock.monotonicMs() + asked.waitMs;
    let queue = await queues.open(url, "ReceiveMessage", call);
    const waiter = waits.enter(queue.place.uid);
    let taken: Taken[] = [];
    try {
      for (;;) {
        taken = await take(queue, asked);
        const leftMs = untilMs - clock.monotonicMs();
        if (taken.length > 0 || leftMs <= 0 || call.signal.aborted || waits.isClosed) break;
        const nextMs = await kindOf(queue).nextMs(queue);
        const dueMs = nextMs === undefined ? leftMs : Math.max(0, nextMs - clock.now());
        await waiter.turn(Math.min(leftMs, dueMs, waitPollMs), call.signal);
        if (waits.isClosed) break;
        // Settings may have changed, or the queue be gone.
        queue = await queues.open(url, "ReceiveMessage", call);
      }
    } catch (error) {
      // The node ends in the middle of a look: one who waits is told that there is nothing.
      if (!waits.isClosed || !(error instanceof StoreClosed)) throw error;
    } finally {
      waiter.leave();
    }
    return { queue, taken };
  };

  return {
    async ReceiveMessage(input, call) {
      const queue = await queues.open(input.QueueUrl, "ReceiveMessage", call);
      const asked = askedOf(queue, input);
      const system = [...(input.AttributeNames ?? []), ...(input.MessageSystemAttributeNames ?? [])];
      const unknown = system.find((name) => !systemNames.has(name));
      if (unknown !== undefined) throw unknownAttribute(unknown);
      let taken = await take(queue, asked);
      if (taken.length === 0 && asked.waitMs > 0) ({ taken } = await takeWaiting(input.QueueUrl, asked, call));
      if (taken.length === 0) return {};
      return { Messages: taken.map((one) => shown(queue, one, system, input.MessageAttributeNames)) };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-sqs")>;
}
