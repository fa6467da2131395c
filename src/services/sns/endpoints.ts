/** How a message reaches an endpoint of each protocol. A fault says whether another attempt may go better. */
import { parseArn } from "../../base/arn.ts";
import { Fault, isFault } from "../../base/errors.ts";
import type { Call } from "../../kit/call.ts";
import type { SnsDeps } from "./deps.ts";
import { documentOf, lambdaEvent, type Facts } from "./envelopes.ts";
import { fault } from "./faults.ts";
import { post } from "./http.ts";
import { rawAttributesMax } from "./limits.ts";
import { arnOf } from "./names.ts";
import { keep } from "./outbox.ts";
import { isBinary, type MessageAttributes } from "./message-attributes.ts";
import type { Parcel } from "./parcels.ts";
import type { ProtocolName } from "./protocols.ts";
import type { SubscriptionRow } from "./tables.ts";

/** A message with its envelope, and where it goes. */
export interface Shipment {
  row: SubscriptionRow;
  parcel: Parcel;
  facts: Facts;
  protocol: ProtocolName;
  isRaw: boolean;
}

/** What an endpoint answered, for the log of deliveries. */
export interface Delivered {
  status: number;
  response: string;
}

type Send = (deps: SnsDeps, shipment: Shipment, call: Call) => Promise<Delivered>;

/** Faults of peers after which another attempt can go better; all others are the endpoint's own. */
const passing: ReadonlySet<string> = new Set([
  "EC2ThrottledException",
  "InternalFailure",
  "RequestThrottled",
  "ResourceConflictException",
  "ResourceNotReadyException",
  "ServiceException",
  "ServiceUnavailable",
  "Throttling",
  "ThrottlingException",
  "TooManyRequestsException",
]);

async function asEndpoint<T>(sending: Promise<T>): Promise<T> {
  try {
    return await sending;
  } catch (cause) {
    if (!isFault(cause)) throw cause;
    const code = passing.has(cause.code) ? "EndpointFailed" : "EndpointRefused";
    throw fault(code, `${cause.code}: ${cause.message}`, {}, { cause });
  }
}

function queueAttributes(attributes: MessageAttributes) {
  return Object.fromEntries(
    Object.entries(attributes).map(([name, { type: DataType, value }]) => [
      name,
      isBinary(DataType) ? { DataType, BinaryValue: Buffer.from(value, "base64") } : { DataType, StringValue: value },
    ]),
  );
}

/** In raw delivery the attributes of the message are the queue's, which takes ten. */
function rawAttributes(attributes: MessageAttributes | undefined) {
  if (attributes === undefined) return {};
  const count = Object.keys(attributes).length;
  if (count > rawAttributesMax) {
    throw fault(
      "EndpointRefused",
      `Number of message attributes [${count}] exceeds the allowed maximum [${rawAttributesMax}].`,
    );
  }
  return { MessageAttributes: queueAttributes(attributes) };
}

const toQueue: Send = async ({ peers }, { row, parcel, facts, isRaw }, call) => {
  const { account, region, resource } = parseArn(row.endpoint) ?? { account: "", region: "", resource: "" };
  const { text, attributes, groupId, deduplicationId, id } = parcel.message;
  const isFifo = resource.endsWith(".fifo");
  const input = {
    QueueUrl: `${call.publicUrl}/${account}/${resource}`,
    MessageBody: isRaw ? text : documentOf(facts),
    ...(isRaw ? rawAttributes(attributes) : {}),
    ...(groupId === undefined ? {} : { MessageGroupId: groupId }),
    ...(isFifo ? { MessageDeduplicationId: deduplicationId ?? id } : {}),
    // A question to the queue's owner is of no group.
    ...(isFifo && groupId === undefined ? { MessageGroupId: "confirmation" } : {}),
  };
  const { MessageId } = await asEndpoint(peers.sqs.SendMessage(input, { ...call, account, region }));
  return { status: 200, response: JSON.stringify({ sqsRequestId: call.requestId, sqsMessageId: MessageId }) };
};

const toFunction: Send = async ({ peers }, { row, facts }, call) => {
  const { account, region } = parseArn(row.endpoint) ?? { account: "", region: "" };
  const input = {
    FunctionName: row.endpoint,
    InvocationType: "Event" as const,
    Payload: Buffer.from(JSON.stringify(lambdaEvent(facts, arnOf(row)))),
  };
  const { StatusCode = 202 } = await asEndpoint(peers.lambda.Invoke(input, { ...call, account, region }));
  return { status: StatusCode, response: JSON.stringify({ lambdaRequestId: call.requestId }) };
};

const toUrl: Send = async (deps, shipment, call) => {
  const answer = await post(deps, shipment, call);
  const { status, response } = answer;
  if (status >= 200 && status < 300) return answer;
  // Source: developer guide, "Message delivery retries": 4xx are the client's errors, but for 429.
  const isFinal = status >= 400 && status < 500 && status !== 429;
  throw new Fault(isFinal ? "EndpointRefused" : "EndpointFailed", `HTTP status ${status}`, { status, response });
};

const toOutbox: Send = async (deps, { row, parcel, facts, protocol }, call) => {
  const { text, subject, id } = parcel.message;
  const question = parcel.type === "Notification" ? "" : `\n\n${facts.SubscribeURL}`;
  await keep(
    deps,
    {
      protocol,
      recipient: row.endpoint,
      subject: protocol === "sms" ? undefined : (subject ?? subjects[parcel.type]),
      body: protocol === "email-json" ? documentOf(facts) : `${text}${question}`,
      topicArn: facts.TopicArn,
      messageId: id,
      key: call.idempotencyKey ?? `${id}:${row.id}`,
    },
    { account: row.account, region: row.region },
  );
  return { status: 200, response: "" };
};

/** Source: developer guide, "Email notifications". */
const subjects: Readonly<Record<Parcel["type"], string>> = {
  Notification: "AWS Notification Message",
  SubscriptionConfirmation: "AWS Notification - Subscription Confirmation",
  UnsubscribeConfirmation: "AWS Notification - Unsubscribe Confirmation",
};

const senders: Readonly<Record<ProtocolName, Send>> = {
  sqs: toQueue,
  lambda: toFunction,
  http: toUrl,
  https: toUrl,
  email: toOutbox,
  "email-json": toOutbox,
  sms: toOutbox,
};

/** Hands the message over. Throws `EndpointRefused` where no other attempt can go better, `EndpointFailed` where it may. */
export const deliverTo: Send = (deps, shipment, call) => senders[shipment.protocol](deps, shipment, call);
