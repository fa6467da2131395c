/** A queue as a mapping sees it: messages that are hidden for a while, groups that wait, receives that wait. */
import type { FakeClock } from "../../../base/clock.ts";
import type { Call } from "../../../kit/call.ts";
import { Fault } from "../../../base/errors.ts";
import type { Operation } from "../../../kit/service.ts";
import { account, region } from "../node.suite.ts";

interface Kept {
  id: string;
  body: string;
  group: string | undefined;
  attributes: Record<string, string>;
  messageAttributes: object;
  visibleMs: number;
  receives: number;
  receipt: string;
}

export interface FakeQueue {
  arn: string;
  operations: Readonly<Record<string, Operation>>;
  /** Puts messages into the queue, and wakes who waits. */
  send(...bodies: readonly string[]): void;
  put(message: Partial<Pick<Kept, "group" | "attributes" | "messageAttributes">> & { body: string }): void;
  /** Bodies of the messages that are there, hidden ones too. */
  bodies(): string[];
  /** Receives there were. */
  receives: number;
}

export function fakeQueue(clock: FakeClock, name = "orders", visibilitySeconds = 30): FakeQueue {
  const kept: Kept[] = [];
  const waiting = new Set<() => void>();
  let count = 0;
  const url = `http://127.0.0.1:4566/${account}/${name}`;

  const takeUp = (limit: number) => {
    const hidden = new Set(kept.filter(({ visibleMs }) => visibleMs > clock.now()).map(({ group }) => group));
    const taken: Kept[] = [];
    for (const message of kept) {
      if (taken.length === limit) break;
      if (message.visibleMs > clock.now()) continue;
      if (message.group !== undefined && hidden.has(message.group)) continue;
      taken.push(message);
    }
    for (const message of taken) {
      message.visibleMs = clock.now() + visibilitySeconds * 1_000;
      message.receives += 1;
      message.receipt = `${message.id}#${message.receives}`;
    }
    return taken;
  };
  const woken = (ms: number, signal: AbortSignal) =>
    new Promise<void>((resolve) => {
      const end = () => {
        timer.cancel();
        waiting.delete(end);
        signal.removeEventListener("abort", end);
        resolve();
      };
      const timer = clock.after(ms, end);
      signal.addEventListener("abort", end);
      waiting.add(end);
    });

  const queue: FakeQueue = {
    arn: `arn:aws:sqs:${region}:${account}:${name}`,
    receives: 0,
    send: (...bodies) => bodies.forEach((body) => queue.put({ body })),
    put({ body, group, attributes = {}, messageAttributes = {} }) {
      const id = `m${(count += 1)}`;
      const message = { id, body, group, attributes, messageAttributes, visibleMs: 0, receives: 0, receipt: "" };
      kept.push(message);
      for (const wake of waiting) wake();
    },
    bodies: () => kept.map(({ body }) => body),
    operations: {
      async GetQueueUrl({ QueueName }: { QueueName: string }) {
        if (QueueName !== name) throw new Fault("QueueDoesNotExist", "The specified queue does not exist.");
        return { QueueUrl: url };
      },
      GetQueueAttributes: async () => ({ Attributes: { VisibilityTimeout: String(visibilitySeconds) } }),
      async ReceiveMessage(input: { MaxNumberOfMessages: number; WaitTimeSeconds: number }, { signal }: Call) {
        queue.receives += 1;
        const endMs = clock.now() + input.WaitTimeSeconds * 1_000;
        let taken = takeUp(input.MaxNumberOfMessages);
        while (taken.length === 0 && clock.now() < endMs && !signal.aborted) {
          await woken(Math.min(1_000, endMs - clock.now()), signal);
          if (!signal.aborted) taken = takeUp(input.MaxNumberOfMessages);
        }
        return {
          Messages: taken.map(({ id, body, receipt, receives, group, attributes, messageAttributes }) => ({
            MessageId: id,
            ReceiptHandle: receipt,
            Body: body,
            MD5OfBody: "md5",
            Attributes: {
              ApproximateReceiveCount: String(receives),
              ...(group === undefined ? {} : { MessageGroupId: group }),
              ...attributes,
            },
            MessageAttributes: messageAttributes,
          })),
        };
      },
      async DeleteMessageBatch({ Entries }: { Entries: { Id: string; ReceiptHandle: string }[] }) {
        for (const { ReceiptHandle } of Entries) {
          const index = kept.findIndex(({ receipt }) => receipt === ReceiptHandle);
          if (index >= 0) kept.splice(index, 1);
        }
        return { Successful: Entries.map(({ Id }) => ({ Id })), Failed: [] };
      },
      async ChangeMessageVisibility({
        ReceiptHandle,
        VisibilityTimeout,
      }: {
        ReceiptHandle: string;
        VisibilityTimeout: number;
      }) {
        const message = kept.find(({ receipt }) => receipt === ReceiptHandle);
        if (message !== undefined) message.visibleMs = clock.now() + VisibilityTimeout * 1_000;
        return {};
      },
    },
  };
  return queue;
}
