/** What the jobs of SQS do: nothing is left of what expired, was purged or deleted; dead letters go back at their rate. */
import { describe, expect, it } from "vitest";
import { raw, sql } from "../../store/sql.ts";
import { bodies, type TestQueues, type WithQueues } from "./node.suite.ts";

const fifo = { FifoQueue: "true", ContentBasedDeduplication: "true" };
const tables = ["messages", "fifo_messages", "groups", "deduplications", "bodies", "receive_attempts"];
const long = "long".repeat(1_000);
const everything = { MaxNumberOfMessages: 10, AttributeNames: ["All"] };

/** Rows that are there, by table. */
async function left({ store }: TestQueues): Promise<string[]> {
  const counted = await Promise.all(
    tables.map((name) =>
      store.read((tx) => tx.one<{ rows: number }>(sql`select count(*) as rows from ${raw(`sqs_${name}`)}`)),
    ),
  );
  return tables.filter((_, i) => counted[i]?.rows !== 0);
}

async function fill(node: TestQueues, attributes: Record<string, string> = {}): Promise<string[]> {
  const { create, send, receive } = node;
  const standard = await create("orders", attributes);
  const steps = await create("steps.fifo", { ...fifo, ...attributes });
  for (const body of ["short", long]) {
    await send(standard, body);
    await send(steps, body, { MessageGroupId: body.slice(0, 5) });
  }
  await receive(steps, { ReceiveRequestAttemptId: "once" });
  return [standard, steps];
}

export function upkeepSuite(withQueues: WithQueues): void {
  describe("the sweep", () => {
    it("leaves nothing of what has expired", () =>
      withQueues(async (node) => {
        await fill(node, { MessageRetentionPeriod: "60" });
        await node.clock.advance(59_999);
        await node.runJob("sqs:sweep");
        expect(await left(node)).toEqual(tables);
        await node.clock.advance(241_000);
        await node.runJob("sqs:sweep");
        expect(await left(node)).toEqual([]);
      }));

    it("leaves nothing of what was purged, nor of deleted queues, but their neighbours' messages", () =>
      withQueues(async (node) => {
        const { create, send, receive, peers, call, clock } = node;
        const [standard = "", steps = ""] = await fill(node);
        const other = await create("other");
        await send(other, "stays");
        await clock.advance(1);
        await peers.sqs.PurgeQueue({ QueueUrl: standard }, call);
        await peers.sqs.DeleteQueue({ QueueUrl: steps }, call);
        await send(standard, "after");
        await node.runJob("sqs:sweep");
        expect(await left(node)).toEqual(["messages"]);
        expect(bodies(await receive(standard))).toEqual(["after"]);
        expect(bodies(await receive(other))).toEqual(["stays"]);
      }));
  });

  describe("dead letters", () => {
    async function pair({ create, attributes }: TestQueues, kind: Record<string, string>) {
      const suffix = kind === fifo ? ".fifo" : "";
      const dead = await create(`dead${suffix}`, kind);
      const { QueueArn: SourceArn = "" } = await attributes(dead);
      const RedrivePolicy = JSON.stringify({ deadLetterTargetArn: SourceArn, maxReceiveCount: 1 });
      const url = await create(`orders${suffix}`, { ...kind, RedrivePolicy, VisibilityTimeout: "1" });
      return { url, dead, SourceArn };
    }

    it.each([
      ["standard", {}],
      ["FIFO", fifo],
    ])("of a %s queue arrive with all they had, and go back at the rate of a task", (_, kind) =>
      withQueues(async (node) => {
        const { send, receive, clock, runJob, peers, call, counts } = node;
        const { url, dead, SourceArn } = await pair(node, kind);
        const rest = kind === fifo ? { MessageGroupId: "g" } : {};
        for (const body of ["a", long, "c"]) await send(url, body, rest);
        expect(await receive(url, { MaxNumberOfMessages: 10 })).toHaveLength(3);
        await clock.advance(1_000);
        expect(await receive(url)).toEqual([]);
        expect(await counts(url)).toEqual([0, 0, 0]);
        expect(await counts(dead)).toEqual([3, 0, 0]);

        const rate = { MaxNumberOfMessagesPerSecond: 2 };
        await peers.sqs.StartMessageMoveTask({ SourceArn, ...rate }, call);
        await runJob("sqs:moves");
        expect(await counts(dead)).toEqual([1, 0, 0]);
        await clock.advance(1_000);
        await runJob("sqs:moves");
        expect(await counts(dead)).toEqual([0, 0, 0]);
        const back = await receive(url, everything);
        expect(bodies(back)).toEqual(["a", long, "c"]);
        expect(back[0]?.Attributes).toMatchObject({ ApproximateReceiveCount: "1" });
        const { Results } = await peers.sqs.ListMessageMoveTasks({ SourceArn }, call);
        expect(Results).toMatchObject([{ Status: "COMPLETED", ApproximateNumberOfMessagesMoved: 3 }]);
      }),
    );

    it("stay where they are when their queue is gone", () =>
      withQueues(async (node) => {
        const { send, receive, clock, peers, call } = node;
        const { url, dead } = await pair(node, {});
        await send(url, "a");
        await receive(url);
        await peers.sqs.DeleteQueue({ QueueUrl: dead }, call);
        await clock.advance(1_000);
        expect(bodies(await receive(url))).toEqual(["a"]);
      }));
  });

  describe("a receive that names itself", () => {
    it("gives the same again, as long as nothing was done with it", () =>
      withQueues(async ({ create, send, receive, peers, call, clock }) => {
        const QueueUrl = await create("orders.fifo", { ...fifo, VisibilityTimeout: "30" });
        for (const body of ["a", "b", "c"]) await send(QueueUrl, body, { MessageGroupId: "g" });
        const attempt = { MaxNumberOfMessages: 2, ReceiveRequestAttemptId: "once" };
        const first = await receive(QueueUrl, attempt);
        expect(bodies(first)).toEqual(["a", "b"]);
        await clock.advance(20_000);
        expect(await receive(QueueUrl, attempt)).toEqual(first);
        await clock.advance(20_000);
        // Its time began anew with the repetition.
        expect(await receive(QueueUrl)).toEqual([]);
        const ReceiptHandle = first[0]?.ReceiptHandle;
        await peers.sqs.DeleteMessage({ QueueUrl, ReceiptHandle }, call);
        expect(await receive(QueueUrl, attempt)).toEqual([]);
      }));
  });
}
