/** AWS::SQS::Queue. */
import type { Call } from "../../kit/call.ts";
import { asProperties, pairsOf, type Json, type JsonObject, type Resource } from "../../kit/resource.ts";
import { sql } from "../../store/sql.ts";
import { assign } from "../../store/tables.ts";
import { attributeRules, withDefaults } from "./attributes.ts";
import type { SqsDeps } from "./deps.ts";
import { nameLengthMax, queueDeletedMs } from "./limits.ts";
import { findRow } from "./lookup.ts";
import { fifoSuffix, queueArn, queueUrl, refOfUrl, type QueueRef } from "./names.ts";
import { attributeChange } from "./queue-attributes.ts";
import { queueCreation, removeQueue } from "./queues.ts";
import { isQueue, queues as table, type Attributes } from "./tables.ts";
import { checkTags } from "./tags.ts";

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const textOf = (value: Json | undefined) => (typeof value === "string" ? value : JSON.stringify(value ?? ""));

/** Attributes as the API takes them: text, and JSON for policies. */
function attributesOf(properties: JsonObject): Record<string, string> {
  const named = Object.entries(properties).filter(([name]) => Object.hasOwn(attributeRules, name));
  const entries = named.map(([name, value]) => [name, textOf(value)] as const);
  // A standard queue may say so; the API has only the other word.
  return Object.fromEntries(entries.filter(([name, value]) => name !== "FifoQueue" || value === "true"));
}

function tagsOf(value: Json | undefined): Record<string, string> {
  const list: readonly Json[] = Array.isArray(value) ? value : [];
  return Object.fromEntries(list.filter(isObject).map(({ Key, Value }) => [textOf(Key), textOf(Value)]));
}

const isFifo = (properties: JsonObject) => textOf(properties["FifoQueue"]) === "true";

/** A generated name of a FIFO queue gets the suffix that it must have. */
function nameOf(physicalName: string, properties: JsonObject): string {
  if (!isFifo(properties) || properties["QueueName"] !== undefined) return physicalName;
  return `${physicalName.slice(0, nameLengthMax - fifoSuffix.length)}${fifoSuffix}`;
}

const stateOf = (ref: QueueRef, call: Call) => {
  const QueueUrl = queueUrl(ref, call);
  return { physicalId: QueueUrl, attributes: { Arn: queueArn(ref), QueueName: ref.name, QueueUrl } };
};

/** What an attribute goes back to when the template no longer names it. */
const unset = (name: string) => attributeRules[name]?.default ?? "";

/** As templates write it: numbers, truth values and objects. */
function shown(value: string): Json {
  return value.startsWith("{") || /^(?:\d+|true|false)$/.test(value) ? (JSON.parse(value) as Json) : value;
}

export function queueResource(deps: SqsDeps): Resource {
  const { store, clock, queues } = deps;
  const create = queueCreation(deps);
  const change = attributeChange(deps);
  return {
    type: "AWS::SQS::Queue",
    properties: [...Object.keys(attributeRules).filter((name) => name !== "Policy"), "QueueName", "Tags"],
    required: [],
    attributes: ["Arn", "QueueName", "QueueUrl"],
    name: { property: "QueueName", lengthMax: nameLengthMax },
    replaceOn: ["FifoQueue"],
    async create({ properties, physicalName, token, tags: given }, call) {
      const name = nameOf(physicalName, properties);
      const tags = { ...given, ...tagsOf(properties["Tags"]) };
      const ref = await create({ name, attributes: attributesOf(properties), tags, token }, call);
      return stateOf(ref, call);
    },
    async update({ physicalId, properties, former, tags: given }, call) {
      const ref = refOfUrl(physicalId, call);
      const { FifoQueue: _, ...wanted } = attributesOf(properties);
      const gone = Object.keys(attributesOf(former.properties)).filter((name) => !Object.hasOwn(properties, name));
      const attributes: Attributes = { ...Object.fromEntries(gone.map((name) => [name, unset(name)])), ...wanted };
      await change(ref, () => attributes);
      const tags = { ...checkTags({ ...given, ...tagsOf(properties["Tags"]) }) };
      await store.tx(async (tx) => {
        const row = await findRow(tx, ref);
        if (row === undefined) return;
        await tx.run(sql`update ${table.name} set ${assign(table, { tags })} where ${isQueue(row)}`);
        queues.forgetAfter(tx, ref);
      });
      return stateOf(ref, call);
    },
    async read({ physicalId }, call) {
      const row = await store.read((tx) => findRow(tx, refOfUrl(physicalId, call)));
      if (row === undefined) return undefined;
      const { Policy: _, ...attributes } = withDefaults(row.attributes, row.is_fifo);
      return asProperties({
        ...Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, shown(value)])),
        FifoQueue: row.is_fifo,
        QueueName: row.name,
        Tags: pairsOf(row.tags),
      });
    },
    comparison: { RedrivePolicy: "exact", RedriveAllowPolicy: "exact" },
    async delete({ physicalId }, call) {
      // A stack can be made again at once: its deletion leaves no time in which the name is taken.
      const deletedMs = clock.now() - queueDeletedMs;
      await store.tx(async (tx) => {
        const row = await findRow(tx, refOfUrl(physicalId, call));
        if (row !== undefined) await removeQueue(tx, deps, row, deletedMs);
      });
    },
  };
}
