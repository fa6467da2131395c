/**
 * Plain YAML 1.1 scalars as AWS reads them: no dates, no `y`/`n`, and a number with a leading zero that is not octal
 * (an account id) stays text. Source: user guide, "CloudFormation template format", and SnakeYAML's resolver.
 */
import type { Json } from "./json.ts";

const nulls = new Set(["", "~", "null", "Null", "NULL"]);
const truths = new Set(["yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"]);
const untruths = new Set(["no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"]);
const decimal = /^[-+]?(?:0|[1-9][0-9_]*)$/;
const radix = /^([-+]?)0(b[01_]+|x[0-9a-fA-F_]+|[0-7_]+)$/;
const sexagesimal = /^[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+$/;
const float = /^[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?)$/;

/** The value of an unquoted, untagged scalar. */
export function plainScalar(text: string): Json {
  if (nulls.has(text)) return null;
  if (truths.has(text)) return true;
  if (untruths.has(text)) return false;
  const first = text.charCodeAt(0);
  // Anything else begins with a digit, a sign or a dot; most text is told by its first letter.
  if (first > 0x39 || first < 0x2b) return text;
  const number = numberOf(text);
  // What a double cannot hold stays as written: it is a name, not a quantity.
  return number === undefined || !Number.isFinite(number) || Math.abs(number) > Number.MAX_SAFE_INTEGER ? text : number;
}

function numberOf(text: string): number | undefined {
  const digits = text.replaceAll("_", "");
  if (decimal.test(text) || float.test(text)) return Number(digits);
  const based = radix.exec(text);
  if (based !== null) return radixNumber(based[1] ?? "", (based[2] ?? "").replaceAll("_", ""));
  if (sexagesimal.test(text)) return base60(digits);
  return undefined;
}

function radixNumber(sign: string, digits: string): number {
  const magnitude = /^[bx]/.test(digits) ? Number(`0${digits}`) : Number.parseInt(digits, 8);
  return sign === "-" ? -magnitude : magnitude;
}

function base60(digits: string): number {
  const negative = digits.startsWith("-");
  const magnitude = digits
    .replace(/^[-+]/, "")
    .split(":")
    .reduce((sum, part) => sum * 60 + Number(part), 0);
  return negative ? -magnitude : magnitude;
}
