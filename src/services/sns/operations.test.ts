/** Every operation of SNS through the official client, on a whole node. */
import * as client from "@aws-sdk/client-sns";
import { CreateQueueCommand, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { must } from "../../base/errors.ts";
import { startMikan, type Mikan } from "../../mikan.ts";
import { silentLog } from "../../telemetry/log.ts";
import { startEndpoint } from "./endpoint.suite.ts";
import { anyTopic } from "./node.suite.ts";
import { sns as definition } from "./service.ts";

let mikan: Mikan;
let sns: client.SNSClient;
let sqs: SQSClient;
beforeAll(async () => {
  mikan = await startMikan({ log: silentLog });
  sns = new client.SNSClient({ ...mikan.clientConfig(), maxAttempts: 1 });
  sqs = new SQSClient({ ...mikan.clientConfig(), maxAttempts: 1 });
});
afterAll(async () => {
  sns.destroy();
  sqs.destroy();
  await mikan.close(0);
});

let made = 0;
async function create(Attributes: Record<string, string> = {}, rest: object = {}): Promise<string> {
  const Name = `topic-${(made += 1)}${Attributes["FifoTopic"] === "true" ? ".fifo" : ""}`;
  return must((await sns.send(new client.CreateTopicCommand({ Name, Attributes, ...rest }))).TopicArn, "TopicArn");
}
async function queue(): Promise<{ arn: string; url: string }> {
  const QueueName = `queue-${(made += 1)}`;
  const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName, Attributes: { Policy: anyTopic } }));
  return { arn: `arn:aws:sqs:us-east-1:000000000000:${QueueName}`, url: must(QueueUrl, "QueueUrl") };
}
async function subscribe(TopicArn: string, Protocol: string, Endpoint: string, Attributes = {}): Promise<string> {
  const input = { TopicArn, Protocol, Endpoint, Attributes, ReturnSubscriptionArn: true };
  return must((await sns.send(new client.SubscribeCommand(input))).SubscriptionArn, "SubscriptionArn");
}
async function receive(QueueUrl: string): Promise<string[]> {
  const input = { QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 5 };
  return ((await sqs.send(new ReceiveMessageCommand(input))).Messages ?? []).map(({ Body = "" }) => Body);
}
const attributesOf = async (TopicArn: string) =>
  must((await sns.send(new client.GetTopicAttributesCommand({ TopicArn }))).Attributes, "Attributes");
interface Letter {
  protocol: string;
  to: string;
  subject?: string;
  body: string;
}
const letters = async (): Promise<Letter[]> => {
  const answer = (await (await fetch(`${mikan.url}/_mikan/outbox`)).json()) as { letters: Letter[] };
  return answer.letters;
};
const letterTo = async (to: string): Promise<Letter> =>
  vi.waitFor(
    async () =>
      must(
        (await letters()).find((letter) => letter.to === to),
        `a letter to ${to}`,
      ),
    {
      timeout: 10_000,
      interval: 20,
    },
  );
const linkIn = ({ body }: Letter) => must(/http\S+Action=ConfirmSubscription\S+/.exec(body)?.[0], "a link");

type Check = () => Promise<void>;

/** One for each operation. Source: API reference, docs.aws.amazon.com/sns/latest/api/. */
const checks: Readonly<Record<string, Check>> = {
  async CreateTopic() {
    const arn = await create({ DisplayName: "Orders" });
    expect(arn).toBe(`arn:aws:sns:us-east-1:000000000000:topic-${made}`);
    const again = { Name: `topic-${made}`, Attributes: { DisplayName: "Orders" } };
    expect((await sns.send(new client.CreateTopicCommand(again))).TopicArn).toBe(arn);
  },
  async ListTopics() {
    for (let n = 0; n < 105; n += 1) await create();
    const first = await sns.send(new client.ListTopicsCommand({}));
    expect(first.Topics).toHaveLength(100);
    const rest = await sns.send(new client.ListTopicsCommand({ NextToken: first.NextToken }));
    expect(rest.Topics?.length).toBeGreaterThanOrEqual(5);
  },
  async GetTopicAttributes() {
    const arn = await create();
    await subscribe(arn, "sms", "+15550000001");
    await subscribe(arn, "email", "a@example.com");
    expect(await attributesOf(arn)).toMatchObject({
      TopicArn: arn,
      Owner: "000000000000",
      DisplayName: "",
      SubscriptionsConfirmed: "1",
      SubscriptionsPending: "1",
      SubscriptionsDeleted: "0",
      Policy: expect.stringContaining("__default_policy_ID"),
      EffectiveDeliveryPolicy: expect.stringContaining('"numRetries":3'),
    });
  },
  async SetTopicAttributes() {
    const TopicArn = await create();
    const input = { TopicArn, AttributeName: "DisplayName", AttributeValue: "Shop" };
    await sns.send(new client.SetTopicAttributesCommand(input));
    expect(await attributesOf(TopicArn)).toMatchObject({ DisplayName: "Shop" });
  },
  async DeleteTopic() {
    const TopicArn = await create();
    await sns.send(new client.DeleteTopicCommand({ TopicArn }));
    await sns.send(new client.DeleteTopicCommand({ TopicArn }));
    await expect(attributesOf(TopicArn)).rejects.toMatchObject({ name: "NotFoundException" });
  },
  async TagResource() {
    const ResourceArn = await create({}, { Tags: [{ Key: "a", Value: "1" }] });
    await sns.send(new client.TagResourceCommand({ ResourceArn, Tags: [{ Key: "b", Value: "2" }] }));
    const { Tags } = await sns.send(new client.ListTagsForResourceCommand({ ResourceArn }));
    expect(Tags).toEqual([
      { Key: "a", Value: "1" },
      { Key: "b", Value: "2" },
    ]);
  },
  async UntagResource() {
    const ResourceArn = await create({}, { Tags: [{ Key: "a", Value: "1" }] });
    await sns.send(new client.UntagResourceCommand({ ResourceArn, TagKeys: ["a"] }));
    expect((await sns.send(new client.ListTagsForResourceCommand({ ResourceArn }))).Tags).toEqual([]);
  },
  async ListTagsForResource() {
    const ResourceArn = await create();
    expect((await sns.send(new client.ListTagsForResourceCommand({ ResourceArn }))).Tags).toEqual([]);
  },
  async AddPermission() {
    const TopicArn = await create();
    const permission = { TopicArn, Label: "other", AWSAccountId: ["111111111111"], ActionName: ["Publish"] };
    const other = new client.SNSClient({ ...mikan.clientConfig("111111111111"), maxAttempts: 1 });
    const publish = () => other.send(new client.PublishCommand({ TopicArn, Message: "m" }));
    await expect(publish()).rejects.toMatchObject({
      name: "AuthorizationErrorException",
      message: expect.stringContaining("is not authorized to perform: SNS:Publish on resource: arn:aws:sns"),
    });
    await sns.send(new client.AddPermissionCommand(permission));
    expect((await publish()).MessageId).toMatch(/^[0-9a-f-]{36}$/);
    other.destroy();
  },
  async RemovePermission() {
    const TopicArn = await create();
    const permission = { TopicArn, Label: "other", AWSAccountId: ["111111111111"], ActionName: ["Publish"] };
    await sns.send(new client.AddPermissionCommand(permission));
    await sns.send(new client.RemovePermissionCommand({ TopicArn, Label: "other" }));
    expect((await attributesOf(TopicArn))["Policy"]).not.toContain('"other"');
  },
  async Subscribe() {
    const TopicArn = await create();
    const pending = new client.SubscribeCommand({ TopicArn, Protocol: "email", Endpoint: "s@example.com" });
    expect((await sns.send(pending)).SubscriptionArn).toBe("pending confirmation");
    const { arn } = await queue();
    const first = await subscribe(TopicArn, "sqs", arn);
    expect(await subscribe(TopicArn, "sqs", arn)).toBe(first);
    await expect(subscribe(TopicArn, "sqs", arn, { RawMessageDelivery: "true" })).rejects.toMatchObject({
      message: "Invalid parameter: Attributes Reason: Subscription already exists with different attributes",
    });
  },
  async ConfirmSubscription() {
    const TopicArn = await create();
    const arn = await subscribe(TopicArn, "email", "confirm@example.com");
    const Token = must(new URL(linkIn(await letterTo("confirm@example.com"))).searchParams.get("Token"), "Token");
    const input = { TopicArn, Token, AuthenticateOnUnsubscribe: "true" };
    expect((await sns.send(new client.ConfirmSubscriptionCommand(input))).SubscriptionArn).toBe(arn);
    const link = `${mikan.url}/?Action=Unsubscribe&SubscriptionArn=${encodeURIComponent(arn)}`;
    expect((await fetch(link)).status).toBe(403);
  },
  async Unsubscribe() {
    const TopicArn = await create();
    const SubscriptionArn = await subscribe(TopicArn, "sms", "+15550000002");
    await sns.send(new client.UnsubscribeCommand({ SubscriptionArn }));
    await sns.send(new client.UnsubscribeCommand({ SubscriptionArn }));
    expect(await attributesOf(TopicArn)).toMatchObject({ SubscriptionsConfirmed: "0", SubscriptionsDeleted: "1" });
  },
  async GetSubscriptionAttributes() {
    const TopicArn = await create();
    const { arn } = await queue();
    const FilterPolicy = '{"kind":["a"]}';
    const SubscriptionArn = await subscribe(TopicArn, "sqs", arn, { FilterPolicy, RawMessageDelivery: "true" });
    const { Attributes } = await sns.send(new client.GetSubscriptionAttributesCommand({ SubscriptionArn }));
    expect(Attributes).toMatchObject({
      TopicArn,
      Endpoint: arn,
      Protocol: "sqs",
      Owner: "000000000000",
      PendingConfirmation: "false",
      ConfirmationWasAuthenticated: "true",
      RawMessageDelivery: "true",
      FilterPolicy,
      FilterPolicyScope: "MessageAttributes",
    });
  },
  async SetSubscriptionAttributes() {
    const { arn, url } = await queue();
    const topic = await create();
    const SubscriptionArn = await subscribe(topic, "sqs", arn);
    const set = (AttributeName: string, AttributeValue: string) =>
      sns.send(new client.SetSubscriptionAttributesCommand({ SubscriptionArn, AttributeName, AttributeValue }));
    await set("RawMessageDelivery", "true");
    await set("FilterPolicy", '{"kind":["a"]}');
    const publish = (Message: string, kind: string) => {
      const MessageAttributes = { kind: { DataType: "String", StringValue: kind } };
      return sns.send(new client.PublishCommand({ TopicArn: topic, Message, MessageAttributes }));
    };
    await publish("not for it", "b");
    await publish("for it", "a");
    expect(await receive(url)).toEqual(["for it"]);
  },
  async ListSubscriptions() {
    const TopicArn = await create();
    const arn = await subscribe(TopicArn, "sms", "+15550000003");
    const all: (client.Subscription | undefined)[] = [];
    for await (const { Subscriptions = [] } of client.paginateListSubscriptions({ client: sns }, {})) {
      all.push(...Subscriptions);
    }
    expect(all).toContainEqual({
      SubscriptionArn: arn,
      TopicArn,
      Protocol: "sms",
      Endpoint: "+15550000003",
      Owner: "000000000000",
    });
  },
  async ListSubscriptionsByTopic() {
    const TopicArn = await create();
    await subscribe(TopicArn, "email", "pending@example.com");
    const { Subscriptions } = await sns.send(new client.ListSubscriptionsByTopicCommand({ TopicArn }));
    expect(Subscriptions).toMatchObject([{ SubscriptionArn: "PendingConfirmation", Endpoint: "pending@example.com" }]);
  },
  async Publish() {
    const TopicArn = await create();
    const { arn, url } = await queue();
    await subscribe(TopicArn, "sqs", arn, { RawMessageDelivery: "true" });
    await subscribe(TopicArn, "sms", "+15550000004");
    const Message = JSON.stringify({ default: "to all", sms: "short" });
    await sns.send(new client.PublishCommand({ TargetArn: TopicArn, Message, MessageStructure: "json" }));
    expect(await receive(url)).toEqual(["to all"]);
    expect(await letterTo("+15550000004")).toMatchObject({ protocol: "sms", body: "short" });
    await sns.send(new client.PublishCommand({ PhoneNumber: "+15550000005", Message: "hello" }));
    expect(await letterTo("+15550000005")).toMatchObject({ body: "hello" });
  },
  async PublishBatch() {
    const TopicArn = await create();
    const { arn, url } = await queue();
    await subscribe(TopicArn, "sqs", arn, { RawMessageDelivery: "true" });
    const entries = [
      { Id: "good", Message: "a" },
      { Id: "bad", Message: "b", Subject: "two\nlines" },
      { Id: "empty", Message: "c", MessageAttributes: { x: { DataType: "Number", StringValue: "no" } } },
    ];
    const answer = await sns.send(new client.PublishBatchCommand({ TopicArn, PublishBatchRequestEntries: entries }));
    expect(answer.Successful).toMatchObject([{ Id: "good", MessageId: expect.any(String) }]);
    expect(answer.Failed).toMatchObject([
      { Id: "bad", Code: "InvalidParameter", Message: "Invalid parameter: Subject", SenderFault: true },
      { Id: "empty", Code: "ParameterValueInvalid", SenderFault: true },
    ]);
    expect(await receive(url)).toEqual(["a"]);
  },
  async SetSMSAttributes() {
    await sns.send(new client.SetSMSAttributesCommand({ attributes: { DefaultSMSType: "Transactional" } }));
    const bad = sns.send(new client.SetSMSAttributesCommand({ attributes: { DefaultSMSType: "Other" } }));
    await expect(bad).rejects.toMatchObject({ name: "InvalidParameterException" });
  },
  async GetSMSAttributes() {
    await sns.send(new client.SetSMSAttributesCommand({ attributes: { DefaultSenderID: "Mikan" } }));
    const { attributes } = await sns.send(new client.GetSMSAttributesCommand({ attributes: ["DefaultSenderID"] }));
    expect(attributes).toEqual({ DefaultSenderID: "Mikan" });
  },
  async CheckIfPhoneNumberIsOptedOut() {
    const command = new client.CheckIfPhoneNumberIsOptedOutCommand({ phoneNumber: "+15550000006" });
    expect((await sns.send(command)).isOptedOut).toBe(false);
  },
  async ListPhoneNumbersOptedOut() {
    expect((await sns.send(new client.ListPhoneNumbersOptedOutCommand({}))).phoneNumbers).toEqual([]);
  },
  async OptInPhoneNumber() {
    await sns.send(new client.OptInPhoneNumberCommand({ phoneNumber: "+15550000006" }));
  },
  async GetSMSSandboxAccountStatus() {
    expect((await sns.send(new client.GetSMSSandboxAccountStatusCommand({}))).IsInSandbox).toBe(false);
  },
  async ListSMSSandboxPhoneNumbers() {
    expect((await sns.send(new client.ListSMSSandboxPhoneNumbersCommand({}))).PhoneNumbers).toEqual([]);
  },
  async ListOriginationNumbers() {
    expect((await sns.send(new client.ListOriginationNumbersCommand({}))).PhoneNumbers).toEqual([]);
  },
};

describe("through the official client", () => {
  it.each(Object.entries(checks))("%s", { timeout: 30_000 }, async (_, check) => check());

  it("no operation is left out", () => {
    // What an operation needs is asked of it only when it is called.
    const { operations } = definition.create({} as Parameters<typeof definition.create>[0]);
    expect(Object.keys(operations).toSorted()).toEqual(Object.keys(checks).toSorted());
  });

  it.each(["GetDataProtectionPolicy", "PutDataProtectionPolicy", "CreatePlatformApplication"])(
    "%s is answered by name: it is not there",
    async (name) => {
      const Command: unknown = Reflect.get(client, `${name}Command`);
      if (typeof Command !== "function") throw new Error(name);
      const ResourceArn = await create();
      const input = {
        ResourceArn,
        DataProtectionPolicy: "{}",
        Name: "n",
        Platform: "APNS",
        Attributes: { PlatformCredential: "c" },
      };
      const command = Reflect.construct(Command, [input]) as client.ListTopicsCommand;
      await expect(sns.send(command)).rejects.toMatchObject({ message: expect.stringContaining(`sns:${name}`) });
    },
  );
});

describe("links in messages", () => {
  it("confirm, end and restore a subscription, without a signature", { timeout: 30_000 }, async () => {
    await using endpoint = await startEndpoint();
    const TopicArn = await create();
    const arn = await subscribe(TopicArn, "http", endpoint.url);
    await endpoint.arrived(1);
    const sent = (n: number) => JSON.parse(endpoint.deliveries[n]?.body ?? "{}") as Record<string, string>;
    const confirmed = await fetch(must(sent(0)["SubscribeURL"], "SubscribeURL"));
    expect(confirmed.status).toBe(200);
    expect(await confirmed.text()).toContain(`<SubscriptionArn>${arn}</SubscriptionArn>`);
    await sns.send(new client.PublishCommand({ TopicArn, Message: "one" }));
    await endpoint.arrived(2);
    expect((await fetch(must(sent(1)["UnsubscribeURL"], "UnsubscribeURL"))).status).toBe(200);
    await endpoint.arrived(3);
    expect(sent(2)).toMatchObject({ Type: "UnsubscribeConfirmation", Token: expect.any(String) });
    expect(await attributesOf(TopicArn)).toMatchObject({ SubscriptionsConfirmed: "0" });
    expect((await fetch(must(sent(2)["SubscribeURL"], "SubscribeURL"))).status).toBe(200);
    expect(await attributesOf(TopicArn)).toMatchObject({ SubscriptionsConfirmed: "1" });
  });

  it("that are false are answered as AWS does", async () => {
    const answer = await fetch(`${mikan.url}/?Action=ConfirmSubscription&TopicArn=${await create()}&Token=00`);
    expect([answer.status, await answer.text()]).toEqual([
      400,
      expect.stringContaining("<Code>InvalidParameter</Code>"),
    ]);
    expect((await fetch(`${mikan.url}/?Action=ListTopics`)).status).toBe(403);
    expect((await fetch(`${mikan.url}/SimpleNotificationService-${"0".repeat(32)}.pem`)).status).toBe(404);
  });
});
