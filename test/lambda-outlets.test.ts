/** Functions with their neighbours, through the official clients: queues that take what failed, environments that wait ahead. */
import {
  CreateFunctionCommand,
  GetProvisionedConcurrencyConfigCommand,
  InvokeCommand,
  LambdaClient,
  PutFunctionEventInvokeConfigCommand,
  PutProvisionedConcurrencyConfigCommand,
  waitUntilFunctionActiveV2,
  waitUntilFunctionUpdatedV2,
  waitUntilPublishedVersionActive,
} from "@aws-sdk/client-lambda";
import { CreateQueueCommand, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startMikan, type Mikan } from "../src/mikan.ts";
import { silentLog } from "../src/telemetry/log.ts";
import { zipOf } from "./zip.ts";

let mikan: Mikan;
let lambda: LambdaClient;
let sqs: SQSClient;

beforeAll(async () => {
  mikan = await startMikan({ log: silentLog });
  lambda = new LambdaClient(mikan.clientConfig());
  sqs = new SQSClient(mikan.clientConfig());
});
afterAll(async () => {
  lambda.destroy();
  sqs.destroy();
  await mikan.close(0);
});

const queueArn = (name: string) => `arn:aws:sqs:us-east-1:000000000000:${name}`;

async function createFunction(FunctionName: string, source: string, more: object = {}): Promise<void> {
  await lambda.send(
    new CreateFunctionCommand({
      FunctionName,
      Role: "arn:aws:iam::000000000000:role/work",
      Runtime: "nodejs24.x",
      Handler: "index.handler",
      Code: { ZipFile: await zipOf({ "index.js": source }) },
      ...more,
    }),
  );
}

it("a queue gets the event of a function that fails, and another its record", { timeout: 60_000 }, async () => {
  const { QueueUrl: dead } = await sqs.send(new CreateQueueCommand({ QueueName: "dead" }));
  const { QueueUrl: told } = await sqs.send(new CreateQueueCommand({ QueueName: "told" }));
  const source = 'exports.handler = async () => { throw new Error("broken"); };';
  await createFunction("fails", source, { DeadLetterConfig: { TargetArn: queueArn("dead") } });
  await lambda.send(
    new PutFunctionEventInvokeConfigCommand({
      FunctionName: "fails",
      MaximumRetryAttempts: 0,
      DestinationConfig: { OnFailure: { Destination: queueArn("told") } },
    }),
  );
  const Payload = Buffer.from(JSON.stringify({ n: 1 }));
  await lambda.send(new InvokeCommand({ FunctionName: "fails", InvocationType: "Event", Payload }));
  const receive = async (QueueUrl: string | undefined) => {
    const wait = { QueueUrl, WaitTimeSeconds: 20, MessageAttributeNames: ["All"] };
    return (await sqs.send(new ReceiveMessageCommand(wait))).Messages?.[0];
  };
  const letter = await receive(dead);
  expect(letter?.Body).toBe('{"n":1}');
  expect(letter?.MessageAttributes).toMatchObject({
    RequestID: { StringValue: expect.stringMatching(/^[0-9a-f-]{36}$/) as string },
    ErrorCode: { DataType: "Number", StringValue: "200" },
    ErrorMessage: { StringValue: "broken" },
  });
  const record = await receive(told);
  expect(JSON.parse(record?.Body ?? "{}")).toMatchObject({
    requestContext: { condition: "RetriesExhausted", approximateInvokeCount: 1 },
    requestPayload: { n: 1 },
    responsePayload: { errorMessage: "broken", errorType: "Error" },
  });
});

it(
  "environments started ahead take the first invocations, and others what goes beyond",
  { timeout: 60_000 },
  async () => {
    const source = `exports.handler = async () => {
    await new Promise((resolve) => setTimeout(resolve, 300));
    return process.env.AWS_LAMBDA_INITIALIZATION_TYPE;
  };`;
    await createFunction("ahead", source, { Publish: true });
    const version = { FunctionName: "ahead", Qualifier: "1" };
    const waiting = { client: lambda, maxWaitTime: 30 };
    await waitUntilFunctionActiveV2(waiting, { FunctionName: "ahead" });
    await waitUntilFunctionUpdatedV2(waiting, { FunctionName: "ahead" });
    await waitUntilPublishedVersionActive(waiting, version);
    await lambda.send(new PutProvisionedConcurrencyConfigCommand({ ...version, ProvisionedConcurrentExecutions: 2 }));
    await expect
      .poll(async () => (await lambda.send(new GetProvisionedConcurrencyConfigCommand(version))).Status, {
        timeout: 30_000,
      })
      .toBe("READY");
    const invoke = async () => {
      const { Payload } = await lambda.send(new InvokeCommand(version));
      return JSON.parse(Buffer.from(Payload ?? []).toString()) as string;
    };
    const kinds = await Promise.all([invoke(), invoke(), invoke()]);
    expect(kinds.toSorted()).toEqual(["on-demand", "provisioned-concurrency", "provisioned-concurrency"]);
  },
);
