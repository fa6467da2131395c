/** Round trips through the official clients, one service for each protocol. */
import {
  CloudFormationClient,
  DescribeStacksCommand,
  CreateStackCommand,
  AlreadyExistsException,
} from "@aws-sdk/client-cloudformation";
import { CloudWatchLogsClient, FilterLogEventsCommand, PutLogEventsCommand } from "@aws-sdk/client-cloudwatch-logs";
import {
  CreateRuleCommand,
  DescribeTargetGroupsCommand,
  DeleteTargetGroupCommand,
  ElasticLoadBalancingV2Client,
  LoadBalancerNotFoundException,
} from "@aws-sdk/client-elastic-load-balancing-v2";
import { GetRoleCommand, IAMClient, ListRolesCommand } from "@aws-sdk/client-iam";
import {
  CreateEventSourceMappingCommand,
  CreateFunctionCommand,
  DeleteFunctionCommand,
  GetFunctionConfigurationCommand,
  InvokeCommand,
  InvokeWithResponseStreamCommand,
  LambdaClient,
  ListFunctionsCommand,
  ListTagsCommand,
  ResourceNotFoundException,
  TooManyRequestsException,
} from "@aws-sdk/client-lambda";
import { ReceiveMessageCommand, SendMessageCommand, SendMessageBatchCommand, SQSClient } from "@aws-sdk/client-sqs";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import { createHash } from "node:crypto";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { Fault } from "../base/errors.ts";
import { serveWire, type WireServer } from "./serve.suite.ts";

let server: WireServer;
beforeAll(async () => {
  server = await serveWire();
});
afterAll(() => server.close());
beforeEach(() => {
  server.calls.length = 0;
  server.answer = () => ({});
});

const config = () => ({
  endpoint: server.url,
  region: "eu-central-1",
  credentials: { accessKeyId: "000000000042", secretAccessKey: "secret" },
  maxAttempts: 1,
});
const last = () => {
  const call = server.calls.at(-1);
  if (call === undefined) throw new Error("no call came");
  return call;
};
const md5 = (text: string) => createHash("md5").update(text).digest("hex");

test("awsJson1_0: SQS, both ways", async () => {
  const sqs = new SQSClient(config());
  const body = "é\u{1f34a}<&>";
  server.answer = () => ({ MessageId: "m-1", MD5OfMessageBody: md5(body), Unknown: "not sent" });
  const sent = await sqs.send(
    new SendMessageCommand({
      QueueUrl: `${server.url}/1/q`,
      MessageBody: body,
      DelaySeconds: 3,
      MessageAttributes: {
        binary: { DataType: "Binary", BinaryValue: new Uint8Array([0, 1, 255]) },
        text: { DataType: "String", StringValue: "t" },
      },
    }),
  );
  expect(sent.MessageId).toBe("m-1");
  expect(sent).not.toHaveProperty("Unknown");
  expect(last()).toMatchObject({
    service: "sqs",
    operation: "SendMessage",
    credentials: {
      accessKeyId: "000000000042",
      region: "eu-central-1",
      service: "sqs",
      kind: "header",
      verified: false,
    },
  });
  expect(last().input).toEqual({
    QueueUrl: `${server.url}/1/q`,
    MessageBody: body,
    DelaySeconds: 3,
    MessageAttributes: {
      binary: { DataType: "Binary", BinaryValue: Buffer.from([0, 1, 255]) },
      text: { DataType: "String", StringValue: "t" },
    },
  });
  expect(sent.$metadata.requestId).toBe(last().requestId);

  const blob = new Uint8Array([9, 8, 7]);
  server.answer = () => ({
    Messages: [
      {
        MessageId: "m",
        Body: "b",
        MD5OfBody: md5("b"),
        MessageAttributes: { a: { DataType: "Binary", BinaryValue: blob } },
      },
    ],
  });
  const received = await sqs.send(new ReceiveMessageCommand({ QueueUrl: "q", MaxNumberOfMessages: 1 }));
  expect(received.Messages?.[0]?.MessageAttributes?.["a"]?.BinaryValue).toEqual(blob);
});

test("awsJson1_0: errors of SQS keep their name and their old code", async () => {
  const sqs = new SQSClient(config());
  server.answer = () => {
    throw new Fault("QueueDoesNotExist", "The specified queue does not exist.");
  };
  const failed = await sqs
    .send(new SendMessageBatchCommand({ QueueUrl: "q", Entries: [] }))
    .catch((error: unknown) => error);
  expect(failed).toMatchObject({
    name: "QueueDoesNotExist",
    message: "The specified queue does not exist.",
    $fault: "client",
    Code: "AWS.SimpleQueueService.NonExistentQueue",
    $metadata: { httpStatusCode: 400 },
  });
  const missing = await sqs
    .send(new SendMessageCommand({ QueueUrl: "q", MessageBody: undefined }))
    .catch((error: unknown) => error);
  expect(missing).toMatchObject({
    name: "MissingParameter",
    message: "The request must contain the parameter MessageBody.",
    $metadata: { httpStatusCode: 400 },
  });
});

test("awsJson1_1: CloudWatch Logs", async () => {
  const logs = new CloudWatchLogsClient(config());
  server.answer = () => ({ nextSequenceToken: "1", rejectedLogEventsInfo: { tooOldLogEventEndIndex: 2 } });
  const put = await logs.send(
    new PutLogEventsCommand({
      logGroupName: "g",
      logStreamName: "s",
      logEvents: [{ timestamp: 1_700_000_000_000, message: "m" }],
    }),
  );
  expect(last().input).toEqual({
    logGroupName: "g",
    logStreamName: "s",
    logEvents: [{ timestamp: 1_700_000_000_000, message: "m" }],
  });
  expect(put.rejectedLogEventsInfo).toEqual({ tooOldLogEventEndIndex: 2 });

  const bad = await logs
    .send(new FilterLogEventsCommand({ logGroupName: "a b", limit: 100_000 }))
    .catch((error: unknown) => error);
  expect(bad).toMatchObject({
    name: "ValidationException",
    message:
      "2 validation errors detected: " +
      "Value 'a b' at 'logGroupName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+; " +
      "Value '100000' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 10000",
  });
});

test("awsQuery: lists, maps, structures and dates, both ways", async () => {
  const elb = new ElasticLoadBalancingV2Client(config());
  await elb.send(
    new CreateRuleCommand({
      ListenerArn: "arn:listener",
      Priority: 10,
      Conditions: [{ Field: "path-pattern", PathPatternConfig: { Values: ["/map/*", "/a b&c"] } }],
      Actions: [
        {
          Type: "forward",
          ForwardConfig: {
            TargetGroups: [{ TargetGroupArn: "arn:tg", Weight: 7 }],
            TargetGroupStickinessConfig: { Enabled: true, DurationSeconds: 60 },
          },
        },
      ],
    }),
  );
  expect(last().input).toEqual({
    ListenerArn: "arn:listener",
    Priority: 10,
    Conditions: [{ Field: "path-pattern", PathPatternConfig: { Values: ["/map/*", "/a b&c"] } }],
    Actions: [
      {
        Type: "forward",
        ForwardConfig: {
          TargetGroups: [{ TargetGroupArn: "arn:tg", Weight: 7 }],
          TargetGroupStickinessConfig: { Enabled: true, DurationSeconds: 60 },
        },
      },
    ],
  });

  const groups = [{ TargetGroupName: "<&>\r\n", HealthCheckEnabled: false, Port: 80, LoadBalancerArns: ["a", "b"] }];
  server.answer = () => ({ TargetGroups: groups, NextMarker: "n" });
  const described = await elb.send(new DescribeTargetGroupsCommand({ Names: ["x"] }));
  expect(described.TargetGroups).toEqual(groups);
  expect(described.NextMarker).toBe("n");

  server.answer = () => ({});
  await expect(elb.send(new DeleteTargetGroupCommand({ TargetGroupArn: "arn" }))).resolves.toBeDefined();

  const iam = new IAMClient(config());
  const role = { Path: "/", RoleName: "r", RoleId: "R", Arn: "arn", CreateDate: new Date("2026-01-02T03:04:05Z") };
  server.answer = () => ({ Roles: [role], IsTruncated: false });
  expect((await iam.send(new ListRolesCommand({ MaxItems: 5 }))).Roles).toEqual([role]);
  expect(last().input).toEqual({ MaxItems: 5 });
});

test("awsQuery: errors", async () => {
  const elb = new ElasticLoadBalancingV2Client(config());
  server.answer = () => {
    throw new Fault("LoadBalancerNotFoundException", "One or more load balancers not found");
  };
  const failed = await elb.send(new DescribeTargetGroupsCommand({})).catch((error: unknown) => error);
  expect(failed).toBeInstanceOf(LoadBalancerNotFoundException);
  expect(failed).toMatchObject({ message: "One or more load balancers not found", $metadata: { httpStatusCode: 400 } });

  const cloudformation = new CloudFormationClient(config());
  server.answer = () => {
    throw new Fault("AlreadyExistsException", "Stack [a] already exists");
  };
  const exists = await cloudformation.send(new CreateStackCommand({ StackName: "a" })).catch((error: unknown) => error);
  expect(exists).toBeInstanceOf(AlreadyExistsException);

  server.answer = () => {
    throw new Fault("ValidationException", "Stack with id a does not exist");
  };
  const unknown = await cloudformation
    .send(new DescribeStacksCommand({ StackName: "a" }))
    .catch((error: unknown) => error);
  expect(unknown).toMatchObject({ name: "ValidationError", message: "Stack with id a does not exist" });

  const iam = new IAMClient(config());
  const invalid = await iam.send(new GetRoleCommand({ RoleName: "" })).catch((error: unknown) => error);
  expect(invalid).toMatchObject({
    name: "ValidationError",
    message:
      "2 validation errors detected: Value '' at 'roleName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]+; " +
      "Value '' at 'roleName' failed to satisfy constraint: Member must have length greater than or equal to 1",
  });
});

test("awsQuery: what breaks in the house is InternalFailure and says nothing", async () => {
  const sts = new STSClient(config());
  server.answer = () => {
    throw new TypeError("secret detail");
  };
  const failed = await sts.send(new GetCallerIdentityCommand({})).catch((error: unknown) => error);
  expect(failed).toMatchObject({ name: "InternalFailure", $fault: "server", $metadata: { httpStatusCode: 500 } });
  expect(JSON.stringify(failed)).not.toContain("secret detail");
});

test("restJson1: Lambda, labels, query, headers, payloads", async () => {
  const lambda = new LambdaClient(config());
  server.answer = () => ({
    FunctionName: "tiles",
    Timeout: 3,
    VpcConfig: undefined,
    LastModified: "x",
    Environment: { Variables: { ["__proto__"]: "p", A: "1" } },
  });
  const created = await lambda.send(
    new CreateFunctionCommand({
      FunctionName: "tiles",
      Role: "arn:aws:iam::000000000000:role/r",
      Code: { ZipFile: new Uint8Array([80, 75, 3, 4]) },
      Runtime: "nodejs22.x",
      Handler: "index.handler",
      MemorySize: 256,
      Environment: { Variables: { AB: "1" } },
      Tags: { t: "v" },
    }),
  );
  expect(last().input).toMatchObject({ Code: { ZipFile: Buffer.from([80, 75, 3, 4]) }, MemorySize: 256 });
  expect(created).toMatchObject({ FunctionName: "tiles", Timeout: 3, $metadata: { httpStatusCode: 201 } });

  server.answer = () => ({ StatusCode: 202 });
  const payload = new TextEncoder().encode('{"a":1}');
  const name = "arn:aws:lambda:eu-central-1:000000000000:function:tiles";
  const queued = await lambda.send(
    new InvokeCommand({ FunctionName: name, InvocationType: "Event", Qualifier: "7", Payload: payload }),
  );
  expect(last().input).toEqual({
    FunctionName: name,
    InvocationType: "Event",
    Qualifier: "7",
    Payload: Buffer.from(payload),
  });
  expect(queued.StatusCode).toBe(202);

  server.answer = () => ({
    StatusCode: 200,
    Payload: Buffer.from("[1]"),
    FunctionError: "Unhandled",
    LogResult: "bG9n",
  });
  const invoked = await lambda.send(new InvokeCommand({ FunctionName: "f" }));
  expect(invoked.Payload?.transformToString()).toBe("[1]");
  expect(invoked).toMatchObject({ FunctionError: "Unhandled", LogResult: "bG9n", StatusCode: 200 });

  server.answer = () => ({ Functions: [] });
  await lambda.send(new ListFunctionsCommand({ MaxItems: 5, FunctionVersion: "ALL", Marker: "a+b c&d" }));
  expect(last().input).toEqual({ MaxItems: 5, FunctionVersion: "ALL", Marker: "a+b c&d" });

  server.answer = () => ({ Tags: { a: "b" } });
  const tags = await lambda.send(new ListTagsCommand({ Resource: name }));
  expect(tags.Tags).toEqual({ a: "b" });
});

test("restJson1: timestamps are dates on both sides", async () => {
  const lambda = new LambdaClient(config());
  const from = new Date("2026-01-02T03:04:05.678Z");
  server.answer = () => ({ UUID: "u", LastModified: from, BatchSize: 10 });
  const created = await lambda.send(
    new CreateEventSourceMappingCommand({
      FunctionName: "f",
      StartingPosition: "AT_TIMESTAMP",
      StartingPositionTimestamp: from,
      FilterCriteria: { Filters: [{ Pattern: "{}" }] },
    }),
  );
  expect(last().input).toEqual({
    FunctionName: "f",
    StartingPosition: "AT_TIMESTAMP",
    StartingPositionTimestamp: from,
    FilterCriteria: { Filters: [{ Pattern: "{}" }] },
  });
  expect(created.LastModified).toEqual(from);
});

test("restJson1: errors, with their members and fields", async () => {
  const lambda = new LambdaClient(config());
  server.answer = () => {
    throw new Fault("ResourceNotFoundException", "Function not found: f");
  };
  const missing = await lambda
    .send(new GetFunctionConfigurationCommand({ FunctionName: "f" }))
    .catch((error: unknown) => error);
  expect(missing).toBeInstanceOf(ResourceNotFoundException);
  expect(missing).toMatchObject({ Type: "User", message: "Function not found: f", $metadata: { httpStatusCode: 404 } });

  server.answer = () => {
    throw new Fault("TooManyRequestsException", "Rate Exceeded.", {
      Reason: "ReservedFunctionConcurrentInvocationLimitExceeded",
      retryAfterSeconds: "1",
    });
  };
  const busy = await lambda.send(new InvokeCommand({ FunctionName: "f" })).catch((error: unknown) => error);
  expect(busy).toBeInstanceOf(TooManyRequestsException);
  expect(busy).toMatchObject({
    Reason: "ReservedFunctionConcurrentInvocationLimitExceeded",
    retryAfterSeconds: "1",
    $metadata: { httpStatusCode: 429 },
  });

  const long = await lambda.send(new InvokeCommand({ FunctionName: "f".repeat(300) })).catch((error: unknown) => error);
  expect(long).toMatchObject({ name: "ValidationException", $metadata: { httpStatusCode: 400 } });
  expect(String(long)).toContain(
    `Value '${"f".repeat(300)}' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to`,
  );

  server.answer = () => ({ StatusCode: 204 });
  const removed = await lambda.send(new DeleteFunctionCommand({ FunctionName: "f" }));
  expect(removed.$metadata.httpStatusCode).toBe(204);
});

test("an operation with an event stream is known by name", async () => {
  const lambda = new LambdaClient(config());
  server.answer = ({ operation }) => {
    throw new Fault("NotImplemented", `Mikan does not implement lambda:${operation} yet.`);
  };
  const failed = await lambda
    .send(new InvokeWithResponseStreamCommand({ FunctionName: "f" }))
    .catch((error: unknown) => error);
  expect(failed).toMatchObject({
    name: "NotImplemented",
    message: "Mikan does not implement lambda:InvokeWithResponseStream yet.",
    $metadata: { httpStatusCode: 501 },
  });
});
