/** Evaluated properties against what their type knows, before its service is called. */
import type { Resource } from "../../kit/resource.ts";
import { isScalar, member, textOf, type JsonObject } from "./json.ts";

/** Why the properties cannot be used, in AWS's words; undefined when they can. */
export function propertyFault(logicalId: string, properties: JsonObject, type: Resource): string | undefined {
  const known = new Set(type.properties);
  const unknown = Object.keys(properties).find((name) => !known.has(name));
  if (unknown !== undefined && type.open !== true) return `Encountered unsupported property ${unknown}`;
  const missing = type.required.filter((name) => !Object.hasOwn(properties, name));
  if (missing.length === 0) return undefined;
  const lines = missing.map((name) => `#: required key [${name}] not found`);
  return `Properties validation failed for resource ${logicalId} with message:\n${lines.join("\n")}`;
}

/** The template's own name for the resource, where the type has a name and the template gives it. */
export function ownName(properties: JsonObject, type: Resource): string | undefined {
  const value = type.name === undefined ? undefined : member(properties, type.name.property);
  return isScalar(value) ? textOf(value) : undefined;
}
