/** What the parts of a template refer to: found once, for the checks and for the order of work. */
import { isFault, type Fault } from "../../base/errors.ts";
import { functionOf, getAttArguments, ifArguments, refName, subArguments } from "./functions.ts";
import { isList, isMap, type Json } from "./json.ts";
import type { Path } from "./spec/finding.ts";
import { splitAttribute, subParts } from "./sub.ts";

export type Reference =
  /** `Ref`, or `${Name}` in `Fn::Sub`. */
  (
    | { kind: "ref"; name: string }
    | {
        kind: "attribute";
        resource: string;
        /** Undefined when a function computes it. */ attribute: string | undefined;
      }
    | { kind: "condition"; name: string; /** `Fn::If`, or `Condition`. */ by: string }
    | { kind: "import"; /** The export's name, perhaps by functions of parameters. */ name: Json }
    | { kind: "zones" }
  ) & {
    /** Where it stands in what was looked at. */
    path: Path;
  };

/** Says which branch of an `Fn::If` counts; undefined follows both. */
export type BranchOf = ((condition: string) => boolean) | undefined;

/** Every reference in `value`, in order. Throws AWS's `Template error` where a function is not written right. */
export function referencesIn(value: Json, branchOf?: BranchOf): readonly Reference[] {
  return collected(value, branchOf, {
    refused(fault) {
      throw fault;
    },
  });
}

/** Is told what else there is to say of a value. */
export interface Observer {
  /** A function is not written right. What is beside it is looked at all the same. */
  refused(fault: Fault, path: Path): void;
  /** A variable that `Fn::Sub` is given, and does not use. */
  unused?(variable: string, path: Path): void;
}

/** Every reference in `value`, with an observer of what is wrong. */
export function collected(value: Json, branchOf: BranchOf, observer: Observer): readonly Reference[] {
  const found: Reference[] = [];
  collect(value, { branchOf, found, observer, path: [] });
  return found;
}

interface Walk {
  branchOf: BranchOf;
  found: Reference[];
  observer: Observer;
  path: Path;
}

const inside = (walk: Walk, ...steps: Path): Walk => ({ ...walk, path: [...walk.path, ...steps] });

function collect(value: Json, walk: Walk): void {
  try {
    const call = functionOf(value);
    if (call !== undefined) return collectCall(call[0], call[1], inside(walk, call[0]));
  } catch (error) {
    if (!isFault(error)) throw error;
    walk.observer.refused(error, walk.path);
    return undefined;
  }
  return collectAll(value, walk);
}

/** What is in a list or a map. */
function collectAll(value: Json, walk: Walk): void {
  if (isList(value)) value.forEach((item, at) => collect(item, inside(walk, at)));
  else if (isMap(value)) for (const [name, inner] of Object.entries(value)) collect(inner, inside(walk, name));
}

function collectCall(name: string, argument: Json, walk: Walk): void {
  const { found, path } = walk;
  if (name === "Ref") found.push({ kind: "ref", name: refName(argument), path });
  else if (name === "Fn::GetAtt") collectAttribute(argument, walk);
  else if (name === "Fn::Sub") collectSub(argument, walk);
  else if (name === "Fn::If") collectIf(argument, walk);
  else if (name === "Condition") found.push({ kind: "condition", name: refName(argument), by: name, path });
  else {
    if (name === "Fn::ImportValue") found.push({ kind: "import", name: argument, path });
    if (name === "Fn::GetAZs") found.push({ kind: "zones", path });
    collect(argument, walk);
  }
}

function collectAttribute(argument: Json, walk: Walk): void {
  const { found, path } = walk;
  const [resource, attribute] = getAttArguments(argument);
  found.push({ kind: "attribute", resource, attribute: typeof attribute === "string" ? attribute : undefined, path });
  if (typeof attribute !== "string") collect(attribute, inside(walk, 1));
}

function collectSub(argument: Json, walk: Walk): void {
  const { found, path, observer } = walk;
  const [text, variables] = subArguments(argument);
  const used = new Set<string>();
  for (const part of subParts(text)) {
    if (part.kind === "text") continue;
    used.add(part.name);
    if (Object.hasOwn(variables, part.name)) continue;
    const attribute = splitAttribute(part.name);
    if (attribute === undefined) found.push({ kind: "ref", name: part.name, path });
    else found.push({ kind: "attribute", resource: attribute[0], attribute: attribute[1], path });
  }
  for (const name of Object.keys(variables)) {
    if (!used.has(name)) observer.unused?.(name, [...path, 1, name]);
  }
  collectAll(variables, inside(walk, 1));
}

function collectIf(argument: Json, walk: Walk): void {
  const { found, path, branchOf } = walk;
  const [condition, then, otherwise] = ifArguments(argument);
  found.push({ kind: "condition", name: condition, by: "Fn::If", path });
  if (branchOf === undefined || branchOf(condition)) collect(then, inside(walk, 1));
  if (branchOf === undefined || !branchOf(condition)) collect(otherwise, inside(walk, 2));
}
