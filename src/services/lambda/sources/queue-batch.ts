/** A batch of a queue's messages on its way to be full. Source: Lambda guide, "Batching behavior". */
import { batchBytesMax } from "./limits.ts";
import type { QueueRecord } from "./queue-events.ts";

/** A message, and until when it is the poller's. */
export interface Received {
  record: QueueRecord;
  /** In the event. */
  bytes: number;
  untilMs: number;
}

export interface QueueBatch {
  /** False when it has no place for the message, and none for another. */
  add(message: Received): boolean;
  readonly messages: readonly Received[];
  /** So many more messages may come. */
  readonly room: number;
  /** When it goes even if it is not full; never, while it is empty. */
  readonly endMs: number;
}

/** `{"Records":[]}` */
const frameBytes = 32;

/** @param endOf when a batch ends whose first message has just come */
export function createBatch(sizeMax: number, endOf: () => number): QueueBatch {
  const messages: Received[] = [];
  let bytes = frameBytes;
  let isFull = false;
  let endMs = Number.POSITIVE_INFINITY;
  return {
    messages,
    get room() {
      return isFull ? 0 : sizeMax - messages.length;
    },
    get endMs() {
      return endMs;
    },
    add(message) {
      isFull ||= messages.length === sizeMax || (messages.length > 0 && bytes + message.bytes > batchBytesMax);
      if (isFull) return false;
      if (messages.length === 0) endMs = endOf();
      messages.push(message);
      bytes += message.bytes;
      return true;
    },
  };
}
