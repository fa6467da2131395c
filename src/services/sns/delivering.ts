/** One attempt at one delivery, by the outbox; and what becomes of a message when all have failed. */
import { parseArn } from "../../base/arn.ts";
import { isFault } from "../../base/errors.ts";
import type { Call } from "../../kit/call.ts";
import type { DeadLetter } from "../../kit/delivery.ts";
import { sql } from "../../store/sql.ts";
import type { SnsDeps } from "./deps.ts";
import { deliverTo, type Delivered, type Shipment } from "./endpoints.ts";
import { documentOf, factsOf } from "./envelopes.ts";
import { recordDelivery } from "./feedback.ts";
import type { Topic } from "./lookup.ts";
import { arnOf } from "./names.ts";
import type { Parcel } from "./parcels.ts";
import { protocolOf } from "./protocols.ts";
import { deadLetterArn } from "./subscription-attributes.ts";
import { isSubscription, subscriptions as table, type SubscriptionRow } from "./tables.ts";

async function rowOf({ store }: SnsDeps, parcel: Parcel): Promise<SubscriptionRow | undefined> {
  const { account, region, topicUid: topic_uid, subscription: id } = parcel;
  return store.read((tx) =>
    tx.one<SubscriptionRow>(sql`select ${table.columns} from ${table.name}
      where ${isSubscription({ account, region, topic_uid, id })}`),
  );
}

/** The message and where it goes, as both are now; undefined where its subscription, or its question, is gone. */
async function shipmentOf(deps: SnsDeps, parcel: Parcel): Promise<(Shipment & { topic: Topic }) | undefined> {
  const topic = await deps.topics.find({ account: parcel.account, region: parcel.region, name: parcel.topic });
  const row = await rowOf(deps, parcel);
  if (row === undefined || topic?.row.uid !== parcel.topicUid) return undefined;
  const isOpen = parcel.type === "Notification" ? row.confirmed : !row.confirmed && row.token === parcel.token;
  if (!isOpen) return undefined;
  const isRaw = row.attributes["RawMessageDelivery"] === "true" && parcel.type === "Notification";
  const facts = await factsOf({ signing: deps.signing, baseUrl: deps.linkUrl ?? deps.publicUrl() }, parcel, topic);
  return { row, topic, parcel, facts, isRaw, protocol: protocolOf(row) };
}

/** The dead-letter queue gets what the endpoint would have got. */
async function bury(deps: SnsDeps, { row, facts, isRaw, parcel }: Shipment, dead: DeadLetter, call: Call) {
  const policy = row.attributes["RedrivePolicy"];
  const target = policy === undefined ? undefined : deadLetterArn(policy);
  const arn = target === undefined ? undefined : parseArn(target);
  if (arn === undefined) return;
  const { message } = parcel;
  const text = (StringValue: string) => ({ DataType: "String", StringValue });
  const isFifo = arn.resource.endsWith(".fifo");
  const input = {
    QueueUrl: `${call.publicUrl}/${arn.account}/${arn.resource}`,
    MessageBody: isRaw ? message.text : documentOf(facts),
    MessageAttributes: {
      RequestID: text(call.requestId),
      ErrorCode: text(dead.error.code),
      ErrorMessage: text((dead.error.message || "Unknown").slice(0, 1_024)),
    },
    ...(isFifo ? { MessageGroupId: message.groupId ?? arnOf(row), MessageDeduplicationId: message.id } : {}),
  };
  await deps.peers.sqs.SendMessage(input, { ...call, account: arn.account, region: arn.region });
}

export function deliveringOperations(deps: SnsDeps) {
  return {
    async Deliver(parcel: Parcel, call: Call): Promise<object> {
      const shipment = await shipmentOf(deps, parcel);
      if (shipment === undefined) return {};
      const startedMs = deps.clock.now();
      let delivered: Delivered;
      try {
        delivered = await deliverTo(deps, shipment, call);
      } catch (error) {
        if (isFault(error)) await recordDelivery(deps, shipment, { startedMs, failure: error }, call);
        throw error;
      }
      await recordDelivery(deps, shipment, { startedMs, delivered }, call);
      return {};
    },

    async Bury(dead: DeadLetter & { input: Parcel }, call: Call): Promise<object> {
      const shipment = await shipmentOf(deps, dead.input);
      if (shipment !== undefined) await bury(deps, shipment, dead, call);
      return {};
    },
  };
}
