/**
 * What AWS enforces and models (required members, lengths, ranges, patterns, enums), checked after decoding, for all
 * protocols alike. Nothing is allocated for an input that holds them.
 */
import { patternCharsMax, quotedCharsMax } from "./limits.ts";
import { perStructure, type Member, type Structure, type Type } from "./model.ts";
import type { Constraints } from "./table.ts";

export interface Problem {
  /** `tags.1.member.key`, as AWS writes it; `Key` of the member for those who name it otherwise. */
  path: string;
  member: Member;
  /** The value as AWS repeats it; undefined where it is missing. */
  value: string | undefined;
  /** `Member must not be null`. */
  text: string;
  missing: boolean;
}

/** Finds what is wrong with a value; `at` is called for the path only when something is. */
export type Check = (value: unknown, at: () => string, problems: Problem[]) => void;

/** After so many, the list ends: nobody reads more, and an attacker would like to write more. */
const problemsMax = 20;

const lowerFirst = (name: string) => name.charAt(0).toLowerCase() + name.slice(1);

/** Compiles the checks of a structure; undefined when nothing in it is constrained. */
export function checksOf(): (structure: Structure) => Check | undefined {
  const needed = new Map<Structure, boolean>();
  const compiled = perStructure<Check>(
    (structure) => structureCheck(structure, checkOf),
    (target) => (value, at, problems) => target()(value, at, problems),
  );
  const checkOf = (member: Member): Check | undefined => typeCheck(member, member.type, checkOf, compiled, needed);
  return (structure) => (needsChecks(structure, needed) ? compiled(structure) : undefined);
}

/** Whether anything that a structure reaches is constrained. */
function needsChecks(structure: Structure, known: Map<Structure, boolean>): boolean {
  const seen = known.get(structure);
  if (seen !== undefined) return seen;
  known.set(structure, false);
  const typeNeeds = (type: Type): boolean => {
    switch (type.kind) {
      case "scalar":
        return false;
      case "structure":
        return needsChecks(type.structure, known);
      case "list":
        return memberNeeds(type.item);
      default:
        return memberNeeds(type.key) || memberNeeds(type.value);
    }
  };
  const memberNeeds = ({ traits, type }: Member): boolean => isConstrained(traits) || typeNeeds(type);
  const needs = structure.members.some((member) => member.required || memberNeeds(member));
  known.set(structure, needs);
  return needs;
}

const isConstrained = ({ min, max, pattern, enum: values }: Constraints) =>
  min !== undefined || max !== undefined || pattern !== undefined || values !== undefined;

function structureCheck(structure: Structure, checkOf: (member: Member) => Check | undefined): Check {
  const rows = structure.members
    .map((member) => ({ member, name: member.name, path: lowerFirst(member.name), check: checkOf(member) }))
    .filter(({ member, check }) => member.required || check !== undefined);
  return (value, at, problems) => {
    const input = value as Record<string, unknown>;
    for (const { member, name, path, check } of rows) {
      const found = input[name];
      if (found === undefined) {
        if (member.required) {
          const text = "Member must not be null";
          problems.push({ path: at() + path, member, value: undefined, text, missing: true });
        }
      } else if (check !== undefined && problems.length < problemsMax) {
        check(found, () => at() + path, problems);
      }
    }
  };
}

function typeCheck(
  member: Member,
  type: Type,
  checkOf: (member: Member) => Check | undefined,
  structureOf: (structure: Structure) => Check,
  needed: Map<Structure, boolean>,
): Check | undefined {
  const own = isConstrained(member.traits) ? ownCheck(member) : undefined;
  switch (type.kind) {
    case "scalar":
      return own;
    case "structure": {
      if (!needsChecks(type.structure, needed)) return own;
      const inner = structureOf(type.structure);
      return (value, at, problems) => inner(value, () => `${at()}.`, problems);
    }
    case "list":
      return both(own, itemsCheck(member, type.item, checkOf));
    default:
      return both(own, entriesCheck(member, type, checkOf));
  }
}

function both(first: Check | undefined, second: Check | undefined): Check | undefined {
  if (first === undefined || second === undefined) return first ?? second;
  return (value, at, problems) => {
    first(value, at, problems);
    second(value, at, problems);
  };
}

/** Items that are structures are told by number; those that are scalars, all together, as AWS does. */
function itemsCheck(list: Member, item: Member, checkOf: (member: Member) => Check | undefined): Check | undefined {
  const check = checkOf(item);
  if (check === undefined) return undefined;
  if (item.type.kind === "scalar") {
    const rules = rulesOf(item);
    return (value, at, problems) => {
      if ((value as unknown[]).some((found) => failing(rules, found).length > 0)) {
        problems.push(collective(list, value, at(), rules));
      }
    };
  }
  return (value, at, problems) => {
    const items = value as unknown[];
    for (let i = 0; i < items.length && problems.length < problemsMax; i += 1) {
      check(items[i], () => `${at()}.${i + 1}.member`, problems);
    }
  };
}

function entriesCheck(
  map: Member,
  type: Extract<Type, { kind: "map" }>,
  checkOf: (member: Member) => Check | undefined,
): Check | undefined {
  const keyRules = rulesOf(type.key);
  const check = checkOf(type.value);
  if (keyRules.length === 0 && check === undefined) return undefined;
  const scalarRules = type.value.type.kind === "scalar" ? rulesOf(type.value) : undefined;
  return (value, at, problems) => {
    const entries = Object.entries(value as object);
    if (entries.some(([key]) => failing(keyRules, key).length > 0)) {
      problems.push(collective(map, value, at(), keyRules, "Map keys must satisfy constraint"));
    }
    if (scalarRules !== undefined) {
      if (entries.some(([, found]) => failing(scalarRules, found).length > 0)) {
        problems.push(collective(map, value, at(), scalarRules, "Map value must satisfy constraint"));
      }
      return;
    }
    for (const [key, found] of entries) check?.(found, () => `${at()}.${key}.member`, problems);
  };
}

function collective(
  member: Member,
  value: unknown,
  path: string,
  rules: readonly Rule[],
  opening = "Member must satisfy constraint",
): Problem {
  const text = `${opening}: [${rules.map((rule) => rule.text).join(", ")}]`;
  return { path, member, value: quoted(value), text, missing: false };
}

function ownCheck(member: Member): Check {
  const rules = rulesOf(member);
  return (value, at, problems) => {
    for (const rule of rules) {
      if (rule.holds(value)) continue;
      problems.push({ path: at(), member, value: quoted(value), text: rule.text, missing: false });
    }
  };
}

interface Rule {
  text: string;
  holds(value: unknown): boolean;
}

const failing = (rules: readonly Rule[], value: unknown) => rules.filter((rule) => !rule.holds(value));

/** The rules of a member, in the order in which AWS names them. */
function rulesOf({ traits, type }: Member): Rule[] {
  const { min, max, pattern, enum: values } = traits;
  const rules: Rule[] = [];
  const [measure, what] = type.kind === "scalar" && isNumber(type.scalar) ? [Number, "value"] : [lengthOf, "length"];
  if (pattern !== undefined) rules.push(patternRule(pattern, max));
  if (max !== undefined) {
    const text = `Member must have ${what} less than or equal to ${max}`;
    rules.push({ text, holds: (value) => !(measure(value) > max) });
  }
  // Nothing is shorter than nothing.
  if (min !== undefined && (what === "value" || min > 0)) {
    const text = `Member must have ${what} greater than or equal to ${min}`;
    rules.push({ text, holds: (value) => !(measure(value) < min) });
  }
  if (values !== undefined) {
    const known = new Set<unknown>(values);
    const text = `Member must satisfy enum value set: [${values.join(", ")}]`;
    rules.push({ text, holds: (value) => known.has(value) });
  }
  return rules;
}

const isNumber = (scalar: string) => /^(?:number|integer|long|float|double|bigint)$/.test(scalar);

/** Length in characters, bytes, items or entries. */
function lengthOf(value: unknown): number {
  if (typeof value === "string") return codePoints(value);
  if (value instanceof Uint8Array) return value.byteLength;
  if (Array.isArray(value)) return value.length;
  // A stream's length is known at its end: NaN is neither too long nor too short.
  return typeof value === "object" && value !== null && !(Symbol.asyncIterator in value)
    ? Object.keys(value).length
    : Number.NaN;
}

function codePoints(text: string): number {
  let length = text.length;
  for (let i = 0; i < text.length - 1; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit >= 0xd800 && unit <= 0xdbff) {
      const next = text.charCodeAt(i + 1);
      if (next >= 0xdc00 && next <= 0xdfff) length -= 1;
    }
  }
  return length;
}

/** A whole string must match. Too long a string is the length's to refuse: patterns with backtracking never see it. */
function patternRule(pattern: string, max: number | undefined): Rule {
  const whole = `^(?:${pattern})$`;
  const charsMax = Math.min(max ?? patternCharsMax, patternCharsMax);
  let compiled: RegExp | undefined;
  return {
    text: `Member must satisfy regular expression pattern: ${pattern}`,
    holds(value) {
      if (typeof value !== "string" || value.length > charsMax) return true;
      compiled ??= regExpOf(whole);
      return compiled.test(value);
    },
  };
}

/** Not every pattern of AWS is valid with the `u` flag; the tool that made the table tried both. */
function regExpOf(source: string): RegExp {
  try {
    return new RegExp(source, "u");
  } catch (error) {
    if (error instanceof SyntaxError) return new RegExp(source);
    throw error;
  }
}

/** A value as AWS repeats it in a message: Java's own way of writing it. */
function quoted(value: unknown): string {
  const text = plain(value, 0);
  return text.length > quotedCharsMax ? `${text.slice(0, quotedCharsMax)}...` : text;
}

function plain(value: unknown, depth: number): string {
  if (depth > 3) return "...";
  if (typeof value === "string") return value.slice(0, quotedCharsMax + 1);
  if (value instanceof Uint8Array)
    return `java.nio.HeapByteBuffer[pos=0 lim=${value.byteLength} cap=${value.byteLength}]`;
  if (Array.isArray(value))
    return `[${value
      .slice(0, 100)
      .map((item) => plain(item, depth + 1))
      .join(", ")}]`;
  if (typeof value === "object" && value !== null && !(value instanceof Date)) {
    const entries = Object.entries(value).slice(0, 100);
    return `{${entries.map(([key, item]) => `${key}=${plain(item, depth + 1)}`).join(", ")}}`;
  }
  return String(value);
}

/** "2 validation errors detected: Value '' at 'a' failed to satisfy constraint: ...; Value null at ..." */
export function validationText(problems: readonly Problem[]): string {
  const count = problems.length === 1 ? "1 validation error" : `${problems.length} validation errors`;
  const each = problems.map(({ path, member, value, text }) => {
    const shown = value === undefined ? "Value null" : member.traits.sensitive === 1 ? "Value" : `Value '${value}'`;
    return `${shown} at '${path}' failed to satisfy constraint: ${text}`;
  });
  return `${count} detected: ${each.join("; ")}`;
}
