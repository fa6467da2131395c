/** SQS on the real store and dispatcher, under a clock that tests move; and what they do with it all the time. */
import type { Message } from "@aws-sdk/client-sqs";
import { must } from "../../base/errors.ts";
import { services } from "../index.ts";
import { withServices, type TestServices } from "../services.suite.ts";

export interface TestQueues extends TestServices {
  create(name: string, attributes?: Record<string, string>): Promise<string>;
  send(url: string, body: string, rest?: object): Promise<string>;
  receive(url: string, rest?: object): Promise<Message[]>;
  attributes(url: string): Promise<Readonly<Partial<Record<string, string>>>>;
  /** Numbers of messages: visible, in flight, delayed. */
  counts(url: string): Promise<number[]>;
}

/** Runs a body with a node of its own. */
export type WithQueues = <T>(body: (node: TestQueues) => Promise<T>) => Promise<T>;

export async function withQueues<T>(body: (node: TestQueues) => Promise<T>, data?: string): Promise<T> {
  const entry = must(
    services.find(({ name }) => name === "sqs"),
    "SQS",
  );
  return withServices(
    [await entry.load()],
    async (node) => {
      const { peers, call } = node;
      const attributes = async (QueueUrl: string) => {
        const all = { QueueUrl, AttributeNames: ["All" as const] };
        return (await peers.sqs.GetQueueAttributes(all, call)).Attributes ?? {};
      };
      return body({
        ...node,
        attributes,
        async create(QueueName, Attributes = {}) {
          return must((await peers.sqs.CreateQueue({ QueueName, Attributes }, call)).QueueUrl, "QueueUrl");
        },
        async send(QueueUrl, MessageBody, rest = {}) {
          return must((await peers.sqs.SendMessage({ QueueUrl, MessageBody, ...rest }, call)).MessageId, "MessageId");
        },
        async receive(QueueUrl, rest = {}) {
          return (await peers.sqs.ReceiveMessage({ QueueUrl, ...rest }, call)).Messages ?? [];
        },
        async counts(url) {
          const found: Readonly<Partial<Record<string, string>>> = await attributes(url);
          return ["", "NotVisible", "Delayed"].map((kind) => Number(found[`ApproximateNumberOfMessages${kind}`]));
        },
      });
    },
    data,
  );
}

export const bodies = (messages: readonly Message[]) => messages.map(({ Body }) => Body);
export const handleOf = (message: Message | undefined) => must(message?.ReceiptHandle, "ReceiptHandle");
