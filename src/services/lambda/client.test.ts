/** Lambda and its logs as the official clients see them: the whole node, real function processes. */
import { CloudWatchLogsClient, FilterLogEventsCommand } from "@aws-sdk/client-cloudwatch-logs";
import {
  AddPermissionCommand,
  CreateAliasCommand,
  CreateFunctionCommand,
  DeleteFunctionCommand,
  GetFunctionCommand,
  GetPolicyCommand,
  InvokeCommand,
  LambdaClient,
  ListFunctionsCommand,
  ListTagsCommand,
  PublishVersionCommand,
  PutFunctionConcurrencyCommand,
  ResourceNotFoundException,
  TagResourceCommand,
  TooManyRequestsException,
  UpdateFunctionCodeCommand,
  UpdateFunctionConfigurationCommand,
  waitUntilFunctionActiveV2,
  waitUntilFunctionUpdatedV2,
} from "@aws-sdk/client-lambda";
import { CreateBucketCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startMikan, type Mikan } from "../../mikan.ts";
import { role, zipOf } from "./node.suite.ts";

let mikan: Mikan;
let lambda: LambdaClient;
let logs: CloudWatchLogsClient;
let s3: S3Client;

beforeAll(async () => {
  mikan = await startMikan();
  const configuration = {
    endpoint: mikan.url,
    region: "us-east-1",
    credentials: { accessKeyId: "000000000000", secretAccessKey: "test" },
    maxAttempts: 1,
  };
  lambda = new LambdaClient(configuration);
  logs = new CloudWatchLogsClient(configuration);
  s3 = new S3Client({ ...configuration, forcePathStyle: true });
});
afterAll(async () => {
  for (const client of [lambda, logs, s3]) client.destroy();
  await mikan.close(0);
});

const source = `
let calls = 0;
exports.handler = async (event, context) => {
  calls += 1;
  if (event.say) console.log(event.say);
  if (event.fail) throw new TypeError(event.fail);
  if (event.waitMs) await new Promise((resolve) => setTimeout(resolve, event.waitMs));
  return {
    calls, event, stage: process.env.STAGE, requestId: context.awsRequestId, version: context.functionVersion,
    arn: context.invokedFunctionArn, memory: context.memoryLimitInMB, endpoint: process.env.AWS_ENDPOINT_URL,
  };
};`;

async function create(FunctionName: string, changes: object = {}) {
  const ZipFile = await zipOf({ "index.js": source });
  const input = {
    FunctionName,
    Role: role,
    Runtime: "nodejs24.x",
    Handler: "index.handler",
    Code: { ZipFile },
  } as const;
  return lambda.send(new CreateFunctionCommand({ ...input, ...changes }));
}

const invoke = (FunctionName: string, event: unknown = {}, changes: object = {}) =>
  lambda.send(new InvokeCommand({ FunctionName, Payload: JSON.stringify(event), ...changes }));

async function result(answer: ReturnType<typeof invoke>) {
  const { Payload } = await answer;
  return JSON.parse(Payload?.transformToString() ?? "null") as Record<string, unknown>;
}

describe("the official client", () => {
  it("creates, waits for, shows and lists a function, and is told what AWS would tell it", async () => {
    const made = await create("shown", { Tags: { team: "map" }, Environment: { Variables: { STAGE: "test" } } });
    await waitUntilFunctionActiveV2({ client: lambda, maxWaitTime: 5 }, { FunctionName: "shown" });
    await waitUntilFunctionUpdatedV2({ client: lambda, maxWaitTime: 5 }, { FunctionName: "shown" });
    const { Configuration, Tags, Code } = await lambda.send(new GetFunctionCommand({ FunctionName: "shown" }));
    expect([Configuration?.RevisionId, Tags, Code]).toEqual([
      made.RevisionId,
      { team: "map" },
      { RepositoryType: "S3", Location: expect.stringContaining(`${mikan.url}/_mikan/lambda/code/`) },
    ]);
    const { Functions } = await lambda.send(new ListFunctionsCommand({}));
    expect(Functions?.map(({ FunctionName }) => FunctionName)).toContain("shown");
    await lambda.send(new TagResourceCommand({ Resource: made.FunctionArn, Tags: { a: "b" } }));
    const tags = await lambda.send(new ListTagsCommand({ Resource: made.FunctionArn }));
    expect(tags.Tags).toEqual({ team: "map", a: "b" });
    const permission = { StatementId: "alb", Action: "lambda:InvokeFunction", Principal: "s3.amazonaws.com" };
    await lambda.send(new AddPermissionCommand({ FunctionName: "shown", ...permission }));
    expect((await lambda.send(new GetPolicyCommand({ FunctionName: "shown" }))).Policy).toContain('"Sid":"alb"');
    await lambda.send(new DeleteFunctionCommand({ FunctionName: "shown" }));
    const missing = lambda.send(new GetFunctionCommand({ FunctionName: "shown" }));
    await expect(missing).rejects.toBeInstanceOf(ResourceNotFoundException);
    await expect(missing).rejects.toMatchObject({
      message: "Function not found: arn:aws:lambda:us-east-1:000000000000:function:shown",
      Type: "User",
      $metadata: { httpStatusCode: 404 },
    });
  });

  it("runs code in a real process, warm the second time", async () => {
    await create("run", { Environment: { Variables: { STAGE: "test" } }, MemorySize: 256 });
    const first = await invoke("run", { z: 3 }, { LogType: "Tail" });
    expect(first).toMatchObject({ StatusCode: 200, ExecutedVersion: "$LATEST" });
    expect(await result(Promise.resolve(first))).toEqual({
      calls: 1,
      event: { z: 3 },
      stage: "test",
      requestId: first.$metadata.requestId,
      version: "$LATEST",
      arn: "arn:aws:lambda:us-east-1:000000000000:function:run",
      memory: "256",
      endpoint: mikan.url,
    });
    const log = Buffer.from(first.LogResult ?? "", "base64").toString();
    expect(log).toContain(`START RequestId: ${first.$metadata.requestId} Version: $LATEST`);
    expect(log).toContain("REPORT RequestId:");
    expect(await result(invoke("run"))).toMatchObject({ calls: 2 });
  });

  it("sees a handler's error as AWS shows it", async () => {
    await create("fails");
    const answer = await invoke("fails", { fail: "no such tile" });
    expect(answer).toMatchObject({ StatusCode: 200, FunctionError: "Unhandled" });
    expect(await result(Promise.resolve(answer))).toMatchObject({
      errorType: "TypeError",
      errorMessage: "no such tile",
    });
  });

  it("sees new code and settings with the next invocation, and old ones under their version", async () => {
    await create("moves", { Environment: { Variables: { STAGE: "one" } } });
    await lambda.send(new PublishVersionCommand({ FunctionName: "moves" }));
    await lambda.send(new CreateAliasCommand({ FunctionName: "moves", Name: "live", FunctionVersion: "1" }));
    const Environment = { Variables: { STAGE: "two" } };
    await lambda.send(new UpdateFunctionConfigurationCommand({ FunctionName: "moves", Environment }));
    expect(await result(invoke("moves"))).toMatchObject({ stage: "two", version: "$LATEST" });
    expect(await result(invoke("moves", {}, { Qualifier: "live" }))).toMatchObject({
      stage: "one",
      version: "1",
      arn: "arn:aws:lambda:us-east-1:000000000000:function:moves:live",
    });
    const ZipFile = await zipOf({ "index.js": "exports.handler = async () => ({ code: 2 });" });
    await lambda.send(new UpdateFunctionCodeCommand({ FunctionName: "moves", ZipFile }));
    expect(await result(invoke("moves"))).toEqual({ code: 2 });
  });

  it("takes code from S3", async () => {
    await s3.send(new CreateBucketCommand({ Bucket: "code" }));
    await s3.send(new PutObjectCommand({ Bucket: "code", Key: "f.zip", Body: await zipOf({ "index.js": source }) }));
    await create("from-s3", { Code: { S3Bucket: "code", S3Key: "f.zip" } });
    expect(await result(invoke("from-s3", { ok: 1 }))).toMatchObject({ event: { ok: 1 } });
    await expect(create("none", { Code: { S3Bucket: "code", S3Key: "none.zip" } })).rejects.toMatchObject({
      name: "InvalidParameterValueException",
      message:
        "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist.",
    });
  });

  it("is refused over the cap at once, with exactly the cap running", async () => {
    await create("capped");
    const cap = { FunctionName: "capped", ReservedConcurrentExecutions: 2 };
    await lambda.send(new PutFunctionConcurrencyCommand(cap));
    const asked = await Promise.allSettled(Array.from({ length: 12 }, () => invoke("capped", { waitMs: 1_000 })));
    const refused = asked.flatMap((one) => (one.status === "rejected" ? [one.reason as unknown] : []));
    expect(refused).toHaveLength(10);
    for (const error of refused) {
      expect(error).toBeInstanceOf(TooManyRequestsException);
      expect(error).toMatchObject({
        message: "Rate Exceeded.",
        Reason: "ReservedFunctionConcurrentInvocationLimitExceeded",
        Type: "User",
        $metadata: { httpStatusCode: 429 },
      });
    }
  });

  it("gets 202 for an event and 204 for a dry run, and finds what the function wrote in its log group", async () => {
    await create("writes");
    const dry = await invoke("writes", {}, { InvocationType: "DryRun" });
    expect(dry.StatusCode).toBe(204);
    const sent = await invoke("writes", { say: "a ripe mikan" }, { InvocationType: "Event" });
    expect(sent.StatusCode).toBe(202);
    const find = async () => {
      const query = { logGroupName: "/aws/lambda/writes", filterPattern: '"ripe mikan"' };
      const { events } = await logs.send(new FilterLogEventsCommand(query)).catch(() => ({ events: [] }));
      return events?.map(({ message }) => message);
    };
    await expect.poll(find, { timeout: 10_000 }).toEqual([expect.stringContaining("a ripe mikan")]);
  });

  it.each([
    ["a bad zip", { Code: { ZipFile: Buffer.from("x") } }, "InvalidParameterValueException", 400],
    ["a retired runtime", { Runtime: "nodejs14.x" }, "InvalidParameterValueException", 400],
    ["a bad role", { Role: "r1" }, "ValidationException", 400],
    [
      "an image that has a handler",
      { PackageType: "Image", Code: { ImageUri: "i" } },
      "InvalidParameterValueException",
      400,
    ],
  ])("is refused %s", async (_what, changes, name, httpStatusCode) => {
    await expect(create("refused", changes)).rejects.toMatchObject({ name, $metadata: { httpStatusCode } });
  });
});
