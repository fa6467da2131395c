/** Standard queues under a clock that stands still: visibility, delay, retention, dead letters, counts. */
import { describe, expect, it } from "vitest";
import { bodies, handleOf, type WithQueues } from "./node.suite.ts";

export function standardSuite(withQueues: WithQueues): void {
  describe("a standard queue", () => {
    it("hides a message while it is in flight, and shows it again", () =>
      withQueues(async ({ create, send, receive, counts, clock }) => {
        const url = await create("orders", { VisibilityTimeout: "5" });
        await send(url, "one");
        const [first] = await receive(url, { AttributeNames: ["All"] });
        expect(first).toMatchObject({ Body: "one", Attributes: { ApproximateReceiveCount: "1" } });
        expect(await receive(url)).toEqual([]);
        expect(await counts(url)).toEqual([0, 1, 0]);
        await clock.advance(4_999);
        expect(await receive(url)).toEqual([]);
        await clock.advance(1);
        expect(await counts(url)).toEqual([1, 0, 0]);
        const [again] = await receive(url, { AttributeNames: ["All"] });
        expect(again?.Attributes).toMatchObject({
          ApproximateReceiveCount: "2",
          ApproximateFirstReceiveTimestamp: first?.Attributes?.["ApproximateFirstReceiveTimestamp"],
        });
      }));

    it("deletes by the latest handle only", () =>
      withQueues(async ({ create, send, receive, clock, peers, call }) => {
        const QueueUrl = await create("orders", { VisibilityTimeout: "5" });
        await send(QueueUrl, "one");
        const [first] = await receive(QueueUrl);
        await clock.advance(5_000);
        const [second] = await receive(QueueUrl);
        await peers.sqs.DeleteMessage({ QueueUrl, ReceiptHandle: handleOf(first) }, call);
        await clock.advance(5_000);
        expect(bodies(await receive(QueueUrl))).toEqual(["one"]);
        await peers.sqs.DeleteMessage({ QueueUrl, ReceiptHandle: handleOf(second) }, call);
        await clock.advance(5_000);
        const [fourth] = await receive(QueueUrl);
        await peers.sqs.DeleteMessage({ QueueUrl, ReceiptHandle: handleOf(fourth) }, call);
        await clock.advance(5_000);
        expect(await receive(QueueUrl)).toEqual([]);
      }));

    it("delays by the queue's time, or the message's own", () =>
      withQueues(async ({ create, send, receive, counts, clock }) => {
        const url = await create("later", { DelaySeconds: "10" });
        await send(url, "queue");
        await send(url, "own", { DelaySeconds: 3 });
        await send(url, "now", { DelaySeconds: 0 });
        expect(await counts(url)).toEqual([1, 0, 2]);
        expect(bodies(await receive(url, { MaxNumberOfMessages: 10 }))).toEqual(["now"]);
        await clock.advance(3_000);
        expect(bodies(await receive(url, { MaxNumberOfMessages: 10 }))).toEqual(["own"]);
        await clock.advance(7_000);
        expect(bodies(await receive(url, { MaxNumberOfMessages: 10 }))).toEqual(["queue"]);
      }));

    it("keeps messages for the retention period that it has now", () =>
      withQueues(async ({ create, send, receive, counts, clock, peers, call }) => {
        const QueueUrl = await create("short", { MessageRetentionPeriod: "60" });
        await send(QueueUrl, "old");
        await clock.advance(30_000);
        await send(QueueUrl, "young");
        await clock.advance(30_000);
        expect(await counts(QueueUrl)).toEqual([1, 0, 0]);
        expect(bodies(await receive(QueueUrl, { MaxNumberOfMessages: 10, VisibilityTimeout: 0 }))).toEqual(["young"]);
        const Attributes = { MessageRetentionPeriod: "3600" };
        await peers.sqs.SetQueueAttributes({ QueueUrl, Attributes }, call);
        await clock.advance(300_000);
        expect(bodies(await receive(QueueUrl))).toEqual(["young"]);
      }));

    it("gives quiet tenants' messages before the rest of a noisy one's", () =>
      withQueues(async ({ create, send, receive }) => {
        const url = await create("fair");
        for (let n = 0; n < 60; n += 1) await send(url, `noisy-${n}`, { MessageGroupId: "noisy" });
        for (let n = 0; n < 20; n += 1) await receive(url);
        for (const tenant of ["a", "z"]) await send(url, tenant, { MessageGroupId: tenant });
        await send(url, "none");
        const next = [];
        for (let n = 0; n < 4; n += 1) next.push(...bodies(await receive(url)));
        expect(next).toEqual(expect.arrayContaining(["a", "z"]));
        const rest = [];
        for (let n = 0; n < 8; n += 1) rest.push(...bodies(await receive(url, { MaxNumberOfMessages: 10 })));
        expect(rest).toHaveLength(39);
        expect(rest).toContain("none");
      }));
  });
}
