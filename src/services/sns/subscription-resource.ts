/** AWS::SNS::Subscription. */
import type { Call } from "../../kit/call.ts";
import { asProperties, type Json, type JsonObject, type Resource } from "../../kit/resource.ts";
import { sql } from "../../store/sql.ts";
import { assign } from "../../store/tables.ts";
import type { SnsDeps } from "./deps.ts";
import { textOf } from "./documents.ts";
import { invalid, noSubscription, notYet } from "./faults.ts";
import { findTopic } from "./lookup.ts";
import { arnOf, subscriptionRef, topicArn, topicRef } from "./names.ts";
import { protocolOf } from "./protocols.ts";
import { checkFilters, findSubscription, removeSubscription, subscribing } from "./subscribing.ts";
import { attributeNames, changed } from "./subscription-attributes.ts";
import { isSubscription, subscriptions as table, type Attributes } from "./tables.ts";

function attributesOf(properties: JsonObject): Record<string, string> {
  const names = attributeNames.filter((name) => properties[name] !== undefined);
  return Object.fromEntries(names.map((name) => [name, textOf(properties[name])]));
}

/** As templates write it: truth values and documents. */
function shown(value: string): Json {
  return /^(?:\{|true$|false$)/.test(value) ? (JSON.parse(value) as Json) : value;
}

export function subscriptionResource(deps: SnsDeps): Resource {
  const { store, topics } = deps;
  const subscribe = subscribing(deps);
  const rowAt = (arn: string) => store.read((tx) => findSubscription(tx, subscriptionRef("SubscriptionArn", arn)));

  const change = (arn: string, given: Attributes) =>
    store.tx(async (tx) => {
      const ref = subscriptionRef("SubscriptionArn", arn);
      const row = await findSubscription(tx, ref);
      const topic = row && (await findTopic(tx, ref));
      if (row === undefined || topic === undefined) throw noSubscription();
      const subject = { protocol: protocolOf(row), isFifo: topic.is_fifo, account: row.account, region: row.region };
      const attributes = changed(row.attributes, given, subject, invalid);
      const filtered = attributes["FilterPolicy"] !== undefined;
      if (filtered && !row.filtered) await checkFilters(tx, topic, attributes);
      const set = assign(table, { attributes, filtered });
      await tx.run(sql`update ${table.name} set ${set} where ${isSubscription(row)}`);
      topics.forgetAfter(tx, ref);
    });

  return {
    type: "AWS::SNS::Subscription",
    properties: [...attributeNames, "Endpoint", "Protocol", "Region", "TopicArn"],
    required: ["Protocol", "TopicArn"],
    attributes: ["Arn"],
    replaceOn: ["Endpoint", "Protocol", "TopicArn", "Region"],
    async create({ properties, token }, call: Call) {
      const text = textOf(properties["TopicArn"]);
      const topic = topicRef("TopicArn", text);
      const region = properties["Region"];
      if (region !== undefined && textOf(region) !== topic.region) throw notYet("Region of AWS::SNS::Subscription");
      await topics.open(text, "Subscribe", call);
      const [protocol, endpoint] = [textOf(properties["Protocol"]), textOf(properties["Endpoint"])];
      const row = await subscribe(
        { topic, protocol, endpoint, attributes: attributesOf(properties), step: token },
        call,
      );
      return { physicalId: arnOf(row), attributes: { Arn: arnOf(row) } };
    },
    async update({ physicalId, attributes, properties, former }) {
      const gone = Object.keys(attributesOf(former.properties)).map((name) => [name, ""] as const);
      await change(physicalId, { ...Object.fromEntries(gone), ...attributesOf(properties) });
      return { physicalId, attributes };
    },
    async read({ physicalId }) {
      const row = await rowAt(physicalId);
      if (row === undefined) return undefined;
      return asProperties({
        ...Object.fromEntries(Object.entries(row.attributes).map(([name, value]) => [name, shown(value)])),
        Endpoint: row.endpoint,
        Protocol: row.protocol,
        TopicArn: topicArn({ account: row.account, region: row.region, name: row.topic }),
      });
    },
    comparison: { DeliveryPolicy: "exact", FilterPolicy: "exact", RedrivePolicy: "exact", Region: "unread" },
    async delete({ physicalId }) {
      await store.tx(async (tx) => {
        const row = await findSubscription(tx, subscriptionRef("SubscriptionArn", physicalId));
        if (row !== undefined) await removeSubscription(tx, deps, row);
      });
    },
  };
}
