/** Match expressions, `{"prefix": "a"}` and their like: each operator reads its own operand. */
import { numberMax } from "./limits.ts";
import { cidrRange, comparable, type AddressRange } from "./numbers.ts";
import { PatternError, type PatternSource, type Token } from "./source.ts";
import { wildcardOf, type Wildcard } from "./wildcards.ts";

export type Scalar = string | number | boolean | null;

/** What a value of a field may be held against. Texts with `anyCase` are in lower case. */
export type Condition =
  | { kind: "exact"; value: Scalar }
  | { kind: "equals"; text: string }
  | { kind: "prefix"; text: string; anyCase: boolean }
  | { kind: "suffix"; text: string; anyCase: boolean }
  | { kind: "wildcard"; wildcard: Wildcard }
  /** Of {@link comparable} numbers, both ends included. */
  | { kind: "numeric"; low: number; high: number }
  | ({ kind: "cidr" } & AddressRange)
  | { kind: "exists"; exists: boolean }
  /** None of these. */
  | { kind: "anything-but"; of: readonly Condition[] };

type Read = (source: PatternSource) => Condition;

/** Names of operators, and those that AWS keeps for later: no fields inside an `$or`. */
export const operators: ReadonlySet<string> = new Set(
  [
    "exactly equals-ignore-case prefix suffix anything-but exists wildcard numeric cidr",
    "= < <= > >= regex not-wildcard not-equals-ignore-case",
    "date-after date-on-or-after date-before date-on-or-before in-date-range",
    "ip-address-in-range ip-address-not-in-range",
  ].flatMap((names) => names.split(" ")),
);

const onlyOneKey = "Only one key allowed in match expression";
const tooMany = "Too many elements in numeric expression";

/** Case as AWS folds it: letter by letter, so that a text keeps its length. */
export const folded = (text: string) => text.toLowerCase();

/** The expression whose opening brace was read. */
export function readExpression(source: PatternSource): Condition {
  const name = source.next();
  if (name.kind !== "key") throw source.error("Match expression name not found");
  const read = Object.hasOwn(readers, name.text) ? readers[name.text] : undefined;
  if (read === undefined) throw source.error(`Unrecognized match type ${name.text}`);
  return read(source);
}

const readers: Readonly<Record<string, Read>> = {
  exactly: (source) => ({ kind: "exact", value: lastText(source, "exact match pattern must be a string") }),
  "equals-ignore-case": (source) => equalsOf(source),
  prefix: (source) => endOf(source, "prefix"),
  suffix: (source) => endOf(source, "suffix"),
  wildcard(source) {
    const text = lastText(source, "wildcard match pattern must be a string");
    return { kind: "wildcard", wildcard: wildcardOf(text) };
  },
  numeric: readNumeric,
  "anything-but": readAnythingBut,
  exists(source) {
    const { kind } = source.next();
    if (kind !== "true" && kind !== "false") {
      throw source.error("exists match pattern must be either true or false.");
    }
    close(source, onlyOneKey);
    return { kind: "exists", exists: kind === "true" };
  },
  cidr(source) {
    // In AWS's words; it says prefix here.
    const range = cidrRange(lastText(source, "prefix match pattern must be a string"));
    if (typeof range === "string") throw new PatternError(range);
    return { kind: "cidr", ...range };
  },
};

function textOf(source: PatternSource, refusal: string): string {
  const token = source.next();
  if (token.kind !== "string") throw source.error(refusal);
  return token.text;
}

/** A text with which its object ends. */
function lastText(source: PatternSource, refusal: string): string {
  const text = textOf(source, refusal);
  close(source, onlyOneKey);
  return text;
}

function close(source: PatternSource, refusal: string): void {
  if (source.next().kind !== "}") throw source.error(refusal);
}

function equalsOf(source: PatternSource): Condition {
  return { kind: "equals", text: folded(lastText(source, "equals-ignore-case match pattern must be a string")) };
}

function endOf(source: PatternSource, kind: "prefix" | "suffix"): Condition {
  const token = source.next();
  if (token.kind === "{") {
    const name = source.next();
    if (name.kind !== "key") throw source.error(`${kind} expression name not found`);
    if (name.text !== "equals-ignore-case") throw source.error(`Unsupported ${kind} pattern: ${name.text}`);
    const text = lastText(source, "equals-ignore-case match pattern must be a string");
    close(source, onlyOneKey);
    return { kind, text: folded(text), anyCase: true };
  }
  if (token.kind !== "string") throw source.error(`${kind} match pattern must be a string`);
  close(source, onlyOneKey);
  return { kind, text: token.text, anyCase: false };
}

const edge = numberMax * 1_000_000;

function readNumeric(source: PatternSource): Condition {
  if (source.next().kind !== "[") throw source.error("Value of numeric must be an array.");
  const token = source.next();
  if (token.kind !== "string") throw source.error(`Invalid member in numeric match: ${token.text}`);
  const operator = token.text;
  if (!["=", "<", "<=", ">", ">="].includes(operator)) {
    source.next();
    throw source.error(`Unrecognized numeric range operator: ${operator}`);
  }
  const value = numberOf(source, operator === "=" ? "equals" : operator);
  const range = rangeOf(operator, value);
  const next = source.next();
  if (next.kind !== "]") {
    if (operator !== ">" && operator !== ">=") throw source.error(tooMany);
    range.high = upperEnd(source, next, value);
  }
  close(source, tooMany);
  return { kind: "numeric", ...range };
}

function rangeOf(operator: string, value: number): { low: number; high: number } {
  if (operator === "=") return { low: value, high: value };
  if (operator === "<") return { low: -edge, high: value - 1 };
  if (operator === "<=") return { low: -edge, high: value };
  return { low: operator === ">" ? value + 1 : value, high: edge };
}

function upperEnd(source: PatternSource, token: Token, bottom: number): number {
  if (token.kind !== "string") throw source.error(`Bad value in numeric range: ${token.text}`);
  if (token.text !== "<" && token.text !== "<=") throw source.error(`Bad numeric range operator: ${token.text}`);
  const top = numberOf(source, token.text);
  if (top <= bottom) throw source.error("Bottom must be less than top");
  if (source.next().kind !== "]") throw source.error("Too many terms in numeric range expression");
  return token.text === "<" ? top - 1 : top;
}

function numberOf(source: PatternSource, operator: string): number {
  const token = source.next();
  if (token.kind !== "number") throw source.error(`Value of ${operator} must be numeric`);
  return withinLimits(source, token);
}

function withinLimits(source: PatternSource, token: Token): number {
  const value = comparable(Number(token.text));
  if (value === undefined) throw source.error("Value must be between -5.0E9 and 5.0E9, inclusive");
  return value;
}

/** What may stand behind `anything-but`, and how each text of it is meant. */
const negated: Readonly<Record<string, (text: string) => Condition>> = {
  prefix: (text) => ({ kind: "prefix", text, anyCase: false }),
  suffix: (text) => ({ kind: "suffix", text, anyCase: false }),
  "equals-ignore-case": (text) => ({ kind: "equals", text: folded(text) }),
  wildcard: (text) => ({ kind: "wildcard", wildcard: wildcardOf(text) }),
};

function readAnythingBut(source: PatternSource): Condition {
  const token = source.next();
  if (token.kind === "{") return { kind: "anything-but", of: readNegated(source) };
  if (token.kind === "[") return { kind: "anything-but", of: readValues(source) };
  if (token.kind !== "string" && token.kind !== "number") {
    throw source.error("Value of anything-but must be an array or single string/number value.");
  }
  const of = [valueOf(source, token)];
  close(source, tooMany);
  return { kind: "anything-but", of };
}

function valueOf(source: PatternSource, token: Token): Condition {
  if (token.kind === "string") return { kind: "exact", value: token.text };
  withinLimits(source, token);
  return { kind: "exact", value: Number(token.text) };
}

function readValues(source: PatternSource): readonly Condition[] {
  const kinds = new Set<string>();
  const values: Condition[] = [];
  for (let token = source.next(); token.kind !== "]"; token = source.next()) {
    if (token.kind !== "string" && token.kind !== "number") {
      throw source.error("Inside anything but list, start|null|boolean is not supported.");
    }
    kinds.add(token.kind);
    values.push(valueOf(source, token));
  }
  if (kinds.size !== 1) {
    throw source.error("Inside anything but list, either all values are number or string, mixed type is not supported");
  }
  close(source, tooMany);
  return values;
}

function readNegated(source: PatternSource): readonly Condition[] {
  const name = source.next();
  if (name.kind !== "key") throw source.error("Anything-But expression name not found");
  const make = Object.hasOwn(negated, name.text) ? negated[name.text] : undefined;
  if (make === undefined) throw source.error(`Unsupported anything-but pattern: ${name.text}`);
  const conditions = readTexts(source, name.text).map(make);
  close(source, onlyOneKey);
  close(source, onlyOneKey);
  return conditions;
}

function readTexts(source: PatternSource, operator: string): readonly string[] {
  const isEnd = operator === "prefix" || operator === "suffix";
  const take = (token: Token, refusal: string) => {
    if (token.kind !== "string") throw source.error(refusal);
    if (isEnd && token.text === "") throw source.error("Null prefix/suffix not allowed");
    return token.text;
  };
  const first = source.next();
  if (first.kind !== "[") {
    const single = isEnd
      ? "prefix/suffix match pattern must be a string"
      : "Value of anything-but must be an array or single string/number value.";
    return [take(first, single)];
  }
  const texts: string[] = [];
  for (let token = source.next(); token.kind !== "]"; token = source.next()) {
    texts.push(take(token, `Inside anything-but/${operator} list, number|start|null|boolean is not supported.`));
  }
  if (texts.length === 0) throw source.error("Empty arrays are not allowed");
  return texts;
}
