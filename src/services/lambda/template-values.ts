/** Values of templates as operations want them. */
import { isFault } from "../../base/errors.ts";
import type { Json, JsonObject, ResourceRequest } from "../../kit/resource.ts";
import { invalid } from "./faults.ts";

export const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** CloudFormation takes numbers and booleans where text is meant. */
export const text = (value: Json | undefined) =>
  typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? String(value) : undefined;

export function required(properties: JsonObject, name: string): string {
  const value = text(properties[name]);
  if (value === undefined) throw invalid(`Property ${name} must be text.`);
  return value;
}

export function integer(properties: JsonObject, name: string): number | undefined {
  const value = properties[name];
  if (value === undefined) return undefined;
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw invalid(`Property ${name} must be an integer.`);
  return number;
}

/** A list of text; undefined where there is none. */
export function texts(properties: JsonObject, name: string): string[] | undefined {
  const value = properties[name];
  if (value === undefined) return undefined;
  if (!Array.isArray(value)) throw invalid(`Property ${name} must be a list.`);
  return (value as readonly Json[]).map((item) => text(item) ?? "");
}

/** What is gone already is fine. */
export async function unlessGone(removal: Promise<void>): Promise<void> {
  await removal.catch((error: unknown) => {
    if (!isFault(error, "ResourceNotFoundException")) throw error;
  });
}

/** The stack's tags and the template's own. */
export function tagsIn({ properties, tags }: Pick<ResourceRequest, "properties" | "tags">): Record<string, string> {
  const own = Array.isArray(properties["Tags"]) ? (properties["Tags"] as readonly Json[]) : [];
  const pairs = own.filter(isObject).map((tag) => [text(tag["Key"]) ?? "", text(tag["Value"]) ?? ""]);
  return { ...tags, ...(Object.fromEntries(pairs) as Record<string, string>) };
}
