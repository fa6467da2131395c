/** Event templates against the events that this node's own services make: the same members, of the same kinds. */
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { request, type IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FilterLogEventsCommand } from "@aws-sdk/client-cloudwatch-logs";
import { EventBridgeClient, PutEventsCommand } from "@aws-sdk/client-eventbridge";
import { DeleteObjectCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { PublishCommand, SNSClient } from "@aws-sdk/client-sns";
import { SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { findTemplate } from "../src/cli/events/index.ts";
import { startMikan, type Mikan } from "../src/mikan.ts";
import { clientsOf, type Clients } from "./clients.ts";
import { functionGroup, openFrontDoor, toGroup } from "./front-door.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 90_000 });

const source = `
exports.handler = async (event) => {
  console.log("EVENT " + JSON.stringify(event));
  if (event.ResponseURL === undefined) return { statusCode: 200, body: "seen" };
  const { StackId, RequestId, LogicalResourceId } = event;
  const answer = { Status: "SUCCESS", PhysicalResourceId: "made", StackId, RequestId, LogicalResourceId };
  await fetch(event.ResponseURL, { method: "PUT", body: JSON.stringify(answer) });
};`;
const name = "captures";
const bucket = "captures-000000000000";
const arnOf = (id: string) => ({ "Fn::GetAtt": [id, "Arn"] });
const Permission = (Properties: object) => ({
  Type: "AWS::Lambda::Permission",
  Properties: { FunctionName: arnOf("Function"), ...Properties },
});
const template = {
  Resources: {
    Function: {
      Type: "AWS::Lambda::Function",
      Properties: {
        FunctionName: name,
        Runtime: "nodejs24.x",
        Handler: "index.handler",
        Role: "arn:aws:iam::000000000000:role/any",
        Timeout: 10,
        Code: { ZipFile: source },
      },
    },
    Url: {
      Type: "AWS::Lambda::Url",
      Properties: { AuthType: "NONE", TargetFunctionArn: arnOf("Function") },
    },
    Visits: Permission({ Action: "lambda:InvokeFunctionUrl", Principal: "*", FunctionUrlAuthType: "NONE" }),
    Runs: Permission({ Action: "lambda:InvokeFunction", Principal: "*", InvokedViaFunctionUrl: true }),
    Queue: { Type: "AWS::SQS::Queue", Properties: { QueueName: "captures" } },
    Mapping: {
      Type: "AWS::Lambda::EventSourceMapping",
      Properties: { EventSourceArn: arnOf("Queue"), FunctionName: name },
      DependsOn: "Function",
    },
    Notices: Permission({
      Action: "lambda:InvokeFunction",
      Principal: "s3.amazonaws.com",
      SourceArn: `arn:aws:s3:::${bucket}`,
    }),
    Bucket: {
      Type: "AWS::S3::Bucket",
      DependsOn: "Notices",
      Properties: {
        BucketName: bucket,
        NotificationConfiguration: {
          LambdaConfigurations: ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"].map((Event) => ({
            Event,
            Function: arnOf("Function"),
          })),
        },
      },
    },
    Topic: {
      Type: "AWS::SNS::Topic",
      Properties: { TopicName: "captures", Subscription: [{ Protocol: "lambda", Endpoint: arnOf("Function") }] },
    },
    Notified: Permission({
      Action: "lambda:InvokeFunction",
      Principal: "sns.amazonaws.com",
      SourceArn: { Ref: "Topic" },
    }),
    Rule: {
      Type: "AWS::Events::Rule",
      Properties: {
        EventPattern: { source: ["my.application"] },
        Targets: [{ Id: "function", Arn: arnOf("Function") }],
      },
    },
    Matched: Permission({
      Action: "lambda:InvokeFunction",
      Principal: "events.amazonaws.com",
      SourceArn: arnOf("Rule"),
    }),
    Custom: { Type: "Custom::Thing", Properties: { ServiceToken: arnOf("Function"), Key: "value" } },
  },
  Outputs: {
    Url: { Value: { "Fn::GetAtt": ["Url", "FunctionUrl"] } },
    Queue: { Value: { Ref: "Queue" } },
    Topic: { Value: { Ref: "Topic" } },
  },
};

let mikan: Mikan;
let clients: Clients;
let outputs: Record<string, string>;
beforeAll(async () => {
  mikan = await startMikan();
  clients = clientsOf(mikan.url);
  const directory = await mkdtemp(join(tmpdir(), "mikan-captures-"));
  const file = join(directory, "template.json");
  await writeFile(file, JSON.stringify(template));
  ({ outputs } = await mikan.deploy({ template: file, stack: name }));
  await rm(directory, { recursive: true });
});
afterAll(async () => {
  clients.destroy();
  await mikan.close(0);
});

/** The first event that the function saw and `mark` is in. */
async function captured(mark: string): Promise<unknown> {
  const found = async () => {
    const { events = [] } = await clients.logs.send(
      new FilterLogEventsCommand({ logGroupName: `/aws/lambda/${name}`, filterPattern: "EVENT" }),
    );
    const line = events.map(({ message = "" }) => message).find((message) => message.includes(mark));
    return line?.slice(line.indexOf("EVENT ") + "EVENT ".length);
  };
  await expect.poll(found, { timeout: 30_000, interval: 200 }).toBeDefined();
  return JSON.parse((await found()) ?? "null");
}

/** What is of the request or the resource, and not of the form. */
const contents = new Set(["headers", "multiValueHeaders", "queryStringParameters", "ResourceProperties"]);

/** Members and the kinds of their values: what two events of one form have in common. */
function formOf(value: unknown, key = ""): unknown {
  if (Array.isArray(value)) return value.slice(0, 1).map((one) => formOf(one));
  if (typeof value !== "object" || value === null || contents.has(key)) return value === null ? null : typeof value;
  const members = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(members.map(([member, one]) => [member, formOf(one, member)]));
}

const made = (template: string, given: Record<string, string> = {}) =>
  findTemplate(template).event(given, { now: new Date(), region: "us-east-1", account: "000000000000" });

const body = '{"a":1}';
const post = { method: "POST", body, headers: { "content-type": "application/json" } };
const requestLike = { method: "POST", path: "/seen", query: "a=1", body };

it("alb-request", async () => {
  const arn = `arn:aws:lambda:us-east-1:000000000000:function:${name}`;
  const front = await openFrontDoor(clients, "captures", toGroup(await functionGroup(clients, arn)));
  expect((await fetch(`http://127.0.0.1:${front.port}/seen-by-alb?a=1`, post)).status).toBe(200);
  expect(formOf(made("alb-request", requestLike))).toEqual(formOf(await captured("/seen-by-alb")));
});

it("function-url", async () => {
  // Not every resolver knows the names under localhost.
  const { hostname, port } = new URL(outputs["Url"] ?? "");
  const asked = request({
    host: "127.0.0.1",
    port,
    path: "/seen-by-url?a=1",
    ...post,
    headers: { ...post.headers, host: hostname },
  });
  asked.end(body);
  const [answer] = (await once(asked, "response")) as [IncomingMessage];
  expect(answer.resume().statusCode).toBe(200);
  expect(formOf(made("function-url", requestLike))).toEqual(formOf(await captured("/seen-by-url")));
});

it("sqs-receive-message", async () => {
  const sqs = new SQSClient(mikan.clientConfig());
  await sqs.send(new SendMessageCommand({ QueueUrl: outputs["Queue"] ?? "", MessageBody: "seen by a queue" }));
  sqs.destroy();
  expect(formOf(made("sqs-receive-message"))).toEqual(formOf(await captured("seen by a queue")));
});

it("sns-notification", async () => {
  const sns = new SNSClient(mikan.clientConfig());
  await sns.send(new PublishCommand({ TopicArn: outputs["Topic"] ?? "", Subject: "s", Message: "seen by a topic" }));
  sns.destroy();
  expect(formOf(made("sns-notification"))).toEqual(formOf(await captured("seen by a topic")));
});

it("eventbridge-event", async () => {
  const events = new EventBridgeClient(mikan.clientConfig());
  const entry = { Source: "my.application", DetailType: "Something happened", Detail: '{"mark":"seen by a bus"}' };
  await events.send(new PutEventsCommand({ Entries: [entry] }));
  events.destroy();
  const event = made("eventbridge-event", { detail: '{"mark":"seen by a bus"}' });
  expect(formOf(event)).toEqual(formOf(await captured("seen by a bus")));
});

it("s3-put and s3-delete", async () => {
  const object = { Bucket: bucket, Key: "seen-by-s3" };
  await clients.s3.send(new PutObjectCommand({ ...object, Body: "body" }));
  expect(formOf(made("s3-put"))).toEqual(formOf(await captured("ObjectCreated:Put")));
  await clients.s3.send(new DeleteObjectCommand(object));
  expect(formOf(made("s3-delete"))).toEqual(formOf(await captured("ObjectRemoved:Delete")));
});

it("cloudformation-create-request", async () => {
  const event = await captured('"RequestType":"Create"');
  expect(formOf(made("cloudformation-create-request"))).toEqual(formOf(event));
});
