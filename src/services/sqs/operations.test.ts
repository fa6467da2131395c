/** Every operation of SQS through the official client, on a whole node. */
import * as client from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { must } from "../../base/errors.ts";
import { startMikan, type Mikan } from "../../mikan.ts";
import { silentLog } from "../../telemetry/log.ts";
import { sqs as definition } from "./service.ts";

let mikan: Mikan;
let sqs: client.SQSClient;
beforeAll(async () => {
  mikan = await startMikan({ log: silentLog, clock: "fake" });
  // With its own check of the digests of what it sends and receives.
  sqs = new client.SQSClient({ ...mikan.clientConfig(), maxAttempts: 1 });
});
afterAll(async () => {
  sqs.destroy();
  await mikan.close(0);
});

let queues = 0;
async function create(Attributes: Record<string, string> = {}): Promise<string> {
  const QueueName = `queue-${(queues += 1)}${Attributes["FifoQueue"] === "true" ? ".fifo" : ""}`;
  return must((await sqs.send(new client.CreateQueueCommand({ QueueName, Attributes }))).QueueUrl, "QueueUrl");
}
const nameOf = (url: string) => url.slice(url.lastIndexOf("/") + 1);
const send = async (QueueUrl: string, ...texts: readonly string[]) => {
  const Entries = texts.map((MessageBody, i) => ({ Id: String(i), MessageBody }));
  await sqs.send(new client.SendMessageBatchCommand({ QueueUrl, Entries }));
};
const receive = async (QueueUrl: string, rest: object = {}) =>
  (await sqs.send(new client.ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, ...rest }))).Messages ?? [];
const attributes = async (QueueUrl: string) =>
  (await sqs.send(new client.GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["All"] }))).Attributes ?? {};
const bodies = (messages: readonly client.Message[]) => messages.map(({ Body }) => Body);
async function pair(): Promise<{ url: string; dead: string; deadArn: string }> {
  const dead = await create();
  const deadArn = must((await attributes(dead))["QueueArn"], "QueueArn");
  const RedrivePolicy = JSON.stringify({ deadLetterTargetArn: deadArn, maxReceiveCount: 1 });
  return { url: await create({ RedrivePolicy, VisibilityTimeout: "1" }), dead, deadArn };
}
/** Sends what nobody can process, and gives its queues when it is a dead letter. */
async function bury(...texts: readonly string[]) {
  const queuesOf = await pair();
  await send(queuesOf.url, ...texts);
  await receive(queuesOf.url);
  await mikan.clock?.advance(1_000);
  expect(await receive(queuesOf.url)).toEqual([]);
  return queuesOf;
}

type Check = () => Promise<void>;

/** One for each operation. Source: API reference, docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/. */
const checks: Readonly<Record<string, Check>> = {
  async CreateQueue() {
    const url = await create({ VisibilityTimeout: "5" });
    expect(url).toBe(`${mikan.url}/000000000000/${nameOf(url)}`);
  },
  async GetQueueUrl() {
    const url = await create();
    const input = { QueueName: nameOf(url), QueueOwnerAWSAccountId: "000000000000" };
    expect((await sqs.send(new client.GetQueueUrlCommand(input))).QueueUrl).toBe(url);
  },
  async ListQueues() {
    const made = [];
    for (const n of [1, 2, 3]) {
      made.push(must((await sqs.send(new client.CreateQueueCommand({ QueueName: `list-${n}` }))).QueueUrl, "url"));
    }
    const first = await sqs.send(new client.ListQueuesCommand({ QueueNamePrefix: "list-", MaxResults: 2 }));
    expect(first.QueueUrls).toEqual(made.slice(0, 2));
    const { NextToken } = first;
    const rest = { QueueNamePrefix: "list-", MaxResults: 2, NextToken };
    const second = await sqs.send(new client.ListQueuesCommand(rest));
    expect([second.QueueUrls, second.NextToken]).toEqual([made.slice(2), undefined]);
  },
  async DeleteQueue() {
    const QueueUrl = await create();
    await send(QueueUrl, "lost");
    await sqs.send(new client.DeleteQueueCommand({ QueueUrl }));
    await expect(attributes(QueueUrl)).rejects.toThrow("The specified queue does not exist.");
    const again = new client.CreateQueueCommand({ QueueName: nameOf(QueueUrl) });
    await expect(sqs.send(again)).rejects.toMatchObject({
      name: "QueueDeletedRecently",
      message: "You must wait 60 seconds after deleting a queue before you can create another with the same name.",
    });
    await mikan.clock?.advance(60_000);
    await sqs.send(new client.CreateQueueCommand({ QueueName: nameOf(QueueUrl) }));
    expect(await receive(QueueUrl)).toEqual([]);
  },
  async PurgeQueue() {
    const QueueUrl = await create();
    await send(QueueUrl, "a", "b");
    await mikan.clock?.advance(1);
    await sqs.send(new client.PurgeQueueCommand({ QueueUrl }));
    expect((await attributes(QueueUrl))["ApproximateNumberOfMessages"]).toBe("0");
    await expect(sqs.send(new client.PurgeQueueCommand({ QueueUrl }))).rejects.toMatchObject({
      name: "PurgeQueueInProgress",
      message: `Only one PurgeQueue operation on ${nameOf(QueueUrl)} is allowed every 60 seconds.`,
    });
    await mikan.clock?.advance(1);
    await send(QueueUrl, "c");
    expect(bodies(await receive(QueueUrl))).toEqual(["c"]);
    await mikan.clock?.advance(60_000);
    await sqs.send(new client.PurgeQueueCommand({ QueueUrl }));
  },
  async GetQueueAttributes() {
    const QueueUrl = await create();
    const AttributeNames = ["QueueArn", "VisibilityTimeout"] as const;
    const found = await sqs.send(
      new client.GetQueueAttributesCommand({ QueueUrl, AttributeNames: [...AttributeNames] }),
    );
    const QueueArn = `arn:aws:sqs:us-east-1:000000000000:${nameOf(QueueUrl)}`;
    expect(found.Attributes).toEqual({ QueueArn, VisibilityTimeout: "30" });
    expect((await sqs.send(new client.GetQueueAttributesCommand({ QueueUrl }))).Attributes).toBeUndefined();
  },
  async SetQueueAttributes() {
    const QueueUrl = await create();
    const Attributes = { VisibilityTimeout: "7" };
    await sqs.send(new client.SetQueueAttributesCommand({ QueueUrl, Attributes }));
    expect(await attributes(QueueUrl)).toMatchObject(Attributes);
  },
  async TagQueue() {
    const QueueUrl = await create();
    await sqs.send(new client.TagQueueCommand({ QueueUrl, Tags: { team: "a", cost: "b" } }));
    await sqs.send(new client.TagQueueCommand({ QueueUrl, Tags: { team: "c" } }));
    expect((await sqs.send(new client.ListQueueTagsCommand({ QueueUrl }))).Tags).toEqual({ team: "c", cost: "b" });
  },
  async ListQueueTags() {
    const { QueueUrl } = await sqs.send(new client.CreateQueueCommand({ QueueName: "tagged", tags: { a: "b" } }));
    expect((await sqs.send(new client.ListQueueTagsCommand({ QueueUrl }))).Tags).toEqual({ a: "b" });
  },
  async UntagQueue() {
    const QueueUrl = await create();
    await sqs.send(new client.TagQueueCommand({ QueueUrl, Tags: { team: "a" } }));
    await sqs.send(new client.UntagQueueCommand({ QueueUrl, TagKeys: ["team", "absent"] }));
    expect((await sqs.send(new client.ListQueueTagsCommand({ QueueUrl }))).Tags).toBeUndefined();
  },
  async AddPermission() {
    const QueueUrl = await create();
    const input = { QueueUrl, Label: "send", AWSAccountIds: ["111122223333"], Actions: ["SendMessage"] };
    await sqs.send(new client.AddPermissionCommand(input));
    const { Policy = "", QueueArn } = await attributes(QueueUrl);
    expect(JSON.parse(Policy)).toEqual({
      Version: "2012-10-17",
      Id: `${QueueArn}/SQSDefaultPolicy`,
      Statement: [
        {
          Sid: "send",
          Effect: "Allow",
          Principal: { AWS: "arn:aws:iam::111122223333:root" },
          Action: "SQS:SendMessage",
          Resource: QueueArn,
        },
      ],
    });
    await expect(sqs.send(new client.AddPermissionCommand(input))).rejects.toThrow("Already exists.");
    const other = new client.SQSClient({ ...mikan.clientConfig("111122223333"), maxAttempts: 1 });
    await other.send(new client.SendMessageCommand({ QueueUrl, MessageBody: "from another account" }));
    const refused = other.send(new client.ReceiveMessageCommand({ QueueUrl }));
    await expect(refused).rejects.toMatchObject({ name: expect.stringMatching(/^AccessDenied/) });
    other.destroy();
    expect(bodies(await receive(QueueUrl))).toEqual(["from another account"]);
  },
  async RemovePermission() {
    const QueueUrl = await create();
    const input = { QueueUrl, Label: "send", AWSAccountIds: ["111122223333"], Actions: ["*"] };
    await sqs.send(new client.AddPermissionCommand(input));
    await sqs.send(new client.RemovePermissionCommand({ QueueUrl, Label: "send" }));
    expect(await attributes(QueueUrl)).not.toHaveProperty("Policy");
  },
  async SendMessage() {
    const QueueUrl = await create();
    const sent = await sqs.send(
      new client.SendMessageCommand({
        QueueUrl,
        MessageBody: "This is a test message",
        MessageAttributes: {
          timestamp: { StringValue: "1493147359900", DataType: "Number.java" },
          blob: { BinaryValue: Buffer.from([0, 255]), DataType: "Binary.gz" },
        },
        MessageSystemAttributes: {
          AWSTraceHeader: { DataType: "String", StringValue: "Root=1-5759e988-bd862e3fe1be46a994272793" },
        },
      }),
    );
    expect(sent).toMatchObject({
      MD5OfMessageBody: "fafb00f5732ab283681e124bf8747ed1",
      MD5OfMessageAttributes: expect.stringMatching(/^[0-9a-f]{32}$/),
      MD5OfMessageSystemAttributes: expect.stringMatching(/^[0-9a-f]{32}$/),
    });
    const [message] = await receive(QueueUrl, { MessageAttributeNames: ["blob"], AttributeNames: ["AWSTraceHeader"] });
    expect(message).toMatchObject({
      MessageId: sent.MessageId,
      MD5OfBody: sent.MD5OfMessageBody,
      MessageAttributes: { blob: { DataType: "Binary.gz", BinaryValue: Uint8Array.of(0, 255) } },
      Attributes: { AWSTraceHeader: "Root=1-5759e988-bd862e3fe1be46a994272793" },
    });
    expect(Object.keys(message?.MessageAttributes ?? {})).toEqual(["blob"]);
  },
  async SendMessageBatch() {
    const QueueUrl = await create();
    const Entries = [
      { Id: "good", MessageBody: "b" },
      { Id: "late", MessageBody: "b", DelaySeconds: 901 },
      { Id: "long", MessageBody: "b".repeat(300_000) },
    ];
    const { Successful, Failed } = await sqs.send(new client.SendMessageBatchCommand({ QueueUrl, Entries }));
    expect(Successful?.map(({ Id }) => Id)).toEqual(["good", "long"]);
    const Message = "Value 901 for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.";
    expect(Failed).toEqual([{ Id: "late", SenderFault: true, Code: "InvalidParameterValue", Message }]);
    expect(bodies(await receive(QueueUrl)).map((body) => body?.length)).toEqual([1, 300_000]);
  },
  async ReceiveMessage() {
    const QueueUrl = await create();
    await send(QueueUrl, "a", "b", "c");
    expect(bodies(await receive(QueueUrl, { MaxNumberOfMessages: 2 }))).toEqual(["a", "b"]);
    expect(bodies(await receive(QueueUrl, { WaitTimeSeconds: 1 }))).toEqual(["c"]);
    const startedMs = performance.now();
    const waiting = receive(QueueUrl, { WaitTimeSeconds: 20 });
    await send(QueueUrl, "d");
    expect(bodies(await waiting)).toEqual(["d"]);
    expect(performance.now() - startedMs).toBeLessThan(20_000);
  },
  async DeleteMessage() {
    const QueueUrl = await create({ VisibilityTimeout: "1" });
    await send(QueueUrl, "a");
    const [message] = await receive(QueueUrl);
    const input = { QueueUrl, ReceiptHandle: message?.ReceiptHandle };
    await sqs.send(new client.DeleteMessageCommand(input));
    // Once more is no harm.
    await sqs.send(new client.DeleteMessageCommand(input));
    await mikan.clock?.advance(1_000);
    expect(await receive(QueueUrl)).toEqual([]);
  },
  async DeleteMessageBatch() {
    const QueueUrl = await create({ VisibilityTimeout: "1" });
    await send(QueueUrl, "a", "b");
    const messages = await receive(QueueUrl);
    const Entries = [
      ...messages.map(({ ReceiptHandle }, i) => ({ Id: `m${i}`, ReceiptHandle })),
      { Id: "x", ReceiptHandle: "x" },
    ];
    const { Successful, Failed } = await sqs.send(new client.DeleteMessageBatchCommand({ QueueUrl, Entries }));
    expect([Successful?.map(({ Id }) => Id), Failed?.map(({ Code }) => Code)]).toEqual([
      ["m0", "m1"],
      ["ReceiptHandleIsInvalid"],
    ]);
    await mikan.clock?.advance(1_000);
    expect(await receive(QueueUrl)).toEqual([]);
  },
  async ChangeMessageVisibility() {
    const QueueUrl = await create();
    await send(QueueUrl, "a");
    const [message] = await receive(QueueUrl);
    const change = (VisibilityTimeout: number) =>
      sqs.send(
        new client.ChangeMessageVisibilityCommand({
          QueueUrl,
          ReceiptHandle: message?.ReceiptHandle,
          VisibilityTimeout,
        }),
      );
    await change(100);
    await mikan.clock?.advance(40_000);
    expect(await receive(QueueUrl)).toEqual([]);
    await expect(change(43_200)).rejects.toThrow(
      "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]",
    );
    await change(0);
    await expect(change(1)).rejects.toMatchObject({ name: "MessageNotInflight" });
    expect(bodies(await receive(QueueUrl))).toEqual(["a"]);
    await expect(change(1)).rejects.toThrow(
      "Message does not exist or is not available for visibility timeout change.",
    );
  },
  async ChangeMessageVisibilityBatch() {
    const QueueUrl = await create();
    await send(QueueUrl, "a");
    const [message] = await receive(QueueUrl);
    const Entries = [
      { Id: "good", ReceiptHandle: message?.ReceiptHandle, VisibilityTimeout: 0 },
      { Id: "bad", ReceiptHandle: "x", VisibilityTimeout: 0 },
    ];
    const input = new client.ChangeMessageVisibilityBatchCommand({ QueueUrl, Entries });
    const { Successful, Failed } = await sqs.send(input);
    expect([Successful?.map(({ Id }) => Id), Failed?.map(({ Id }) => Id)]).toEqual([["good"], ["bad"]]);
    expect(bodies(await receive(QueueUrl))).toEqual(["a"]);
  },
  async ListDeadLetterSourceQueues() {
    const { url, dead: QueueUrl } = await pair();
    expect((await sqs.send(new client.ListDeadLetterSourceQueuesCommand({ QueueUrl }))).queueUrls).toEqual([url]);
    await sqs.send(new client.SetQueueAttributesCommand({ QueueUrl: url, Attributes: { RedrivePolicy: "" } }));
    expect((await sqs.send(new client.ListDeadLetterSourceQueuesCommand({ QueueUrl }))).queueUrls).toEqual([]);
  },
  async StartMessageMoveTask() {
    const { url, dead, deadArn: SourceArn } = await bury("a", "b".repeat(5_000));
    const { TaskHandle } = await sqs.send(new client.StartMessageMoveTaskCommand({ SourceArn }));
    await mikan.clock?.advance(3_000);
    expect(await receive(dead)).toEqual([]);
    const back = await receive(url, { AttributeNames: ["All"] });
    expect(bodies(back)).toEqual(["a", "b".repeat(5_000)]);
    expect(back[0]?.Attributes).toMatchObject({ ApproximateReceiveCount: "1" });
    expect(back[0]?.Attributes).not.toHaveProperty("DeadLetterQueueSourceArn");
    expect(TaskHandle).toBeDefined();
  },
  async ListMessageMoveTasks() {
    const { deadArn: SourceArn } = await bury("a");
    const elsewhere = (await attributes(await create()))["QueueArn"];
    const input = { SourceArn, DestinationArn: elsewhere, MaxNumberOfMessagesPerSecond: 10 };
    await sqs.send(new client.StartMessageMoveTaskCommand(input));
    await mikan.clock?.advance(3_000);
    const { Results } = await sqs.send(new client.ListMessageMoveTasksCommand({ SourceArn, MaxResults: 10 }));
    expect(Results).toEqual([
      {
        Status: "COMPLETED",
        SourceArn,
        DestinationArn: elsewhere,
        MaxNumberOfMessagesPerSecond: 10,
        ApproximateNumberOfMessagesMoved: 1,
        ApproximateNumberOfMessagesToMove: 1,
        StartedTimestamp: expect.any(Number),
      },
    ]);
  },
  async CancelMessageMoveTask() {
    const { dead, deadArn: SourceArn } = await bury("a", "b", "c", "d");
    const input = { SourceArn, MaxNumberOfMessagesPerSecond: 1 };
    const { TaskHandle } = await sqs.send(new client.StartMessageMoveTaskCommand(input));
    await expect(sqs.send(new client.StartMessageMoveTaskCommand(input))).rejects.toThrow("already a task running");
    const cancelled = await sqs.send(new client.CancelMessageMoveTaskCommand({ TaskHandle }));
    const moved = cancelled.ApproximateNumberOfMessagesMoved ?? 0;
    await mikan.clock?.advance(10_000);
    expect(await receive(dead)).toHaveLength(4 - moved);
    const { Results } = await sqs.send(new client.ListMessageMoveTasksCommand({ SourceArn }));
    expect(Results).toMatchObject([{ Status: "CANCELLED", ApproximateNumberOfMessagesMoved: moved }]);
    const again = sqs.send(new client.CancelMessageMoveTaskCommand({ TaskHandle }));
    await expect(again).rejects.toThrow("Only active tasks can be cancelled.");
  },
};

const operations = Object.keys(client).flatMap((name) => /^([A-Z]\w+)Command$/.exec(name)?.[1] ?? []);

it("has them all", () => {
  expect(Object.keys(checks).toSorted()).toEqual(operations.toSorted());
  expect(definition.name).toBe("sqs");
});

describe.each(Object.entries(checks))("%s", (_, check) => {
  it("does what AWS documents", { timeout: 30_000 }, check);
});
