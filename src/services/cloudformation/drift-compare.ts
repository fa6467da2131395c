/**
 * What a resource is, against what its template says. Pure. Only what the template names is compared.
 * Source: API reference, PropertyDifference and StackResourceDrift.
 */
import type { Comparison } from "../../kit/resource.ts";
import { sameJson } from "./difference.ts";
import { isList, isMap, isScalar, member, textOf, type Json, type JsonObject } from "./json.ts";

export interface PropertyDifference {
  /** `/Environment/Variables/STAGE`, `/Tags/1`. */
  PropertyPath: string;
  ExpectedValue: string;
  ActualValue: string;
  DifferenceType: "ADD" | "REMOVE" | "NOT_EQUAL";
}

export interface Checked {
  /** The properties as they were resolved for the service. */
  expected: JsonObject;
  /** The same as events show them: NoEcho values masked. */
  shown: JsonObject;
  actual: JsonObject;
  /** Tags of the stack: they are no drift, nor are those of AWS. */
  stackTags: ReadonlySet<string>;
  comparison: Comparison;
}

export interface Compared {
  differences: readonly PropertyDifference[];
  /** JSON, of what the template names. */
  expected: string;
  actual: string;
}

const mask = "****";

export function compareProperties(checked: Checked): Compared {
  const { comparison, shown } = checked;
  const names = Object.keys(checked.expected).filter((name) => comparison[name] !== "unread");
  const parts = names.map((name) => compareProperty(checked, name));
  const expected = names.map((name) => [name, member(shown, name) ?? null]);
  return {
    differences: parts.flatMap(({ differences }) => differences),
    expected: JSON.stringify(Object.fromEntries(expected)),
    actual: JSON.stringify(
      Object.fromEntries(parts.flatMap(({ actual }, at) => (actual === undefined ? [] : [[names[at], actual]]))),
    ),
  };
}

interface Part {
  differences: readonly PropertyDifference[];
  actual: Json | undefined;
}

function compareProperty({ expected, shown, actual, stackTags, comparison }: Checked, name: string): Part {
  const wanted = member(expected, name) ?? null;
  const found = name === "Tags" ? ownTags(member(actual, name), wanted, stackTags) : member(actual, name);
  const differences = differencesOf({ path: `/${name}`, name, rule: comparison[name] }, wanted, found, comparison);
  const written = member(shown, name) ?? null;
  const secret = !sameJson(wanted, written) || hasReference(wanted);
  if (!secret) return { differences, actual: found === undefined ? undefined : named(found, wanted, comparison[name]) };
  return {
    differences: differences.map((each) => ({ ...each, ExpectedValue: mask, ActualValue: mask })),
    actual: found === undefined ? undefined : differences.length === 0 ? written : mask,
  };
}

/** A dynamic reference stands for what only its service knows. */
function hasReference(value: Json): boolean {
  return JSON.stringify(value).includes("{{resolve:");
}

function ownTags(found: Json | undefined, wanted: Json, stackTags: ReadonlySet<string>): Json | undefined {
  const known = new Set(isList(wanted) ? wanted.map(keyOf) : isMap(wanted) ? Object.keys(wanted) : []);
  const isOwn = (key: string | undefined) =>
    key === undefined || known.has(key) || !(key.startsWith("aws:") || stackTags.has(key));
  if (isList(found)) return found.filter((tag) => isOwn(keyOf(tag)));
  if (isMap(found)) return Object.fromEntries(Object.entries(found).filter(([key]) => isOwn(key)));
  return found;
}

interface Place {
  path: string;
  /** Of the nearest property: rules go by it. */
  name: string;
  rule: Comparison[string] | undefined;
}

function differencesOf(
  place: Place,
  expected: Json,
  actual: Json | undefined,
  comparison: Comparison,
): PropertyDifference[] {
  if (place.rule === "unread" || (typeof expected === "string" && hasReference(expected))) return [];
  if (actual === undefined || actual === null) return isEmpty(expected) ? [] : [difference(place, expected, undefined)];
  if (isMap(expected) && isMap(actual)) return inMap(place, expected, actual, comparison);
  if (isList(expected) && isList(actual)) return inList(place, expected, actual, comparison);
  return sameValue(place, expected, actual, comparison) ? [] : [difference(place, expected, actual)];
}

function isEmpty(value: Json): boolean {
  if (isList(value)) return value.length === 0;
  return isMap(value) ? Object.keys(value).length === 0 : value === null || value === "";
}

/** Values of different kinds that AWS takes for one: a document and its text, a value and a list of it alone. */
function sameValue(place: Place, expected: Json, actual: Json, comparison: Comparison): boolean {
  if (isScalar(expected) && isScalar(actual)) {
    if (textOf(expected) === textOf(actual)) return true;
    const [left, right] = [documentOf(expected), documentOf(actual)];
    return left !== undefined && right !== undefined && differencesOf(place, left, right, comparison).length === 0;
  }
  if (isList(expected)) return expected.length === 1 && sameAlone(place, expected[0], actual, comparison);
  if (isList(actual)) return actual.length === 1 && sameAlone(place, actual[0], expected, comparison);
  const [left, right] = [documentOf(expected), documentOf(actual)];
  return left !== undefined && right !== undefined && differencesOf(place, left, right, comparison).length === 0;
}

function sameAlone(place: Place, only: Json | undefined, other: Json, comparison: Comparison): boolean {
  return only !== undefined && differencesOf(place, only, other, comparison).length === 0;
}

function documentOf(value: Json): JsonObject | undefined {
  if (isMap(value)) return value;
  if (typeof value !== "string" || !value.trimStart().startsWith("{")) return undefined;
  try {
    const document = JSON.parse(value) as Json;
    return isMap(document) ? document : undefined;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return undefined;
  }
}

function inMap(place: Place, expected: JsonObject, actual: JsonObject, comparison: Comparison): PropertyDifference[] {
  const at = (name: string): Place => ({
    path: `${place.path}/${name}`,
    name,
    // Inside a document, or a map of the user's own keys, every member counts.
    rule: place.rule === "exact" ? "exact" : comparison[name],
  });
  const named = Object.entries(expected).flatMap(([name, value]) =>
    differencesOf(at(name), value, member(actual, name), comparison),
  );
  if (place.rule !== "exact") return named;
  const more = Object.entries(actual).filter(([name]) => !Object.hasOwn(expected, name));
  return [...named, ...more.map(([name, value]) => difference(at(name), undefined, value))];
}

function inList(
  place: Place,
  expected: readonly Json[],
  actual: readonly Json[],
  comparison: Comparison,
): PropertyDifference[] {
  const at = (index: number): Place => ({ ...place, path: `${place.path}/${index}` });
  const pairs = place.rule === "ordered" ? inOrder(expected, actual) : inAnyOrder(place, expected, actual, comparison);
  return pairs.flatMap(({ index, wanted, found }) => {
    if (wanted === undefined) return [difference(at(index), undefined, found)];
    return differencesOf(at(index), wanted, found, comparison);
  });
}

interface Pair {
  index: number;
  wanted: Json | undefined;
  found: Json | undefined;
}

function inOrder(expected: readonly Json[], actual: readonly Json[]): Pair[] {
  const length = Math.max(expected.length, actual.length);
  return Array.from({ length }, (_, index) => ({ index, wanted: expected[index], found: actual[index] }));
}

/** Lists are sets on AWS, but for the few that say otherwise: what is equal belongs together, then what has one key. */
function inAnyOrder(place: Place, expected: readonly Json[], actual: readonly Json[], comparison: Comparison): Pair[] {
  const rest = new Map(actual.entries());
  const open: [number, Json][] = [];
  for (const [index, wanted] of expected.entries()) {
    const equal = [...rest].find(([, found]) => differencesOf(place, wanted, found, comparison).length === 0);
    if (equal === undefined) open.push([index, wanted]);
    else rest.delete(equal[0]);
  }
  const pairs = open.map(([index, wanted]): Pair => {
    const match = [...rest].find(([at, found]) => (isMap(wanted) ? belongs(wanted, found) : at === index));
    if (match !== undefined) rest.delete(match[0]);
    return { index, wanted, found: match?.[1] };
  });
  return [...pairs, ...[...rest].map(([index, found]) => ({ index, wanted: undefined, found }))];
}

/** A map is paired with one of its key, or, where they have none, with any; what is no map, with what has its place. */
function belongs(wanted: JsonObject, found: Json): boolean {
  return isMap(found) && keyOf(wanted) === keyOf(found);
}

const keys = ["Key", "Name", "Id", "PolicyName", "Sid"];

function keyOf(value: Json): string | undefined {
  if (!isMap(value)) return undefined;
  const key = keys.map((name) => member(value, name)).find((found) => isScalar(found));
  return isScalar(key) ? textOf(key) : undefined;
}

function difference({ path }: Place, expected: Json | undefined, actual: Json | undefined): PropertyDifference {
  return {
    PropertyPath: path,
    ExpectedValue: textIn(expected),
    ActualValue: textIn(actual),
    DifferenceType: expected === undefined ? "ADD" : actual === undefined ? "REMOVE" : "NOT_EQUAL",
  };
}

function textIn(value: Json | undefined): string {
  return isScalar(value) ? textOf(value) : JSON.stringify(value ?? null);
}

/** Of a value, what the template names. */
function named(actual: Json, expected: Json, rule: Comparison[string] | undefined): Json {
  if (rule === "exact" || !isMap(actual) || !isMap(expected)) return actual;
  const kept = Object.entries(expected).flatMap(([name, value]) => {
    const found = member(actual, name);
    return found === undefined ? [] : [[name, named(found, value, undefined)] as const];
  });
  return Object.fromEntries(kept);
}
