/** SQS's resource types in stacks: created, updated, replaced, compared, deleted and made again. */
import {
  CloudFormationClient,
  CreateStackCommand,
  DeleteStackCommand,
  DescribeStacksCommand,
  DescribeStackResourceDriftsCommand,
  DetectStackDriftCommand,
  UpdateStackCommand,
  waitUntilStackCreateComplete,
  waitUntilStackDeleteComplete,
  waitUntilStackUpdateComplete,
} from "@aws-sdk/client-cloudformation";
import {
  GetQueueAttributesCommand,
  ListQueuesCommand,
  ListQueueTagsCommand,
  SendMessageCommand,
  SetQueueAttributesCommand,
  SQSClient,
} from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startMikan, type Mikan } from "../../mikan.ts";
import { silentLog } from "../../telemetry/log.ts";

let mikan: Mikan;
let sqs: SQSClient;
let cloudformation: CloudFormationClient;
beforeAll(async () => {
  mikan = await startMikan({ log: silentLog });
  sqs = new SQSClient({ ...mikan.clientConfig(), maxAttempts: 1 });
  cloudformation = new CloudFormationClient({ ...mikan.clientConfig(), maxAttempts: 1 });
});
afterAll(async () => {
  sqs.destroy();
  cloudformation.destroy();
  await mikan.close(0);
});

const StackName = "buffer";
const wait = () => ({ client: cloudformation, maxWaitTime: 30, minDelay: 0.02, maxDelay: 0.1 });
const allow = (action: string) => ({
  Version: "2012-10-17",
  Statement: [{ Effect: "Allow", Principal: { Service: "sns.amazonaws.com" }, Action: action, Resource: "*" }],
});
const template = (queue: object, action = "sqs:SendMessage") =>
  JSON.stringify({
    Resources: {
      Dead: { Type: "AWS::SQS::Queue", Properties: { QueueName: "dead" } },
      Orders: { Type: "AWS::SQS::Queue", Properties: queue },
      Steps: { Type: "AWS::SQS::Queue", Properties: { FifoQueue: true } },
      Policy: {
        Type: "AWS::SQS::QueuePolicy",
        Properties: { PolicyDocument: allow(action), Queues: [{ Ref: "Orders" }, { Ref: "Dead" }] },
      },
      Inline: {
        Type: "AWS::SQS::QueueInlinePolicy",
        Properties: { PolicyDocument: allow(action), Queue: { Ref: "Steps" } },
      },
    },
    Outputs: {
      Url: { Value: { Ref: "Orders" } },
      Arn: { Value: { "Fn::GetAtt": ["Orders", "Arn"] } },
      Name: { Value: { "Fn::GetAtt": ["Steps", "QueueName"] } },
      Steps: { Value: { "Fn::GetAtt": ["Steps", "QueueUrl"] } },
    },
  });
const redrive = { deadLetterTargetArn: { "Fn::GetAtt": ["Dead", "Arn"] }, maxReceiveCount: 3 };
const queue = (rest: object = {}) => ({
  QueueName: "orders",
  VisibilityTimeout: 60,
  RedrivePolicy: redrive,
  Tags: [{ Key: "team", Value: "outbound" }],
  ...rest,
});

async function outputs(): Promise<Record<string, string>> {
  const { Stacks } = await cloudformation.send(new DescribeStacksCommand({ StackName }));
  const pairs = Stacks?.[0]?.Outputs?.map(({ OutputKey = "", OutputValue = "" }) => [OutputKey, OutputValue]);
  return Object.fromEntries(pairs ?? []) as Record<string, string>;
}
const attributes = async (QueueUrl: string | undefined) =>
  (await sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["All"] }))).Attributes ?? {};
const update = async (body: string) => {
  await cloudformation.send(new UpdateStackCommand({ StackName, TemplateBody: body }));
  await waitUntilStackUpdateComplete(wait(), { StackName });
};
async function drifted(): Promise<string[]> {
  await cloudformation.send(new DetectStackDriftCommand({ StackName }));
  const found = () => cloudformation.send(new DescribeStackResourceDriftsCommand({ StackName }));
  await expect.poll(async () => (await found()).StackResourceDrifts?.length).toBe(5);
  const { StackResourceDrifts } = await found();
  const others = StackResourceDrifts?.filter(({ StackResourceDriftStatus: status }) => status !== "IN_SYNC");
  return others?.map(({ LogicalResourceId: id = "" }) => id).toSorted((a, b) => a.localeCompare(b)) ?? [];
}

describe("a stack of queues", () => {
  it("lives", { timeout: 90_000 }, async () => {
    await cloudformation.send(new CreateStackCommand({ StackName, TemplateBody: template(queue()) }));
    await waitUntilStackCreateComplete(wait(), { StackName });
    const made = await outputs();
    expect(made).toMatchObject({
      Url: `${mikan.url}/000000000000/orders`,
      Arn: "arn:aws:sqs:us-east-1:000000000000:orders",
      Name: expect.stringMatching(/^buffer-Steps-.*\.fifo$/),
    });
    expect(await attributes(made["Url"])).toMatchObject({
      VisibilityTimeout: "60",
      RedrivePolicy: JSON.stringify({
        deadLetterTargetArn: "arn:aws:sqs:us-east-1:000000000000:dead",
        maxReceiveCount: 3,
      }),
      Policy: JSON.stringify(allow("sqs:SendMessage")),
    });
    expect((await attributes(made["Steps"]))["Policy"]).toBe(JSON.stringify(allow("sqs:SendMessage")));
    const tags = await sqs.send(new ListQueueTagsCommand({ QueueUrl: made["Url"] }));
    expect(tags.Tags).toMatchObject({ team: "outbound" });
    expect(await drifted()).toEqual([]);

    await sqs.send(new SendMessageCommand({ QueueUrl: made["Url"], MessageBody: "stays" }));
    const { RedrivePolicy: _, ...others } = queue({ VisibilityTimeout: 90, DelaySeconds: 5, Tags: [] });
    await update(template(others, "sqs:*"));
    const after = await attributes(made["Url"]);
    expect(after).toMatchObject({ VisibilityTimeout: "90", DelaySeconds: "5", ApproximateNumberOfMessages: "1" });
    expect(after).not.toHaveProperty("RedrivePolicy");
    expect(after["Policy"]).toBe(JSON.stringify(allow("sqs:*")));
    expect((await sqs.send(new ListQueueTagsCommand({ QueueUrl: made["Url"] }))).Tags).not.toHaveProperty("team");

    const Attributes = { VisibilityTimeout: "7", Policy: "" };
    await sqs.send(new SetQueueAttributesCommand({ QueueUrl: made["Url"], Attributes }));
    expect(await drifted()).toEqual(["Orders", "Policy"]);

    await update(template({ ...others, QueueName: "orders-2" }, "sqs:*"));
    const replaced = (await outputs())["Url"];
    expect(replaced).toBe(`${mikan.url}/000000000000/orders-2`);
    expect((await attributes(replaced))["ApproximateNumberOfMessages"]).toBe("0");
    expect((await attributes(replaced))["Policy"]).toBe(JSON.stringify(allow("sqs:*")));

    await cloudformation.send(new DeleteStackCommand({ StackName }));
    await waitUntilStackDeleteComplete(wait(), { StackName });
    expect((await sqs.send(new ListQueuesCommand({}))).QueueUrls).toBeUndefined();
    // Its names are free at once.
    await cloudformation.send(new CreateStackCommand({ StackName, TemplateBody: template(queue()) }));
    await waitUntilStackCreateComplete(wait(), { StackName });
  });
});
