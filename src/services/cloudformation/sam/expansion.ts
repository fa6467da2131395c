/** What the expansion of one SAM resource knows of the template, and what it gives. */
import { isMap, member, type Json, type JsonObject } from "../json.ts";
import { badResource } from "./errors.ts";
import type { KnownParameters } from "./parameter-refs.ts";

/** A resource of the template as SAM reads it: with what `Globals` say. */
export interface SamResource {
  logicalId: string;
  /** The whole resource: its attributes are passed on to what is made. */
  resource: JsonObject;
  properties: JsonObject;
}

export interface SamContext {
  parameters: KnownParameters;
  /** The resources so far: expanded, or as the template has them. */
  resources: ReadonlyMap<string, JsonObject>;
  /** The resources as the template has them. */
  originals: ReadonlyMap<string, JsonObject>;
}

export interface Expanded {
  /** What stands in place of the resource, and beside it; one that was there already is another now. */
  resources: Readonly<Record<string, JsonObject>>;
  /** `Tiles.Version` -> logical id. */
  generated?: ReadonlyMap<string, string>;
  /** The logical id that the resource has now, where it is another. */
  renamed?: string;
  /** Resources that whoever depends on this one depends on instead. */
  standIns?: readonly string[];
  /** Conditions that it adds to the template. */
  conditions?: JsonObject;
}

export type Expand = (sam: SamResource, context: SamContext) => Expanded;

/** Attributes that every resource made of another has from it. */
export const inherited = ["Condition", "DeletionPolicy", "UpdateReplacePolicy"] as const;
/** Attributes that go to the resource that keeps the logical id. */
export const own = ["DependsOn", ...inherited, "UpdatePolicy", "Metadata"] as const;

export function membersOf(map: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(names.flatMap((name) => (Object.hasOwn(map, name) ? [[name, map[name] ?? ""]] : [])));
}

const reservedTags = ["lambda:createdBy", "serverlessrepo:applicationId", "serverlessrepo:semanticVersion"];

/** A map of tags as CloudFormation's list. */
export function tagList(tags: Json | undefined): readonly JsonObject[] {
  return isMap(tags) ? Object.entries(tags).map(([Key, Value]) => ({ Key, Value })) : [];
}

/** SAM's own tag comes first, then the template's. */
export function samTags(logicalId: string, properties: JsonObject): readonly JsonObject[] {
  const tags = member(properties, "Tags");
  const taken = reservedTags.find((name) => isMap(tags) && Object.hasOwn(tags, name));
  if (taken !== undefined) {
    throw badResource(
      logicalId,
      `${taken} is a reserved Tag key name and cannot be set on your resource. Please change the tag key in the input.`,
    );
  }
  return [{ Key: "lambda:createdBy", Value: "SAM" }, ...tagList(tags)];
}

/** The logical id that a `Ref` or `Fn::GetAtt` names. */
export function referredId(value: Json | undefined): string | undefined {
  if (!isMap(value) || Object.keys(value).length !== 1) return undefined;
  const reference = member(value, "Ref");
  if (typeof reference === "string") return reference;
  const attribute = member(value, "Fn::GetAtt");
  const first =
    typeof attribute === "string" ? attribute.split(".")[0] : Array.isArray(attribute) ? attribute[0] : undefined;
  return typeof first === "string" ? first : undefined;
}

export const noValue: JsonObject = { Ref: "AWS::NoValue" };

export function isNoValue(value: Json): boolean {
  return isMap(value) && member(value, "Ref") === "AWS::NoValue";
}
