/** JSON as templates hold it: what a value is, and safe ways to look inside. */
import type { Json, JsonObject } from "../../kit/resource.ts";

export type { Json, JsonObject } from "../../kit/resource.ts";

export function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

export function isMap(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A string, number or boolean. */
export function isScalar(value: Json | undefined): value is string | number | boolean {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean";
}

/** An own member; templates may name `constructor` and `__proto__` like anything else. */
export function member(of: JsonObject, name: string): Json | undefined {
  return Object.hasOwn(of, name) ? of[name] : undefined;
}

/** A scalar as CloudFormation writes it into text. */
export function textOf(value: string | number | boolean): string {
  return String(value);
}

/** `{ "Ref": "X" }` -> `["Ref", "X"]`; undefined unless the map has exactly one member. */
export function onlyMember(value: Json): readonly [string, Json] | undefined {
  if (!isMap(value)) return undefined;
  const entries = Object.entries(value);
  return entries.length === 1 ? entries[0] : undefined;
}
