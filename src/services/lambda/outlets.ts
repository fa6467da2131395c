/** The other services that events end in: queues, topics and buses, reached through their APIs as the function's role. */
import { parseArn, type Arn } from "../../base/arn.ts";
import { isFault } from "../../base/errors.ts";
import type { Call } from "../../kit/call.ts";
import type { Peers } from "../../kit/peers.ts";
import { fault, invalid } from "./faults.ts";

/** What is sent, to whichever of them. */
export interface Message {
  /** ARN. */
  target: string;
  /** Text; JSON where a bus is the target. */
  body: string;
  attributes?: Readonly<Record<string, { DataType: "String" | "Number"; StringValue: string }>>;
  /** Of an event on a bus. */
  detailType?: string;
  /** ARN of the function, as the event was sent to it. */
  source: string;
}

type OutletPeers = Pick<Peers, "sqs" | "sns" | "events">;

interface Outlet {
  send(peers: OutletPeers, message: Message, arn: Arn, call: Call): Promise<void>;
  /** Asks for the target in any way: it need not be there, but its service must. */
  look(peers: OutletPeers, arn: Arn, text: string, call: Call): Promise<unknown>;
}

const queueOf = ({ resource, account }: Arn) => ({ QueueName: resource, QueueOwnerAWSAccountId: account });

const queue: Outlet = {
  async send({ sqs }, { body, attributes }, arn, call) {
    const { QueueUrl } = await sqs.GetQueueUrl(queueOf(arn), call);
    const MessageAttributes = attributes === undefined ? {} : { MessageAttributes: { ...attributes } };
    await sqs.SendMessage({ QueueUrl, MessageBody: body, ...MessageAttributes }, call);
  },
  look: ({ sqs }, arn, _text, call) => sqs.GetQueueUrl(queueOf(arn), call),
};

const topic: Outlet = {
  async send({ sns }, { target, body, attributes }, _arn, call) {
    const MessageAttributes = attributes === undefined ? {} : { MessageAttributes: { ...attributes } };
    await sns.Publish({ TopicArn: target, Message: body, ...MessageAttributes }, call);
  },
  look: ({ sns }, _arn, TopicArn, call) => sns.GetTopicAttributes({ TopicArn }, call),
};

/** Source: EventBridge events of Lambda's destinations: `source` is `lambda`. */
const bus: Outlet = {
  async send({ events }, { target, body, detailType, source }, _arn, call) {
    const entry = { EventBusName: target, Source: "lambda", DetailType: detailType, Detail: body };
    const { FailedEntryCount = 0, Entries } = await events.PutEvents(
      { Entries: [{ ...entry, Resources: [target, source] }] },
      call,
    );
    if (FailedEntryCount === 0) return;
    const { ErrorCode = "unknown", ErrorMessage = "" } = Entries?.[0] ?? {};
    throw fault("ServiceUnavailable", `The event bus refused the record: ${ErrorCode} ${ErrorMessage}`);
  },
  look: ({ events }, _arn, Name, call) => events.DescribeEventBus({ Name }, call),
};

/** By the service in the ARN. */
const outlets: ReadonlyMap<string, Outlet> = new Map([
  ["sqs", queue],
  ["sns", topic],
  ["events", bus],
]);

function outletOf(target: string): { arn: Arn; outlet: Outlet } {
  const arn = parseArn(target);
  const outlet = arn === undefined ? undefined : outlets.get(arn.service);
  if (arn === undefined || outlet === undefined) throw invalid(`The destination ARN ${target} is invalid.`);
  return { arn, outlet };
}

/** Hands a message over; a fault tells the outbox to try again. */
export async function sendMessage(peers: OutletPeers, message: Message, call: Call): Promise<void> {
  const { arn, outlet } = outletOf(message.target);
  await outlet.send(peers, message, arn, { ...call, region: arn.region });
}

/** Whether the service of `target` is one of this node's. */
export async function isReachable(peers: OutletPeers, target: string, call: Call): Promise<boolean> {
  const { arn, outlet } = outletOf(target);
  try {
    await outlet.look(peers, arn, target, { ...call, region: arn.region });
    return true;
  } catch (error) {
    if (!isFault(error)) throw error;
    return error.code !== "NotImplemented";
  }
}
