/** A queue that feeds a function, on a node that is killed while it does: every message is taken at least once. */
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreateEventSourceMappingCommand, CreateFunctionCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { CreateQueueCommand, SendMessageBatchCommand, SQSClient } from "@aws-sdk/client-sqs";
import { afterEach, beforeEach, expect, it } from "vitest";
import { startNodeProcess, type NodeProcess } from "./node-process.ts";
import { zipOf } from "./zip.ts";

const messages = 500;
const kills = 2;

let directory: string;
let node: NodeProcess;

const configOf = () => {
  const credentials = { accessKeyId: "000000000000", secretAccessKey: "any" };
  return { endpoint: node.url, region: "us-east-1", credentials };
};
const start = async () => {
  // The function tells of itself by files of the machine.
  node = await startNodeProcess("--data", join(directory, "data"), "--port", "0", "--isolation", "process");
};
const taken = () => readdir(join(directory, "taken"));

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "mikan-queue-kill-"));
  await mkdir(join(directory, "taken"));
});
afterEach(async () => {
  await node.kill();
  await rm(directory, { recursive: true, force: true });
});

const source = `
const { writeFile } = require("node:fs/promises");
exports.handler = async ({ Records }) => {
  await new Promise((resolve) => setTimeout(resolve, 50));
  for (const { body } of Records) await writeFile(process.env.TAKEN + "/" + body, "");
};`;

it(`takes each of ${messages} messages that were accepted before it was killed`, { timeout: 120_000 }, async () => {
  await start();
  const sqs = new SQSClient(configOf());
  const lambda = new LambdaClient(configOf());
  const Attributes = { VisibilityTimeout: "5" };
  const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: "orders", Attributes }));
  for (let from = 0; from < messages; from += 10) {
    const Entries = Array.from({ length: 10 }, (_, index) => ({
      Id: String(index),
      MessageBody: String(from + index),
    }));
    await sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries }));
  }
  await lambda.send(
    new CreateFunctionCommand({
      FunctionName: "take",
      Role: "arn:aws:iam::000000000000:role/take",
      Runtime: "nodejs24.x",
      Handler: "index.handler",
      Timeout: 5,
      Code: { ZipFile: await zipOf({ "index.js": source }) },
      Environment: { Variables: { TAKEN: join(directory, "taken") } },
    }),
  );
  const EventSourceArn = "arn:aws:sqs:us-east-1:000000000000:orders";
  await lambda.send(
    new CreateEventSourceMappingCommand({
      FunctionName: "take",
      EventSourceArn,
      ScalingConfig: { MaximumConcurrency: 2 },
    }),
  );
  for (let kill = 1; kill <= kills; kill += 1) {
    const before = (await taken()).length;
    await expect.poll(async () => (await taken()).length, { timeout: 30_000, interval: 10 }).toBeGreaterThan(before);
    await node.kill();
    await start();
  }
  await expect.poll(async () => (await taken()).length, { timeout: 60_000, interval: 50 }).toBe(messages);
});
