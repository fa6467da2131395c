/** AWS::SNS::Topic. */
import { asProperties, pairsOf, type Json, type JsonObject, type Resource } from "../../kit/resource.ts";
import { sql } from "../../store/sql.ts";
import { assign } from "../../store/tables.ts";
import type { SnsDeps } from "./deps.ts";
import { isObject, listOf, textOf } from "./documents.ts";
import { nameLengthMax } from "./limits.ts";
import { findTopic } from "./lookup.ts";
import { fifoSuffix, topicArn, topicRef, type TopicRef } from "./names.ts";
import { readProtocol } from "./protocols.ts";
import { removeSubscription, subscribing } from "./subscribing.ts";
import { isTopic, ofTopic, subscriptions, topics as table, type Attributes, type SubscriptionRow } from "./tables.ts";
import { checkTags } from "./tags.ts";
import { feedbackKinds, shownAttributes } from "./topic-attributes.ts";
import { attributeChange, removeTopic, topicCreation } from "./topics.ts";

/** Properties that are attributes of the same name. */
const named = [
  "ArchivePolicy",
  "ContentBasedDeduplication",
  "DisplayName",
  "FifoThroughputScope",
  "FifoTopic",
  "KmsMasterKeyId",
  "SignatureVersion",
  "TracingConfig",
] as const;

/** Protocols as `DeliveryStatusLogging` names them, and as attributes do. */
const loggedKinds = new Map<string, string>([
  ...feedbackKinds.map((kind) => [kind.toLowerCase(), kind] as const),
  ["http/s", "HTTP"],
]);

function loggingOf(value: Json | undefined): Record<string, string> {
  const attributes: Record<string, string> = {};
  for (const entry of listOf(value).filter(isObject)) {
    const kind = loggedKinds.get(textOf(entry["Protocol"]).toLowerCase()) ?? textOf(entry["Protocol"]);
    for (const name of ["SuccessFeedbackRoleArn", "SuccessFeedbackSampleRate", "FailureFeedbackRoleArn"]) {
      if (entry[name] !== undefined) attributes[`${kind}${name}`] = textOf(entry[name]);
    }
  }
  return attributes;
}

function attributesOf(properties: JsonObject): Record<string, string> {
  const own = named.filter((name) => properties[name] !== undefined);
  const entries = own.map((name) => [name, textOf(properties[name])] as const);
  return {
    // A standard topic may say so; the API has only the other word.
    ...Object.fromEntries(entries.filter(([name, value]) => name !== "FifoTopic" || value === "true")),
    ...loggingOf(properties["DeliveryStatusLogging"]),
  };
}

const tagsOf = (value: Json | undefined): Record<string, string> =>
  Object.fromEntries(
    listOf(value)
      .filter(isObject)
      .map(({ Key, Value }) => [textOf(Key), textOf(Value)]),
  );

/** A generated name of a FIFO topic gets the suffix that it must have. */
function nameOf(physicalName: string, properties: JsonObject): string {
  if (textOf(properties["FifoTopic"]) !== "true" || properties["TopicName"] !== undefined) return physicalName;
  return `${physicalName.slice(0, nameLengthMax - fifoSuffix.length)}${fifoSuffix}`;
}

const stateOf = (ref: TopicRef) => ({
  physicalId: topicArn(ref),
  attributes: { TopicArn: topicArn(ref), TopicName: ref.name },
});

const inlineOf = (properties: JsonObject) =>
  listOf(properties["Subscription"])
    .filter(isObject)
    .map(({ Protocol, Endpoint }) => ({ protocol: readProtocol(textOf(Protocol)), endpoint: textOf(Endpoint) }));

/** As templates write it: truth values, and text. */
const shown = (value: string): Json => (value === "true" || value === "false" ? value === "true" : value);

export function topicResource(deps: SnsDeps): Resource {
  const { store, topics } = deps;
  const create = topicCreation(deps);
  const change = attributeChange(deps);
  const subscribe = subscribing(deps);

  const removeInline = (ref: TopicRef, gone: ReturnType<typeof inlineOf>) =>
    store.tx(async (tx) => {
      const topic = await findTopic(tx, ref);
      if (topic === undefined || gone.length === 0) return;
      const rows = await tx.all<SubscriptionRow>(sql`select ${subscriptions.columns} from ${subscriptions.name}
        where ${ofTopic(topic)}`);
      const isGone = (row: SubscriptionRow) =>
        gone.some(({ protocol, endpoint }) => row.protocol === protocol && row.endpoint === endpoint);
      for (const row of rows.filter(isGone)) await removeSubscription(tx, deps, row);
    });

  return {
    type: "AWS::SNS::Topic",
    properties: [...named, "DeliveryStatusLogging", "Subscription", "Tags", "TopicName"],
    required: [],
    attributes: ["TopicArn", "TopicName"],
    name: { property: "TopicName", lengthMax: nameLengthMax },
    replaceOn: ["FifoTopic"],
    async create({ properties, physicalName, token, tags: given }, call) {
      const name = nameOf(physicalName, properties);
      const tags = { ...given, ...tagsOf(properties["Tags"]) };
      const topic = await create({ name, attributes: attributesOf(properties), tags, token }, call);
      for (const one of inlineOf(properties)) await subscribe({ topic, ...one, attributes: {}, step: token }, call);
      return stateOf(topic);
    },
    async update({ physicalId, properties, former, tags: given, token }, call) {
      const topic = topicRef("TopicArn", physicalId);
      const { FifoTopic: _, ...wanted } = attributesOf(properties);
      const before = Object.keys(attributesOf(former.properties)).filter((name) => name !== "FifoTopic");
      const gone = Object.fromEntries(before.filter((name) => !Object.hasOwn(wanted, name)).map((name) => [name, ""]));
      const attributes: Attributes = { ...gone, ...wanted };
      await change(topic, () => attributes);
      const inline = inlineOf(properties);
      for (const one of inline) await subscribe({ topic, ...one, attributes: {}, step: token }, call);
      const same = (a: (typeof inline)[number], b: typeof a) => a.protocol === b.protocol && a.endpoint === b.endpoint;
      await removeInline(
        topic,
        inlineOf(former.properties).filter((one) => !inline.some((other) => same(one, other))),
      );
      const tags = { ...checkTags({ ...given, ...tagsOf(properties["Tags"]) }) };
      await store.tx(async (tx) => {
        const row = await findTopic(tx, topic);
        if (row === undefined) return;
        await tx.run(sql`update ${table.name} set ${assign(table, { tags })} where ${isTopic(row)}`);
        topics.forgetAfter(tx, topic);
      });
      return stateOf(topic);
    },
    async read({ physicalId }) {
      const row = await store.read((tx) => findTopic(tx, topicRef("TopicArn", physicalId)));
      if (row === undefined) return undefined;
      const own = Object.entries(shownAttributes(row)).filter(([name]) => named.some((one) => one === name));
      return asProperties({
        ...Object.fromEntries(own.map(([name, value]) => [name, shown(value)])),
        FifoTopic: row.is_fifo,
        TopicName: row.name,
        Tags: pairsOf(row.tags),
      });
    },
    comparison: { Subscription: "unread", DeliveryStatusLogging: "unread" },
    async delete({ physicalId }) {
      await store.tx(async (tx) => {
        const row = await findTopic(tx, topicRef("TopicArn", physicalId));
        if (row !== undefined) await removeTopic(tx, deps, row);
      });
    },
  };
}
