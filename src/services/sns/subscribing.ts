/** Subscribe, and what ends a subscription. */
import { hash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx, Tx } from "../../store/store.ts";
import { assign, insert } from "../../store/tables.ts";
import { askToConfirm } from "./confirmations.ts";
import type { SnsDeps } from "./deps.ts";
import { fault, invalid, noTopic } from "./faults.ts";
import { fifoSubscriptionsMax, filtersPerTopicMax, pendingMax, subscriptionsMax, tokenMs } from "./limits.ts";
import { findTopic, type Topic } from "./lookup.ts";
import { arnOf, subscriptionRef, topicRef, type SubscriptionRef, type TopicRef } from "./names.ts";
import { protocols, readProtocol, type ProtocolName } from "./protocols.ts";
import { changed } from "./subscription-attributes.ts";
import {
  isSubscription,
  isTopic,
  ofTopic,
  subscriptions as table,
  topics as topicTable,
  type Attributes,
  type SubscriptionRow,
  type TopicRow,
} from "./tables.ts";

export interface NewSubscription {
  topic: TopicRef;
  protocol: string;
  endpoint: string;
  attributes: Attributes;
  /** Of a CloudFormation step: a second creation with it gives the first one's subscription. */
  step: string | null;
}

/** As ListSubscriptions shows one that waits for its endpoint. */
export const pendingText = "PendingConfirmation";

/** The subscription of a reference. The topic's uid is not in its ARN: its topic is looked up first. */
export async function findSubscription(tx: ReadTx, ref: SubscriptionRef): Promise<SubscriptionRow | undefined> {
  const topic = await findTopic(tx, ref);
  if (topic === undefined) return undefined;
  return tx.one<SubscriptionRow>(sql`select ${table.columns} from ${table.name}
    where ${ofTopic(topic)} and id = ${ref.id}`);
}

const reasonedInvalid = (what: string) => invalid(`Attributes Reason: ${what}`);

function checkFit(row: TopicRow, protocol: ProtocolName, endpoint: string): void {
  protocols[protocol].check(endpoint);
  if (row.is_fifo && protocol !== "sqs") {
    throw invalid(`Protocol Reason: FIFO topics do not support the protocol ${protocol}`);
  }
  if (!row.is_fifo && protocol === "sqs" && endpoint.endsWith(".fifo")) {
    throw invalid("Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics");
  }
}

async function countTo(tx: ReadTx, where: ReturnType<typeof sql>, limit: number): Promise<number> {
  const found = await tx.one<{ count: number }>(sql`select count(*) as count from
    (select 1 as present from ${table.name} where ${where} limit ${limit}) as found_rows`);
  return found?.count ?? 0;
}

async function checkRoom(tx: ReadTx, topic: TopicRow, row: SubscriptionRow): Promise<void> {
  const limit = topic.is_fifo ? fifoSubscriptionsMax : subscriptionsMax;
  const refusal = () => fault("SubscriptionLimitExceededException", "Subscription limit exceeded");
  if ((await countTo(tx, ofTopic(topic), limit)) >= limit) throw refusal();
  if (row.confirmed) return;
  const pending = sql`owner = ${row.owner} and region = ${row.region} and confirmed = ${false}`;
  if ((await countTo(tx, pending, pendingMax)) >= pendingMax) throw refusal();
}

/** How many of a topic's subscriptions have a filter policy. */
export async function checkFilters(tx: ReadTx, topic: TopicRow, change: Attributes): Promise<void> {
  if (change["FilterPolicy"] === undefined) return;
  const filtered = sql`${ofTopic(topic)} and filtered = ${true}`;
  if ((await countTo(tx, filtered, filtersPerTopicMax)) < filtersPerTopicMax) return;
  throw fault("FilterPolicyLimitExceededException", "Filter policy limit exceeded");
}

/** Whether the endpoint's owner must agree first. Source: developer guide, "Sending messages to an SQS queue in a different account". */
function mustConfirm(protocol: ProtocolName, endpoint: string, call: Call): boolean {
  const { confirms, ownerOf } = protocols[protocol];
  return confirms === "always" || (confirms === "foreign" && ownerOf(endpoint) !== call.account);
}

export function subscribing(deps: SnsDeps) {
  const { store, clock, ids, topics } = deps;

  /** As it would be, if there were none yet. */
  const rowOf = ({ row: topic }: Topic, given: NewSubscription, call: Call): SubscriptionRow => {
    const protocol = readProtocol(given.protocol);
    const { account, region, uid: topic_uid, name, is_fifo: isFifo } = topic;
    checkFit(topic, protocol, given.endpoint);
    const attributes = changed({}, given.attributes, { protocol, isFifo, account, region }, reasonedInvalid);
    const now = clock.now();
    const pending = mustConfirm(protocol, given.endpoint, call);
    return {
      account,
      region,
      topic_uid,
      id: ids.uuid(),
      topic: name,
      protocol,
      endpoint: given.endpoint,
      endpoint_hash: hash("sha256", `${protocol} ${given.endpoint}`),
      owner: call.account,
      attributes,
      filtered: attributes["FilterPolicy"] !== undefined,
      confirmed: !pending,
      authenticated: !pending,
      guarded: false,
      token: pending ? ids.hex(64) : null,
      expires_ms: pending ? now + tokenMs : null,
      created_ms: now,
      step: given.step,
    };
  };

  const put = (topic: Topic, row: SubscriptionRow, call: Call): Promise<SubscriptionRow> =>
    store.tx(async (tx) => {
      const found = await tx.one<SubscriptionRow>(sql`select ${table.columns} from ${table.name}
        where ${ofTopic(topic.place)} and endpoint_hash = ${row.endpoint_hash}`);
      if (found === undefined) {
        const owner = await findTopic(tx, topic.row);
        if (owner?.uid !== topic.row.uid) throw noTopic();
        await checkRoom(tx, owner, row);
        await checkFilters(tx, owner, row.attributes);
        await tx.run(insert(table, row));
        topics.forgetAfter(tx, owner);
        if (row.token !== null) await askToConfirm(deps, tx, row, call);
        return row;
      }
      if (row.step !== null && found.step === row.step) return found;
      if (Object.keys(row.attributes).length > 0 && !isDeepStrictEqual(found.attributes, row.attributes)) {
        throw reasonedInvalid("Subscription already exists with different attributes");
      }
      if (found.confirmed) return found;
      // Asked again; the token of before is good for nothing.
      const change = { token: row.token, expires_ms: row.expires_ms };
      await tx.run(sql`update ${table.name} set ${assign(table, change)} where ${isSubscription(found)}`);
      await askToConfirm(deps, tx, { ...found, ...change }, call);
      return { ...found, ...change };
    });

  return async (given: NewSubscription, call: Call): Promise<SubscriptionRow> => {
    const topic = await topics.find(given.topic);
    if (topic === undefined) throw noTopic();
    return put(topic, rowOf(topic, given, call), call);
  };
}

/** Takes a subscription away; its topic counts it as deleted. */
export async function removeSubscription(tx: Tx, { topics }: Pick<SnsDeps, "topics">, row: SubscriptionRow) {
  await tx.run(sql`delete from ${table.name} where ${isSubscription(row)}`);
  const ref = { account: row.account, region: row.region, name: row.topic };
  await tx.run(sql`update ${topicTable.name} set deleted = deleted + 1
    where ${isTopic({ ...ref, uid: row.topic_uid })}`);
  topics.forgetAfter(tx, ref);
}

export function subscribingOperations(deps: SnsDeps) {
  const { store, topics } = deps;
  const subscribe = subscribing(deps);
  return {
    async Subscribe({ TopicArn, Protocol, Endpoint, Attributes: attributes = {}, ReturnSubscriptionArn }, call) {
      const topic = topicRef("TopicArn", TopicArn);
      await topics.open(TopicArn, "Subscribe", call);
      const protocol = readProtocol(Protocol);
      if (Endpoint === undefined || Endpoint === "") throw invalid("Endpoint");
      const row = await subscribe({ topic, protocol, endpoint: Endpoint, attributes, step: null }, call);
      const shown = row.confirmed || ReturnSubscriptionArn === true;
      return { SubscriptionArn: shown ? arnOf(row) : "pending confirmation" };
    },

    async Unsubscribe({ SubscriptionArn }, call) {
      const ref = subscriptionRef("SubscriptionArn", SubscriptionArn);
      await store.tx(async (tx) => {
        const row = await findSubscription(tx, ref);
        // What is gone already is fine.
        if (row === undefined) return;
        if (row.owner !== call.account && row.account !== call.account) {
          throw fault(
            "AuthorizationErrorException",
            "User is not authorized to perform: SNS:Unsubscribe on this resource",
          );
        }
        if (!row.confirmed) throw invalid("SubscriptionArn Reason: subscription is pending confirmation");
        await removeSubscription(tx, deps, row);
      });
      return {};
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-sns")>;
}
