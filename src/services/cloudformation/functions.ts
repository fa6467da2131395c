/** The intrinsic functions as they are written: which there are, and what each takes. Shared by checks and evaluation. */
import { invalid, unsupported } from "./faults.ts";
import { isList, isMap, isScalar, onlyMember, textOf, type Json, type JsonObject } from "./json.ts";

export type FunctionName =
  | "Condition"
  | "Fn::And"
  | "Fn::Base64"
  | "Fn::Cidr"
  | "Fn::Equals"
  | "Fn::FindInMap"
  | "Fn::GetAZs"
  | "Fn::GetAtt"
  | "Fn::If"
  | "Fn::ImportValue"
  | "Fn::Join"
  | "Fn::Length"
  | "Fn::Not"
  | "Fn::Or"
  | "Fn::Select"
  | "Fn::Split"
  | "Fn::Sub"
  | "Fn::ToJsonString"
  | "Ref";

const names = new Set<string>([
  "Condition",
  "Fn::And",
  "Fn::Base64",
  "Fn::Cidr",
  "Fn::Equals",
  "Fn::FindInMap",
  "Fn::GetAZs",
  "Fn::GetAtt",
  "Fn::If",
  "Fn::ImportValue",
  "Fn::Join",
  "Fn::Length",
  "Fn::Not",
  "Fn::Or",
  "Fn::Select",
  "Fn::Split",
  "Fn::Sub",
  "Fn::ToJsonString",
  "Ref",
] satisfies FunctionName[]);
/** Functions of AWS that need a transform or are not run yet: refused by name, never taken for data. */
const later = new Set(["Fn::Transform", "Fn::ForEach", "Fn::GetStackOutput"]);

/** `{ "Fn::Join": [...] }` -> its name and argument; undefined for data. */
export function functionOf(value: Json): readonly [FunctionName, Json] | undefined {
  if (!isMap(value)) return undefined;
  const entry = onlyMember(value);
  if (entry === undefined) {
    // AWS refuses a map that mixes a function with other members.
    const mixed = Object.keys(value).find((name) => name.startsWith("Fn::"));
    if (mixed !== undefined) checkKnown(mixed.split("::").slice(0, 2).join("::"), true);
    return undefined;
  }
  const [name, argument] = entry;
  // `Condition` is a function only where its argument names one: IAM statements have a `Condition` map.
  if (name === "Condition" && typeof argument !== "string") return undefined;
  if (!name.startsWith("Fn::")) return names.has(name) ? [name as FunctionName, argument] : undefined;
  checkKnown(name, false);
  return [name as FunctionName, argument];
}

function checkKnown(name: string, mixed: boolean): void {
  const family = name.split("::").slice(0, 2).join("::");
  if (later.has(family)) throw unsupported(family);
  if (mixed || !names.has(name)) {
    throw invalid(`Template error: every ${name} object must have exactly one member, a known function`);
  }
}

export function refName(argument: Json): string {
  if (typeof argument !== "string")
    throw invalid("Template format error: Every Ref object must have a single String value.");
  return argument;
}

/** The resource and the attribute; the attribute may be a function of parameters. */
export function getAttArguments(argument: Json): readonly [string, Json] {
  const refusal = () =>
    invalid(
      "Template error: every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute",
    );
  if (typeof argument === "string") {
    const dot = argument.indexOf(".");
    if (dot <= 0 || dot === argument.length - 1) throw refusal();
    return [argument.slice(0, dot), argument.slice(dot + 1)];
  }
  if (!isList(argument) || argument.length < 2 || argument[0] === "" || argument[1] === "") throw refusal();
  const [resource, ...attribute] = argument;
  if (typeof resource !== "string") throw refusal();
  if (attribute.every((part) => typeof part === "string")) return [resource, attribute.join(".")];
  const [only] = attribute;
  if (attribute.length > 1 || only === undefined || !isMap(only)) throw refusal();
  return [resource, only];
}

/** The text and the variables of either form. */
export function subArguments(argument: Json): readonly [string, JsonObject] {
  if (typeof argument === "string") return [argument, {}];
  const [text, variables] = isList(argument) ? argument : [];
  if (!isList(argument) || argument.length !== 2 || typeof text !== "string" || !isMap(variables)) {
    throw invalid(
      "Template error: One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a string as first argument, and an optional second argument to specify a mapping of values to replace in the string",
    );
  }
  return [text, variables];
}

/** The condition's name and both branches. */
export function ifArguments(argument: Json): readonly [string, Json, Json] {
  const [name, then, otherwise] = isList(argument) ? argument : [];
  if (!isList(argument) || argument.length !== 3 || then === undefined || otherwise === undefined) {
    throw invalid("Template error: Fn::If requires a list argument with three elements");
  }
  const condition = isMap(name) ? functionOf(name) : undefined;
  if (condition?.[0] === "Condition" && typeof condition[1] === "string") return [condition[1], then, otherwise];
  if (typeof name !== "string") {
    throw invalid("Template error: Fn::If requires a list argument with the first element being a condition");
  }
  return [name, then, otherwise];
}

/** The list of a function that takes `min` to `max` arguments, or the fault `message`. */
export function listArguments(argument: Json, min: number, max: number, message: string): readonly Json[] {
  if (!isList(argument) || argument.length < min || argument.length > max) throw invalid(`Template error: ${message}`);
  return argument;
}

/** A scalar as text, or the fault `message`. */
export function textArgument(value: Json | undefined, message: string): string {
  if (!isScalar(value)) throw invalid(`Template error: ${message}`);
  return textOf(value);
}
