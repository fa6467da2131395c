/** What is different between a resource as it is and as it is to be, and whether that can be changed in place. */
import type { Resource } from "../../kit/resource.ts";
import { isList, isMap, isScalar, member, textOf, type Json, type JsonObject } from "./json.ts";

/** Equal in any order of members; `80` and `"80"` are the same, as CloudFormation converts one to the other. */
export function sameJson(left: Json | undefined, right: Json | undefined): boolean {
  if (isScalar(left) && isScalar(right)) return textOf(left) === textOf(right);
  if (isList(left) && isList(right)) {
    return left.length === right.length && left.every((item, index) => sameJson(item, right[index]));
  }
  if (!isMap(left) || !isMap(right)) return left === right;
  const names = Object.keys(left);
  return (
    names.length === Object.keys(right).length &&
    names.every((name) => Object.hasOwn(right, name) && sameJson(left[name], right[name]))
  );
}

/** Names of the members that are not the same in both. */
export function changedNames(before: JsonObject, after: JsonObject): readonly string[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names].filter((name) => !sameJson(member(before, name), member(after, name)));
}

/** Whether a change of the property makes a new resource. */
export function replaces(type: Resource, property: string): boolean {
  if (type.update === undefined || type.name?.property === property) return true;
  return type.replaceOn?.includes(property) === true;
}

/** Whether the stack's tags reach the resource, and a change of them too. */
export function followsTags(type: Resource): boolean {
  return type.update !== undefined && type.properties.includes("Tags");
}

export interface Facts {
  properties: JsonObject;
  metadata: JsonObject;
}

/** `record`: only what CloudFormation itself keeps is different, and the resource's service has nothing to do. */
export type Difference = "none" | "record" | "update" | "replace";

export function differenceOf(type: Resource, before: Facts, after: Facts, tagsChanged: boolean): Difference {
  const names = changedNames(before.properties, after.properties);
  if (names.some((name) => replaces(type, name))) return "replace";
  if (names.length > 0 || (tagsChanged && followsTags(type))) return "update";
  const own = !sameJson(member(before.metadata, "Mikan"), member(after.metadata, "Mikan"));
  if (own && type.update !== undefined) return "update";
  return sameJson(before.metadata, after.metadata) ? "none" : "record";
}
