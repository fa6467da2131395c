import { AddPermissionCommand, CreateFunctionCommand } from "@aws-sdk/client-lambda";
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  GetBucketNotificationConfigurationCommand,
  PutBucketNotificationConfigurationCommand,
  PutObjectCommand,
  type NotificationConfiguration,
} from "@aws-sdk/client-s3";
import { CreateTopicCommand, SNSClient, SubscribeCommand } from "@aws-sdk/client-sns";
import { CreateQueueCommand, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clientsOf, type Clients } from "../../../test/clients.ts";
import { zipOf } from "../../../test/zip.ts";
import { startMikan, type Mikan } from "../../mikan.ts";
import { checkOverlaps } from "./notifications.ts";

interface Told {
  Records: { eventName: string; s3: { configurationId: string; object: { key: string; size?: number } } }[];
}

let mikan: Mikan;
let clients: Clients;
let sink: Server;
const told: Told[] = [];
let onTold = () => {};
beforeAll(async () => {
  mikan = await startMikan();
  clients = clientsOf(mikan.url);
  sink = createServer((request, response) => {
    void text(request).then((body) => {
      told.push(JSON.parse(body) as Told);
      response.end();
      onTold();
    });
  }).listen(0, "127.0.0.1");
  await once(sink, "listening");
});
afterAll(async () => {
  clients.destroy();
  sink.close();
  await mikan.close();
});

const named = (name: string) => expect.objectContaining({ name });
const arn = "arn:aws:lambda:us-east-1:000000000000:function:told";
const Bucket = "notifies";
const configure = (NotificationConfiguration: NotificationConfiguration) =>
  clients.s3.send(new PutBucketNotificationConfigurationCommand({ Bucket, NotificationConfiguration }));

async function toldOf(count: number): Promise<Told[]> {
  while (told.length < count) {
    await new Promise<void>((resolve) => {
      onTold = resolve;
    });
  }
  return told;
}

describe("notifications", () => {
  it("reach a function that lets the bucket in, for the keys it asked for", async () => {
    const { s3, lambda } = clients;
    await s3.send(new CreateBucketCommand({ Bucket }));
    const Filter = { Key: { FilterRules: [{ Name: "prefix" as const, Value: "in/" }] } };
    const wanted: NotificationConfiguration = {
      LambdaFunctionConfigurations: [
        { Id: "made", LambdaFunctionArn: arn, Events: ["s3:ObjectCreated:*"], Filter },
        { Id: "gone", LambdaFunctionArn: arn, Events: ["s3:ObjectRemoved:Delete"] },
      ],
    };
    await expect(configure(wanted)).rejects.toThrow(named("InvalidArgument"));
    const address = sink.address();
    const port = typeof address === "object" ? address?.port : undefined;
    const code = `exports.handler = async (event) => {
      await fetch("http://127.0.0.1:${port}/", { method: "POST", body: JSON.stringify(event) });
    };`;
    const ZipFile = await zipOf({ "index.js": code });
    const Role = "arn:aws:iam::000000000000:role/r";
    const shape = { FunctionName: "told", Runtime: "nodejs22.x", Handler: "index.handler", Role } as const;
    await lambda.send(new CreateFunctionCommand({ ...shape, Code: { ZipFile } }));
    await expect(configure(wanted)).rejects.toThrow(named("InvalidArgument"));
    const permission = {
      FunctionName: "told",
      StatementId: "s3",
      Action: "lambda:InvokeFunction",
      Principal: "s3.amazonaws.com",
      SourceArn: `arn:aws:s3:::${Bucket}`,
      SourceAccount: "000000000000",
    };
    await lambda.send(new AddPermissionCommand(permission));
    await configure(wanted);
    const stored = await s3.send(new GetBucketNotificationConfigurationCommand({ Bucket }));
    expect(stored.LambdaFunctionConfigurations).toMatchObject(wanted.LambdaFunctionConfigurations ?? []);

    await s3.send(new PutObjectCommand({ Bucket, Key: "elsewhere", Body: "x" }));
    await s3.send(new PutObjectCommand({ Bucket, Key: "in/ä b", Body: "four" }));
    expect((await toldOf(1))[0]?.Records).toMatchObject([
      {
        eventVersion: "2.1",
        eventSource: "aws:s3",
        awsRegion: "us-east-1",
        eventName: "ObjectCreated:Put",
        s3: {
          configurationId: "made",
          bucket: { name: Bucket, arn: `arn:aws:s3:::${Bucket}` },
          object: { key: "in/%C3%A4+b", size: 4, eTag: "8cbad96aced40b3838dd9f07f6ef5772" },
        },
      },
    ]);
    await s3.send(new DeleteObjectCommand({ Bucket, Key: "elsewhere" }));
    const [, second] = await toldOf(2);
    expect(second?.Records).toMatchObject([{ eventName: "ObjectRemoved:Delete", s3: { configurationId: "gone" } }]);
  });

  it("reach queues and topics that let the bucket in, which are sent a test first", async () => {
    const { s3 } = clients;
    const [sqs, sns] = [new SQSClient(mikan.clientConfig()), new SNSClient(mikan.clientConfig())];
    const Events = ["s3:ObjectCreated:*" as const];
    const inFolder = (Value: string) => ({ Key: { FilterRules: [{ Name: "prefix" as const, Value }] } });
    const QueueArn = "arn:aws:sqs:us-east-1:000000000000:files";
    const QueueConfigurations = [{ Id: "q", QueueArn, Events, Filter: inFolder("queue/") }];
    await s3.send(new CreateBucketCommand({ Bucket: "tells" }));
    const put = (NotificationConfiguration: NotificationConfiguration) =>
      s3.send(new PutBucketNotificationConfigurationCommand({ Bucket: "tells", NotificationConfiguration }));
    await expect(put({ QueueConfigurations })).rejects.toThrow(named("InvalidArgument"));
    const allow = (Service: string, Action: string) =>
      JSON.stringify({ Statement: { Effect: "Allow", Principal: { Service }, Action, Resource: "*" } });
    const create = (QueueName: string, service: string) =>
      sqs.send(new CreateQueueCommand({ QueueName, Attributes: { Policy: allow(service, "sqs:SendMessage") } }));
    const { QueueUrl: files } = await create("files", "s3.amazonaws.com");
    const { QueueUrl: news } = await create("news", "sns.amazonaws.com");
    const Policy = allow("s3.amazonaws.com", "SNS:Publish");
    const { TopicArn = "" } = await sns.send(new CreateTopicCommand({ Name: "files", Attributes: { Policy } }));
    const Endpoint = "arn:aws:sqs:us-east-1:000000000000:news";
    const Attributes = { RawMessageDelivery: "true" };
    await sns.send(new SubscribeCommand({ TopicArn, Protocol: "sqs", Endpoint, Attributes }));
    const TopicConfigurations = [{ Id: "t", TopicArn, Events, Filter: inFolder("topic/") }];
    await put({ QueueConfigurations, TopicConfigurations });
    const stored = await s3.send(new GetBucketNotificationConfigurationCommand({ Bucket: "tells" }));
    expect(stored).toMatchObject({ QueueConfigurations, TopicConfigurations });

    await s3.send(new PutObjectCommand({ Bucket: "tells", Key: "queue/a", Body: "x" }));
    await s3.send(new PutObjectCommand({ Bucket: "tells", Key: "topic/b", Body: "x" }));
    const two = async (QueueUrl: string | undefined) => {
      const bodies: { Event?: string; Records?: Told["Records"] }[] = [];
      while (bodies.length < 2) {
        const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 10 }));
        bodies.push(...Messages.map(({ Body = "" }) => JSON.parse(Body) as Told));
      }
      return bodies;
    };
    const told = (key: string, configurationId: string) => [
      { Service: "Amazon S3", Event: "s3:TestEvent", Bucket: "tells" },
      { Records: [{ eventName: "ObjectCreated:Put", s3: { configurationId, object: { key } } }] },
    ];
    expect(await two(files)).toMatchObject(told("queue/a", "q"));
    expect(await two(news)).toMatchObject(told("topic/b", "t"));
    sqs.destroy();
    sns.destroy();
  });

  it("refuse by name what is not told yet", async () => {
    await expect(configure({ EventBridgeConfiguration: {} })).rejects.toThrow(named("NotImplemented"));
  });

  it("do not overlap", () => {
    const target = (prefix: string, suffix: string, event: string) => ({
      id: "",
      arn,
      events: [event],
      prefix,
      suffix,
    });
    const overlaps =
      (...targets: ReturnType<typeof target>[]) =>
      () =>
        checkOverlaps(targets);
    const all = "s3:ObjectCreated:*";
    expect(overlaps(target("a/", "", all), target("a/b", "", "s3:ObjectCreated:Put"))).toThrow(/overlapping/);
    expect(overlaps(target("a/", ".jpg", all), target("a/", ".png", all))).not.toThrow();
    expect(overlaps(target("a/", "", all), target("b/", "", all))).not.toThrow();
    expect(overlaps(target("", "", all), target("", "", "s3:ObjectRemoved:*"))).not.toThrow();
  });
});
