/**
 * A value of a template against what AWS says it must be, with CloudFormation's leniency: "80" is a number and true is
 * "true". Messages are those of AWS's schema validator, which names places by JSON pointers.
 */
import { isList, isMap, isScalar, member, textOf, type Json, type JsonObject } from "../json.ts";
import { wrongAt, type Finding, type Path } from "./finding.ts";
import type { Structure, ValueType } from "./types.ts";
import { presenceOf, yieldOf, type Known } from "./yields.ts";

export interface Place {
  logicalId: string;
  /** The resource's. */
  type: string;
  path: Path;
  /** `#/Environment/Variables`: without the steps into functions. */
  pointer: string;
}

export function valueFindings(value: Json, type: ValueType, place: Place, known: Known): readonly Finding[] {
  const yielded = yieldOf(value, known);
  switch (yielded.kind) {
    case "data":
      return dataFindings(value, type, place, known);
    case "value":
      return dataFindings(yielded.value, type, place, known);
    case "branches":
      return yielded.branches.flatMap(({ value: branch, step }) =>
        valueFindings(branch, type, { ...place, path: [...place.path, "Fn::If", step] }, known),
      );
    case "text":
      return takesText(type) ? [] : [mismatch(type, "String", "text", place)];
    case "list":
      return takesList(type) ? [] : [mismatch(type, "JSONArray", "a list", place)];
    default:
      return [];
  }
}

/** What a function gives as text may be any number or boolean as well. */
function takesText(type: ValueType): boolean {
  if (type.kind === "union") return type.types.some(takesText);
  return type.kind !== "list" && type.kind !== "map" && type.kind !== "structure";
}

function takesList(type: ValueType): boolean {
  if (type.kind === "union") return type.types.some(takesList);
  return type.kind === "list" || type.kind === "json";
}

function dataFindings(value: Json, type: ValueType, place: Place, known: Known): readonly Finding[] {
  switch (type.kind) {
    case "json":
      return [];
    case "union":
      return unionFindings(value, type.types, place, known);
    case "list":
      if (!isList(value)) return [mismatchOf(type, value, place)];
      return value.flatMap((item, at) => valueFindings(item, type.of, inside(place, at), known));
    case "map":
      if (!isMap(value)) return [mismatchOf(type, value, place)];
      return Object.entries(value).flatMap(([name, item]) => valueFindings(item, type.of, inside(place, name), known));
    case "structure":
      if (!isMap(value)) return [mismatchOf(type, value, place)];
      return structureFindings(value, type.structure, place, known);
    default:
      return scalarFindings(value, type, place);
  }
}

function inside({ path, pointer, ...rest }: Place, step: string | number): Place {
  return { ...rest, path: [...path, step], pointer: `${pointer}/${step}` };
}

/** The findings of the form that the value is nearest to. */
function unionFindings(value: Json, types: readonly ValueType[], place: Place, known: Known): readonly Finding[] {
  const sameShape = types.filter((type) => shapeOf(type) === shapeOfValue(value));
  let best: readonly Finding[] | undefined;
  for (const type of sameShape.length === 0 ? types : sameShape) {
    const findings = dataFindings(value, type, place, known);
    if (findings.length === 0) return [];
    if (best === undefined || findings.length < best.length) best = findings;
  }
  return best ?? [];
}

function shapeOf({ kind }: ValueType): string {
  if (kind === "map" || kind === "structure") return "map";
  return kind === "list" || kind === "json" || kind === "union" ? kind : "scalar";
}

function shapeOfValue(value: Json): string {
  if (isList(value)) return "list";
  return isMap(value) ? "map" : "scalar";
}

function structureFindings(value: JsonObject, structure: Structure, place: Place, known: Known): readonly Finding[] {
  const { properties } = structure;
  const missing = [...properties.values()].filter(
    ({ name, required }) => required && presenceOf(member(value, name), known) === "absent",
  );
  return [
    ...Object.entries(value).flatMap(([name, item]) => {
      const property = properties.get(name);
      if (property !== undefined) return valueFindings(item, property.type, inside(place, name), known);
      return presenceOf(item, known) === "absent" ? [] : [unknownProperty(name, structure, place)];
    }),
    ...missing.map(({ name }) => ({
      ...failed(place, `${place.pointer}: required key [${name}] not found`),
      at: "name" as const,
      message: `${titleOf(structure, place)} needs ${name}`,
    })),
  ];
}

function titleOf(structure: Structure, { type, pointer }: Place): string {
  return pointer === "#" ? type : `${structure.name} of ${type}`;
}

function unknownProperty(name: string, structure: Structure, place: Place): Finding {
  const { properties } = structure;
  const fault =
    place.pointer === "#"
      ? `Encountered unsupported property ${name}`
      : faultOf(place, `${place.pointer}: extraneous key [${name}] is not permitted`);
  return {
    path: [...place.path, name],
    at: "name",
    severity: "error",
    fault,
    message: `${titleOf(structure, place)} has no property ${name}`,
    unknown: { name, among: () => properties.keys() },
  };
}

function faultOf({ logicalId }: Place, text: string): string {
  return `Properties validation failed for resource ${logicalId} with message:\n${text}`;
}

function failed(place: Place, text: string): Finding {
  return wrongAt(place.path, faultOf(place, text));
}

const dynamicReference = /\{\{resolve:/;
const number = /^[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$/;
const integer = /^[-+]?[0-9]+$/;

function scalarFindings(value: Json, type: ValueType, place: Place): readonly Finding[] {
  if (!isScalar(value)) return [mismatchOf(type, value, place)];
  const text = textOf(value);
  // What is read later may be anything.
  if (dynamicReference.test(text) || fits(text, type)) return [];
  if (type.kind !== "enumeration") return [mismatchOf(type, value, place)];
  const { values } = type;
  return [
    {
      ...failed(place, `${place.pointer}: ${text} is not a valid enum value`),
      message: `${nameOf(place)} must be one of ${values.slice(0, valuesShownMax).join(", ")}${values.length > valuesShownMax ? "..." : ""}, and is ${shown(value)}`,
      unknown: { name: text, among: () => values.map(String) },
    },
  ];
}

function fits(text: string, type: ValueType): boolean {
  switch (type.kind) {
    case "number":
      return number.test(text);
    case "integer":
      return integer.test(text);
    case "boolean":
      return /^(?:true|false)$/i.test(text);
    case "enumeration":
      return type.values.some((value) => String(value) === text);
    default:
      return true;
  }
}

/** More values of an enumeration are no help in a line. */
const valuesShownMax = 12;
/** Longer values are cut in messages. */
const shownLengthMax = 60;

function shown(value: Json): string {
  const text = JSON.stringify(value);
  return text.length <= shownLengthMax ? text : `${text.slice(0, shownLengthMax)}...`;
}

function nameOf({ pointer }: Place): string {
  if (pointer === "#") return "Properties";
  return pointer
    .slice(2)
    .replaceAll(/\/(\d+)/g, "[$1]")
    .replaceAll("/", ".");
}

const expectations = {
  boolean: ["Boolean", "true or false"],
  enumeration: ["String", "text"],
  integer: ["Integer", "a whole number"],
  json: ["JSONObject", "a map"],
  list: ["JSONArray", "a list"],
  map: ["JSONObject", "a map"],
  number: ["Number", "a number"],
  string: ["String", "text"],
  structure: ["JSONObject", "a map"],
} as const;

function expectationOf({ kind }: ValueType): readonly [string, string] {
  return kind === "union" ? expectations.json : expectations[kind];
}

function mismatchOf(type: ValueType, value: Json, place: Place): Finding {
  if (isList(value)) return mismatch(type, "JSONArray", "a list", place);
  if (isMap(value)) return mismatch(type, "JSONObject", "a map", place);
  const found = typeof value === "string" ? "String" : typeof value === "number" ? "Number" : "Boolean";
  return mismatch(type, found, shown(value), place);
}

function mismatch(type: ValueType, found: string, foundText: string, place: Place): Finding {
  const wanted = type.kind === "union" ? type.types.map(expectationOf) : [expectationOf(type)];
  const expected = wanted[0]?.[0] ?? "JSONObject";
  const text = wanted.map(([, words]) => words).join(" or ");
  return {
    ...failed(place, `${place.pointer}: expected type: ${expected}, found: ${found}`),
    message: `${nameOf(place)} must be ${text}, and is ${foundText}`,
  };
}
