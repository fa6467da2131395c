/** Template parameters: what a template declares, and whether the values given keep to it. Source: user guide, "Parameters". */
import { runInNewContext } from "node:vm";
import { invalid } from "./faults.ts";
import { isList, isMap, isScalar, member, textOf, type Json, type JsonObject } from "./json.ts";
import { parameterValueBytesMax } from "./limits.ts";

export interface ParameterDeclaration {
  type: string;
  default?: string;
  description?: string;
  noEcho: boolean;
  allowedValues?: readonly string[];
  allowedPattern?: string;
  constraintDescription?: string;
  minLength?: number;
  maxLength?: number;
  minValue?: number;
  maxValue?: number;
}

/** A parameter's value as the stack has it. */
export interface ParameterValue {
  key: string;
  /** As given, or the default. */
  text: string;
  /** What `Ref` gives: the text, or a list for list types. */
  value: Json;
  noEcho: boolean;
  /** Of a type that names an SSM parameter: what that held. */
  resolved?: string;
}

/** A value given with the request. */
export interface GivenParameter {
  ParameterKey?: string | undefined;
  ParameterValue?: string | undefined;
  UsePreviousValue?: boolean | undefined;
}

/** What a NoEcho value looks like from outside. */
export const masked = "****";

/** As DescribeStacks shows it. */
export function shownParameter({ key, text, noEcho, resolved }: ParameterValue) {
  return {
    ParameterKey: key,
    ParameterValue: noEcho ? masked : text,
    ...(resolved === undefined ? {} : { ResolvedValue: noEcho ? masked : resolved }),
  };
}

const members = new Set([
  "AllowedPattern",
  "AllowedValues",
  "ConstraintDescription",
  "Default",
  "Description",
  "MaxLength",
  "MaxValue",
  "MinLength",
  "MinValue",
  "NoEcho",
  "Type",
]);
/** Ids of AWS resources are taken as the strings they are: there is no account to look them up in. */
const awsType =
  /^(?:AWS::[A-Za-z0-9]+::[A-Za-z0-9]+::[A-Za-z0-9]+|List<AWS::[A-Za-z0-9]+::[A-Za-z0-9]+::[A-Za-z0-9]+>)$/;

export function readDeclarations(section: JsonObject): ReadonlyMap<string, ParameterDeclaration> {
  return new Map(Object.entries(section).map(([name, declaration]) => [name, readDeclaration(declaration)]));
}

function readDeclaration(declaration: Json): ParameterDeclaration {
  if (!isMap(declaration)) throw invalid("Template format error: Any Parameters member must be an object.");
  const unknown = Object.keys(declaration).find((key) => !members.has(key));
  if (unknown !== undefined) throw invalid(`Invalid template parameter property '${unknown}'`);
  const type = member(declaration, "Type");
  if (typeof type !== "string") {
    throw invalid("Template format error: Every Parameters object must contain a Type member.");
  }
  checkType(type);
  const noEcho = member(declaration, "NoEcho");
  return { type, noEcho: noEcho === true || noEcho === "true", ...constraintsOf(declaration) };
}

/** `AWS::SSM::Parameter::Value<X>` -> `X`. */
function stored(type: string): string | undefined {
  return /^AWS::SSM::Parameter::Value<(.+)>$/.exec(type)?.[1];
}

/** Names of the SSM parameters whose values the template's parameters are to have. */
export function storedNames(
  declarations: ReadonlyMap<string, ParameterDeclaration>,
  values: ReadonlyMap<string, ParameterValue>,
): readonly string[] {
  return [...values.values()].flatMap(({ key, text }) =>
    stored(declarations.get(key)?.type ?? "") === undefined ? [] : [text],
  );
}

/** The values with what SSM holds in the place of the names. Throws AWS's error for a name that it does not know. */
export function withStored(
  declarations: ReadonlyMap<string, ParameterDeclaration>,
  values: ReadonlyMap<string, ParameterValue>,
  held: ReadonlyMap<string, string>,
): ReadonlyMap<string, ParameterValue> {
  const missing = storedNames(declarations, values).filter((name) => !held.has(name));
  if (missing.length > 0) {
    throw invalid(`Unable to fetch parameters [${missing.join(",")}] from parameter store for this account.`);
  }
  return new Map(
    [...values].map(([key, value]) => {
      const inner = stored(declarations.get(key)?.type ?? "");
      const resolved = held.get(value.text) ?? "";
      return [key, inner === undefined ? value : { ...value, value: valueAs(resolved, inner), resolved }];
    }),
  );
}

function checkType(type: string): void {
  const inner = stored(type);
  if (inner !== undefined) {
    checkType(inner);
    return;
  }
  if (type === "AWS::SSM::Parameter::Name" || type === "List<String>") return;
  if (["String", "Number", "CommaDelimitedList", "List<Number>"].includes(type)) return;
  if (!awsType.test(type)) throw invalid(`Template format error: Unrecognized parameter type: ${type}`);
}

function constraintsOf(declaration: JsonObject): Partial<ParameterDeclaration> {
  const texts = { default: "Default", description: "Description", allowedPattern: "AllowedPattern" } as const;
  const numbers = {
    minLength: "MinLength",
    maxLength: "MaxLength",
    minValue: "MinValue",
    maxValue: "MaxValue",
  } as const;
  const constraints: Record<string, string | number | readonly string[]> = {};
  for (const [key, name] of [...Object.entries(texts), ["constraintDescription", "ConstraintDescription"] as const]) {
    const value = member(declaration, name);
    if (value === undefined) continue;
    if (!isScalar(value)) throw invalid(`Template format error: Every ${name} member must be a string.`);
    constraints[key] = textOf(value);
  }
  for (const [key, name] of Object.entries(numbers)) {
    const value = member(declaration, name);
    if (value === undefined) continue;
    if (!isScalar(value) || !isNumber(textOf(value))) {
      throw invalid(`Template format error: Every ${name} member must be a number.`);
    }
    constraints[key] = Number(value);
  }
  const allowed = member(declaration, "AllowedValues");
  if (allowed !== undefined) constraints["allowedValues"] = allowedValuesOf(allowed);
  return constraints;
}

function allowedValuesOf(allowed: Json): readonly string[] {
  if (!isList(allowed) || !allowed.every(isScalar)) {
    throw invalid("Template format error: Every AllowedValues member must be a list.");
  }
  return allowed.map(textOf);
}

function isNumber(text: string): boolean {
  return /^\s*[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?\s*$/.test(text);
}

/** Puts the given values and the defaults together. Throws AWS's errors for what is missing, unknown or not allowed. */
export function resolveParameters(
  declarations: ReadonlyMap<string, ParameterDeclaration>,
  given: readonly GivenParameter[],
  previous: ReadonlyMap<string, ParameterValue> = new Map(),
): ReadonlyMap<string, ParameterValue> {
  const values = givenValues(declarations, given, previous);
  const missing = [...declarations].filter(([name, { default: text }]) => !values.has(name) && text === undefined);
  if (missing.length > 0) throw invalid(`Parameters: [${missing.map(([name]) => name).join(", ")}] must have values`);
  return new Map(
    [...declarations].map(([key, declaration]) => {
      const text = values.get(key) ?? declaration.default ?? "";
      checkValue(key, text, declaration);
      return [key, { key, text, value: valueAs(text, declaration.type), noEcho: declaration.noEcho }];
    }),
  );
}

function givenValues(
  declarations: ReadonlyMap<string, ParameterDeclaration>,
  given: readonly GivenParameter[],
  previous: ReadonlyMap<string, ParameterValue>,
): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const { ParameterKey: key, ParameterValue: value, UsePreviousValue: usePrevious } of given) {
    if (key === undefined) throw invalid("Parameters must have a ParameterKey");
    if (values.has(key)) throw invalid(`Duplicate parameter key: ${key}`);
    if (usePrevious === true) values.set(key, previousValue(key, value, previous));
    else if (value !== undefined) values.set(key, value);
  }
  const unknown = [...values.keys()].filter((key) => !declarations.has(key));
  if (unknown.length > 0) throw invalid(`Parameters: [${unknown.join(", ")}] do not exist in the template`);
  return values;
}

function previousValue(key: string, value: string | undefined, previous: ReadonlyMap<string, ParameterValue>): string {
  const refuse = (why: string) =>
    invalid(`Invalid input for parameter key ${key}. Cannot specify usePreviousValue as true ${why}`);
  const known = previous.get(key);
  if (known === undefined) throw refuse("for a parameter key not in the previous template");
  if (value !== undefined && value !== "") throw refuse("and non empty value for a parameter");
  return known.text;
}

function isListType(type: string): boolean {
  return type === "CommaDelimitedList" || type.startsWith("List<");
}

function itemsOf(text: string): readonly string[] {
  return text === "" ? [] : text.split(",").map((item) => item.trim());
}

function valueAs(text: string, type: string): Json {
  return isListType(type) ? itemsOf(text) : text;
}

function checkValue(name: string, text: string, declaration: ParameterDeclaration): void {
  const { type, constraintDescription } = declaration;
  const refuse = (rule: string) =>
    invalid(
      constraintDescription === undefined
        ? `Parameter '${name}' ${rule}`
        : `Parameter ${name} failed to satisfy constraint: ${constraintDescription}`,
    );
  if (Buffer.byteLength(text) > parameterValueBytesMax) {
    throw refuse(`must contain at most ${parameterValueBytesMax} characters`);
  }
  const items = isListType(type) ? itemsOf(text) : [text];
  for (const item of items) {
    const broken = brokenRule(item, declaration);
    if (broken !== undefined) throw refuse(broken);
  }
}

/** The rule that a value breaks, in AWS's words. */
function brokenRule(text: string, declaration: ParameterDeclaration): string | undefined {
  const { type, allowedValues, allowedPattern, minLength, maxLength, minValue, maxValue } = declaration;
  if (allowedValues !== undefined && !allowedValues.includes(text)) return "must be one of AllowedValues";
  if (type === "Number" || type === "List<Number>") {
    if (!isNumber(text)) return "must be a number.";
    if (minValue !== undefined && Number(text) < minValue) return `must be a number not less than ${minValue}`;
    if (maxValue !== undefined && Number(text) > maxValue) return `must be a number not greater than ${maxValue}`;
    return undefined;
  }
  if (minLength !== undefined && text.length < minLength) return `must contain at least ${minLength} characters`;
  if (maxLength !== undefined && text.length > maxLength) return `must contain at most ${maxLength} characters`;
  if (allowedPattern !== undefined && !matchesWhole(allowedPattern, text))
    return `must match pattern ${allowedPattern}`;
  return undefined;
}

/** A pattern that backtracks for longer than this is refused: it would hold the node's one loop. */
const patternMsMax = 100;

/** AWS's patterns are Java's and match the whole value. One that JavaScript cannot read is refused, not skipped. */
function matchesWhole(pattern: string, text: string): boolean {
  try {
    // A script with a time limit is the only way to stop a regular expression.
    const outcome: unknown = runInNewContext(
      "new RegExp(`^(?:${pattern})$`, 's').test(text)",
      { pattern, text },
      { timeout: patternMsMax },
    );
    return outcome === true;
  } catch (cause) {
    throw invalid(`Template format error: AllowedPattern ${pattern} is not a valid regular expression`, { cause });
  }
}
