/** AWS::SQS::QueuePolicy and AWS::SQS::QueueInlinePolicy: one policy for several queues, or for one. */
import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { Call } from "../../kit/call.ts";
import { readPolicy } from "../../kit/policy-text.ts";
import { asProperties, unlessAbsent, type Json, type JsonObject, type Resource } from "../../kit/resource.ts";
import type { SqsDeps } from "./deps.ts";
import { fault } from "./faults.ts";
import { attributeChange } from "./queue-attributes.ts";

const textOf = (document: Json | undefined) => (typeof document === "string" ? document : JSON.stringify(document));

function urlsOf(value: Json | undefined): string[] {
  const list: readonly Json[] = Array.isArray(value) ? value : [value ?? null];
  if (list.length > 0 && list.every((url) => typeof url === "string")) return [...list];
  throw fault("InvalidParameterValue", "The queues of a policy are named by their URLs.");
}

function policies(deps: SqsDeps) {
  const { queues } = deps;
  const change = attributeChange(deps);
  const policyAt = async (url: string, call: Call) => {
    const queue = await unlessAbsent(queues.open(url, "GetQueueAttributes", call), "QueueDoesNotExist");
    return queue?.row.attributes["Policy"];
  };
  return {
    policyAt,
    async put(urls: readonly string[], document: Json | undefined, call: Call) {
      for (const url of urls) {
        const { row } = await queues.open(url, "SetQueueAttributes", call);
        await change(row, () => ({ Policy: textOf(document) }));
      }
    },
    /** Takes it from queues that have it still. */
    async remove(urls: readonly string[], document: Json | undefined, call: Call) {
      const own = readPolicy(textOf(document));
      for (const url of urls) {
        const text = await policyAt(url, call);
        if (text === undefined || !isDeepStrictEqual(readPolicy(text), own)) continue;
        const { row } = await queues.open(url, "SetQueueAttributes", call);
        await change(row, () => ({ Policy: "" }));
      }
    },
  };
}

export function queuePolicyResource(deps: SqsDeps): Resource {
  const { policyAt, put, remove } = policies(deps);
  return {
    type: "AWS::SQS::QueuePolicy",
    properties: ["PolicyDocument", "Queues"],
    required: ["PolicyDocument", "Queues"],
    attributes: ["Id"],
    async create({ properties, stackName, logicalId, token }, call) {
      await put(urlsOf(properties["Queues"]), properties["PolicyDocument"], call);
      const suffix = createHash("sha256").update(token).digest("hex").slice(0, 12).toUpperCase();
      const physicalId = `${stackName}-${logicalId}-${suffix}`;
      return { physicalId, attributes: { Id: physicalId } };
    },
    async update({ physicalId, attributes, properties, former }, call) {
      const urls = urlsOf(properties["Queues"]);
      const before = urlsOf(former.properties["Queues"]).filter((url) => !urls.includes(url));
      await remove(before, former.properties["PolicyDocument"], call);
      await put(urls, properties["PolicyDocument"], call);
      return { physicalId, attributes };
    },
    async read({ properties }, call) {
      const urls = urlsOf(properties["Queues"]);
      const texts = await Promise.all(urls.map((url) => policyAt(url, call)));
      const there = urls.filter((_, i) => texts[i] !== undefined);
      const documents = texts.filter((text) => text !== undefined).map((text) => JSON.parse(text) as JsonObject);
      if (there.length === 0) return undefined;
      // One that is not as the others is the one to tell of.
      const own = documents.find((document) => !isDeepStrictEqual(document, properties["PolicyDocument"]));
      return asProperties({ PolicyDocument: own ?? documents[0], Queues: there });
    },
    comparison: { PolicyDocument: "exact" },
    delete: ({ properties }, call) => remove(urlsOf(properties["Queues"]), properties["PolicyDocument"], call),
  };
}

export function inlinePolicyResource(deps: SqsDeps): Resource {
  const { policyAt, put, remove } = policies(deps);
  const set = async (properties: JsonObject, call: Call) => {
    const [url = ""] = urlsOf(properties["Queue"]);
    await put([url], properties["PolicyDocument"], call);
    return { physicalId: url, attributes: {} };
  };
  return {
    type: "AWS::SQS::QueueInlinePolicy",
    properties: ["PolicyDocument", "Queue"],
    required: ["PolicyDocument", "Queue"],
    attributes: [],
    replaceOn: ["Queue"],
    create: ({ properties }, call) => set(properties, call),
    update: ({ properties }, call) => set(properties, call),
    async read({ physicalId }, call) {
      const text = await policyAt(physicalId, call);
      return text === undefined ? undefined : asProperties({ PolicyDocument: JSON.parse(text), Queue: physicalId });
    },
    comparison: { PolicyDocument: "exact" },
    delete: ({ physicalId, properties }, call) => remove([physicalId], properties["PolicyDocument"], call),
  };
}
