/** Subscriptions as they are: their attributes, and their lists. */
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { pageKey, pageOf } from "../../kit/tokens.ts";
import { sql } from "../../store/sql.ts";
import { assign } from "../../store/tables.ts";
import type { SnsDeps } from "./deps.ts";
import { fault, invalid, noSubscription } from "./faults.ts";
import { pageRows } from "./limits.ts";
import { findTopic } from "./lookup.ts";
import { arnOf, subscriptionRef, topicArn } from "./names.ts";
import { protocolOf, protocols } from "./protocols.ts";
import { effectiveOfSubscription, httpPolicyOf } from "./retries.ts";
import { checkFilters, findSubscription, pendingText } from "./subscribing.ts";
import { changed } from "./subscription-attributes.ts";
import { isSubscription, ofTopic, subscriptions as table, type SubscriptionRow, type TopicRow } from "./tables.ts";
import { badToken } from "./topics.ts";

const refOf = ({ account, region, topic: name }: SubscriptionRow) => ({ account, region, name });

const listed = (row: SubscriptionRow) => ({
  SubscriptionArn: row.confirmed ? arnOf(row) : pendingText,
  Owner: row.owner,
  Protocol: row.protocol,
  Endpoint: row.endpoint,
  TopicArn: topicArn(refOf(row)),
});

function shown(row: SubscriptionRow, topic: TopicRow): Record<string, string> {
  const isHttp = protocols[protocolOf(row)].feedback === "HTTP";
  const policy = () => httpPolicyOf(row.attributes["DeliveryPolicy"], topic.attributes["DeliveryPolicy"]);
  return {
    SubscriptionArn: arnOf(row),
    Owner: row.owner,
    Protocol: row.protocol,
    Endpoint: row.endpoint,
    TopicArn: topicArn(topic),
    PendingConfirmation: String(!row.confirmed),
    ConfirmationWasAuthenticated: String(row.authenticated),
    SubscriptionPrincipal: `arn:aws:iam::${row.owner}:root`,
    RawMessageDelivery: "false",
    ...(isHttp ? { EffectiveDeliveryPolicy: effectiveOfSubscription(policy()) } : {}),
    ...row.attributes,
  };
}

/** What anybody may know of a subscription who owns it, or its topic. */
function admit(row: SubscriptionRow, action: string, call: Call): void {
  if (row.owner === call.account || row.account === call.account) return;
  throw fault(
    "AuthorizationErrorException",
    `User is not authorized to perform: SNS:${action} on resource: ${arnOf(row)}`,
  );
}

export function subscriptionOperations({ store, topics }: SnsDeps) {
  return {
    async GetSubscriptionAttributes({ SubscriptionArn }, call) {
      const ref = subscriptionRef("SubscriptionArn", SubscriptionArn);
      const found = await store.read(async (tx) => {
        const row = await findSubscription(tx, ref);
        const topic = row && (await findTopic(tx, ref));
        return row === undefined || topic === undefined ? undefined : { row, topic };
      });
      if (found === undefined) throw noSubscription();
      admit(found.row, "GetSubscriptionAttributes", call);
      return { Attributes: shown(found.row, found.topic) };
    },

    async SetSubscriptionAttributes({ SubscriptionArn, AttributeName: name, AttributeValue: value = "" }, call) {
      const ref = subscriptionRef("SubscriptionArn", SubscriptionArn);
      await store.tx(async (tx) => {
        const row = await findSubscription(tx, ref);
        const topic = row && (await findTopic(tx, ref));
        if (row === undefined || topic === undefined) throw noSubscription();
        admit(row, "SetSubscriptionAttributes", call);
        const subject = { protocol: protocolOf(row), isFifo: topic.is_fifo, account: row.account, region: row.region };
        const attributes = changed(row.attributes, { [name]: value }, subject, invalid);
        const filtered = attributes["FilterPolicy"] !== undefined;
        if (filtered && !row.filtered) await checkFilters(tx, topic, attributes);
        const change = { attributes, filtered };
        await tx.run(sql`update ${table.name} set ${assign(table, change)} where ${isSubscription(row)}`);
        topics.forgetAfter(tx, ref);
      });
      return {};
    },

    async ListSubscriptions({ NextToken }, call) {
      const listing = { operation: "sns:ListSubscriptions", call };
      const [after = ""] = pageKey(listing, NextToken, badToken) ?? [];
      const rows = await store.read((tx) =>
        tx.all<SubscriptionRow>(sql`select ${table.columns} from ${table.name}
          where owner = ${call.account} and region = ${call.region} and id > ${String(after)}
          order by id limit ${pageRows + 1}`),
      );
      const { page, nextToken } = pageOf(listing, rows, pageRows, ({ id }) => [id]);
      return { Subscriptions: page.map(listed), ...(nextToken === undefined ? {} : { NextToken: nextToken }) };
    },

    async ListSubscriptionsByTopic({ TopicArn, NextToken }, call) {
      const { row: topic, arn, place } = await topics.open(TopicArn, "ListSubscriptionsByTopic", call);
      const listing = { operation: "sns:ListSubscriptionsByTopic", filters: `${arn} ${topic.uid}`, call };
      const [after = ""] = pageKey(listing, NextToken, badToken) ?? [];
      const rows = await store.read((tx) =>
        tx.all<SubscriptionRow>(sql`select ${table.columns} from ${table.name}
          where ${ofTopic(place)} and id > ${String(after)} order by id limit ${pageRows + 1}`),
      );
      const { page, nextToken } = pageOf(listing, rows, pageRows, ({ id }) => [id]);
      return { Subscriptions: page.map(listed), ...(nextToken === undefined ? {} : { NextToken: nextToken }) };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-sns")>;
}
