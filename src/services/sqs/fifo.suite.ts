/** FIFO queues under a clock that stands still: order, groups, deduplication, dead letters. */
import { describe, expect, it } from "vitest";
import { bodies, handleOf, type TestQueues, type WithQueues } from "./node.suite.ts";

const fifo = (attributes: Record<string, string> = {}) => ({
  FifoQueue: "true",
  ContentBasedDeduplication: "true",
  VisibilityTimeout: "30",
  ...attributes,
});
const ten = { MaxNumberOfMessages: 10 };
const inGroup = (MessageGroupId: string, rest: object = {}) => ({ MessageGroupId, ...rest });

async function sendAll({ send }: TestQueues, url: string, ...messages: readonly [group: string, body: string][]) {
  for (const [group, body] of messages) await send(url, body, inGroup(group));
}

export function fifoSuite(withQueues: WithQueues): void {
  describe("a FIFO queue", () => {
    it("gives a group's messages in order, and no more of it while one is in flight", () =>
      withQueues(async (node) => {
        const { create, receive, peers, call, counts } = node;
        const QueueUrl = await create("orders.fifo", fifo());
        await sendAll(node, QueueUrl, ["a", "a1"], ["a", "a2"], ["b", "b1"], ["a", "a3"]);
        const [first] = await receive(QueueUrl, { AttributeNames: ["All"] });
        expect(first?.Body).toBe("a1");
        expect(first?.Attributes?.["SequenceNumber"]).toMatch(/^\d{20}$/);
        expect(bodies(await receive(QueueUrl, ten))).toEqual(["b1"]);
        expect(await receive(QueueUrl, ten)).toEqual([]);
        expect(await counts(QueueUrl)).toEqual([2, 2, 0]);
        await peers.sqs.DeleteMessage({ QueueUrl, ReceiptHandle: handleOf(first) }, call);
        expect(bodies(await receive(QueueUrl, ten))).toEqual(["a2", "a3"]);
      }));

    it("keeps the order when a receive times out, and refuses its handle", () =>
      withQueues(async (node) => {
        const { create, receive, clock, peers, call } = node;
        const QueueUrl = await create("orders.fifo", fifo());
        await sendAll(node, QueueUrl, ["a", "a1"], ["a", "a2"], ["a", "a3"]);
        const taken = await receive(QueueUrl, { MaxNumberOfMessages: 2 });
        await peers.sqs.DeleteMessage({ QueueUrl, ReceiptHandle: handleOf(taken[1]) }, call);
        expect(await receive(QueueUrl, ten)).toEqual([]);
        await clock.advance(30_000);
        const again = await receive(QueueUrl, ten);
        expect(bodies(again)).toEqual(["a1", "a3"]);
        const late = peers.sqs.DeleteMessage({ QueueUrl, ReceiptHandle: handleOf(taken[0]) }, call);
        await expect(late).rejects.toMatchObject({
          code: "InvalidParameterValue",
          message: expect.stringMatching(
            /for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.$/,
          ),
        });
      }));

    it("stays closed as long as any message of the group is in flight", () =>
      withQueues(async (node) => {
        const { create, receive, clock, peers, call } = node;
        const QueueUrl = await create("orders.fifo", fifo());
        await sendAll(node, QueueUrl, ["a", "a1"], ["a", "a2"], ["a", "a3"]);
        const [first, second] = await receive(QueueUrl, { MaxNumberOfMessages: 2 });
        const change = (handle: string, VisibilityTimeout: number) =>
          peers.sqs.ChangeMessageVisibility({ QueueUrl, ReceiptHandle: handle, VisibilityTimeout }, call);
        await change(handleOf(first), 0);
        expect(await receive(QueueUrl, ten)).toEqual([]);
        await change(handleOf(second), 90);
        await clock.advance(89_999);
        expect(await receive(QueueUrl, ten)).toEqual([]);
        await clock.advance(1);
        expect(bodies(await receive(QueueUrl, ten))).toEqual(["a1", "a2", "a3"]);
      }));

    it("takes a send of the same content, or id, for the same send for five minutes", () =>
      withQueues(async ({ create, send, receive, clock, peers, call }) => {
        const QueueUrl = await create("orders.fifo", fifo());
        const first = await send(QueueUrl, "one", inGroup("a"));
        await clock.advance(299_999);
        expect(await send(QueueUrl, "one", inGroup("b"))).toBe(first);
        const [message] = await receive(QueueUrl, ten);
        await peers.sqs.DeleteMessage({ QueueUrl, ReceiptHandle: handleOf(message) }, call);
        expect(await send(QueueUrl, "one", inGroup("a"))).toBe(first);
        await clock.advance(1);
        expect(await send(QueueUrl, "one", inGroup("a"))).not.toBe(first);
        const byId = await send(QueueUrl, "two", inGroup("a", { MessageDeduplicationId: "id" }));
        expect(await send(QueueUrl, "three", inGroup("a", { MessageDeduplicationId: "id" }))).toBe(byId);
        expect(bodies(await receive(QueueUrl, ten))).toEqual(["one", "two"]);
      }));

    it("deduplicates within the group where that is the scope", () =>
      withQueues(async ({ create, send, receive }) => {
        const url = await create("orders.fifo", fifo({ DeduplicationScope: "messageGroup" }));
        const first = await send(url, "one", inGroup("a"));
        expect(await send(url, "one", inGroup("b"))).not.toBe(first);
        expect(await send(url, "one", inGroup("a"))).toBe(first);
        expect(await receive(url, ten)).toHaveLength(2);
      }));

    it("delays all messages by the queue's time, also those that were sent before it was set", () =>
      withQueues(async ({ create, send, receive, counts, clock, peers, call }) => {
        const QueueUrl = await create("later.fifo", fifo({ DelaySeconds: "60" }));
        await send(QueueUrl, "one", inGroup("a"));
        expect(await receive(QueueUrl, ten)).toEqual([]);
        expect(await counts(QueueUrl)).toEqual([0, 0, 1]);
        await peers.sqs.SetQueueAttributes({ QueueUrl, Attributes: { DelaySeconds: "10" } }, call);
        await clock.advance(9_999);
        expect(await receive(QueueUrl, ten)).toEqual([]);
        await clock.advance(1);
        expect(bodies(await receive(QueueUrl, ten))).toEqual(["one"]);
      }));

    it("moves what fails too often to its dead-letter queue, and goes on with the group", () =>
      withQueues(async (node) => {
        const { create, receive, clock, attributes } = node;
        const dead = await create("dead.fifo", fifo());
        const deadLetterTargetArn = (await attributes(dead))["QueueArn"];
        const RedrivePolicy = JSON.stringify({ deadLetterTargetArn, maxReceiveCount: 2 });
        const url = await create("orders.fifo", fifo({ RedrivePolicy }));
        await sendAll(node, url, ["a", "a1"], ["a", "a2"]);
        for (const _ of [1, 2]) {
          expect(bodies(await receive(url))).toEqual(["a1"]);
          await clock.advance(30_000);
        }
        expect(bodies(await receive(url))).toEqual(["a2"]);
        const [letter] = await receive(dead, { AttributeNames: ["All"] });
        expect(letter).toMatchObject({
          Body: "a1",
          Attributes: { MessageGroupId: "a", DeadLetterQueueSourceArn: (await attributes(url))["QueueArn"] },
        });
      }));

    it("keeps the order while many send to few groups and many receive", { timeout: 60_000 }, () =>
      withQueues(async ({ create, send, receive, peers, call }) => {
        const QueueUrl = await create("orders.fifo", fifo());
        const [messages, groupIds] = [60, ["a", "b"]];
        const sending = groupIds.flatMap((group) =>
          Array.from({ length: messages }, (_, n) => send(QueueUrl, `${group}${n}`, inGroup(group))),
        );
        const taken: string[] = [];
        const receiver = async () => {
          while (taken.length < messages * groupIds.length) {
            const found = await receive(QueueUrl, { ...ten, AttributeNames: ["All"] });
            // What is in flight is nobody else's: of one group they are noted in the order in which they were received.
            taken.push(...found.map(({ Attributes }) => `${Attributes?.MessageGroupId} ${Attributes?.SequenceNumber}`));
            const Entries = found.map((message, i) => ({ Id: `${i}`, ReceiptHandle: handleOf(message) }));
            if (Entries.length === 0) continue;
            expect((await peers.sqs.DeleteMessageBatch({ QueueUrl, Entries }, call)).Failed).toEqual([]);
          }
        };
        await Promise.all([...sending, ...Array.from({ length: 6 }, receiver)]);
        for (const group of groupIds) {
          const ofGroup = taken.filter((one) => one.startsWith(`${group} `));
          expect(ofGroup).toEqual(ofGroup.toSorted());
          expect(new Set(ofGroup).size).toBe(messages);
        }
        expect(taken).toHaveLength(messages * groupIds.length);
      }),
    );

    it("takes one of many that are the same, sent at once into different groups", () =>
      withQueues(async ({ create, send, receive }) => {
        const url = await create("orders.fifo", fifo());
        const ids = await Promise.all(Array.from({ length: 20 }, (_, n) => send(url, "same", inGroup(`g${n}`))));
        expect(new Set(ids).size).toBe(1);
        expect(bodies(await receive(url, ten))).toEqual(["same"]);
      }));
  });
}
