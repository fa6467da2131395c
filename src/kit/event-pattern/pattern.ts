/**
 * Event patterns as EventBridge, Lambda's filters and Pipes know them: parsed and checked, and laid out as branches.
 * Source: EventBridge guide, "Creating event patterns" and "Comparison operators"; the README of AWS's Event Ruler.
 */
import { combinationsMax } from "./limits.ts";
import { operators, readExpression, type Condition } from "./operators.ts";
import { PatternError, PatternSource } from "./source.ts";

export { PatternError } from "./source.ts";
export type { Condition } from "./operators.ts";

/** For each field, by its path (`detail.state`), conditions of which one must hold; all fields must. */
export type Branch = ReadonlyMap<string, readonly Condition[]>;

/** Matches where one of its branches does: more than one where there are `$or`s. */
export interface EventPattern {
  branches: readonly Branch[];
}

export interface PatternOptions {
  /** Characters that the pattern may have. */
  charsMax: number;
}

const orKeyword = "$or";

/**
 * Parses and checks a pattern.
 *
 * @throws PatternError with the reason in AWS's words; EventBridge puts `Event pattern is not valid. Reason: ` before it
 * @example
 * parsePattern('{"detail": {"state": ["running", {"prefix": "stop"}]}}', { charsMax: 2048 })
 */
export function parsePattern(text: string, { charsMax }: PatternOptions): EventPattern {
  if (text.length > charsMax) throw new PatternError(`Pattern is longer than ${charsMax} characters`);
  const source = new PatternSource(text);
  if (source.next().kind !== "{") throw source.error("Filter is not an object");
  return { branches: readObject(source, [], "", [new Map()]) };
}

type Branches = readonly Branch[];

/** The fields of an object, added to each of the branches there are. `or`: within an `$or`, where names of operators are none of fields. */
function readObject(
  source: PatternSource,
  path: readonly string[],
  within: "" | typeof orKeyword,
  given: Branches,
): Branches {
  let branches = given;
  let token = source.next();
  if (token.kind === "}") throw source.error("Empty objects are not allowed");
  for (; token.kind !== "}"; token = source.next()) {
    const name = token.text;
    if (name === orKeyword) {
      branches = readOr(source, path, branches);
      continue;
    }
    if (within === orKeyword && operators.has(name)) {
      throw source.error(`${name} is Ruler reserved fieldName which cannot be used inside $or.`);
    }
    const value = source.next().kind;
    const inner = [...path, name];
    if (value === "{") {
      branches = readObject(source, inner, within, branches);
    } else if (value === "[") {
      const conditions = readConditions(source);
      branches = branches.map((branch) => new Map(branch).set(inner.join("."), conditions));
    } else {
      throw source.error(`"${name}" must be an object or an array`);
    }
  }
  return branches;
}

function readOr(source: PatternSource, path: readonly string[], given: Branches): Branches {
  if (source.next().kind !== "[") throw source.error("It must be an Array followed with $or.");
  const branches: Branch[] = [];
  let alternatives = 0;
  for (let token = source.next(); token.kind !== "]"; token = source.next()) {
    if (token.kind !== "{") throw source.error("Only JSON object is allowed in array of $or relationship.");
    alternatives += 1;
    branches.push(...readObject(source, path, orKeyword, given));
    if (branches.length > combinationsMax) {
      throw source.error(`Rule has more than ${combinationsMax} combinations of $or`);
    }
  }
  if (alternatives < 2) throw source.error("There must have at least 2 Objects in $or relationship.");
  return branches;
}

function readConditions(source: PatternSource): readonly Condition[] {
  const conditions: Condition[] = [];
  for (let token = source.next(); token.kind !== "]"; token = source.next()) {
    if (token.kind === "{") conditions.push(readExpression(source));
    else if (token.kind === "string") conditions.push({ kind: "exact", value: token.text });
    else if (token.kind === "number") conditions.push({ kind: "exact", value: Number(token.text) });
    else if (token.kind === "null") conditions.push({ kind: "exact", value: null });
    else if (token.kind === "true" || token.kind === "false") {
      conditions.push({ kind: "exact", value: token.kind === "true" });
    } else throw source.error("Match value must be String, number, true, false, or null");
  }
  if (conditions.length === 0) throw source.error("Empty arrays are not allowed");
  return conditions;
}
