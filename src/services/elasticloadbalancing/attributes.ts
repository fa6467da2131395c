/** Attributes of load balancers, listeners and target groups: what a catalogue of them is, and how they are changed. Pure. */
import type { Fault } from "../../base/errors.ts";
import { invalid, notRun } from "./refusals.ts";

export interface AttributeRule {
  default: string;
  /** Says what is wrong with a value, in AWS's words; undefined when it is allowed. */
  refuse?: (key: string, value: string) => Fault | undefined;
}

/** The attributes of one kind of thing. */
export interface Catalogue {
  /** As a refusal begins: `Load balancer`. */
  owner: "Load balancer" | "Target group" | "Listener";
  rules: Readonly<Record<string, AttributeRule>>;
  /** Says why a key that this kind does not have is refused, where AWS has more to say than that it is not recognized. */
  foreign?: (key: string) => Fault | undefined;
  /** Says which values in force do not go together. */
  together?: (valueOf: (key: string) => string) => Fault | undefined;
}

export interface Attribute {
  Key?: string | undefined;
  Value?: string | undefined;
}

/** What was set, by key. What is absent has its default. */
export type Attributes = Readonly<Record<string, string>>;

type Refuse = NonNullable<AttributeRule["refuse"]>;

export const oneOf =
  (...values: readonly string[]): Refuse =>
  (key, value) =>
    values.includes(value) ? undefined : invalid(`'${key}' value '${value}' must be one of [${values.join(", ")}]`);

export const between =
  (min: number, max: number): Refuse =>
  (key, value) =>
    /^\d{1,9}$/.test(value) && Number(value) >= min && Number(value) <= max
      ? undefined
      : invalid(`'${key}' value '${value}' must be between '${min}-${max}' inclusive`);

/** `word` or a number in a range. */
export const wordOr =
  (word: string, min: number, max: number): Refuse =>
  (key, value) =>
    value === word ? undefined : between(min, max)(key, value);

/** Allowed by AWS; every value but those of `run` would need something that is not there yet. */
export const only =
  (allowed: Refuse, ...run: readonly string[]): Refuse =>
  (key, value) =>
    allowed(key, value) ?? (run.includes(value) ? undefined : notRun(`the attribute '${key}' set to '${value}'`));

export const flag = oneOf("true", "false");

/** What was set before, with `changes` over it. Throws in AWS's words on a key or value that is not allowed. */
export function changedAttributes(
  catalogue: Catalogue,
  present: Attributes,
  changes: readonly Attribute[],
): Attributes {
  const { owner, rules, foreign, together } = catalogue;
  const next: Record<string, string> = { ...present };
  for (const { Key: key = "", Value: value = "" } of changes) {
    const rule = Object.hasOwn(rules, key) ? rules[key] : undefined;
    if (rule === undefined) throw foreign?.(key) ?? invalid(`${owner} attribute key '${key}' is not recognized`);
    const refusal = rule.refuse?.(key, value);
    if (refusal !== undefined) throw refusal;
    next[key] = value;
  }
  const refusal = together?.((key) => attributeOf(catalogue, next, key));
  if (refusal !== undefined) throw refusal;
  return next;
}

/** Every attribute, set or not, as Describe operations list them. */
export function describedAttributes({ rules }: Catalogue, set: Attributes): { Key: string; Value: string }[] {
  return Object.entries(rules).map(([Key, rule]) => ({ Key, Value: set[Key] ?? rule.default }));
}

/** The value in force. A key outside the catalogue reads as "". */
export const attributeOf = ({ rules }: Catalogue, set: Attributes, key: string): string =>
  set[key] ?? rules[key]?.default ?? "";
