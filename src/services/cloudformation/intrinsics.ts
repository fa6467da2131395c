/**
 * Evaluation of intrinsic functions: pure, from JSON and a scope to JSON. It recurses, as deep as `nestingMax` lets a
 * template be; what functions yield is data and is not evaluated again.
 */
import { invalid } from "./faults.ts";
import { cidrBlocks } from "./cidr.ts";
import {
  functionOf,
  getAttArguments,
  ifArguments,
  listArguments,
  refName,
  subArguments,
  textArgument,
  type FunctionName,
} from "./functions.ts";
import { isList, isMap, isScalar, member, textOf, type Json, type JsonObject } from "./json.ts";
import { evaluatedLengthMax } from "./limits.ts";
import { splitAttribute, subParts } from "./sub.ts";

/** Where names get their values. A lookup throws the fault that its caller wants to see. */
export interface Scope {
  /** A parameter, a pseudo parameter or a resource's physical id. */
  ref(name: string): Json;
  getAtt(resource: string, attribute: string): Json;
  condition(name: string): boolean;
  importValue(name: string): string;
  mappings: JsonObject;
  /** Availability zones of the region; of the stack's own for an empty string. */
  zones(region: string): readonly string[];
}

/** What `AWS::NoValue` gives: the property or the item that holds it is left out. */
export const noValue: unique symbol = Symbol("AWS::NoValue");
type Value = Json | typeof noValue;

/** Evaluates all functions in `value`. A value that comes to `AWS::NoValue` as a whole gives undefined. */
export function evaluate(value: Json, scope: Scope): Json | undefined {
  const budget = { lengthLeft: evaluatedLengthMax };
  const evaluated = valueOf(value, { ...scope, budget });
  return evaluated === noValue ? undefined : evaluated;
}

interface Context extends Scope {
  /** Text may be multiplied by functions; what they make is counted. */
  budget: { lengthLeft: number };
}

function spend(made: Value, { budget }: Context): void {
  if (typeof made === "string") budget.lengthLeft -= made.length;
  else if (typeof made === "object") budget.lengthLeft -= JSON.stringify(made).length;
  if (budget.lengthLeft < 0) {
    throw invalid(`Template error: the functions of one element make more than ${evaluatedLengthMax} characters`);
  }
}

function valueOf(value: Json, context: Context): Value {
  const call = functionOf(value);
  if (call !== undefined) {
    const made = functions[call[0]](call[1], context);
    spend(made, context);
    return made;
  }
  if (isList(value)) {
    return value.map((item) => valueOf(item, context)).filter((item): item is Json => item !== noValue);
  }
  if (!isMap(value)) return value;
  const entries: [string, Json][] = [];
  for (const [name, inner] of Object.entries(value)) {
    const evaluated = valueOf(inner, context);
    if (evaluated !== noValue) entries.push([name, evaluated]);
  }
  return Object.fromEntries(entries);
}

function textValue(value: Json | undefined, context: Context, message: string): string {
  const evaluated = value === undefined ? noValue : valueOf(value, context);
  return textArgument(evaluated === noValue ? undefined : evaluated, message);
}

function listValue(value: Json | undefined, context: Context, message: string): readonly Json[] {
  const evaluated = value === undefined ? noValue : valueOf(value, context);
  if (evaluated === noValue || !isList(evaluated)) throw invalid(`Template error: ${message}`);
  return evaluated;
}

const joinRule =
  "every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of strings to be joined or a function that returns a list of strings (such as Fn::GetAZs) to be joined.";
const splitRule =
  "every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string to be split or a function that returns a string to be split.";
const selectRule = "Fn::Select requires a list argument with two elements: an integer index and a list";
const findRule =
  "every Fn::FindInMap object requires three parameters, the map name, map key and the attribute for return value";
const cidrRule =
  "every Fn::Cidr object requires two or three parameters, (1) ipBlock, (2) count and optionally (3) cidrBits.";

const functions: Record<FunctionName, (argument: Json, context: Context) => Value> = {
  Ref(argument, context) {
    const name = refName(argument);
    return name === "AWS::NoValue" ? noValue : context.ref(name);
  },
  "Fn::GetAtt"(argument, context) {
    const [resource, attribute] = getAttArguments(argument);
    const rule =
      "every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute";
    return context.getAtt(resource, textValue(attribute, context, rule));
  },
  "Fn::Sub"(argument, context) {
    const [text, variables] = subArguments(argument);
    const values = new Map<string, string>();
    const parts = subParts(text).map((part) =>
      part.kind === "text" ? part.text : variable(part.name, variables, values, context),
    );
    return parts.join("");
  },
  "Fn::Join"(argument, context) {
    const [delimiter, list] = listArguments(argument, 2, 2, joinRule);
    if (typeof delimiter !== "string") throw invalid(`Template error: ${joinRule}`);
    const items = listValue(list, context, joinRule).map((item) => textArgument(item, joinRule));
    return items.join(delimiter);
  },
  // Both only under AWS::LanguageExtensions, which submitted.ts sees to.
  "Fn::Length": (argument, context) => listValue(argument, context, "Fn::Length needs a list").length,
  "Fn::ToJsonString"(argument, context) {
    const value = valueOf(argument, context);
    if (value === noValue || (!isMap(value) && !isList(value))) {
      throw invalid("Template error: Fn::ToJsonString needs an object or an array");
    }
    return JSON.stringify(value);
  },
  "Fn::Split"(argument, context) {
    const [delimiter, text] = listArguments(argument, 2, 2, splitRule);
    if (typeof delimiter !== "string" || delimiter === "") throw invalid(`Template error: ${splitRule}`);
    return textValue(text, context, splitRule).split(delimiter);
  },
  "Fn::Select"(argument, context) {
    const [at, list] = listArguments(argument, 2, 2, selectRule);
    const index = Number(textValue(at, context, selectRule));
    if (!Number.isInteger(index)) throw invalid(`Template error: ${selectRule}`);
    const item = listValue(list, context, selectRule)[index];
    if (item === undefined)
      throw invalid(`Template error: Fn::Select cannot select nonexistent value at index ${index}`);
    return item;
  },
  "Fn::Base64"(argument, context) {
    const text = textValue(argument, context, "every Fn::Base64 object must have a String-typed value.");
    return Buffer.from(text).toString("base64");
  },
  "Fn::FindInMap": findInMap,
  "Fn::GetAZs": (argument, context) => context.zones(textValue(argument, context, "Fn::GetAZs requires a region")),
  "Fn::Cidr"(argument, context) {
    const [block, count, bits = "8"] = listArguments(argument, 2, 3, cidrRule);
    return cidrBlocks(
      textValue(block, context, cidrRule),
      Number(textValue(count, context, cidrRule)),
      Number(textValue(bits, context, cidrRule)),
    );
  },
  "Fn::ImportValue"(argument, context) {
    return context.importValue(textValue(argument, context, "the attribute in Fn::ImportValue must be a string"));
  },
  "Fn::If"(argument, context) {
    const [name, then, otherwise] = ifArguments(argument);
    return valueOf(context.condition(name) ? then : otherwise, context);
  },
  Condition: (argument, context) => context.condition(refName(argument)),
  "Fn::Equals"(argument, context) {
    const rule = "every Fn::Equals object requires a list of 2 string parameters.";
    const [left, right] = listArguments(argument, 2, 2, rule);
    return textValue(left, context, rule) === textValue(right, context, rule);
  },
  "Fn::Not"(argument, context) {
    const rule = "every Fn::Not object requires one boolean parameter.";
    const [operand] = listArguments(argument, 1, 1, rule);
    return !truth(operand, context, rule);
  },
  "Fn::And"(argument, context) {
    const rule = "every Fn::And object requires a list of at least 2 and at most 10 boolean parameters.";
    return listArguments(argument, 2, 10, rule).every((operand) => truth(operand, context, rule));
  },
  "Fn::Or"(argument, context) {
    const rule = "every Fn::Or object requires a list of at least 2 and at most 10 boolean parameters.";
    return listArguments(argument, 2, 10, rule).some((operand) => truth(operand, context, rule));
  },
};

function truth(operand: Json | undefined, context: Context, rule: string): boolean {
  const value = operand === undefined ? undefined : valueOf(operand, context);
  if (typeof value !== "boolean") throw invalid(`Template error: ${rule}`);
  return value;
}

function variable(name: string, variables: JsonObject, values: Map<string, string>, context: Context): string {
  const known = values.get(name);
  if (known !== undefined) return known;
  const text = textOfVariable(name, member(variables, name), context);
  values.set(name, text);
  return text;
}

function textOfVariable(name: string, given: Json | undefined, context: Context): string {
  const attribute = splitAttribute(name);
  const looked = () => (attribute === undefined ? context.ref(name) : context.getAtt(...attribute));
  const value = given === undefined ? looked() : valueOf(given, context);
  if (value !== noValue && isScalar(value)) return textOf(value);
  throw invalid(`Template error: Fn::Sub expression does not resolve to a string: ${name}`);
}

function findInMap(argument: Json, context: Context): Value {
  const [nameOf, topOf, secondOf, optionsOf] = listArguments(argument, 3, 4, findRule);
  const name = textValue(nameOf, context, findRule);
  const top = textValue(topOf, context, findRule);
  const second = textValue(secondOf, context, findRule);
  const mapping = member(context.mappings, name);
  const attributes = isMap(mapping) ? member(mapping, top) : undefined;
  const found = isMap(attributes) ? member(attributes, second) : undefined;
  if (found !== undefined) return found;
  const fallback = isMap(optionsOf) ? member(optionsOf, "DefaultValue") : undefined;
  if (fallback !== undefined) return valueOf(fallback, context);
  if (mapping === undefined) {
    throw invalid(`Template error: Mapping named '${name}' is not present in the 'Mappings' section of template.`);
  }
  throw invalid(`Template error: Unable to get mapping for ${name}::${top}::${second}`);
}
