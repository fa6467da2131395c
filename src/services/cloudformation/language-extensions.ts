/**
 * `Transform: AWS::LanguageExtensions`: loops are written out, and attributes of resources may be functions of
 * parameters. `Fn::Length` and `Fn::ToJsonString` stay, and are evaluated with the rest. Source: user guide,
 * "AWS::LanguageExtensions transform" and "Fn::ForEach".
 */
import { invalid } from "./faults.ts";
import { evaluate, type Scope } from "./intrinsics.ts";
import { isList, isMap, isScalar, member, textOf, type Json, type JsonObject } from "./json.ts";
import { forEachItemsMax, forEachNestingMax } from "./limits.ts";
import type { ParameterValue } from "./parameters.ts";

export const languageExtensions = "AWS::LanguageExtensions";
const loopPrefix = "Fn::ForEach::";
const own = new Set(["Fn::Length", "Fn::ToJsonString"]);

/** What a template may hold only under the transform, or undefined. */
export function extensionIn(value: Json): string | undefined {
  if (isList(value)) return firstOf(value);
  if (!isMap(value)) return undefined;
  const name = Object.keys(value).find((key) => own.has(key) || key.startsWith(loopPrefix));
  return name ?? firstOf(Object.values(value));
}

function firstOf(values: readonly Json[]): string | undefined {
  for (const value of values) {
    const found = extensionIn(value);
    if (found !== undefined) return found;
  }
  return undefined;
}

export function refuseExtensions(source: JsonObject): void {
  const found = extensionIn(source);
  if (found === undefined) return;
  const name = found.startsWith(loopPrefix) ? "Fn::ForEach" : found;
  throw invalid(
    `Template format error: Encountered unsupported function: ${name}. It is supported with the transform ${languageExtensions}.`,
  );
}

const loopSections = ["Conditions", "Resources", "Outputs"];

/** The template as it is written, for those who look at its parameters: loops and what only the transform reads left out. */
export function withoutExtensions(source: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(source).map(([name, section]) => {
      if (!loopSections.includes(name) || !isMap(section)) return [name, section];
      const entries = Object.entries(section).filter(([key]) => !key.startsWith(loopPrefix));
      const plain = entries.map(([key, value]) => [key, name === "Resources" ? withoutPolicies(value) : value]);
      // A template of nothing but loops has resources all the same.
      const stand =
        plain.length === 0 && name === "Resources"
          ? [["ForEach", { Type: "AWS::CloudFormation::WaitConditionHandle" }]]
          : plain;
      return [name, Object.fromEntries(stand) as JsonObject];
    }),
  );
}

const policies = ["DeletionPolicy", "UpdateReplacePolicy"];

function withoutPolicies(resource: Json): Json {
  if (!isMap(resource)) return resource;
  return Object.fromEntries(
    Object.entries(resource).filter(([name, value]) => !policies.includes(name) || !isMap(value)),
  );
}

/** Writes the template out. Throws AWS's errors for loops that are not right. */
export function extendLanguage(
  source: JsonObject,
  parameters: ReadonlyMap<string, ParameterValue>,
  region: string,
): JsonObject {
  const scope = scopeOf(source, parameters, region);
  const expanded = expand(source, { scope, variables: new Map(), depth: 0 });
  if (!isMap(expanded)) return {};
  const resources = member(expanded, "Resources");
  const resolved = isMap(resources)
    ? { ...expanded, Resources: mapValues(resources, (resource) => withPolicies(resource, scope)) }
    : expanded;
  return Object.fromEntries(Object.entries(resolved).filter(([name]) => name !== "Transform"));
}

function mapValues(map: JsonObject, change: (value: Json) => Json): JsonObject {
  return Object.fromEntries(Object.entries(map).map(([name, value]) => [name, change(value)]));
}

function withPolicies(resource: Json, scope: Scope): Json {
  if (!isMap(resource)) return resource;
  return Object.fromEntries(
    Object.entries(resource).map(([name, value]) => [
      name,
      policies.includes(name) ? (evaluate(value, scope) ?? "Delete") : value,
    ]),
  );
}

function scopeOf(source: JsonObject, parameters: ReadonlyMap<string, ParameterValue>, region: string): Scope {
  const mappings = member(source, "Mappings");
  const refuse = (what: string) =>
    invalid(`Transform ${languageExtensions} failed with: ${what} cannot be resolved before the stack is made`);
  return {
    ref(name) {
      const known = name === "AWS::Region" ? region : parameters.get(name)?.value;
      if (known === undefined) throw refuse(`Ref to ${name}`);
      return known;
    },
    getAtt: (resource) => {
      throw refuse(`Fn::GetAtt of ${resource}`);
    },
    condition: (name) => {
      throw refuse(`the condition ${name}`);
    },
    importValue: (name) => {
      throw refuse(`Fn::ImportValue of ${name}`);
    },
    zones: () => {
      throw refuse("Fn::GetAZs");
    },
    mappings: isMap(mappings) ? mappings : {},
  };
}

interface Loop {
  scope: Scope;
  /** Values of the identifiers of the loops around. */
  variables: ReadonlyMap<string, string>;
  depth: number;
}

function expand(value: Json, loop: Loop): Json {
  if (typeof value === "string") return filledIn(value, loop);
  if (isList(value)) return value.map((item) => expand(item, loop));
  if (!isMap(value)) return value;
  const reference = member(value, "Ref");
  if (typeof reference === "string" && Object.keys(value).length === 1 && loop.variables.has(reference)) {
    return loop.variables.get(reference) ?? "";
  }
  const entries = new Map<string, Json>();
  for (const [name, inner] of Object.entries(value)) {
    const made = name.startsWith(loopPrefix)
      ? loopOver(name, inner, loop)
      : [[filledIn(name, loop), expand(inner, loop)] as const];
    for (const [key, item] of made) {
      if (entries.has(key)) throw failed(`${name}: the key ${key} is made twice`);
      entries.set(key, item);
    }
  }
  return Object.fromEntries(entries);
}

/** `${X}`, and `&{X}` without what is not alphanumeric, for the X of the loops around. */
function filledIn(text: string, { variables }: Loop): string {
  if (variables.size === 0) return text;
  return text.replaceAll(/([$&])\{([A-Za-z0-9]+)\}/g, (whole, sign: string, name: string) => {
    const value = variables.get(name);
    if (value === undefined) return whole;
    return sign === "&" ? value.replaceAll(/[^A-Za-z0-9]/g, "") : value;
  });
}

function loopOver(name: string, argument: Json, loop: Loop): readonly (readonly [string, Json])[] {
  const [identifier, collection, body] = isList(argument) ? argument : [];
  if (
    !isList(argument) ||
    argument.length !== 3 ||
    typeof identifier !== "string" ||
    collection === undefined ||
    !isMap(body)
  ) {
    throw failed(`${name} layout is incorrect`);
  }
  if (loop.depth >= forEachNestingMax) throw failed(`${name} is nested deeper than ${forEachNestingMax} levels`);
  return itemsOf(name, collection, loop).flatMap((item) => {
    const variables = new Map([...loop.variables, [identifier, item]]);
    const expanded = expand(body, { ...loop, variables, depth: loop.depth + 1 });
    return isMap(expanded) ? Object.entries(expanded) : [];
  });
}

function itemsOf(name: string, collection: Json, loop: Loop): readonly string[] {
  const value = evaluate(expand(collection, loop), loop.scope);
  if (!isList(value)) throw failed(`${name}: the collection must be a list`);
  const items = value.flatMap((item) => (isList(item) ? item : [item]));
  if (!items.every(isScalar)) throw failed(`${name}: the collection must be a list of strings`);
  if (items.length > forEachItemsMax) throw failed(`${name}: the collection has more than ${forEachItemsMax} items`);
  return items.map(textOf);
}

function failed(why: string) {
  return invalid(`Transform ${languageExtensions} failed with: ${why}`);
}
