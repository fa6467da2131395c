/** Killed at any moment: what was published and acknowledged reaches every subscription, in the order of its groups. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreateTopicCommand, PublishCommand, SNSClient, SubscribeCommand } from "@aws-sdk/client-sns";
import { CreateQueueCommand, DeleteMessageCommand, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startNodeProcess, type NodeProcess } from "../../../test/node-process.ts";
import { anyTopic } from "./node.suite.ts";

const killPointsMs = [60, 250];
const groups = ["a", "b"];

let data: string;
let node: NodeProcess;
let sns: SNSClient;
let sqs: SQSClient;

async function start(): Promise<void> {
  node = await startNodeProcess("--data", data, "--port", "0");
  const credentials = { accessKeyId: "000000000000", secretAccessKey: "test" };
  const config = { endpoint: node.url, region: "us-east-1", credentials, maxAttempts: 1 };
  [sns, sqs] = [new SNSClient(config), new SQSClient(config)];
}
beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), "mikan-sns-kill-"));
  await start();
});
afterEach(async () => {
  sns.destroy();
  sqs.destroy();
  await node.kill();
  await rm(data, { recursive: true, force: true });
});

const pause = (ms: number) =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

/** A topic with two queues. */
async function build(name: string, suffix: string, attributes: Record<string, string>) {
  const fifo = suffix === "" ? {} : { FifoTopic: "true", ContentBasedDeduplication: "true" };
  const { TopicArn } = await sns.send(new CreateTopicCommand({ Name: `${name}${suffix}`, Attributes: fifo }));
  const queues: string[] = [];
  for (const n of [1, 2]) {
    const QueueName = `${name}-${n}${suffix}`;
    const { QueueUrl = "" } = await sqs.send(
      new CreateQueueCommand({ QueueName, Attributes: { Policy: anyTopic, ...attributes } }),
    );
    const Endpoint = `arn:aws:sqs:us-east-1:000000000000:${QueueName}`;
    const raw = { RawMessageDelivery: "true" };
    await sns.send(new SubscribeCommand({ TopicArn, Protocol: "sqs", Endpoint, Attributes: raw }));
    queues.push(QueueUrl);
  }
  return { TopicArn, queues };
}

/** Publishes until the node is gone; gives what was acknowledged, in order. */
async function produce(TopicArn: string | undefined, name: string, rest: object = {}): Promise<string[]> {
  const acknowledged: string[] = [];
  for (let n = 0; ; n += 1) {
    const Message = `${name}-${n}`;
    const done = await sns.send(new PublishCommand({ TopicArn, Message, ...rest })).then(
      () => true,
      () => false,
    );
    if (!done) return acknowledged;
    acknowledged.push(Message);
  }
}

/** All that comes to the queue until nothing has come for a while. */
async function drain(QueueUrl: string): Promise<string[]> {
  const bodies: string[] = [];
  for (;;) {
    const input = { QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 2 };
    const { Messages = [] } = await sqs.send(new ReceiveMessageCommand(input));
    if (Messages.length === 0) return bodies;
    for (const { Body = "", ReceiptHandle } of Messages) {
      bodies.push(Body);
      await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
    }
  }
}

describe("kill -9", () => {
  it.each(killPointsMs)("%i ms into publishing", { timeout: 120_000 }, async (killAtMs) => {
    const standard = await build("orders", "", {});
    const fifo = await build("steps", ".fifo", { FifoQueue: "true" });
    const producing = Promise.all([
      produce(standard.TopicArn, "x"),
      ...groups.map((MessageGroupId) => produce(fifo.TopicArn, MessageGroupId, { MessageGroupId })),
    ]);
    await pause(killAtMs);
    await node.kill();
    const [acknowledged, ...ordered] = await producing;
    await start();
    const drained = await Promise.all([...standard.queues, ...fifo.queues].map(drain));
    for (const bodies of drained.slice(0, 2)) {
      const came = new Set(bodies);
      expect(acknowledged.filter((message) => !came.has(message))).toEqual([]);
    }
    for (const came of drained.slice(2)) {
      for (const [i, group] of groups.entries()) {
        const ofGroup = came.filter((message) => message.startsWith(`${group}-`));
        // The last publish may have been taken, and its answer lost.
        expect(ofGroup.slice(0, ordered[i]?.length)).toEqual(ordered[i]);
        expect(ofGroup.length - (ordered[i]?.length ?? 0)).toBeLessThanOrEqual(1);
      }
    }
  });
});
