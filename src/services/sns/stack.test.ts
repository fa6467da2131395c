/** Topics of templates, plain and of SAM, on a whole node with functions behind them. */
import {
  CloudFormationClient,
  CreateStackCommand,
  DeleteStackCommand,
  DescribeStackDriftDetectionStatusCommand,
  DescribeStackEventsCommand,
  DescribeStackResourceDriftsCommand,
  DescribeStacksCommand,
  DetectStackDriftCommand,
  UpdateStackCommand,
  waitUntilStackCreateComplete,
  waitUntilStackDeleteComplete,
  waitUntilStackUpdateComplete,
} from "@aws-sdk/client-cloudformation";
import * as client from "@aws-sdk/client-sns";
import { ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { must } from "../../base/errors.ts";
import { startMikan, type Mikan } from "../../mikan.ts";
import { silentLog } from "../../telemetry/log.ts";
import { startEndpoint } from "./endpoint.suite.ts";

let mikan: Mikan;
let cloudformation: CloudFormationClient;
let sns: client.SNSClient;
let sqs: SQSClient;
beforeAll(async () => {
  mikan = await startMikan({ log: silentLog });
  cloudformation = new CloudFormationClient(mikan.clientConfig());
  sns = new client.SNSClient(mikan.clientConfig());
  sqs = new SQSClient(mikan.clientConfig());
});
afterAll(async () => {
  cloudformation.destroy();
  sns.destroy();
  sqs.destroy();
  await mikan.close(0);
});

const wait = () => ({ client: cloudformation, maxWaitTime: 60, minDelay: 1, maxDelay: 1 });
const capabilities = { Capabilities: ["CAPABILITY_IAM" as const, "CAPABILITY_AUTO_EXPAND" as const] };

async function reasons(StackName: string): Promise<string[]> {
  const { StackEvents = [] } = await cloudformation.send(new DescribeStackEventsCommand({ StackName }));
  return StackEvents.flatMap(({ LogicalResourceId: id, ResourceStatusReason: why }) => (why ? [`${id}: ${why}`] : []));
}

async function create(StackName: string, template: object): Promise<Record<string, string>> {
  const TemplateBody = JSON.stringify(template);
  await cloudformation.send(new CreateStackCommand({ StackName, TemplateBody, ...capabilities }));
  await waitUntilStackCreateComplete(wait(), { StackName }).catch(async (cause: unknown) => {
    throw new Error((await reasons(StackName)).join("\n"), { cause });
  });
  const { Stacks: [stack] = [] } = await cloudformation.send(new DescribeStacksCommand({ StackName }));
  return Object.fromEntries(
    (stack?.Outputs ?? []).map(({ OutputKey = "", OutputValue = "" }) => [OutputKey, OutputValue]),
  );
}

/** Properties that are not as the template says. */
async function drift(StackName: string): Promise<string[]> {
  const { StackDriftDetectionId } = await cloudformation.send(new DetectStackDriftCommand({ StackName }));
  await vi.waitFor(
    async () => {
      const command = new DescribeStackDriftDetectionStatusCommand({ StackDriftDetectionId });
      expect((await cloudformation.send(command)).DetectionStatus).toBe("DETECTION_COMPLETE");
    },
    { timeout: 20_000, interval: 50 },
  );
  const { StackResourceDrifts: drifts = [] } = await cloudformation.send(
    new DescribeStackResourceDriftsCommand({ StackName }),
  );
  return drifts.flatMap(({ LogicalResourceId: id, PropertyDifferences: all = [] }) =>
    all.map(({ PropertyPath: path }) => `${id} ${path}`),
  );
}

const policy = (topics: string) => ({
  PolicyDocument: {
    Version: "2012-10-17",
    Statement: [
      { Effect: "Allow", Principal: { Service: "s3.amazonaws.com" }, Action: "sns:Publish", Resource: { Ref: topics } },
    ],
  },
});

/** Two queues of one topic: one by the topic itself, one by a subscription of its own, with this filter. */
const template = (kind: string, DisplayName: string) => ({
  Resources: {
    Orders: {
      Type: "AWS::SNS::Topic",
      Properties: {
        DisplayName,
        SignatureVersion: "2",
        Subscription: [{ Protocol: "sqs", Endpoint: { "Fn::GetAtt": ["All", "Arn"] } }],
        Tags: [{ Key: "team", Value: "shop" }],
      },
    },
    Steps: { Type: "AWS::SNS::Topic", Properties: { FifoTopic: true, ContentBasedDeduplication: true } },
    All: { Type: "AWS::SQS::Queue" },
    Some: { Type: "AWS::SQS::Queue" },
    Open: {
      Type: "AWS::SQS::QueuePolicy",
      Properties: {
        Queues: [{ Ref: "All" }, { Ref: "Some" }],
        PolicyDocument: {
          Statement: [
            { Effect: "Allow", Principal: { Service: "sns.amazonaws.com" }, Action: "sqs:SendMessage", Resource: "*" },
          ],
        },
      },
    },
    Filtered: {
      Type: "AWS::SNS::Subscription",
      Properties: {
        TopicArn: { Ref: "Orders" },
        Protocol: "sqs",
        Endpoint: { "Fn::GetAtt": ["Some", "Arn"] },
        RawMessageDelivery: true,
        FilterPolicy: { kind: [kind] },
      },
    },
    Policy: { Type: "AWS::SNS::TopicPolicy", Properties: { Topics: [{ Ref: "Orders" }], ...policy("Orders") } },
    Inline: { Type: "AWS::SNS::TopicInlinePolicy", Properties: { TopicArn: { Ref: "Steps" }, ...policy("Steps") } },
  },
  Outputs: {
    Orders: { Value: { Ref: "Orders" } },
    Name: { Value: { "Fn::GetAtt": ["Steps", "TopicName"] } },
    All: { Value: { Ref: "All" } },
    Some: { Value: { Ref: "Some" } },
    Filtered: { Value: { Ref: "Filtered" } },
  },
});

describe("a stack", () => {
  it("makes topics, subscriptions and policies, changes them, and takes them away", { timeout: 120_000 }, async () => {
    const outputs = await create("shop", template("a", "Shop"));
    const { Orders: TopicArn = "", Some: QueueUrl = "", Filtered: SubscriptionArn = "" } = outputs;
    expect(outputs["Name"]).toMatch(/^shop-Steps-.*\.fifo$/);
    const attributes = async () =>
      (await sns.send(new client.GetTopicAttributesCommand({ TopicArn }))).Attributes ?? {};
    expect(await attributes()).toMatchObject({
      DisplayName: "Shop",
      SignatureVersion: "2",
      SubscriptionsConfirmed: "2",
      Policy: expect.stringContaining("s3.amazonaws.com"),
    });
    const publish = (Message: string, kind: string) => {
      const MessageAttributes = { kind: { DataType: "String", StringValue: kind } };
      return sns.send(new client.PublishCommand({ TopicArn, Message, MessageAttributes }));
    };
    const receive = async () => {
      const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 10 }));
      return Messages.map(({ Body }) => Body);
    };
    await publish("first", "a");
    expect(await receive()).toEqual(["first"]);
    expect(await drift("shop")).toEqual([]);
    await sns.send(
      new client.SetTopicAttributesCommand({ TopicArn, AttributeName: "DisplayName", AttributeValue: "Own" }),
    );
    expect(await drift("shop")).toEqual(["Orders /DisplayName"]);

    const TemplateBody = JSON.stringify(template("b", "Store"));
    await cloudformation.send(new UpdateStackCommand({ StackName: "shop", TemplateBody, ...capabilities }));
    await waitUntilStackUpdateComplete(wait(), { StackName: "shop" });
    expect(await attributes()).toMatchObject({ DisplayName: "Store", SubscriptionsConfirmed: "2" });
    const subscription = await sns.send(new client.GetSubscriptionAttributesCommand({ SubscriptionArn }));
    expect(subscription.Attributes).toMatchObject({ FilterPolicy: '{"kind":["b"]}', RawMessageDelivery: "true" });
    await publish("not any more", "a");
    await publish("second", "b");
    expect(await receive()).toEqual(["second"]);

    await cloudformation.send(new DeleteStackCommand({ StackName: "shop" }));
    await waitUntilStackDeleteComplete(wait(), { StackName: "shop" });
    expect((await sns.send(new client.ListTopicsCommand({}))).Topics).toEqual([]);
    expect((await sns.send(new client.ListSubscriptionsCommand({}))).Subscriptions).toEqual([]);
  });

  it("of SAM has a function that a topic calls, and one behind a queue", { timeout: 120_000 }, async () => {
    await using endpoint = await startEndpoint();
    const told = (event: object) => ({
      Type: "AWS::Serverless::Function",
      Properties: {
        Runtime: "nodejs24.x",
        Handler: "index.handler",
        InlineCode: `exports.handler = async (event) => { await fetch("${endpoint.url}", { method: "POST", body: JSON.stringify(event) }); };`,
        Events: { News: { Type: "SNS", Properties: { Topic: { Ref: "News" }, ...event } } },
      },
    });
    const { News: TopicArn = "" } = await create("told", {
      Transform: "AWS::Serverless-2016-10-31",
      Resources: {
        News: { Type: "AWS::SNS::Topic" },
        Direct: told({ FilterPolicy: { way: ["direct"] } }),
        Queued: told({ FilterPolicy: { way: ["queued"] }, SqsSubscription: true }),
      },
      Outputs: { News: { Value: { Ref: "News" } } },
    });
    const publish = (way: string) => {
      const MessageAttributes = { way: { DataType: "String", StringValue: way } };
      return sns.send(new client.PublishCommand({ TopicArn, Message: `sent ${way}`, Subject: "s", MessageAttributes }));
    };
    const { MessageId } = await publish("direct");
    await endpoint.arrived(1);
    expect(JSON.parse(endpoint.deliveries[0]?.body ?? "")).toEqual({
      Records: [
        {
          EventSource: "aws:sns",
          EventVersion: "1.0",
          EventSubscriptionArn: expect.stringMatching(new RegExp(`^${TopicArn}:[0-9a-f-]{36}$`)),
          Sns: {
            Type: "Notification",
            MessageId,
            TopicArn,
            Subject: "s",
            Message: "sent direct",
            Timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
            SignatureVersion: "1",
            Signature: expect.any(String),
            SigningCertUrl: expect.stringContaining("/SimpleNotificationService-"),
            UnsubscribeUrl: expect.stringContaining("/?Action=Unsubscribe&SubscriptionArn="),
            MessageAttributes: { way: { Type: "String", Value: "direct" } },
          },
        },
      ],
    });
    await publish("queued");
    await endpoint.arrived(2);
    const { Records: [record] = [] } = JSON.parse(endpoint.deliveries[1]?.body ?? "") as {
      Records?: { body: string }[];
    };
    expect(JSON.parse(must(record, "record").body)).toMatchObject({ Type: "Notification", Message: "sent queued" });
  });
});
