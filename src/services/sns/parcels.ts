/** What the outbox carries: one message for one subscription, in the subscription's own lane. */
import { isFault } from "../../base/errors.ts";
import type { Call } from "../../kit/call.ts";
import type { DeliveryPolicy, Intent } from "../../kit/delivery.ts";
import type { Tx } from "../../store/store.ts";
import type { SnsDeps } from "./deps.ts";
import { arnOf, topicArn } from "./names.ts";
import { textFor, type Message } from "./messages.ts";
import { protocolOf, protocols } from "./protocols.ts";
import { httpDelivery, httpPolicyOf, managedDelivery, outboxDelivery } from "./retries.ts";
import type { SubscriptionRow, TopicRow } from "./tables.ts";

/** The type that messages say they have. */
export type MessageType = "Notification" | "SubscriptionConfirmation" | "UnsubscribeConfirmation";

export interface Parcel {
  type: MessageType;
  account: string;
  region: string;
  topic: string;
  topicUid: string;
  subscription: string;
  /** With the text for the subscription's protocol. */
  message: Omit<Message, "texts">;
  /** Of a confirmation. */
  token?: string;
}

/** On behalf of whom a queue or a function is called: a topic. */
export const principalOf = (topic: { account: string; region: string; name: string }) => ({
  kind: "service" as const,
  service: "sns.amazonaws.com",
  sourceArn: topicArn(topic),
  sourceAccount: topic.account,
});

function policyOf(
  row: SubscriptionRow,
  topic: Pick<TopicRow, "attributes">,
): { policy: DeliveryPolicy; perSecondMax?: number } {
  const { feedback } = protocols[protocolOf(row)];
  if (feedback === "HTTP") {
    const policy = httpPolicyOf(row.attributes["DeliveryPolicy"], topic.attributes["DeliveryPolicy"]);
    const rate = policy.maxReceivesPerSecond;
    return { policy: httpDelivery(policy), ...(rate === undefined ? {} : { perSecondMax: rate }) };
  }
  return { policy: feedback === undefined ? outboxDelivery : managedDelivery };
}

export function parcelOf(row: SubscriptionRow, message: Message, type: MessageType = "Notification"): Parcel {
  const { texts: _, ...rest } = message;
  return {
    type,
    account: row.account,
    region: row.region,
    topic: row.topic,
    topicUid: row.topic_uid,
    subscription: row.id,
    message: { ...rest, text: textFor(message, row.protocol) },
  };
}

/** In a FIFO topic each group of a subscription keeps its order, by the sequence numbers, while one of it fails. */
function laneOf(row: SubscriptionRow, { groupId, sequence }: Message, perSecondMax: number | undefined) {
  const base = `sns:${arnOf(row)}`;
  const rate = perSecondMax === undefined ? {} : { perSecondMax };
  if (sequence === undefined) return { name: base, ...rate };
  return { name: `${base}:${groupId}`, position: positionOf(sequence), ...rate };
}

/** Sequence numbers have 20 digits and begin with 1; the rest counts. */
const sequenceBase = 10n ** 19n;
export const sequenceText = (count: number) => String(sequenceBase + BigInt(count));
const positionOf = (sequence: string) => Number(BigInt(sequence) - sequenceBase);

/** Enqueues it; one whose lane is full goes to its dead-letter queue, since it must not be in the way of the others. */
export async function send(
  { delivery, metrics, log }: Pick<SnsDeps, "delivery" | "metrics" | "log">,
  tx: Tx,
  row: SubscriptionRow,
  topic: Pick<TopicRow, "attributes">,
  { parcel, message }: { parcel: Parcel; message: Message },
  { trace }: Pick<Call, "trace">,
): Promise<void> {
  const { policy, perSecondMax } = policyOf(row, topic);
  const intent: Intent = {
    target: { service: "sns", operation: "Deliver" },
    lane: laneOf(row, message, perSecondMax),
    input: parcel,
    policy,
    key: `${message.id}:${row.id}:${parcel.type}`,
    call: { account: row.account, region: row.region, trace },
    principal: principalOf({ account: row.account, region: row.region, name: row.topic }),
  };
  try {
    await delivery.enqueue(tx, intent);
  } catch (error) {
    if (!isFault(error, "ServiceUnavailable")) throw error;
    metrics.counter("sns_lane_full").add();
    log.warn("too many messages wait for a subscription: one was given up", { subscription: arnOf(row) });
    const { code, message: reason } = error;
    const input = { input: parcel, error: { code, message: reason, members: {} }, attempts: 0 };
    await delivery.enqueue(tx, {
      ...intent,
      target: { service: "sns", operation: "Bury" },
      lane: { name: `sns-dead:${arnOf(row)}` },
      input,
    });
  }
}
