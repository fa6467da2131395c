/** What an update would do to each resource, as far as it can be told before: true differences, as change sets show them. */
import { isFault } from "../../base/errors.ts";
import type { Resource } from "../../kit/resource.ts";
import { scopeOf, type Blueprint, type BlueprintResource, type Made } from "./blueprint.ts";
import type { ResourceTypes } from "./check.ts";
import { followsTags, replaces, sameJson } from "./difference.ts";
import { evaluate } from "./intrinsics.ts";
import { isMap, member, type Json, type JsonObject } from "./json.ts";
import { orderOf } from "./plan.ts";
import { referencesIn, type Reference } from "./references.ts";
import type { ResourceRow } from "./tables.ts";

export interface Detail {
  attribute: "Properties" | "Metadata" | "DeletionPolicy" | "UpdateReplacePolicy" | "Tags";
  /** Of `Properties`: which. */
  name?: string;
  requiresRecreation: "Never" | "Always";
  /** `Dynamic`: whether it changes is known only when what it refers to has changed. */
  evaluation: "Static" | "Dynamic";
  source: "ResourceReference" | "ParameterReference" | "ResourceAttribute" | "DirectModification";
  cause?: string;
}

export interface ResourceDifference {
  action: "Add" | "Modify" | "Remove";
  logicalId: string;
  type: string;
  physicalId?: string;
  replacement?: "True" | "False" | "Conditional";
  /** Of `Remove`, and of what is replaced: the resource itself stays. */
  retained?: boolean;
  details: readonly Detail[];
}

export interface Comparison {
  before: Blueprint | undefined;
  after: Blueprint;
  rows: ReadonlyMap<string, ResourceRow>;
  imports: ReadonlyMap<string, string>;
  typeOf: ResourceTypes;
  tagsChanged: boolean;
}

/** In the order of the template; what is removed comes last. */
export function differencesOf(comparison: Comparison): readonly ResourceDifference[] {
  const { before, after, rows } = comparison;
  const found = new Map<string, ResourceDifference>();
  const sorted = orderOf(new Map([...after.resources].map(([id, { needs }]) => [id, needs])));
  for (const id of "order" in sorted ? sorted.order : []) {
    const difference = differenceAt(comparison, id, found);
    if (difference !== undefined) found.set(id, difference);
  }
  const removed = [...(before?.resources ?? [])].flatMap(([logicalId, { type, deletionPolicy }]) => {
    const row = rows.get(logicalId);
    if (after.resources.has(logicalId) || row === undefined || row.status === null) return [];
    return [{ ...about(row), action: "Remove" as const, type, details: [], retained: deletionPolicy !== "Delete" }];
  });
  return [...[...after.resources.keys()].flatMap((id) => found.get(id) ?? []), ...removed];
}

function about({ logical_id: logicalId, physical_id: physicalId }: ResourceRow) {
  return { logicalId, ...(physicalId === null ? {} : { physicalId }) };
}

function differenceAt(
  comparison: Comparison,
  id: string,
  found: ReadonlyMap<string, ResourceDifference>,
): ResourceDifference | undefined {
  const { before, after, rows, typeOf } = comparison;
  const planned = after.resources.get(id);
  if (planned === undefined) return undefined;
  const { type } = planned;
  const row = rows.get(id);
  const former = before?.resources.get(id);
  if (row === undefined || former === undefined || row.physical_id === null) {
    return { action: "Add", logicalId: id, type, details: [] };
  }
  const known = typeOf(type);
  if (known === undefined) return undefined;
  const details = detailsOf({ comparison, row, planned, former, type: known, found });
  if (details.length === 0) return undefined;
  return { ...about(row), action: "Modify", type, details, ...replacementOf(details, planned) };
}

function replacementOf(
  details: readonly Detail[],
  { updateReplacePolicy }: BlueprintResource,
): Pick<ResourceDifference, "replacement" | "retained"> {
  const always = details.filter(({ requiresRecreation }) => requiresRecreation === "Always");
  if (always.length === 0) return { replacement: "False" };
  const certain = always.some(({ evaluation }) => evaluation === "Static");
  return { replacement: certain ? "True" : "Conditional", retained: updateReplacePolicy !== "Delete" };
}

interface Compared {
  comparison: Comparison;
  row: ResourceRow;
  planned: BlueprintResource;
  former: BlueprintResource;
  type: Resource;
  found: ReadonlyMap<string, ResourceDifference>;
}

function detailsOf(compared: Compared): readonly Detail[] {
  const { planned, former, row, type, comparison } = compared;
  const names = new Set([...Object.keys(planned.properties), ...Object.keys(row.properties ?? {})]);
  const details = [...names].flatMap((name) => propertyDetail(compared, name) ?? []);
  const plain = { requiresRecreation: "Never", evaluation: "Static", source: "DirectModification" } as const;
  if (!sameJson(metadataOf(compared), row.metadata ?? {})) details.push({ ...plain, attribute: "Metadata" });
  if (planned.deletionPolicy !== former.deletionPolicy) details.push({ ...plain, attribute: "DeletionPolicy" });
  if (planned.updateReplacePolicy !== former.updateReplacePolicy) {
    details.push({ ...plain, attribute: "UpdateReplacePolicy" });
  }
  if (comparison.tagsChanged && followsTags(type)) details.push({ ...plain, attribute: "Tags" });
  return details;
}

function metadataOf({ comparison, planned }: Compared): JsonObject {
  const value = valueOf(planned.metadata, comparison);
  return "value" in value && isMap(value.value) ? value.value : {};
}

function propertyDetail(compared: Compared, name: string): Detail | undefined {
  const { comparison, row, planned, former, type, found } = compared;
  const expression = member(planned.properties, name);
  const recreation = replaces(type, name) ? "Always" : "Never";
  const plain = { attribute: name === "Tags" ? "Tags" : "Properties", requiresRecreation: recreation } as const;
  const detail = { ...plain, ...(name === "Tags" ? {} : { name }) };
  const follows = expression === undefined ? undefined : causeOf(expression, comparison.after, found);
  if (follows !== undefined) return { ...detail, evaluation: "Dynamic", ...follows };
  const after = expression === undefined ? { value: undefined } : valueOf(expression, comparison);
  if (!("value" in after)) return { ...detail, evaluation: "Dynamic", source: "DirectModification" };
  if (sameJson(after.value, member(row.properties ?? {}, name))) return undefined;
  const parameter = sameJson(expression, member(former.properties, name))
    ? changedParameter(expression, comparison)
    : undefined;
  return parameter === undefined
    ? { ...detail, evaluation: "Static", source: "DirectModification" }
    : { ...detail, evaluation: "Static", source: "ParameterReference", cause: parameter };
}

/** The value as it is now, or nothing where it cannot be known yet. */
function valueOf(
  expression: Json,
  { after, rows, imports }: Comparison,
): { value: Json | undefined } | { unknown: true } {
  const made: Made = {
    physicalId: (id) => rows.get(id)?.physical_id ?? undefined,
    attribute: (id, name) => rows.get(id)?.attributes?.[name],
    imports,
  };
  try {
    return { value: evaluate(expression, scopeOf(after, made)) };
  } catch (error) {
    if (!isFault(error)) throw error;
    return { unknown: true };
  }
}

/** The resource whose change may reach this value: a new physical id, or any attribute of what is changed. */
function causeOf(
  expression: Json,
  { conditions }: Blueprint,
  found: ReadonlyMap<string, ResourceDifference>,
): Pick<Detail, "source" | "cause"> | undefined {
  for (const reference of referencesIn(expression, (name) => conditions.get(name) === true)) {
    const cause = causedBy(reference, found);
    if (cause !== undefined) return cause;
  }
  return undefined;
}

function causedBy(reference: Reference, found: ReadonlyMap<string, ResourceDifference>) {
  if (reference.kind === "ref") {
    const target = found.get(reference.name);
    const moves = target !== undefined && (target.action === "Add" || target.replacement !== "False");
    return moves ? { source: "ResourceReference" as const, cause: reference.name } : undefined;
  }
  if (reference.kind !== "attribute" || !found.has(reference.resource)) return undefined;
  const target = found.get(reference.resource);
  const recordsOnly = target?.action === "Modify" && target.details.every(({ attribute }) => !reaches.has(attribute));
  if (recordsOnly) return undefined;
  const cause = `${reference.resource}.${reference.attribute ?? ""}`;
  return { source: "ResourceAttribute" as const, cause };
}

/** Changes that a resource's service learns of. */
const reaches = new Set<Detail["attribute"]>(["Properties", "Tags"]);

function changedParameter(expression: Json | undefined, { before, after }: Comparison): string | undefined {
  if (expression === undefined) return undefined;
  const names = referencesIn(expression).flatMap((reference) => (reference.kind === "ref" ? [reference.name] : []));
  return names.find((name) => {
    const parameter = after.parameters.get(name);
    return parameter !== undefined && before?.parameters.get(name)?.text !== parameter.text;
  });
}
