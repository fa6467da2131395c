/** Patterns of JSON events. Source: CloudWatch Logs guide, "Using filter patterns to match terms in JSON log events". */
import { invalid } from "./faults.ts";
import { readComparison, type Scalar } from "./pattern-comparison.ts";
import {
  accept,
  acceptEnd,
  malformed,
  readExpression,
  sourceOf,
  take,
  type Source,
  type Test,
} from "./pattern-source.ts";

/** A step of a selector: a member, an item, all members, all items. */
type Step = { member: string } | { item: number } | "members" | "items";

/** Source: the same page, on wildcards in property selectors. */
const wildcardsOfSelectorMax = 1;
const wildcardsOfPatternMax = 3;

const member = /\.([\p{L}\p{N}_@$#:/-]+)/uy;
const bracketed = /\.?\[\s*(?:'([^']+)'|"([^"]+)")\s*\]/y;
const item = /\[\s*(\d{1,9})\s*\]/y;
const allItems = /\[\s*\*\s*\]/y;
const allMembers = /\.\*/y;

/** The message is JSON, and what it holds satisfies the conditions. */
export function jsonPattern(pattern: string): Test<string> {
  const source = sourceOf(pattern);
  let wildcards = 0;
  accept(source, "{");
  const test = readExpression(source, () => {
    const steps = readSelector(source);
    const own = steps.filter((step) => typeof step === "string").length;
    wildcards += own;
    if (own > wildcardsOfSelectorMax || wildcards > wildcardsOfPatternMax) {
      throw invalid(
        `Invalid filter pattern: more than ${wildcardsOfSelectorMax} wildcard in a property selector, or ${wildcardsOfPatternMax} in all`,
      );
    }
    return readCondition(source, steps);
  });
  if (!accept(source, "}")) throw malformed();
  acceptEnd(source);
  return (message) => {
    const json = parse(message);
    return json !== undefined && test(json);
  };
}

function readSelector(source: Source): Step[] {
  if (!accept(source, "$")) throw malformed();
  const steps: Step[] = [];
  for (;;) {
    const step = readStep(source);
    if (step === undefined) break;
    steps.push(step);
  }
  if (steps.length === 0) throw malformed();
  return steps;
}

function readStep(source: Source): Step | undefined {
  if (take(source, allMembers) !== undefined) return "members";
  if (take(source, allItems) !== undefined) return "items";
  const index = take(source, item);
  if (index !== undefined) return { item: Number(index) };
  bracketed.lastIndex = source.at;
  const [whole, single, double] = bracketed.exec(source.text) ?? [];
  const quoted = single ?? double;
  if (whole !== undefined && quoted !== undefined) {
    source.at += whole.length;
    return { member: quoted };
  }
  const name = take(source, member);
  return name === undefined ? undefined : { member: name };
}

const keywords: Readonly<Record<string, Test<readonly unknown[]>>> = {
  "IS NULL": (found) => found.includes(null),
  "IS TRUE": (found) => found.includes(true),
  "IS FALSE": (found) => found.includes(false),
  "NOT EXISTS": (found) => found.length === 0,
};
const keyword = /(?:IS|NOT)\s+[A-Z]+\b/y;

/** What is no scalar, or not there, satisfies no comparison, `!=` neither. */
function readCondition(source: Source, steps: readonly Step[]): Test<object> {
  const words = take(source, keyword)?.replaceAll(/\s+/g, " ");
  if (words !== undefined) {
    const test = Object.hasOwn(keywords, words) ? keywords[words] : undefined;
    if (test === undefined) throw malformed();
    return (json) => test(select(json, steps));
  }
  const compare = readComparison(source);
  return (json) => select(json, steps).some((value) => isScalar(value) && compare(value));
}

const isScalar = (value: unknown): value is Scalar => typeof value === "string" || typeof value === "number";

/** All that a selector leads to. */
function select(json: unknown, steps: readonly Step[]): readonly unknown[] {
  let found: readonly unknown[] = [json];
  for (const step of steps) found = found.flatMap((value) => follow(value, step));
  return found;
}

function follow(value: unknown, step: Step): readonly unknown[] {
  if (typeof value !== "object" || value === null) return [];
  if (Array.isArray(value)) {
    if (step === "items") return value;
    return typeof step === "object" && "item" in step && step.item < value.length ? [value[step.item]] : [];
  }
  if (step === "members") return Object.values(value);
  if (typeof step === "string" || !("member" in step)) return [];
  return Object.hasOwn(value, step.member) ? [(value as Readonly<Record<string, unknown>>)[step.member]] : [];
}

/** An object or an array; undefined for what is no JSON, or a scalar of it. */
function parse(message: string): object | undefined {
  if (!/^\s*[{[]/.test(message)) return undefined;
  try {
    const json: unknown = JSON.parse(message);
    return typeof json === "object" && json !== null ? json : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
