/** Functions with their neighbours, through the official clients: queues that take what failed, environments that wait ahead. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
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
import { CreateQueueCommand, ReceiveMessageCommand, SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startMikan, type Mikan } from "../src/mikan.ts";
import { silentLog } from "../src/telemetry/log.ts";
import { zipOf } from "./zip.ts";

let mikan: Mikan;
let lambda: LambdaClient;
let sqs: SQSClient;

beforeAll(async () => {
  mikan = await startMikan({ log: silentLog, isolation: "process" });
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
    // Each waits for the others, so that there must be three.
    const marks = await mkdtemp(join(tmpdir(), "mikan-ahead-"));
    const source = `const { readdirSync, writeFileSync } = require("node:fs");
exports.handler = async () => {
  writeFileSync(process.env.MARKS + "/" + process.pid, "");
  while (readdirSync(process.env.MARKS).length < 3) await new Promise((resolve) => setTimeout(resolve, 20));
  return process.env.AWS_LAMBDA_INITIALIZATION_TYPE;
};`;
    const Environment = { Variables: { MARKS: marks } };
    await createFunction("ahead", source, { Publish: true, Timeout: 30, Environment });
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
    await rm(marks, { recursive: true });
    // Counted a moment after the answer.
    const metrics = async () => (await fetch(`${mikan.url}/_mikan/metrics`)).text();
    await expect.poll(metrics).toMatch(/lambda_provisioned_invocations\S*\{function="ahead"\} 2\n/);
    await expect.poll(metrics).toMatch(/lambda_provisioned_spillover_invocations\S*\{function="ahead"\} 1\n/);
  },
);

it(
  "a function that invokes itself is stopped after sixteen rounds, by the trace that its client carries on",
  { timeout: 60_000 },
  async () => {
    // What AWS's clients do in a function, without one.
    const source = `const { request } = require("node:http");
  const credential = "Credential=test/20260101/us-east-1/lambda/aws4_request";
  exports.handler = ({ round = 1 }) => new Promise((resolve, reject) => {
    const headers = {
      authorization: "AWS4-HMAC-SHA256 " + credential + ", SignedHeaders=host, Signature=" + "0".repeat(64),
      "x-amz-date": new Date().toISOString().replace(/[-:]|[.]\\d+/g, ""),
      "x-amzn-trace-id": process.env._X_AMZN_TRACE_ID,
    };
    const url = process.env.AWS_ENDPOINT_URL + "/2015-03-31/functions/loops/invocations";
    const asking = request(url, { method: "POST", headers }, async (response) => {
      const text = Buffer.concat(await response.toArray()).toString();
      if (response.statusCode === 200) resolve(JSON.parse(text));
      else resolve({ round, error: response.headers["x-amzn-errortype"] });
    });
    asking.on("error", reject);
    asking.end(JSON.stringify({ round: round + 1 }));
  });`;
    await createFunction("loops", source, { Timeout: 60 });
    const { Payload } = await lambda.send(new InvokeCommand({ FunctionName: "loops" }));
    expect(JSON.parse(Buffer.from(Payload ?? []).toString())).toEqual({
      round: 16,
      error: "RecursiveInvocationException",
    });
  },
);

it("a chain of functions goes through a queue", async () => {
  const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: "chain" }));
  const lineage = "Root=1-67891233-abcdef012345678912345678;Sampled=0;Lineage=a87bd80c:3";
  // As AWS's clients do in a function.
  const within = new SQSClient(mikan.clientConfig());
  within.middlewareStack.add(
    (next) => (args) => {
      const { request } = args;
      if (typeof request === "object" && request !== null && "headers" in request) {
        Object.assign(request.headers ?? {}, { "X-Amzn-Trace-Id": lineage });
      }
      return next(args);
    },
    { step: "build" },
  );
  await within.send(new SendMessageCommand({ QueueUrl, MessageBody: "1" }));
  within.destroy();
  const wait = { QueueUrl, WaitTimeSeconds: 20, MessageSystemAttributeNames: ["AWSTraceHeader" as const] };
  const { Messages } = await sqs.send(new ReceiveMessageCommand(wait));
  expect(Messages?.[0]?.Attributes).toEqual({ AWSTraceHeader: lineage });
});
