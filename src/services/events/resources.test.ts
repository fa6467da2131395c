/** EventBridge's resource types in stacks: created, updated, compared and deleted. */
import {
  CloudFormationClient,
  CreateStackCommand,
  DeleteStackCommand,
  DescribeStackDriftDetectionStatusCommand,
  DescribeStackResourceDriftsCommand,
  DescribeStacksCommand,
  DetectStackDriftCommand,
  UpdateStackCommand,
  waitUntilStackCreateComplete,
  waitUntilStackDeleteComplete,
  waitUntilStackUpdateComplete,
} from "@aws-sdk/client-cloudformation";
import {
  DescribeArchiveCommand,
  DescribeEventBusCommand,
  DescribeRuleCommand,
  EventBridgeClient,
  ListApiDestinationsCommand,
  ListEventBusesCommand,
  ListTargetsByRuleCommand,
  PutEventsCommand,
  PutRuleCommand,
} from "@aws-sdk/client-eventbridge";
import { GetQueueUrlCommand, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startMikan, type Mikan } from "../../mikan.ts";
import { silentLog } from "../../telemetry/log.ts";

let mikan: Mikan;
let events: EventBridgeClient;
let sqs: SQSClient;
let cloudformation: CloudFormationClient;
beforeAll(async () => {
  mikan = await startMikan({ log: silentLog });
  const config = { ...mikan.clientConfig(), maxAttempts: 1 };
  events = new EventBridgeClient(config);
  sqs = new SQSClient(config);
  cloudformation = new CloudFormationClient(config);
});
afterAll(async () => {
  for (const client of [events, sqs, cloudformation]) client.destroy();
  await mikan.close(0);
});

const StackName = "shop";
const wait = () => ({ client: cloudformation, maxWaitTime: 30, minDelay: 0.02, maxDelay: 0.1 });
const rule = "arn:aws:events:us-east-1:000000000000:rule";

const template = (state: string, retention: string) =>
  JSON.stringify({
    Resources: {
      Bus: {
        Type: "AWS::Events::EventBus",
        Properties: { Name: "orders", Description: "all orders", Tags: [{ Key: "team", Value: "shop" }] },
      },
      Policy: {
        Type: "AWS::Events::EventBusPolicy",
        Properties: {
          EventBusName: { Ref: "Bus" },
          StatementId: "partner",
          Action: "events:PutEvents",
          Principal: "111111111111",
        },
      },
      Queue: { Type: "AWS::SQS::Queue", Properties: { QueueName: "paid" } },
      QueuePolicy: {
        Type: "AWS::SQS::QueuePolicy",
        Properties: {
          Queues: [{ Ref: "Queue" }],
          PolicyDocument: {
            Statement: [
              {
                Effect: "Allow",
                Principal: { Service: "events.amazonaws.com" },
                Action: "sqs:SendMessage",
                Resource: "*",
                Condition: { ArnEquals: { "aws:SourceArn": { "Fn::GetAtt": ["Paid", "Arn"] } } },
              },
            ],
          },
        },
      },
      Paid: {
        Type: "AWS::Events::Rule",
        Properties: {
          EventBusName: { Ref: "Bus" },
          EventPattern: { detail: { state: [state] } },
          Targets: [
            {
              Id: "queue",
              Arn: { "Fn::GetAtt": ["Queue", "Arn"] },
              InputPath: "$.detail",
              RetryPolicy: { MaximumRetryAttempts: "3" },
            },
          ],
        },
      },
      Nightly: { Type: "AWS::Events::Rule", Properties: { Name: "nightly", ScheduleExpression: "cron(0 2 * * ? *)" } },
      Archive: {
        Type: "AWS::Events::Archive",
        Properties: { ArchiveName: "kept", SourceArn: { "Fn::GetAtt": ["Bus", "Arn"] }, RetentionDays: retention },
      },
      Connection: {
        Type: "AWS::Events::Connection",
        Properties: {
          AuthorizationType: "API_KEY",
          AuthParameters: { ApiKeyAuthParameters: { ApiKeyName: "x-key", ApiKeyValue: "word" } },
        },
      },
      Destination: {
        Type: "AWS::Events::ApiDestination",
        Properties: {
          Name: "hooks",
          ConnectionArn: { "Fn::GetAtt": ["Connection", "Arn"] },
          HttpMethod: "POST",
          InvocationEndpoint: "https://example.com/hook",
        },
      },
    },
    Outputs: { Rule: { Value: { Ref: "Paid" } }, Arn: { Value: { "Fn::GetAtt": ["Paid", "Arn"] } } },
  });

async function put(state: string): Promise<string[]> {
  const entry = { EventBusName: "orders", Source: "shop", DetailType: "order", Detail: JSON.stringify({ state }) };
  await events.send(new PutEventsCommand({ Entries: [entry] }));
  const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName: "paid" }));
  const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 3 }));
  return Messages.map(({ Body = "" }) => Body);
}

async function drifted(): Promise<string[]> {
  const { StackDriftDetectionId } = await cloudformation.send(new DetectStackDriftCommand({ StackName }));
  const status = new DescribeStackDriftDetectionStatusCommand({ StackDriftDetectionId });
  await expect
    .poll(async () => (await cloudformation.send(status)).DetectionStatus, { timeout: 20_000 })
    .toBe("DETECTION_COMPLETE");
  const { StackResourceDrifts = [] } = await cloudformation.send(new DescribeStackResourceDriftsCommand({ StackName }));
  const changed = StackResourceDrifts.filter(({ StackResourceDriftStatus: status }) => status === "MODIFIED");
  return changed.map(({ LogicalResourceId = "" }) => LogicalResourceId);
}

describe("stacks of EventBridge", () => {
  it("are created, updated, compared and deleted", { timeout: 60_000 }, async () => {
    await cloudformation.send(new CreateStackCommand({ StackName, TemplateBody: template("paid", "7") }));
    await waitUntilStackCreateComplete(wait(), { StackName });
    const { Stacks = [] } = await cloudformation.send(new DescribeStacksCommand({ StackName }));
    const outputs = Object.fromEntries((Stacks[0]?.Outputs ?? []).map((o) => [o.OutputKey, o.OutputValue ?? ""]));
    const name = String(outputs["Rule"]).replace("orders|", "");
    expect(outputs).toMatchObject({
      Rule: expect.stringMatching(/^orders\|shop-Paid-/),
      Arn: `${rule}/orders/${name}`,
    });
    const bus = await events.send(new DescribeEventBusCommand({ Name: "orders" }));
    expect(bus.Description).toBe("all orders");
    expect(JSON.parse(bus.Policy ?? "")).toMatchObject({ Statement: [{ Sid: "partner" }] });
    expect(await events.send(new DescribeRuleCommand({ Name: "nightly" }))).toMatchObject({ State: "ENABLED" });
    expect(await events.send(new DescribeArchiveCommand({ ArchiveName: "kept" }))).toMatchObject({ RetentionDays: 7 });
    const { ApiDestinations } = await events.send(new ListApiDestinationsCommand({}));
    expect(ApiDestinations).toMatchObject([{ Name: "hooks", ApiDestinationState: "ACTIVE" }]);
    expect(await put("paid")).toEqual(['{"state":"paid"}']);
    expect(await drifted()).toEqual([]);

    await cloudformation.send(new UpdateStackCommand({ StackName, TemplateBody: template("sent", "9") }));
    await waitUntilStackUpdateComplete(wait(), { StackName });
    expect(await events.send(new DescribeArchiveCommand({ ArchiveName: "kept" }))).toMatchObject({ RetentionDays: 9 });
    expect(await put("sent")).toEqual(['{"state":"sent"}']);
    const { Targets } = await events.send(new ListTargetsByRuleCommand({ Rule: name, EventBusName: "orders" }));
    expect(Targets).toMatchObject([{ Id: "queue", RetryPolicy: { MaximumRetryAttempts: 3 } }]);

    await events.send(new PutRuleCommand({ Name: "nightly", ScheduleExpression: "rate(1 day)" }));
    expect(await drifted()).toEqual(["Nightly"]);
    await cloudformation.send(new DeleteStackCommand({ StackName }));
    await waitUntilStackDeleteComplete(wait(), { StackName });
    const { EventBuses } = await events.send(new ListEventBusesCommand({}));
    expect(EventBuses?.map(({ Name }) => Name)).toEqual(["default"]);
  });
});
