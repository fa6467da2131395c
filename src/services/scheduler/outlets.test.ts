/** Schedules and pipes to topics and buses, with a queue at the end, on a whole node. */
import { EventBridgeClient, PutRuleCommand, PutTargetsCommand } from "@aws-sdk/client-eventbridge";
import { CreatePipeCommand, PipesClient } from "@aws-sdk/client-pipes";
import { CreateScheduleCommand, SchedulerClient } from "@aws-sdk/client-scheduler";
import { CreateTopicCommand, SNSClient, SubscribeCommand } from "@aws-sdk/client-sns";
import { CreateQueueCommand, ReceiveMessageCommand, SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { must } from "../../base/errors.ts";
import { startMikan, type Mikan } from "../../mikan.ts";
import { queueArn, roleArn } from "./node.suite.ts";

const busArn = "arn:aws:events:us-east-1:000000000000:event-bus/default";
let mikan: Mikan;
let clients: {
  events: EventBridgeClient;
  pipes: PipesClient;
  scheduler: SchedulerClient;
  sns: SNSClient;
  sqs: SQSClient;
};

beforeAll(async () => {
  mikan = await startMikan({});
  const credentials = { accessKeyId: "000000000000", secretAccessKey: "test" };
  const configuration = { endpoint: mikan.url, region: "us-east-1", credentials, maxAttempts: 1 };
  clients = {
    events: new EventBridgeClient(configuration),
    pipes: new PipesClient(configuration),
    scheduler: new SchedulerClient(configuration),
    sns: new SNSClient(configuration),
    sqs: new SQSClient(configuration),
  };
});
afterAll(async () => {
  for (const client of Object.values(clients)) client.destroy();
  await mikan.close(0);
});

/** A queue that anybody may send to. */
async function openQueue(QueueName: string): Promise<string> {
  const allow = { Effect: "Allow", Principal: "*", Action: "sqs:SendMessage", Resource: queueArn(QueueName) };
  const Policy = JSON.stringify({ Version: "2012-10-17", Statement: [allow] });
  const made = await clients.sqs.send(new CreateQueueCommand({ QueueName, Attributes: { Policy } }));
  return must(made.QueueUrl, "QueueUrl");
}

async function next(QueueUrl: string): Promise<string> {
  const { Messages = [] } = await clients.sqs.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 20 }));
  return must(Messages[0]?.Body, "a message");
}

async function topic(Name: string, Endpoint: string): Promise<string> {
  const { TopicArn } = await clients.sns.send(new CreateTopicCommand({ Name }));
  const Attributes = { RawMessageDelivery: "true" };
  await clients.sns.send(new SubscribeCommand({ TopicArn, Protocol: "sqs", Endpoint, Attributes }));
  return must(TopicArn, "TopicArn");
}

async function rule(Name: string, source: string, Arn: string): Promise<void> {
  const EventPattern = JSON.stringify({ source: [source] });
  await clients.events.send(new PutRuleCommand({ Name, EventPattern }));
  await clients.events.send(new PutTargetsCommand({ Rule: Name, Targets: [{ Id: "queue", Arn }] }));
}

const schedule = (Name: string, Target: object) =>
  clients.scheduler.send(
    new CreateScheduleCommand({
      Name,
      ScheduleExpression: "rate(1 hour)",
      FlexibleTimeWindow: { Mode: "OFF" },
      Target: { Arn: busArn, RoleArn: roleArn, ...Target },
    }),
  );

it("a schedule publishes to a topic, and puts events on a bus", { timeout: 60_000 }, async () => {
  const url = await openQueue("published");
  await schedule("to-topic", { Arn: await topic("hourly", queueArn("published")), Input: "it is time" });
  expect(await next(url)).toBe("it is time");

  const events = await openQueue("put");
  await rule("put", "clock", queueArn("put"));
  const EventBridgeParameters = { DetailType: "Tick", Source: "clock" };
  const { ScheduleArn } = await schedule("to-bus", { EventBridgeParameters, Input: '{"n":1}' });
  expect(JSON.parse(await next(events))).toMatchObject({
    source: "clock",
    "detail-type": "Tick",
    resources: [ScheduleArn],
    detail: { n: 1 },
  });
});

it("a pipe publishes to a topic, and puts events on a bus", { timeout: 60_000 }, async () => {
  const url = await openQueue("piped-out");
  const topicArn = await topic("piped", queueArn("piped-out"));
  const from = await openQueue("piped-in");
  const pipe = (Name: string, rest: { Source: string; Target: string; TargetParameters: object }) =>
    clients.pipes.send(new CreatePipeCommand({ Name, RoleArn: roleArn, ...rest }));
  await pipe("to-topic", {
    Source: queueArn("piped-in"),
    Target: topicArn,
    TargetParameters: { InputTemplate: "order <$.body.id>" },
  });
  await clients.sqs.send(new SendMessageCommand({ QueueUrl: from, MessageBody: '{"id":3}' }));
  expect(await next(url)).toBe("order 3");

  const events = await openQueue("bused-out");
  const source = await openQueue("bused-in");
  await rule("bused", "orders", queueArn("bused-out"));
  await pipe("to-bus", {
    Source: queueArn("bused-in"),
    Target: busArn,
    TargetParameters: {
      InputTemplate: '{"id": <$.body.id>}',
      EventBridgeEventBusParameters: { Source: "orders", DetailType: "$.body.kind" },
    },
  });
  await clients.sqs.send(new SendMessageCommand({ QueueUrl: source, MessageBody: '{"id":4,"kind":"Placed"}' }));
  expect(JSON.parse(await next(events))).toMatchObject({
    source: "orders",
    "detail-type": "Placed",
    detail: { id: 4 },
  });
});
