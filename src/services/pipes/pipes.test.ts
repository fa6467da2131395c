/** Pipes through the official client, on a whole node: queues, a function in between, logs and stacks. */
import {
  CloudFormationClient,
  CreateStackCommand,
  DeleteStackCommand,
  waitUntilStackCreateComplete,
  waitUntilStackDeleteComplete,
} from "@aws-sdk/client-cloudformation";
import { CloudWatchLogsClient, CreateLogGroupCommand, FilterLogEventsCommand } from "@aws-sdk/client-cloudwatch-logs";
import { CreateFunctionCommand, LambdaClient, waitUntilFunctionActiveV2 } from "@aws-sdk/client-lambda";
import {
  CreatePipeCommand,
  DeletePipeCommand,
  DescribePipeCommand,
  ListPipesCommand,
  ListTagsForResourceCommand,
  PipesClient,
  StartPipeCommand,
  StopPipeCommand,
  TagResourceCommand,
  UntagResourceCommand,
  UpdatePipeCommand,
  type CreatePipeCommandInput,
} from "@aws-sdk/client-pipes";
import {
  CreateQueueCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
  type Message,
} from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { must } from "../../base/errors.ts";
import { startMikan, type Mikan } from "../../mikan.ts";
import { role, zipOf } from "../lambda/node.suite.ts";

const account = "000000000000";
const queueArn = (name: string) => `arn:aws:sqs:us-east-1:${account}:${name}`;
const functionArn = (name: string) => `arn:aws:lambda:us-east-1:${account}:function:${name}`;
const RoleArn = `arn:aws:iam::${account}:role/pipe`;

let mikan: Mikan;
let pipes: PipesClient;
let sqs: SQSClient;
let logs: CloudWatchLogsClient;
let lambda: LambdaClient;
let cloudformation: CloudFormationClient;

beforeAll(async () => {
  mikan = await startMikan({});
  const credentials = { accessKeyId: account, secretAccessKey: "test" };
  const configuration = { endpoint: mikan.url, region: "us-east-1", credentials, maxAttempts: 1 };
  pipes = new PipesClient(configuration);
  sqs = new SQSClient(configuration);
  logs = new CloudWatchLogsClient(configuration);
  lambda = new LambdaClient(configuration);
  cloudformation = new CloudFormationClient(configuration);
});
afterAll(async () => {
  for (const client of [pipes, sqs, logs, lambda, cloudformation]) client.destroy();
  await mikan.close(0);
});

const queue = async (QueueName: string, Attributes: Record<string, string> = {}) =>
  must((await sqs.send(new CreateQueueCommand({ QueueName, Attributes }))).QueueUrl, "QueueUrl");
const send = (QueueUrl: string, MessageBody: string, rest: object = {}) =>
  sqs.send(new SendMessageCommand({ QueueUrl, MessageBody, ...rest }));
const create = (Name: string, rest: Partial<CreatePipeCommandInput>) =>
  pipes.send(
    new CreatePipeCommand({ Name, RoleArn, Source: queueArn(`${Name}-in`), Target: queueArn(`${Name}-out`), ...rest }),
  );
const stateOf = async (Name: string) => (await pipes.send(new DescribePipeCommand({ Name }))).CurrentState;
const refused = (name: string, message?: RegExp) =>
  expect.objectContaining(message === undefined ? { name } : { name, message: expect.stringMatching(message) });

/** The next `count` messages of a queue, deleted as they come. */
async function take(QueueUrl: string, count: number): Promise<Message[]> {
  const taken: Message[] = [];
  while (taken.length < count) {
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({
        QueueUrl,
        WaitTimeSeconds: 10,
        MaxNumberOfMessages: 10,
        MessageSystemAttributeNames: ["All"],
      }),
    );
    for (const { ReceiptHandle } of Messages) await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
    taken.push(...Messages);
  }
  return taken;
}

async function left(QueueUrl: string): Promise<number> {
  const AttributeNames = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"] as const;
  const { Attributes = {} } = await sqs.send(
    new GetQueueAttributesCommand({ QueueUrl, AttributeNames: [...AttributeNames] }),
  );
  return AttributeNames.reduce((sum, name) => sum + Number(Attributes[name]), 0);
}

async function makeFunction(FunctionName: string, source: string) {
  const Code = { ZipFile: await zipOf({ "index.js": source }) };
  await lambda.send(
    new CreateFunctionCommand({ FunctionName, Role: role, Runtime: "nodejs24.x", Handler: "index.handler", Code }),
  );
  await waitUntilFunctionActiveV2({ client: lambda, maxWaitTime: 30 }, { FunctionName });
}

describe("events", { timeout: 60_000 }, () => {
  it("go through a filter and a template from queue to queue", async () => {
    const [from, to] = [await queue("filtered-in"), await queue("filtered-out")];
    await create("filtered", {
      SourceParameters: { FilterCriteria: { Filters: [{ Pattern: '{"body":{"total":[{"numeric":[">",10]}]}}' }] } },
      TargetParameters: { InputTemplate: '{"order": <$.body.id>, "pipe": "<aws.pipes.pipe-name>"}' },
    });
    await send(from, '{"id":"a","total":5}');
    await send(from, '{"id":"b","total":15}');
    const [message] = await take(to, 1);
    expect(JSON.parse(message?.Body ?? "")).toEqual({ order: "b", pipe: "filtered" });
    await expect.poll(() => left(from)).toBe(0);
    expect(await left(to)).toBe(0);
  });

  it("keep their groups, and get their ids by path", async () => {
    const fifo = { FifoQueue: "true" };
    const [from, to] = [await queue("ordered-in.fifo", fifo), await queue("ordered-out.fifo", fifo)];
    await create("ordered", {
      Source: queueArn("ordered-in.fifo"),
      Target: queueArn("ordered-out.fifo"),
      TargetParameters: {
        InputTemplate: "<$.body.n>",
        SqsQueueParameters: { MessageGroupId: "$.body.customer", MessageDeduplicationId: "$.messageId" },
      },
    });
    for (let n = 0; n < 6; n += 1) {
      const body = JSON.stringify({ n, customer: n % 2 === 0 ? "even" : "odd" });
      await send(from, body, { MessageGroupId: `g${n % 2}`, MessageDeduplicationId: String(n) });
    }
    const messages = await take(to, 6);
    const ofGroup = (group: string) =>
      messages.filter(({ Attributes }) => Attributes?.MessageGroupId === group).map(({ Body }) => Body);
    expect([ofGroup("even"), ofGroup("odd")]).toEqual([
      ["0", "2", "4"],
      ["1", "3", "5"],
    ]);
  });

  it("are enriched by a function, and logged", async () => {
    const [from, to] = [await queue("enriched-in"), await queue("enriched-out")];
    await makeFunction(
      "enrich",
      "exports.handler = async (events) => events.filter(({ id }) => id > 0).map(({ id }) => ({ id, seen: true }));",
    );
    await logs.send(new CreateLogGroupCommand({ logGroupName: "/pipes/enriched" }));
    await create("enriched", {
      Enrichment: functionArn("enrich"),
      EnrichmentParameters: { InputTemplate: '{"id": <$.body.id>}' },
      LogConfiguration: {
        Level: "INFO",
        CloudwatchLogsLogDestination: { LogGroupArn: `arn:aws:logs:us-east-1:${account}:log-group:/pipes/enriched` },
      },
    });
    await send(from, '{"id":0}');
    await send(from, '{"id":1}');
    const [message] = await take(to, 1);
    expect(message?.Body).toBe('{"id":1,"seen":true}');
    await expect.poll(() => left(from), { timeout: 10_000 }).toBe(0);
    const types = async () => {
      const { events = [] } = await logs.send(new FilterLogEventsCommand({ logGroupName: "/pipes/enriched" }));
      return events.map(({ message: line = "" }) => (JSON.parse(line) as { messageType: string }).messageType);
    };
    await expect.poll(types).toEqual(expect.arrayContaining(["ExecutionStarted", "ExecutionSucceeded"]));
  });

  it("of a batch that a function names as failed come again, and no others", async () => {
    const from = await queue("partial-in", { VisibilityTimeout: "2" });
    const to = await queue("partial-out");
    await makeFunction(
      "partial",
      `const seen = new Set();
exports.handler = async (events) => ({
  batchItemFailures: events
    .filter(({ messageId, body }) => body === "again" && !seen.has(messageId) && seen.add(messageId))
    .map(({ messageId }) => ({ itemIdentifier: messageId })),
});`,
    );
    await create("partial", {
      Target: functionArn("partial"),
      SourceParameters: { SqsQueueParameters: { BatchSize: 5 } },
    });
    for (const body of ["fine", "again", "fine"]) await send(from, body);
    await expect.poll(() => left(from), { timeout: 20_000 }).toBe(0);
    expect(await left(to)).toBe(0);
  });

  it("go to a log group", async () => {
    const from = await queue("logged-in");
    await logs.send(new CreateLogGroupCommand({ logGroupName: "/pipes/out" }));
    await create("logged", {
      Target: `arn:aws:logs:us-east-1:${account}:log-group:/pipes/out`,
      TargetParameters: { InputTemplate: "order <$.body.id>", CloudWatchLogsParameters: { LogStreamName: "orders" } },
    });
    await send(from, '{"id":9}');
    const lines = async () => {
      const { events = [] } = await logs.send(new FilterLogEventsCommand({ logGroupName: "/pipes/out" }));
      return events.map(({ message }) => message);
    };
    await expect.poll(lines, { timeout: 10_000 }).toEqual(["order 9"]);
  });
});

describe("a pipe", { timeout: 60_000 }, () => {
  it("is made, stopped, changed, started, tagged and deleted", async () => {
    const [from, to] = [await queue("life-in"), await queue("life-out")];
    const made = await create("life", { DesiredState: "STOPPED", Tags: { a: "1" } });
    expect(made).toMatchObject({ CurrentState: "CREATING", DesiredState: "STOPPED" });
    await expect.poll(() => stateOf("life")).toBe("STOPPED");
    await expect(create("life", {})).rejects.toEqual(refused("ConflictException"));
    await expect(pipes.send(new StopPipeCommand({ Name: "life" }))).rejects.toEqual(refused("ConflictException"));
    await send(from, "x");
    const changed = await pipes.send(
      new UpdatePipeCommand({ Name: "life", RoleArn, TargetParameters: { InputTemplate: "got <$.body>" } }),
    );
    expect(changed.CurrentState).toBe("UPDATING");
    await expect.poll(() => stateOf("life")).toBe("STOPPED");
    expect(await left(from)).toBe(1);
    await pipes.send(new StartPipeCommand({ Name: "life" }));
    expect((await take(to, 1))[0]?.Body).toBe("got x");
    await expect.poll(() => stateOf("life")).toBe("RUNNING");

    const resourceArn = must(made.Arn, "Arn");
    await pipes.send(new TagResourceCommand({ resourceArn, tags: { b: "2" } }));
    await pipes.send(new UntagResourceCommand({ resourceArn, tagKeys: ["a"] }));
    expect((await pipes.send(new ListTagsForResourceCommand({ resourceArn }))).tags).toEqual({ b: "2" });
    const { Pipes = [] } = await pipes.send(new ListPipesCommand({ NamePrefix: "li", TargetPrefix: queueArn("life") }));
    expect(Pipes.map(({ Name }) => Name)).toEqual(["life"]);

    expect((await pipes.send(new DeletePipeCommand({ Name: "life" }))).CurrentState).toBe("DELETING");
    await expect.poll(() => stateOf("life").catch((error: unknown) => error)).toEqual(refused("NotFoundException"));
  });

  it("is refused by name for what the house has not", async () => {
    const stream = `arn:aws:kinesis:us-east-1:${account}:stream/s`;
    const states = `arn:aws:states:us-east-1:${account}:stateMachine:m`;
    await expect(create("no", { Source: stream })).rejects.toEqual(refused("NotImplemented", /Kinesis streams/));
    await expect(create("no", { Target: states })).rejects.toEqual(refused("NotImplemented", /Step Functions/));
    await expect(create("no", { Enrichment: states })).rejects.toEqual(refused("NotImplemented", /Step Functions/));
    await expect(create("no", { Target: "arn:aws:nothing:us-east-1::x" })).rejects.toEqual(
      refused("ValidationException"),
    );
    const template = { TargetParameters: { InputTemplate: "<aws.pipes.nothing>" } };
    await expect(create("no", template)).rejects.toEqual(refused("ValidationException", /no variable/));
    const filter = { SourceParameters: { FilterCriteria: { Filters: [{ Pattern: "{" }] } } };
    await expect(create("no", filter)).rejects.toEqual(refused("ValidationException", /filter pattern/));
  });

  it("is part of a stack", async () => {
    const StackName = "piped";
    const Resources = {
      In: { Type: "AWS::SQS::Queue" },
      Out: { Type: "AWS::SQS::Queue", Properties: { QueueName: "stack-out" } },
      Pipe: {
        Type: "AWS::Pipes::Pipe",
        Properties: {
          RoleArn,
          Source: { "Fn::GetAtt": ["In", "Arn"] },
          SourceParameters: { SqsQueueParameters: { BatchSize: "3" } },
          Target: { "Fn::GetAtt": ["Out", "Arn"] },
          TargetParameters: { InputTemplate: "<$.body>" },
          Tags: { team: "x" },
        },
      },
    };
    const TemplateBody = JSON.stringify({ Resources });
    await cloudformation.send(new CreateStackCommand({ StackName, TemplateBody }));
    await waitUntilStackCreateComplete(
      { client: cloudformation, minDelay: 1, maxDelay: 1, maxWaitTime: 30 },
      { StackName },
    );
    const { Pipes = [] } = await pipes.send(new ListPipesCommand({ NamePrefix: "piped-Pipe-" }));
    expect(Pipes).toHaveLength(1);
    const described = await pipes.send(new DescribePipeCommand({ Name: Pipes[0]?.Name }));
    expect(described).toMatchObject({ SourceParameters: { SqsQueueParameters: { BatchSize: 3 } } });
    expect(described.Tags).toMatchObject({ team: "x" });
    await cloudformation.send(new DeleteStackCommand({ StackName }));
    await waitUntilStackDeleteComplete(
      { client: cloudformation, minDelay: 1, maxDelay: 1, maxWaitTime: 30 },
      { StackName },
    );
  });
});
