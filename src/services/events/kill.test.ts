/** Killed at any moment: every event that was acknowledged reaches its target once the node is back. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EventBridgeClient, PutEventsCommand, PutRuleCommand, PutTargetsCommand } from "@aws-sdk/client-eventbridge";
import { CreateQueueCommand, DeleteMessageBatchCommand, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startNodeProcess, type NodeProcess } from "../../../test/node-process.ts";

let data: string;
let node: NodeProcess;
let events: EventBridgeClient;
let sqs: SQSClient;

async function start(): Promise<void> {
  node = await startNodeProcess("--data", data, "--port", "0");
  const credentials = { accessKeyId: "000000000000", secretAccessKey: "test" };
  const config = { endpoint: node.url, region: "us-east-1", credentials, maxAttempts: 1 };
  [events, sqs] = [new EventBridgeClient(config), new SQSClient(config)];
}
beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), "mikan-events-kill-"));
  await start();
});
afterEach(async () => {
  events.destroy();
  sqs.destroy();
  await node.kill();
  await rm(data, { recursive: true, force: true });
});

const policy = {
  Statement: [
    { Effect: "Allow", Principal: { Service: "events.amazonaws.com" }, Action: "sqs:SendMessage", Resource: "*" },
  ],
};

/** Puts events until the node is gone, and notes the ids of those that were acknowledged. */
async function produce(acknowledged: string[]): Promise<void> {
  for (;;) {
    const entry = { Source: "shop", DetailType: "t", Detail: "{}" };
    const ids = await events.send(new PutEventsCommand({ Entries: [entry, entry] })).then(
      ({ Entries = [] }) => Entries.map(({ EventId = "" }) => EventId),
      () => undefined,
    );
    if (ids === undefined) return;
    acknowledged.push(...ids);
  }
}

describe("kill -9", () => {
  it.each([20, 300])("after %i events", { timeout: 120_000 }, async (killAfter) => {
    const created = new CreateQueueCommand({ QueueName: "q", Attributes: { Policy: JSON.stringify(policy) } });
    const { QueueUrl = "" } = await sqs.send(created);
    await events.send(new PutRuleCommand({ Name: "r", EventPattern: '{"source": ["shop"]}' }));
    const target = { Id: "q", Arn: "arn:aws:sqs:us-east-1:000000000000:q" };
    await events.send(new PutTargetsCommand({ Rule: "r", Targets: [target] }));
    const acknowledged: string[] = [];
    const producing = Promise.all([1, 2, 3].map(() => produce(acknowledged)));
    await expect.poll(() => acknowledged.length, { timeout: 60_000, interval: 5 }).toBeGreaterThanOrEqual(killAfter);
    await node.kill();
    await producing;
    await start();

    const url = QueueUrl.replace(/^http:\/\/[^/]+/, node.url);
    const missing = new Set(acknowledged);
    const untilMs = performance.now() + 60_000;
    while (missing.size > 0 && performance.now() < untilMs) {
      const receive = new ReceiveMessageCommand({ QueueUrl: url, MaxNumberOfMessages: 10, WaitTimeSeconds: 2 });
      const { Messages = [] } = await sqs.send(receive);
      for (const { Body = "" } of Messages) missing.delete((JSON.parse(Body) as { id: string }).id);
      const Entries = Messages.map(({ ReceiptHandle }, i) => ({ Id: String(i), ReceiptHandle }));
      if (Entries.length > 0) await sqs.send(new DeleteMessageBatchCommand({ QueueUrl: url, Entries }));
    }
    expect([...missing]).toEqual([]);
  });
});
