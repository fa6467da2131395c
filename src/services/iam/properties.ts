/** What templates write of IAM, read: documents, inline policies, lists and tags; and how a change of them is made. */
import { isFault } from "../../base/errors.ts";
import type { Call } from "../../kit/call.ts";
import type { Json, JsonObject, ResourceRequest } from "../../kit/resource.ts";
import type { EntityPolicies } from "./attachments.ts";
import type { Tag } from "./tables.ts";

export const textOf = (value: Json | undefined) => (typeof value === "string" ? value : undefined);
/** A policy in a template is an object, or already text. */
export const documentOf = (value: Json | undefined) =>
  typeof value === "string" ? value : JSON.stringify(value ?? {});

const listOf = (value: Json | undefined): readonly Json[] => (Array.isArray(value) ? value : []);
const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);
export const textsOf = (value: Json | undefined) => listOf(value).filter((item) => typeof item === "string");

export function inlineOf(value: Json | undefined): Record<string, string> {
  const named = listOf(value)
    .filter(isObject)
    .map((policy) => [textOf(policy["PolicyName"]) ?? "", documentOf(policy["PolicyDocument"])]);
  return Object.fromEntries(named) as Record<string, string>;
}

/** The stack's tags, and the resource's own over them. */
export function tagsOf({ properties, tags }: Pick<ResourceRequest, "properties" | "tags">): Tag[] {
  const own = listOf(properties["Tags"])
    .filter(isObject)
    .map((tag) => ({ Key: textOf(tag["Key"]) ?? "", Value: textOf(tag["Value"]) ?? "" }));
  const taken = new Set(own.map(({ Key }) => Key.toLowerCase()));
  const ofStack = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
  return [...ofStack.filter(({ Key }) => !taken.has(Key.toLowerCase())), ...own];
}

type Before = Pick<ResourceRequest, "properties" | "tags">;

/** Keys of tags that a change takes away. */
export function goneTags(former: Before, next: Before): string[] {
  const kept = new Set(tagsOf(next).map(({ Key }) => Key));
  return tagsOf(former)
    .map(({ Key }) => Key)
    .filter((key) => !kept.has(key));
}

/** What is gone already is fine. */
export async function unlessGone(change: Promise<unknown>): Promise<void> {
  try {
    await change;
  } catch (error) {
    if (!isFault(error, "NoSuchEntityException")) throw error;
  }
}

/** Makes the `Policies` and `ManagedPolicyArns` of an entity as they are to be; those that others gave it stay. */
export async function changePolicies(
  of: EntityPolicies,
  name: string,
  { former, properties }: { former: JsonObject; properties: JsonObject },
  call: Call,
): Promise<void> {
  const inline = inlineOf(properties["Policies"]);
  for (const PolicyName of Object.keys(inlineOf(former["Policies"]))) {
    if (!Object.hasOwn(inline, PolicyName)) await unlessGone(of.remove(name, PolicyName, call));
  }
  for (const [PolicyName, PolicyDocument] of Object.entries(inline)) {
    await of.put(name, { PolicyName, PolicyDocument }, call);
  }
  const attached = textsOf(properties["ManagedPolicyArns"]);
  for (const arn of textsOf(former["ManagedPolicyArns"])) {
    if (!attached.includes(arn)) await unlessGone(of.detach(name, arn, call));
  }
  for (const arn of attached) await of.attach(name, arn, call);
}
