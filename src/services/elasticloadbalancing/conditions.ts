/** Conditions of rules: checked as AWS checks them, shown as AWS shows them, and written for the edge. Pure. */
import { isIP } from "node:net";
import type { RuleCondition as SdkCondition } from "@aws-sdk/client-elastic-load-balancing-v2";
import type { Condition as EdgeCondition } from "../../edge/ports.ts";
import type { Received } from "../../kit/handlers.ts";
import { quotas } from "./limits.ts";
import { checkRegex, invalid } from "./refusals.ts";

/** A condition as it is stored: checked, and in one form whichever of the two the client used. */
export type RuleCondition =
  | { field: "http-request-method" | "source-ip"; values: string[] }
  /** `regexes` in place of `values`, which is empty then. */
  | { field: "path-pattern" | "host-header"; values: string[]; regexes?: string[] }
  | { field: "http-header"; name: string; values: string[]; regexes?: string[] }
  | { field: "query-string"; pairs: { key?: string; value: string }[] };

type Given = Received<SdkCondition>;
type Field = RuleCondition["field"];

const fields: readonly Field[] = [
  "http-header",
  "http-request-method",
  "host-header",
  "path-pattern",
  "query-string",
  "source-ip",
];
/** A rule may have one of each of these, and any number of the others. */
const onceOnly: readonly Field[] = ["http-request-method", "host-header", "path-pattern", "source-ip"];
/** Characters. Source: API reference, RuleCondition and the condition configurations. */
const valueLengthMax = 128;
const nameLengthMax = 40;
const hostValue = /^[A-Za-z0-9\-.*?]+$/;
const pathValue = /^[A-Za-z0-9_\-.$/~"'@:+&*?]+$/;
const methodValue = /^[A-Z_-]+$/;
/** RFC 7230's token. */
const headerName = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

function lengthChecked(what: string, value: string, lengthMax: number): string {
  if (value.length > lengthMax) throw invalid(`The '${what}' value is too long; the limit is '${lengthMax}'`);
  return value;
}

function valuesOf(field: Field, values: readonly string[] | undefined): string[] {
  if (values === undefined || values.length === 0 || values.includes("")) {
    throw invalid("A condition value must be specified");
  }
  const lengthMax = field === "http-request-method" ? nameLengthMax : valueLengthMax;
  return values.map((value) => lengthChecked(field, value, lengthMax));
}

/**
 * The regular expressions of a condition, which stand in place of its values, in the condition or in its configuration.
 * Undefined where it has none.
 */
function regexesOf(
  field: "host-header" | "path-pattern" | "http-header",
  given: Given,
  config: { Values?: string[] | undefined; RegexValues?: string[] | undefined } | undefined,
): string[] | undefined {
  const regexes = config?.RegexValues ?? given.RegexValues;
  if (regexes === undefined || regexes.length === 0) return undefined;
  if ((config?.Values ?? given.Values ?? []).length > 0) {
    throw invalid(`You cannot provide both Values and RegexValues for a condition of type '${field}'`);
  }
  if (config?.RegexValues !== undefined && given.RegexValues !== undefined && !sameTexts(regexes, given.RegexValues)) {
    throw invalid(`You cannot provide two different RegexValues for a condition of type '${field}'`);
  }
  return valuesOf(field, regexes).map((regex) => {
    checkRegex(regex);
    return regex;
  });
}

const sameTexts = (a: readonly string[], b: readonly string[]) => JSON.stringify(a) === JSON.stringify(b);

/** Host and path: the old form has one value in `Values`, the new one several in its configuration. */
function patternsOf(field: "host-header" | "path-pattern", given: Given): RuleCondition {
  const [name, config] =
    field === "host-header"
      ? ["HostHeaderConfig", given.HostHeaderConfig]
      : ["PathPatternConfig", given.PathPatternConfig];
  const regexes = regexesOf(field, given, config);
  if (regexes !== undefined) return { field, values: [], regexes };
  const old = given.Values ?? [];
  const same = sameTexts(old, config?.Values ?? []);
  // Clients send a condition back as Describe showed it, in both forms; only a contradiction is refused.
  if (old.length > 0 && config !== undefined && !same) {
    throw invalid(`You cannot provide both Values and '${name}' for a condition of type '${field}'`);
  }
  if (config === undefined && old.length > 1) {
    throw invalid(`The '${field}' field contains too many values; the limit is '1'`);
  }
  const allowed = field === "host-header" ? hostValue : pathValue;
  const values = valuesOf(field, config?.Values ?? old).map((value) => {
    if (!allowed.test(value)) throw invalid(`Condition value '${value}' contains a character that is not valid`);
    return value;
  });
  return { field, values };
}

function methodsOf(given: Given): string[] {
  if (given.HttpRequestMethodConfig === undefined) {
    throw invalid("A 'HttpRequestMethodConfig' must be specified with 'http-request-method'");
  }
  return valuesOf("http-request-method", given.HttpRequestMethodConfig.Values).map((value) => {
    if (!methodValue.test(value)) {
      throw invalid(
        "The 'http-request-method' value is invalid; the allowed characters are A-Z, hyphen and underscore",
      );
    }
    return value;
  });
}

function headerOf(given: Given): RuleCondition {
  const config = given.HttpHeaderConfig;
  if (config === undefined) throw invalid("A 'HttpHeaderConfig' must be specified with 'http-header'");
  const name = lengthChecked("HttpHeaderName", config.HttpHeaderName ?? "", nameLengthMax);
  if (!headerName.test(name)) throw invalid("The 'HttpHeaderName' value is not a valid header name");
  if (name.toLowerCase() === "host") {
    throw invalid("The 'HttpHeaderName' value cannot be 'host'; use a condition of type 'host-header' instead");
  }
  const regexes = regexesOf("http-header", given, config);
  if (regexes !== undefined) return { field: "http-header", name, values: [], regexes };
  return { field: "http-header", name, values: valuesOf("http-header", config.Values) };
}

function pairsOf(given: Given): { key?: string; value: string }[] {
  const pairs = given.QueryStringConfig?.Values;
  if (given.QueryStringConfig === undefined) {
    throw invalid("A 'QueryStringConfig' must be specified with 'query-string'");
  }
  if (pairs === undefined || pairs.length === 0) throw invalid("A condition value must be specified");
  return pairs.map(({ Key, Value }) => {
    if (Value === undefined) throw invalid("A 'Value' must be specified in 'QueryStringKeyValuePair'");
    const value = lengthChecked("Value", Value, valueLengthMax);
    return Key === undefined ? { value } : { key: lengthChecked("Key", Key, valueLengthMax), value };
  });
}

function isCidr(text: string): boolean {
  const [address = "", bits, ...rest] = text.split("/");
  const version = isIP(address);
  if (version === 0 || rest.length > 0 || bits === undefined || !/^\d{1,3}$/.test(bits)) return false;
  return Number(bits) <= (version === 4 ? 32 : 128);
}

function sourcesOf(given: Given): string[] {
  const config = given.SourceIpConfig;
  if (config === undefined) throw invalid("A 'SourceIpConfig' must be specified with 'source-ip'");
  if (config.IpAddressType !== undefined) {
    throw invalid("'IpAddressType' is only supported for the rules of Network Load Balancers");
  }
  if (config.Values === undefined || config.Values.length === 0) {
    throw invalid("A 'source-ip' value must be specified");
  }
  return config.Values.map((value) => {
    if (!isCidr(value)) throw invalid(`The 'source-ip' value '${value}' must be in CIDR format`);
    return value;
  });
}

function conditionOf(given: Given): RuleCondition {
  const field = fields.find((name) => name === given.Field);
  if (field === undefined) {
    throw invalid(`Condition field '${given.Field ?? ""}' must be one of '[${fields.join(", ")}]'`);
  }
  if (given.Values !== undefined && field !== "host-header" && field !== "path-pattern") {
    throw invalid(`The 'Values' field is not compatible with '${field}'`);
  }
  switch (field) {
    case "host-header":
    case "path-pattern":
      return patternsOf(field, given);
    case "http-request-method":
      return { field, values: methodsOf(given) };
    case "source-ip":
      return { field, values: sourcesOf(given) };
    case "http-header":
      return headerOf(given);
    default:
      return { field, pairs: pairsOf(given) };
  }
}

/** Every text of a condition in which `*` and `?` are wildcards. */
function patternTexts(condition: RuleCondition): string[] {
  if (condition.field === "query-string") return condition.pairs.flatMap(({ key, value }) => [key ?? "", value]);
  return condition.field === "http-request-method" || condition.field === "source-ip" ? [] : condition.values;
}

function countOf(condition: RuleCondition): number {
  if (condition.field === "query-string") return condition.pairs.length;
  return condition.values.length + ("regexes" in condition ? (condition.regexes?.length ?? 0) : 0);
}

/** The conditions of a rule in their stored form. Throws `ValidationError`s in AWS's words. */
export function conditionsOf(given: readonly Given[]): RuleCondition[] {
  if (given.length === 0) throw invalid("A condition must be specified");
  const conditions = given.map(conditionOf);
  for (const field of onceOnly) {
    if (conditions.filter((condition) => condition.field === field).length > 1) {
      throw invalid(`A rule can only have one '${field}' condition`);
    }
  }
  const values = conditions.reduce((sum, condition) => sum + countOf(condition), 0);
  const valuesMax = quotas["condition-values-per-alb-rule"];
  if (values > valuesMax) throw invalid(`A rule can only have '${valuesMax}' condition values`);
  // A backslash takes a wildcard's meaning away.
  const wildcards = conditions.flatMap(patternTexts).join(" ").replaceAll(/\\./g, "").replaceAll(/[^*?]/g, "").length;
  const wildcardsMax = quotas["condition-wildcards-per-alb-rule"];
  if (wildcards > wildcardsMax) throw invalid(`A rule can only have '${wildcardsMax}' condition wildcards`);
  return conditions;
}

const shownValues = ({ values, regexes }: { values: string[]; regexes?: string[] }) =>
  regexes === undefined ? { Values: values } : { RegexValues: regexes };

/** A condition as DescribeRules shows it: host and path in both forms, the others in the new one. */
export function describedCondition(condition: RuleCondition): SdkCondition {
  const { field: Field } = condition;
  switch (condition.field) {
    case "host-header":
      return { Field, ...shownValues(condition), HostHeaderConfig: shownValues(condition) };
    case "path-pattern":
      return { Field, ...shownValues(condition), PathPatternConfig: shownValues(condition) };
    case "http-request-method":
      return { Field, HttpRequestMethodConfig: { Values: condition.values } };
    case "source-ip":
      return { Field, SourceIpConfig: { Values: condition.values } };
    case "http-header":
      return { Field, HttpHeaderConfig: { HttpHeaderName: condition.name, ...shownValues(condition) } };
    default: {
      const Values = condition.pairs.map(({ key, value }) =>
        key === undefined ? { Value: value } : { Key: key, Value: value },
      );
      return { Field, QueryStringConfig: { Values } };
    }
  }
}

/** The same condition in the edge's words. */
export function edgeCondition(condition: RuleCondition): EdgeCondition {
  switch (condition.field) {
    case "host-header":
      if (condition.regexes !== undefined) return { kind: "host-regex", regexes: condition.regexes };
      return { kind: "host", patterns: condition.values };
    case "path-pattern":
      if (condition.regexes !== undefined) return { kind: "path-regex", regexes: condition.regexes };
      return { kind: "path", patterns: condition.values };
    case "http-request-method":
      return { kind: "method", methods: condition.values };
    case "source-ip":
      return { kind: "source-ip", cidrs: condition.values };
    case "http-header": {
      const { name, values, regexes } = condition;
      return regexes === undefined
        ? { kind: "header", name, patterns: values }
        : { kind: "header-regex", name, regexes };
    }
    default:
      return { kind: "query", pairs: condition.pairs };
  }
}
