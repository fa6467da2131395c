/** AWS::SNS::TopicPolicy and AWS::SNS::TopicInlinePolicy: one policy for several topics, or for one. */
import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { Call } from "../../kit/call.ts";
import { readPolicy } from "../../kit/policy-text.ts";
import { asProperties, type Json, type JsonObject, type Resource } from "../../kit/resource.ts";
import type { SnsDeps } from "./deps.ts";
import { textOf } from "./documents.ts";
import { invalid } from "./faults.ts";
import { topicRef } from "./names.ts";
import { checkAttributes } from "./topic-attributes.ts";
import { attributeChange } from "./topics.ts";

function arnsOf(value: Json | undefined): string[] {
  const list: readonly Json[] = Array.isArray(value) ? value : [value ?? null];
  if (list.length > 0 && list.every((arn) => typeof arn === "string")) return [...list];
  throw invalid("The topics of a policy are named by their ARNs.");
}

function policies(deps: SnsDeps) {
  const { topics } = deps;
  const change = attributeChange(deps);
  const policyAt = async (arn: string) => (await topics.find(topicRef("TopicArn", arn)))?.row.attributes["Policy"];
  return {
    policyAt,
    async put(arns: readonly string[], document: Json | undefined, call: Call) {
      for (const arn of arns) {
        const { row } = await topics.open(arn, "SetTopicAttributes", call);
        const attributes = { Policy: textOf(document) };
        checkAttributes(attributes, row.is_fifo);
        await change(row, () => attributes);
      }
    },
    /** Takes it from topics that have it still. */
    async remove(arns: readonly string[], document: Json | undefined) {
      const own = readPolicy(textOf(document));
      for (const arn of arns) {
        const text = await policyAt(arn);
        if (text === undefined || !isDeepStrictEqual(readPolicy(text), own)) continue;
        await change(topicRef("TopicArn", arn), () => ({ Policy: "" }));
      }
    },
  };
}

export function topicPolicyResource(deps: SnsDeps): Resource {
  const { policyAt, put, remove } = policies(deps);
  return {
    type: "AWS::SNS::TopicPolicy",
    properties: ["PolicyDocument", "Topics"],
    required: ["PolicyDocument", "Topics"],
    attributes: ["Id"],
    async create({ properties, stackName, logicalId, token }, call) {
      await put(arnsOf(properties["Topics"]), properties["PolicyDocument"], call);
      const suffix = createHash("sha256").update(token).digest("hex").slice(0, 12).toUpperCase();
      const physicalId = `${stackName}-${logicalId}-${suffix}`;
      return { physicalId, attributes: { Id: physicalId } };
    },
    async update({ physicalId, attributes, properties, former }, call) {
      const arns = arnsOf(properties["Topics"]);
      const before = arnsOf(former.properties["Topics"]).filter((arn) => !arns.includes(arn));
      await remove(before, former.properties["PolicyDocument"]);
      await put(arns, properties["PolicyDocument"], call);
      return { physicalId, attributes };
    },
    async read({ properties }) {
      const arns = arnsOf(properties["Topics"]);
      const texts = await Promise.all(arns.map(policyAt));
      const there = arns.filter((_, i) => texts[i] !== undefined);
      const documents = texts.filter((text) => text !== undefined).map((text) => JSON.parse(text) as JsonObject);
      if (there.length === 0) return undefined;
      // One that is not as the others is the one to tell of.
      const other = documents.find((document) => !isDeepStrictEqual(document, properties["PolicyDocument"]));
      return asProperties({ PolicyDocument: other ?? documents[0], Topics: there });
    },
    comparison: { PolicyDocument: "exact" },
    delete: ({ properties }) => remove(arnsOf(properties["Topics"]), properties["PolicyDocument"]),
  };
}

export function inlinePolicyResource(deps: SnsDeps): Resource {
  const { policyAt, put, remove } = policies(deps);
  const set = async (properties: JsonObject, call: Call) => {
    const arn = textOf(properties["TopicArn"]);
    await put([arn], properties["PolicyDocument"], call);
    return { physicalId: arn, attributes: {} };
  };
  return {
    type: "AWS::SNS::TopicInlinePolicy",
    properties: ["PolicyDocument", "TopicArn"],
    required: ["PolicyDocument", "TopicArn"],
    attributes: [],
    replaceOn: ["TopicArn"],
    create: ({ properties }, call) => set(properties, call),
    update: ({ properties }, call) => set(properties, call),
    async read({ physicalId }) {
      const text = await policyAt(physicalId);
      return text === undefined ? undefined : asProperties({ PolicyDocument: JSON.parse(text), TopicArn: physicalId });
    },
    comparison: { PolicyDocument: "exact" },
    delete: ({ physicalId, properties }) => remove([physicalId], properties["PolicyDocument"]),
  };
}
