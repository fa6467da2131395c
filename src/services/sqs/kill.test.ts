/** Killed at any moment: acknowledged sends survive, in the order of their groups, and what was in flight comes back. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  CreateQueueCommand,
  DeleteMessageCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
} from "@aws-sdk/client-sqs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startNodeProcess, type NodeProcess } from "../../../test/node-process.ts";

const killPointsMs = [60, 250];
const visibilitySeconds = 1;
const groups = ["a", "b", "c"];

let data: string;
let node: NodeProcess;
let sqs: SQSClient;

async function start(): Promise<void> {
  node = await startNodeProcess("--data", data, "--port", "0");
  const credentials = { accessKeyId: "000000000000", secretAccessKey: "test" };
  sqs = new SQSClient({ endpoint: node.url, region: "us-east-1", credentials, maxAttempts: 1 });
}
beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), "mikan-sqs-kill-"));
  await start();
});
afterEach(async () => {
  sqs.destroy();
  await node.kill();
  await rm(data, { recursive: true, force: true });
});

const pause = (ms: number) =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
const create = async (QueueName: string, Attributes: Record<string, string> = {}) => {
  const all = { VisibilityTimeout: String(visibilitySeconds), ...Attributes };
  return (await sqs.send(new CreateQueueCommand({ QueueName, Attributes: all }))).QueueUrl ?? "";
};
/** URLs name the port of the node that gave them; the path is what counts. */
const receive = async (QueueUrl: string) =>
  (await sqs.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 2 }))).Messages ?? [];

/** Sends until the node is gone; gives what was acknowledged, in order. */
async function produce(QueueUrl: string, name: string, MessageGroupId?: string): Promise<string[]> {
  const acknowledged: string[] = [];
  for (let n = 0; ; n += 1) {
    const MessageBody = `${name}-${n}`;
    const rest = MessageGroupId === undefined ? {} : { MessageGroupId };
    const done = await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody, ...rest })).then(
      () => true,
      () => false,
    );
    if (!done) return acknowledged;
    acknowledged.push(MessageBody);
  }
}

/** Receives, and deletes every other message, until the node is gone; gives what was surely deleted, and what perhaps. */
async function consume(QueueUrl: string): Promise<{ deleted: string[]; perhaps: string[] }> {
  const [deleted, perhaps]: [string[], string[]] = [[], []];
  try {
    for (;;) {
      const messages = await receive(QueueUrl);
      for (const { Body = "", ReceiptHandle } of messages.filter((_, i) => i % 2 === 0)) {
        perhaps.push(Body);
        await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
        deleted.push(Body);
      }
    }
  } catch {
    // The node is gone, as it was meant to be.
    return { deleted, perhaps };
  }
}

/** All that is in the queue, deleted as it comes. */
async function drain(QueueUrl: string): Promise<string[]> {
  const bodies: string[] = [];
  for (;;) {
    const messages = await receive(QueueUrl);
    if (messages.length === 0) return bodies;
    for (const { Body = "", ReceiptHandle } of messages) {
      bodies.push(Body);
      await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
    }
  }
}

describe("kill -9", () => {
  it.each(killPointsMs)("%i ms into sends and receives", { timeout: 120_000 }, async (killAtMs) => {
    const [standard, fifo] = [
      await create("orders"),
      await create("steps.fifo", { FifoQueue: "true", ContentBasedDeduplication: "true" }),
    ];
    const producing = Promise.all([
      ...["x", "y"].map((name) => produce(standard, name)),
      ...groups.map((group) => produce(fifo, group, group)),
    ]);
    const consuming = consume(standard);
    await pause(killAtMs);
    await node.kill();
    const [x = [], y = [], ...ordered] = await producing;
    const { deleted, perhaps } = await consuming;
    await start();

    const left = await drain(standard);
    const missing = [...x, ...y].filter((body) => !left.includes(body) && !perhaps.includes(body));
    expect(missing).toEqual([]);
    expect(left.filter((body) => deleted.includes(body))).toEqual([]);
    const steps = await drain(fifo);
    for (const [i, group] of groups.entries()) {
      const ofGroup = steps.filter((body) => body.startsWith(`${group}-`));
      const acknowledged = ordered[i] ?? [];
      // The last send may have been taken, and its answer lost.
      expect(ofGroup.slice(0, acknowledged.length)).toEqual(acknowledged);
      expect(ofGroup.length - acknowledged.length).toBeLessThanOrEqual(1);
    }
  });
});
