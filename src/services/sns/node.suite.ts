/** SNS, with SQS behind it, on the real store and dispatcher, under a clock that tests move; and what they do with both all the time. */
import { must } from "../../base/errors.ts";
import { services } from "../index.ts";
import { withServices, type TestServices } from "../services.suite.ts";

export interface TestTopics extends TestServices {
  /** A topic's ARN. */
  create(name: string, attributes?: Record<string, string>): Promise<string>;
  /** A queue that takes messages of any topic: its ARN, and its URL. */
  queue(name: string, attributes?: Record<string, string>): Promise<{ arn: string; url: string }>;
  /** The subscription's ARN. */
  subscribe(topic: string, protocol: string, endpoint: string, attributes?: Record<string, string>): Promise<string>;
  /** The message's id. */
  publish(topic: string, message: string, rest?: object): Promise<string>;
  /** Bodies of what is in a queue, once all that is due is delivered. Takes them out. */
  received(url: string): Promise<string[]>;
}

export type WithTopics = <T>(body: (node: TestTopics) => Promise<T>) => Promise<T>;

export const anyTopic = JSON.stringify({
  Statement: { Effect: "Allow", Principal: { Service: "sns.amazonaws.com" }, Action: "sqs:SendMessage", Resource: "*" },
});

export async function withTopics<T>(body: (node: TestTopics) => Promise<T>, data?: string): Promise<T> {
  const entries = services.filter(({ name }) => ["logs", "sqs", "sns"].includes(name));
  return withServices(
    await Promise.all(entries.map((entry) => entry.load())),
    async (node) => {
      const { peers, call, deliver } = node;
      return body({
        ...node,
        async create(Name, Attributes = {}) {
          const fifo = Name.endsWith(".fifo") ? { FifoTopic: "true" } : {};
          const made = await peers.sns.CreateTopic({ Name, Attributes: { ...fifo, ...Attributes } }, call);
          return must(made.TopicArn, "TopicArn");
        },
        async queue(QueueName, attributes = {}) {
          const fifo = QueueName.endsWith(".fifo") ? { FifoQueue: "true" } : {};
          const Attributes = { Policy: anyTopic, ...fifo, ...attributes };
          const { QueueUrl } = await peers.sqs.CreateQueue({ QueueName, Attributes }, call);
          const arn = `arn:aws:sqs:${call.region}:${call.account}:${QueueName}`;
          return { arn, url: must(QueueUrl, "QueueUrl") };
        },
        async subscribe(TopicArn, Protocol, Endpoint, Attributes = {}) {
          const input = { TopicArn, Protocol, Endpoint, Attributes, ReturnSubscriptionArn: true };
          return must((await peers.sns.Subscribe(input, call)).SubscriptionArn, "SubscriptionArn");
        },
        async publish(TopicArn, Message, rest = {}) {
          return must((await peers.sns.Publish({ TopicArn, Message, ...rest }, call)).MessageId, "MessageId");
        },
        async received(QueueUrl) {
          await deliver();
          const bodies: string[] = [];
          for (;;) {
            const input = { QueueUrl, MaxNumberOfMessages: 10 };
            const { Messages = [] } = await peers.sqs.ReceiveMessage(input, call);
            if (Messages.length === 0) return bodies;
            for (const { Body, ReceiptHandle } of Messages) {
              bodies.push(must(Body, "Body"));
              await peers.sqs.DeleteMessage({ QueueUrl, ReceiptHandle: must(ReceiptHandle, "ReceiptHandle") }, call);
            }
          }
        },
      });
    },
    data,
  );
}

export const raw = { RawMessageDelivery: "true" };
