/** A matcher that says plainly what a pattern means, and patterns and events at random to hold the real one against. */
import { comparable, addressOf, cidrRange } from "./numbers.ts";
import { inOrder } from "./matcher.ts";
import type { Condition } from "./pattern.ts";

type Plain = string | number | boolean | null;
interface Flat {
  path: string;
  value: Plain;
  /** Array -> element. */
  membership: ReadonlyMap<object, number>;
}

function flatten(event: object): readonly Flat[] {
  const found: Flat[] = [];
  const walk = (value: unknown, path: readonly string[], membership: ReadonlyMap<object, number>): void => {
    if (Array.isArray(value)) {
      for (const [index, item] of value.entries() as ArrayIterator<[number, unknown]>) {
        const isPlain = typeof item !== "object" || item === null;
        walk(item, path, isPlain ? membership : new Map(membership).set(value, index));
      }
    } else if (typeof value === "object" && value !== null) {
      for (const [name, member] of Object.entries(value)) walk(member, [...path, name], membership);
    } else {
      found.push({ path: path.join("."), value: value as Plain, membership });
    }
  };
  walk(event, [], new Map());
  return found;
}

/** The patterns without their `$or`s: path -> conditions as they are written. */
function branchesOf(pattern: object, path: readonly string[] = [], given = [new Map<string, readonly unknown[]>()]) {
  let branches = given;
  for (const [name, value] of Object.entries(pattern) as [string, object][]) {
    if (name === "$or") {
      branches = (value as object[]).flatMap((part) => branchesOf(part, path, branches));
    } else if (Array.isArray(value)) {
      branches = branches.map((branch) => new Map(branch).set([...path, name].join("."), value));
    } else {
      branches = branchesOf(value, [...path, name], branches);
    }
  }
  return branches;
}

const agree = (one: ReadonlyMap<object, number>, other: ReadonlyMap<object, number>) =>
  one.entries().every(([array, element]) => (other.get(array) ?? element) === element);

export function naiveMatch(pattern: object, event: object): boolean {
  const flat = flatten(event);
  const follow = (
    fields: readonly (readonly [string, readonly unknown[]])[],
    so: ReadonlyMap<object, number>,
  ): boolean => {
    const [first, ...rest] = fields;
    if (first === undefined) return true;
    const [path, conditions] = first;
    const here = flat.filter((field) => field.path === path && agree(so, field.membership));
    if (here.length === 0) return conditions.some(isAbsence) && follow(rest, so);
    return here.some(
      ({ value, membership }) =>
        conditions.some((condition) => holds(condition, value)) && follow(rest, new Map([...so, ...membership])),
    );
  };
  return branchesOf(pattern).some((branch) =>
    follow(inOrder(branch as unknown as ReadonlyMap<string, readonly Condition[]>), new Map()),
  );
}

const isAbsence = (condition: unknown) =>
  typeof condition === "object" && condition !== null && "exists" in condition && condition.exists === false;

const isSame = (a: unknown, b: Plain) => {
  if (typeof a === "number" && typeof b === "number") return a === b || (comparable(a) ?? NaN) === comparable(b);
  return a === b;
};

function wildcardHolds(pattern: string, text: string): boolean {
  if (pattern === "") return text === "";
  if (pattern.startsWith("*")) {
    return wildcardHolds(pattern.slice(1), text) || (text !== "" && wildcardHolds(pattern, text.slice(1)));
  }
  return text !== "" && pattern.charAt(0) === text.charAt(0) && wildcardHolds(pattern.slice(1), text.slice(1));
}

const compare: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  "=": (a, b) => a === b,
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
  ">": (a, b) => a > b,
  ">=": (a, b) => a >= b,
};

function holds(condition: unknown, value: Plain): boolean {
  if (typeof condition !== "object" || condition === null) return isSame(condition, value);
  const [[name, operand] = ["", undefined]] = Object.entries(condition) as [string, unknown][];
  if (name === "exists") return operand === true;
  if (name === "anything-but") {
    if (typeof operand !== "object" || Array.isArray(operand))
      return ![operand].flat().some((item) => isSame(item, value));
    const [[inner, texts] = ["", ""]] = Object.entries(operand as object) as [string, unknown][];
    return ![texts].flat().some((text) => holds({ [inner]: text }, value));
  }
  if (name === "numeric") {
    const terms = operand as (string | number)[];
    if (typeof value !== "number" || Math.abs(value) > 5e9) return false;
    return [0, 2].every((at) => at >= terms.length || compare[String(terms[at])]?.(value, Number(terms[at + 1])));
  }
  if (typeof value !== "string") return false;
  const anyCase = typeof operand === "object" && operand !== null;
  const text = String(anyCase ? Object.values(operand)[0] : operand);
  const [wanted, given] = anyCase ? [text.toLowerCase(), value.toLowerCase()] : [text, value];
  if (name === "prefix") return given.startsWith(wanted);
  if (name === "suffix") return given.endsWith(wanted);
  if (name === "equals-ignore-case") return value.toLowerCase() === text.toLowerCase();
  if (name === "wildcard") return wildcardHolds(text, value);
  const [range, address] = [cidrRange(text), addressOf(value)];
  if (typeof range === "string" || address === undefined) return false;
  return range.family === address.family && range.low <= address.bits && address.bits <= range.high;
}

/** Numbers from 0 to 1, the same for the same seed. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const pick = <T>(random: () => number, items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;

const names = ["a", "b", "c-d"];
const texts = ["", "a", "A", "ab", "abab", "ba", "aab", "10.0.0.1", "10.0.1.1", "::1"];
const plain: readonly Plain[] = [...texts, 0, 1, 1.5, -3, 7e9, true, false, null];

export function randomEvent(random: () => number, depth = 3): object {
  const value = (left: number): unknown => {
    const chance = random();
    if (left > 0 && chance < 0.35) return randomEvent(random, left - 1);
    if (left > 0 && chance < 0.7) return Array.from({ length: Math.floor(random() * 4) }, () => value(left - 1));
    return pick(random, plain);
  };
  return Object.fromEntries(names.filter(() => random() < 0.75).map((name) => [name, value(depth)]));
}

const text = (random: () => number) => pick(random, texts);
const wildcard = (random: () => number) => pick(random, ["*", "a*", "*b", "*a*b*", "a*b*", "", "*ab"]);
const several = <T>(random: () => number, make: () => T): T[] =>
  Array.from({ length: 1 + Math.floor(random() * 2) }, make);

const conditions: readonly ((random: () => number) => unknown)[] = [
  (random) => pick(random, plain),
  (random) => pick(random, plain),
  (random) => ({ prefix: text(random) }),
  (random) => ({ suffix: text(random) }),
  (random) => ({ prefix: { "equals-ignore-case": text(random) } }),
  (random) => ({ suffix: { "equals-ignore-case": text(random) } }),
  (random) => ({ "equals-ignore-case": text(random) }),
  (random) => ({ wildcard: wildcard(random) }),
  (random) => ({ numeric: [pick(random, ["<", "<=", "=", ">", ">="]), pick(random, [0, 1, 1.5])] }),
  (random) => ({
    numeric: [pick(random, [">", ">="]), pick(random, [-4, 0]), pick(random, ["<", "<="]), pick(random, [1, 2])],
  }),
  (random) => ({ exists: random() < 0.5 }),
  (random) => ({ cidr: pick(random, ["10.0.0.0/24", "10.0.0.0/8", "::/64"]) }),
  (random) => ({ "anything-but": random() < 0.5 ? text(random) : several(random, () => text(random)) }),
  (random) => ({ "anything-but": several(random, () => pick(random, [0, 1, 1.5])) }),
  (random) => ({ "anything-but": { prefix: several(random, () => pick(random, ["a", "b", "ab"])) } }),
  (random) => ({ "anything-but": { suffix: pick(random, ["a", "b", "ab"]) } }),
  (random) => ({ "anything-but": { "equals-ignore-case": several(random, () => text(random)) } }),
  (random) => ({ "anything-but": { wildcard: wildcard(random) } }),
];

export function randomPattern(random: () => number, depth = 2): object {
  const value = (left: number): object =>
    left > 0 && random() < 0.45
      ? randomPattern(random, left - 1)
      : several(random, () => pick(random, conditions)(random));
  const chosen = names.filter(() => random() < 0.6);
  const fields = Object.fromEntries((chosen.length === 0 ? ["a"] : chosen).map((name) => [name, value(depth)]));
  if (depth === 0 || random() > 0.2) return fields;
  return { ...fields, $or: [randomPattern(random, 0), randomPattern(random, depth - 1)] };
}
