/** Killed at any moment: each occurrence has its message in the queue, those that were missed too. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreateScheduleCommand, SchedulerClient } from "@aws-sdk/client-scheduler";
import { CreateQueueCommand, DeleteMessageCommand, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { afterEach, beforeEach, expect, it } from "vitest";
import { startNodeProcess, type NodeProcess } from "../../../test/node-process.ts";
import { queueArn, roleArn } from "./node.suite.ts";

const schedules = 60;

let data: string;
let node: NodeProcess;
let scheduler: SchedulerClient;
let sqs: SQSClient;

async function start(): Promise<void> {
  node = await startNodeProcess("--data", data, "--port", "0");
  const credentials = { accessKeyId: "000000000000", secretAccessKey: "test" };
  const configuration = { endpoint: node.url, region: "us-east-1", credentials, maxAttempts: 1 };
  [scheduler, sqs] = [new SchedulerClient(configuration), new SQSClient(configuration)];
}
beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), "mikan-scheduler-kill-"));
  await start();
});
afterEach(async () => {
  await node.kill();
  await rm(data, { recursive: true, force: true });
});

const pause = (ms: number) =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

it("kill -9 while schedules run", { timeout: 120_000 }, async () => {
  const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: "work" }));
  // They fall due in the seconds in which the node is killed three times.
  const firstMs = Date.now() + 2_000;
  const names = Array.from({ length: schedules }, (_, n) => `job-${n}`);
  await Promise.all(
    names.map((Name, n) => {
      const at = new Date(firstMs + (n % 6) * 1_000).toISOString().slice(0, 19);
      return scheduler.send(
        new CreateScheduleCommand({
          Name,
          ScheduleExpression: `at(${at})`,
          FlexibleTimeWindow: { Mode: "OFF" },
          ActionAfterCompletion: "DELETE",
          Target: { Arn: queueArn("work"), RoleArn: roleArn, Input: Name },
        }),
      );
    }),
  );
  for (const killAfterMs of [2_100, 1_000, 300]) {
    await pause(killAfterMs);
    await node.kill();
    await start();
  }
  const seen = new Set<string | undefined>();
  while (seen.size < schedules) {
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 5 }),
    );
    for (const { Body, ReceiptHandle } of Messages) {
      seen.add(Body);
      await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
    }
  }
  expect([...seen].map(String).toSorted()).toEqual(names.toSorted());
});
