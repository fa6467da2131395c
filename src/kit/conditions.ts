/** The `Condition` of a policy statement against the keys of a request. Source: IAM guide, "Condition operators". */

/** Condition keys of the request: `AWS:SourceArn`, `sts:ExternalId`. Names compare without case; a list is a multivalued key. */
export type ConditionContext = Readonly<Record<string, string | readonly string[] | undefined>>;

export type ConditionValue = string | number | boolean;
export type Conditions = Readonly<Record<string, Readonly<Record<string, ConditionValue | readonly ConditionValue[]>>>>;

type Test = (pattern: string, value: string) => boolean;

const same: Test = (pattern, value) => pattern === value;
const sameFolded: Test = (pattern, value) => pattern.toLowerCase() === value.toLowerCase();
const byNumber =
  (holds: (value: number, pattern: number) => boolean): Test =>
  (pattern, value) =>
    holds(Number(value), Number(pattern));
/** A date is a number of seconds, or ISO 8601. */
const seconds = (text: string) => (/^\d+$/.test(text) ? Number(text) : Date.parse(text) / 1000);
const byDate =
  (holds: (value: number, pattern: number) => boolean): Test =>
  (pattern, value) =>
    holds(seconds(value), seconds(pattern));

const equal = (a: number, b: number) => a === b;
const less = (a: number, b: number) => a < b;
const lessOrEqual = (a: number, b: number) => a <= b;
const greater = (a: number, b: number) => a > b;
const greaterOrEqual = (a: number, b: number) => a >= b;

const operators: Readonly<Record<string, Test>> = {
  stringequals: same,
  stringequalsignorecase: sameFolded,
  stringlike: matchesGlob,
  arnequals: matchesGlob,
  arnlike: matchesGlob,
  bool: sameFolded,
  numericequals: byNumber(equal),
  numericlessthan: byNumber(less),
  numericlessthanequals: byNumber(lessOrEqual),
  numericgreaterthan: byNumber(greater),
  numericgreaterthanequals: byNumber(greaterOrEqual),
  dateequals: byDate(equal),
  datelessthan: byDate(less),
  datelessthanequals: byDate(lessOrEqual),
  dategreaterthan: byDate(greater),
  dategreaterthanequals: byDate(greaterOrEqual),
};

/** Operators that hold when none of their values matches, and when the key is missing. */
const negated: Readonly<Record<string, Test>> = {
  stringnotequals: same,
  stringnotequalsignorecase: sameFolded,
  stringnotlike: matchesGlob,
  arnnotequals: matchesGlob,
  arnnotlike: matchesGlob,
  numericnotequals: byNumber(equal),
  datenotequals: byDate(equal),
};

interface Operator {
  test: Test;
  negated: boolean;
  ifExists: boolean;
  of: "one" | "any" | "all";
}

function operatorOf(written: string): Operator | undefined {
  const [, set, name = "", ifExists] = /^(forallvalues:|foranyvalue:)?([a-z]+?)(ifexists)?$/.exec(written) ?? [];
  const of = set === undefined ? "one" : set === "forallvalues:" ? "all" : "any";
  const positive = Object.hasOwn(operators, name) ? operators[name] : undefined;
  const negative = Object.hasOwn(negated, name) ? negated[name] : undefined;
  const test = positive ?? negative;
  if (test === undefined) return undefined;
  return { test, negated: negative !== undefined, ifExists: ifExists !== undefined, of };
}

function holds({ test, negated, ifExists, of }: Operator, patterns: readonly string[], values: readonly string[]) {
  const matches = (value: string) => patterns.some((pattern) => test(pattern, value)) !== negated;
  if (of === "all") return values.every(matches);
  if (of === "any") return values.some(matches);
  return values.length === 0 ? negated || ifExists : values.every(matches);
}

/**
 * Whether all conditions hold; undefined when one of them has an operator that is not evaluated here and the others
 * hold. Then an Allow must not count, and a Deny must.
 */
export function conditionsHold(conditions: Conditions | undefined, context: ConditionContext): boolean | undefined {
  const given = new Map(Object.entries(context).map(([key, value]) => [key.toLowerCase(), value]));
  let known = true;
  for (const [written, keys] of Object.entries(conditions ?? {})) {
    const name = written.toLowerCase();
    const operator = operatorOf(name);
    for (const [key, wanted] of Object.entries(keys)) {
      const patterns = textsOf(wanted);
      const values = textsOf(given.get(key.toLowerCase()) ?? []);
      if (name === "null") {
        if (patterns.includes("true") !== (values.length === 0)) return false;
      } else if (operator === undefined) known = false;
      else if (!holds(operator, patterns, values)) return false;
    }
  }
  return known ? true : undefined;
}

function textsOf(value: ConditionValue | readonly ConditionValue[]): readonly string[] {
  return typeof value === "object" ? value.map(String) : [String(value)];
}

/** `*` is any run of characters, `?` one. Linear in the text for each star. */
export function matchesGlob(pattern: string, text: string): boolean {
  let at = 0;
  let star = -1;
  let retry = 0;
  let i = 0;
  while (i < text.length) {
    if (at < pattern.length && (pattern[at] === "?" || pattern[at] === text[i]) && pattern[at] !== "*") {
      at += 1;
      i += 1;
    } else if (pattern[at] === "*") {
      star = at;
      retry = i;
      at += 1;
    } else if (star >= 0) {
      at = star + 1;
      retry += 1;
      i = retry;
    } else {
      return false;
    }
  }
  while (pattern[at] === "*") at += 1;
  return at === pattern.length;
}
