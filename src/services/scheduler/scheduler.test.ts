/** Scheduler through the official client, on a whole node: every operation, what is refused, stacks, and real time. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import {
  CloudFormationClient,
  CreateStackCommand,
  DeleteStackCommand,
  waitUntilStackCreateComplete,
  waitUntilStackDeleteComplete,
} from "@aws-sdk/client-cloudformation";
import {
  CreateScheduleCommand,
  CreateScheduleGroupCommand,
  DeleteScheduleCommand,
  DeleteScheduleGroupCommand,
  GetScheduleCommand,
  GetScheduleGroupCommand,
  ListScheduleGroupsCommand,
  ListSchedulesCommand,
  ListTagsForResourceCommand,
  SchedulerClient,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateScheduleCommand,
  type CreateScheduleCommandInput,
} from "@aws-sdk/client-scheduler";
import { CreateQueueCommand, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { must } from "../../base/errors.ts";
import { startMikan, type Mikan } from "../../mikan.ts";
import { queueArn, roleArn } from "./node.suite.ts";
import { readingPrefixes } from "./universal.ts";

let mikan: Mikan;
let scheduler: SchedulerClient;
let sqs: SQSClient;
let cloudformation: CloudFormationClient;

beforeAll(async () => {
  mikan = await startMikan({});
  const credentials = { accessKeyId: "000000000000", secretAccessKey: "test" };
  const configuration = { endpoint: mikan.url, region: "us-east-1", credentials, maxAttempts: 1 };
  scheduler = new SchedulerClient(configuration);
  sqs = new SQSClient(configuration);
  cloudformation = new CloudFormationClient(configuration);
});
afterAll(async () => {
  for (const client of [scheduler, sqs, cloudformation]) client.destroy();
  await mikan.close(0);
});

const Target = { Arn: queueArn("work"), RoleArn: roleArn, Input: "hello" };
const daily: Omit<CreateScheduleCommandInput, "Name"> = {
  ScheduleExpression: "cron(0 9 * * ? *)",
  FlexibleTimeWindow: { Mode: "OFF" },
  Target,
};
const create = (Name: string, rest: Partial<CreateScheduleCommandInput> = {}) =>
  scheduler.send(new CreateScheduleCommand({ Name, ...daily, ...rest }));
const get = (Name: string, GroupName?: string) => scheduler.send(new GetScheduleCommand({ Name, GroupName }));
const refused = (name: string, message?: RegExp) =>
  expect.objectContaining(message === undefined ? { name } : { name, message: expect.stringMatching(message) });

describe("schedules", () => {
  it("are made, shown, changed as a whole, and deleted", async () => {
    const full = {
      Description: "in the morning",
      ScheduleExpressionTimezone: "Europe/Berlin",
      StartDate: new Date(Date.now() + 60_000),
      EndDate: new Date(Date.now() + 3600_000),
      FlexibleTimeWindow: { Mode: "FLEXIBLE", MaximumWindowInMinutes: 15 },
      State: "DISABLED",
      KmsKeyArn: "arn:aws:kms:us-east-1:000000000000:key/00000000-0000-4000-8000-000000000000",
      ActionAfterCompletion: "DELETE",
      Target: {
        ...Target,
        RetryPolicy: { MaximumRetryAttempts: 3, MaximumEventAgeInSeconds: 600 },
        DeadLetterConfig: { Arn: queueArn("dead") },
      },
    } as const;
    const { ScheduleArn } = await create("full", full);
    expect(ScheduleArn).toBe("arn:aws:scheduler:us-east-1:000000000000:schedule/default/full");
    const { $metadata: _, CreationDate, LastModificationDate, ...shown } = await get("full");
    expect([CreationDate, LastModificationDate]).toEqual([expect.any(Date), expect.any(Date)]);
    const inSeconds = (date: Date) => new Date(Math.floor(date.getTime() / 1_000) * 1_000);
    expect({ ...shown, StartDate: inSeconds(must(shown.StartDate, "StartDate")), EndDate: 0 }).toEqual({
      ...daily,
      ...full,
      Arn: ScheduleArn,
      Name: "full",
      GroupName: "default",
      StartDate: inSeconds(full.StartDate),
      EndDate: 0,
    });
    await expect(create("full")).rejects.toEqual(refused("ConflictException", /^Schedule full already exists\.$/));
    await scheduler.send(new UpdateScheduleCommand({ Name: "full", ...daily }));
    const { Description, State, ActionAfterCompletion, ScheduleExpressionTimezone } = await get("full");
    expect([Description, State, ActionAfterCompletion, ScheduleExpressionTimezone]).toEqual([
      undefined,
      "ENABLED",
      "NONE",
      "UTC",
    ]);
    await scheduler.send(new DeleteScheduleCommand({ Name: "full" }));
    const gone = refused("ResourceNotFoundException", /^Schedule full does not exist\.$/);
    await expect(get("full")).rejects.toEqual(gone);
    await expect(scheduler.send(new DeleteScheduleCommand({ Name: "full" }))).rejects.toEqual(gone);
    await expect(scheduler.send(new UpdateScheduleCommand({ Name: "full", ...daily }))).rejects.toEqual(gone);
  });

  it("are made once under a client token", async () => {
    const ClientToken = "11111111-1111-4111-8111-111111111111";
    const first = await create("once", { ClientToken });
    expect((await create("once", { ClientToken })).ScheduleArn).toBe(first.ScheduleArn);
    await expect(create("once", { ClientToken, Description: "other" })).rejects.toEqual(refused("ConflictException"));
  });

  it("are listed by group, name and state, a page at a time", async () => {
    await scheduler.send(new CreateScheduleGroupCommand({ Name: "listed" }));
    for (const n of [1, 2, 3]) await create(`list-${n}`, { GroupName: "listed" });
    await create("list-4", { State: "DISABLED" });
    const list = async (input: object) => {
      const { Schedules = [], NextToken } = await scheduler.send(new ListSchedulesCommand(input));
      return { names: Schedules.map(({ Name }) => Name), NextToken };
    };
    const first = await list({ GroupName: "listed", MaxResults: 2 });
    expect(first.names).toEqual(["list-1", "list-2"]);
    const rest = await list({ GroupName: "listed", MaxResults: 2, NextToken: first.NextToken });
    expect(rest).toEqual({ names: ["list-3"], NextToken: undefined });
    expect((await list({ NamePrefix: "list-" })).names).toEqual(["list-1", "list-2", "list-3", "list-4"]);
    expect((await list({ NamePrefix: "list-", State: "DISABLED" })).names).toEqual(["list-4"]);
    await expect(list({ GroupName: "none" })).rejects.toEqual(
      refused("ResourceNotFoundException", /^Schedule group none does not exist\.$/),
    );
    await expect(list({ NextToken: "nonsense" })).rejects.toEqual(refused("ValidationException"));
  });

  it("run in real time, also when boto3 has made them", { timeout: 60_000 }, async () => {
    const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: "work" }));
    await create("now", { ScheduleExpression: "rate(1 hour)" });
    const program = `
import boto3
client = boto3.client("scheduler", endpoint_url="${mikan.url}", region_name="us-east-1",
  aws_access_key_id="000000000000", aws_secret_access_key="test")
client.create_schedule(Name="python", ScheduleExpression="rate(1 hour)", FlexibleTimeWindow={"Mode": "OFF"},
  Target={"Arn": "${queueArn("work")}", "RoleArn": "${roleArn}", "Input": "from python"})
print(client.get_schedule(Name="python")["State"])`;
    // The node is in this process: the client must not hold it up.
    const hasBoto = await promisify(execFile)("python3", ["-c", program]).then(
      ({ stdout }) => stdout.trim() === "ENABLED",
      (error: unknown) => {
        if (String(error).includes("No module named 'boto3'")) return false;
        throw error;
      },
    );
    const wanted = new Set(hasBoto ? ["hello", "from python"] : ["hello"]);
    const seen = new Set<string | undefined>();
    while (seen.size < wanted.size) {
      const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 5 }));
      for (const { Body } of Messages) seen.add(Body);
    }
    expect(seen).toEqual(wanted);
  });
});

describe("groups", () => {
  it("are made, tagged, listed and deleted", async () => {
    const make = new CreateScheduleGroupCommand({ Name: "night", Tags: [{ Key: "a", Value: "1" }] });
    const { ScheduleGroupArn: ResourceArn } = await scheduler.send(make);
    expect(ResourceArn).toBe("arn:aws:scheduler:us-east-1:000000000000:schedule-group/night");
    const again = new CreateScheduleGroupCommand({ Name: "night" });
    await expect(scheduler.send(again)).rejects.toEqual(refused("ConflictException"));
    await scheduler.send(new TagResourceCommand({ ResourceArn, Tags: [{ Key: "b", Value: "2" }] }));
    await scheduler.send(new UntagResourceCommand({ ResourceArn, TagKeys: ["a"] }));
    const { Tags } = await scheduler.send(new ListTagsForResourceCommand({ ResourceArn }));
    expect(Tags).toEqual([{ Key: "b", Value: "2" }]);
    const { ScheduleGroups = [] } = await scheduler.send(new ListScheduleGroupsCommand({}));
    expect(ScheduleGroups.map(({ Name }) => Name)).toEqual(expect.arrayContaining(["default", "night"]));
    await scheduler.send(new DeleteScheduleGroupCommand({ Name: "night" }));
    const look = () => scheduler.send(new GetScheduleGroupCommand({ Name: "night" })).catch((error: unknown) => error);
    await expect.poll(look, { timeout: 10_000 }).toEqual(refused("ResourceNotFoundException"));
    await expect(scheduler.send(new DeleteScheduleGroupCommand({ Name: "default" }))).rejects.toEqual(
      refused("ValidationException"),
    );
    await expect(create("x", { GroupName: "night" })).rejects.toEqual(refused("ResourceNotFoundException"));
  });
});

describe("what is refused", () => {
  const universal = (action: string, Input = "{}") => ({
    Target: { ...Target, Arn: `arn:aws:scheduler:::aws-sdk:${action}`, Input },
  });
  const lambdaArn = "arn:aws:lambda:us-east-1:000000000000:function:f";
  it.each<[string, string, Partial<CreateScheduleCommandInput>, RegExp]>([
    ["an expression", "ValidationException", { ScheduleExpression: "rate(0 minutes)" }, /Invalid Schedule Expression/],
    ["a zone", "ValidationException", { ScheduleExpressionTimezone: "Mars/Phobos" }, /Mars\/Phobos/],
    ["a past start", "ValidationException", { StartDate: new Date(1) }, /cannot be earlier than 5 minutes ago/],
    ["no window", "ValidationException", { FlexibleTimeWindow: { Mode: "FLEXIBLE" } }, /MaximumWindowInMinutes/],
    [
      "a window that is off",
      "ValidationException",
      { FlexibleTimeWindow: { Mode: "OFF", MaximumWindowInMinutes: 5 } },
      /MaximumWindowInMinutes/,
    ],
    ["no target", "ValidationException", { Target: { ...Target, Arn: "queue" } }, /./],
    ["text for a function", "ValidationException", { Target: { ...Target, Arn: lambdaArn } }, /well-formed JSON/],
    [
      "parameters of another target",
      "ValidationException",
      { Target: { ...Target, KinesisParameters: { PartitionKey: "a" } } },
      /KinesisParameters is not supported/,
    ],
    ["no group for FIFO", "ValidationException", { Target: { ...Target, Arn: queueArn("a.fifo") } }, /MessageGroupId/],
    [
      "Step Functions",
      "NotImplemented",
      { Target: { ...Target, Arn: "arn:aws:states:us-east-1:000000000000:stateMachine:m" } },
      /Step Functions/,
    ],
    ["a service elsewhere", "NotImplemented", universal("rds:stopDBInstance"), /aws-sdk:rds/],
    ["an unknown operation", "ValidationException", universal("sqs:explode"), /explode is not a supported/],
    ["an input without its members", "ValidationException", universal("sqs:sendMessage"), /Invalid Input/],
    [
      "an input with unknown members",
      "ValidationException",
      universal("sqs:sendMessage", '{"QueueUrl":"u","MessageBody":"b","Nothing":1}'),
      /Nothing is not known/,
    ],
  ])("%s: %s", async (_, code, input, message) => {
    await expect(create("refused", input)).rejects.toEqual(refused(code, message));
  });

  it.each(readingPrefixes)("operations that begin with %s", async (prefix) => {
    await expect(create("refused", universal(`sqs:${prefix}Queues`))).rejects.toEqual(
      refused("ValidationException", /is not a supported api action/),
    );
  });
});

it("schedules and groups are parts of a stack", { timeout: 60_000 }, async () => {
  const StackName = "timed";
  const Resources = {
    Group: {
      Type: "AWS::Scheduler::ScheduleGroup",
      Properties: { Name: "of-stack", Tags: [{ Key: "k", Value: "v" }] },
    },
    Nightly: {
      Type: "AWS::Scheduler::Schedule",
      Properties: {
        Name: "nightly",
        GroupName: { Ref: "Group" },
        ScheduleExpression: "cron(0 3 * * ? *)",
        ScheduleExpressionTimezone: "Europe/Berlin",
        StartDate: "2099-01-01T00:00:00Z",
        FlexibleTimeWindow: { Mode: "FLEXIBLE", MaximumWindowInMinutes: "30" },
        Target: { ...Target, RetryPolicy: { MaximumRetryAttempts: "4" } },
      },
    },
  };
  const TemplateBody = JSON.stringify({ Resources });
  const waiting = { client: cloudformation, minDelay: 1, maxDelay: 1, maxWaitTime: 30 };
  await cloudformation.send(new CreateStackCommand({ StackName, TemplateBody }));
  await waitUntilStackCreateComplete(waiting, { StackName });
  const made = await get("nightly", "of-stack");
  expect(made).toMatchObject({
    FlexibleTimeWindow: { MaximumWindowInMinutes: 30 },
    Target: { RetryPolicy: { MaximumRetryAttempts: 4 } },
    StartDate: new Date("2099-01-01T00:00:00Z"),
  });
  await cloudformation.send(new DeleteStackCommand({ StackName }));
  await waitUntilStackDeleteComplete(waiting, { StackName });
  await expect(get("nightly", "of-stack")).rejects.toEqual(refused("ResourceNotFoundException"));
});
