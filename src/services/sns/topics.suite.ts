/** What becomes of published messages, whatever the store. */
import { createVerify } from "node:crypto";
import { expect, it } from "vitest";
import { must } from "../../base/errors.ts";
import { sql } from "../../store/sql.ts";
import { textToSign, type Facts } from "./envelopes.ts";
import { anyTopic, raw, type WithTopics } from "./node.suite.ts";

const attribute = (DataType: string, StringValue: string) => ({ DataType, StringValue });

export function topicsSuite(withNode: WithTopics): void {
  it("every queue that is subscribed gets the message, raw or in its envelope", () =>
    withNode(async ({ create, queue, subscribe, publish, received }) => {
      const topic = await create("orders");
      const [plain, whole] = [await queue("plain"), await queue("whole")];
      await subscribe(topic, "sqs", plain.arn, raw);
      await subscribe(topic, "sqs", whole.arn);
      const id = await publish(topic, "hello", {
        Subject: "greeting",
        MessageAttributes: { kind: attribute("String", "new") },
      });
      expect(await received(plain.url)).toEqual(["hello"]);
      const [body = ""] = await received(whole.url);
      expect(body).toContain('{\n  "Type" : "Notification",\n  "MessageId" : ');
      expect(JSON.parse(body)).toEqual({
        Type: "Notification",
        MessageId: id,
        TopicArn: topic,
        Subject: "greeting",
        Message: "hello",
        Timestamp: "2026-01-01T00:00:00.000Z",
        SignatureVersion: "1",
        Signature: expect.stringMatching(/^[A-Za-z0-9+/]{342}==$/),
        SigningCertURL: expect.stringMatching(/\/SimpleNotificationService-[0-9a-f]{32}\.pem$/),
        UnsubscribeURL: expect.stringContaining("/?Action=Unsubscribe&SubscriptionArn=arn%3Aaws%3Asns%3A"),
        MessageAttributes: { kind: { Type: "String", Value: "new" } },
      });
    }));

  it.each([
    ["1", "sha1"],
    ["2", "sha256"],
  ])("signature version %s verifies with the certificate", (version, digest) =>
    withNode(async ({ create, queue, subscribe, publish, received, store }) => {
      const topic = await create("orders", { SignatureVersion: version });
      const { arn, url } = await queue("q");
      await subscribe(topic, "sqs", arn);
      await publish(topic, "signed", { Subject: "s" });
      const [body = ""] = await received(url);
      const facts = JSON.parse(body) as Facts;
      const row = await store.read((tx) =>
        tx.one<{ certificate: string }>(sql`select certificate from sns_signing_keys`),
      );
      const verifier = createVerify(digest).update(textToSign(facts));
      expect(verifier.verify(must(row, "key").certificate, must(facts.Signature, "signature"), "base64")).toBe(true);
    }),
  );

  it("filter policies see attributes, or the body", () =>
    withNode(async ({ create, queue, subscribe, publish, received }) => {
      const topic = await create("orders");
      const [byAttribute, byBody] = [await queue("by-attribute"), await queue("by-body")];
      const FilterPolicy = JSON.stringify({ kind: ["a", { prefix: "b" }], size: [{ numeric: [">", 3] }] });
      await subscribe(topic, "sqs", byAttribute.arn, { ...raw, FilterPolicy });
      const ofBody = JSON.stringify({ order: { state: [{ "anything-but": "draft" }] } });
      await subscribe(topic, "sqs", byBody.arn, { ...raw, FilterPolicy: ofBody, FilterPolicyScope: "MessageBody" });
      const send = (kind: string, size: string, text: string) =>
        publish(topic, text, {
          MessageAttributes: {
            kind: attribute("String.Array", JSON.stringify([kind])),
            size: attribute("Number", size),
          },
        });
      await send("a", "4", '{"order":{"state":"draft"}}');
      await send("bee", "5", "no json");
      await send("a", "3", '{"order":{"state":"sent"}}');
      await send("c", "9", "[]");
      expect((await received(byAttribute.url)).toSorted()).toEqual(["no json", '{"order":{"state":"draft"}}']);
      expect(await received(byBody.url)).toEqual(['{"order":{"state":"sent"}}']);
    }));

  it("a FIFO topic keeps the order of its groups while a delivery fails, and drops repetitions", () =>
    withNode(async ({ create, queue, subscribe, received, peers, call, clock }) => {
      const topic = await create("steps.fifo", { ContentBasedDeduplication: "true" });
      const { arn, url } = await queue("steps.fifo", { ContentBasedDeduplication: "true" });
      await subscribe(topic, "sqs", arn, raw);
      const send = async (text: string, MessageGroupId: string) =>
        peers.sns.Publish({ TopicArn: topic, Message: text, MessageGroupId }, call);
      const first = await send("a1", "a");
      expect(first.SequenceNumber).toMatch(/^1\d{19}$/);
      const again = await send("a1", "a");
      expect(again).toMatchObject({ MessageId: first.MessageId, SequenceNumber: first.SequenceNumber });
      const second = await send("a2", "a");
      expect(BigInt(must(second.SequenceNumber, "sequence")) > BigInt(must(first.SequenceNumber, "sequence"))).toBe(
        true,
      );
      await send("b1", "b");
      await send("a3", "a");
      const got: string[] = [];
      for (let round = 0; round < 4; round += 1) got.push(...(await received(url)));
      expect(got.filter((text) => text.startsWith("a"))).toEqual(["a1", "a2", "a3"]);
      expect(got).toContain("b1");
      await clock.advance(5 * 60_000);
      const later = await send("a1", "a");
      expect(later.MessageId).not.toBe(first.MessageId);
    }));

  it("a queue of another account is asked first, and confirms with the token that it is sent", () =>
    withNode(async ({ create, subscribe, publish, deliver, peers, call }) => {
      const other = "111111111111";
      const theirs = {
        ...call,
        account: other,
        principal: { kind: "user", account: other, accessKeyId: other } as const,
      };
      const topic = await create("orders");
      const Attributes = { Policy: anyTopic };
      const { QueueUrl = "" } = await peers.sqs.CreateQueue({ QueueName: "theirs", Attributes }, theirs);
      const next = async () => {
        await deliver();
        const { Messages: [message] = [] } = await peers.sqs.ReceiveMessage({ QueueUrl }, theirs);
        return JSON.parse(message?.Body ?? "{}") as Record<string, string>;
      };
      const arn = await subscribe(topic, "sqs", `arn:aws:sqs:us-east-1:${other}:theirs`);
      await publish(topic, "too early");
      const question = await next();
      expect(question).toMatchObject({ Type: "SubscriptionConfirmation", TopicArn: topic });
      expect(await next()).toEqual({});
      const input = { TopicArn: topic, Token: must(question["Token"], "Token") };
      expect(await peers.sns.ConfirmSubscription(input, theirs)).toEqual({ SubscriptionArn: arn });
      await publish(topic, "hello");
      expect(await next()).toMatchObject({ Type: "Notification", Message: "hello" });
    }));

  it("what a queue does not take goes to the dead-letter queue", () =>
    withNode(async ({ create, queue, subscribe, publish, received, peers, call, deliver }) => {
      const topic = await create("orders");
      const closed = await queue("closed", { Policy: "" });
      const dead = await queue("dead");
      const RedrivePolicy = JSON.stringify({ deadLetterTargetArn: dead.arn });
      await subscribe(topic, "sqs", closed.arn, { ...raw, RedrivePolicy });
      await publish(topic, "refused");
      await deliver();
      await deliver();
      const input = { QueueUrl: dead.url, MessageAttributeNames: ["All"] };
      const { Messages: [message] = [] } = await peers.sqs.ReceiveMessage(input, call);
      expect(message).toMatchObject({
        Body: "refused",
        MessageAttributes: { ErrorMessage: { StringValue: expect.stringMatching(/^AccessDenied: /) } },
      });
      expect(await received(closed.url)).toEqual([]);
    }));

  it("a publish to many subscriptions reaches each of them once, in steps", () =>
    withNode(async ({ create, subscribe, publish, deliver, peers, call, runJob, store }) => {
      const topic = await create("many");
      const count = 70;
      const numbers = Array.from({ length: count }, (_, n) => `+1555${String(n).padStart(7, "0")}`);
      await Promise.all(numbers.map((number) => subscribe(topic, "sms", number)));
      await publish(topic, "to all");
      for (let round = 0; round < 3; round += 1) await runJob("sns:fanout");
      for (let round = 0; round < 4; round += 1) await deliver();
      const rows = await store.read((tx) =>
        tx.all<{ recipient: string }>(sql`select recipient from sns_outbox order by recipient`),
      );
      expect(new Set(rows.map(({ recipient }) => recipient)).size).toBe(count);
      expect(rows).toHaveLength(count);
      const { Attributes } = await peers.sns.GetTopicAttributes({ TopicArn: topic }, call);
      expect(Attributes).toMatchObject({ SubscriptionsConfirmed: String(count) });
    }));

  it("a topic that is made again has no subscriptions of before", () =>
    withNode(async ({ create, queue, subscribe, publish, received, peers, call, runJob }) => {
      const topic = await create("orders");
      const { arn, url } = await queue("q");
      await subscribe(topic, "sqs", arn, raw);
      await peers.sns.DeleteTopic({ TopicArn: topic }, call);
      await create("orders");
      await publish(topic, "nobody");
      expect(await received(url)).toEqual([]);
      await runJob("sns:sweep");
      expect((await peers.sns.ListSubscriptions({}, call)).Subscriptions).toEqual([]);
    }));
}
