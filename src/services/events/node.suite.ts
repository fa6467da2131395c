/** EventBridge with SQS on the real store and dispatcher, under a clock that tests move; and what they do with it all the time. */
import { must } from "../../base/errors.ts";
import { services } from "../index.ts";
import { withServices, type TestServices } from "../services.suite.ts";
import type { Target } from "./tables.ts";

export interface TestBuses extends TestServices {
  /** Makes a queue that EventBridge may send to; gives its ARN. */
  queue(name: string, attributes?: Record<string, string>): Promise<string>;
  /** Makes a rule of a bus with targets. */
  rule(name: string, pattern: object, targets: readonly Target[], bus?: string): Promise<void>;
  /** Puts an event; gives its id. */
  put(source: string, detail: object | string, rest?: object): Promise<string>;
  /** Bodies of all that waits in a queue, after what is due was delivered. */
  received(arn: string): Promise<string[]>;
}

const policy = {
  Version: "2012-10-17",
  Statement: [
    { Effect: "Allow", Principal: { Service: "events.amazonaws.com" }, Action: "sqs:SendMessage", Resource: "*" },
  ],
};

/** Runs a body with a node of its own. */
export type WithBuses = <T>(body: (node: TestBuses) => Promise<T>) => Promise<T>;

export async function withBuses<T>(body: (node: TestBuses) => Promise<T>, data?: string): Promise<T> {
  const loaded = services.filter(({ name }) => ["events", "logs", "sqs"].includes(name)).map((entry) => entry.load());
  return withServices(
    await Promise.all(loaded),
    async (node) => {
      const { peers, call } = node;
      const urlOf = (arn: string) => `${call.publicUrl}/${arn.split(":")[4]}/${arn.split(":")[5]}`;
      return body({
        ...node,
        async queue(QueueName, Attributes = {}) {
          const all = { Policy: JSON.stringify(policy), ...Attributes };
          await peers.sqs.CreateQueue({ QueueName, Attributes: all }, call);
          return `arn:aws:sqs:${call.region}:${call.account}:${QueueName}`;
        },
        async rule(Name, pattern, targets, EventBusName) {
          const bus = EventBusName === undefined ? {} : { EventBusName };
          await peers.events.PutRule({ Name, EventPattern: JSON.stringify(pattern), ...bus }, call);
          if (targets.length > 0) await peers.events.PutTargets({ Rule: Name, Targets: [...targets], ...bus }, call);
        },
        async put(Source, detail, rest = {}) {
          const Detail = typeof detail === "string" ? detail : JSON.stringify(detail);
          const entry = { Source, DetailType: "test", Detail, ...rest };
          const { Entries } = await peers.events.PutEvents({ Entries: [entry] }, call);
          const [outcome] = Entries ?? [];
          return must(outcome?.EventId, `${outcome?.ErrorCode}: an event's id`);
        },
        async received(arn) {
          // A delivery may cause another: from one bus to the next.
          for (let round = 0; round < 3; round += 1) await node.deliver();
          const bodies: string[] = [];
          for (;;) {
            const input = { QueueUrl: urlOf(arn), MaxNumberOfMessages: 10 };
            const { Messages = [] } = await peers.sqs.ReceiveMessage(input, call);
            if (Messages.length === 0) return bodies;
            for (const { Body = "", ReceiptHandle } of Messages) {
              bodies.push(Body);
              await peers.sqs.DeleteMessage({ QueueUrl: input.QueueUrl, ReceiptHandle }, call);
            }
          }
        },
      });
    },
    data,
  );
}
