/** What the parts of a template refer to: found once, for the checks and for the order of work. */
import { functionOf, getAttArguments, ifArguments, refName, subArguments } from "./functions.ts";
import { isList, isMap, type Json } from "./json.ts";
import { splitAttribute, subParts } from "./sub.ts";

export type Reference =
  /** `Ref`, or `${Name}` in `Fn::Sub`. */
  | { kind: "ref"; name: string }
  | { kind: "attribute"; resource: string; /** Undefined when a function computes it. */ attribute: string | undefined }
  | { kind: "condition"; name: string; /** `Fn::If`, or `Condition`. */ by: string }
  | { kind: "import"; /** The export's name, perhaps by functions of parameters. */ name: Json }
  | { kind: "zones" };

/** Says which branch of an `Fn::If` counts; undefined follows both. */
export type BranchOf = ((condition: string) => boolean) | undefined;

/** Every reference in `value`, in order. Throws AWS's `Template error` where a function is not written right. */
export function referencesIn(value: Json, branchOf?: BranchOf): readonly Reference[] {
  const found: Reference[] = [];
  collect(value, branchOf, found);
  return found;
}

function collect(value: Json, branchOf: BranchOf, found: Reference[]): void {
  const call = functionOf(value);
  if (call === undefined) {
    if (isList(value)) for (const item of value) collect(item, branchOf, found);
    else if (isMap(value)) for (const inner of Object.values(value)) collect(inner, branchOf, found);
    return;
  }
  const [name, argument] = call;
  if (name === "Ref") found.push({ kind: "ref", name: refName(argument) });
  else if (name === "Fn::GetAtt") collectAttribute(argument, branchOf, found);
  else if (name === "Fn::Sub") collectSub(argument, branchOf, found);
  else if (name === "Fn::If") collectIf(argument, branchOf, found);
  else if (name === "Condition") found.push({ kind: "condition", name: refName(argument), by: name });
  else {
    if (name === "Fn::ImportValue") found.push({ kind: "import", name: argument });
    if (name === "Fn::GetAZs") found.push({ kind: "zones" });
    collect(argument, branchOf, found);
  }
}

function collectAttribute(argument: Json, branchOf: BranchOf, found: Reference[]): void {
  const [resource, attribute] = getAttArguments(argument);
  found.push({ kind: "attribute", resource, attribute: typeof attribute === "string" ? attribute : undefined });
  if (typeof attribute !== "string") collect(attribute, branchOf, found);
}

function collectSub(argument: Json, branchOf: BranchOf, found: Reference[]): void {
  const [text, variables] = subArguments(argument);
  for (const part of subParts(text)) {
    if (part.kind === "text" || Object.hasOwn(variables, part.name)) continue;
    const attribute = splitAttribute(part.name);
    if (attribute === undefined) found.push({ kind: "ref", name: part.name });
    else found.push({ kind: "attribute", resource: attribute[0], attribute: attribute[1] });
  }
  collect(variables, branchOf, found);
}

function collectIf(argument: Json, branchOf: BranchOf, found: Reference[]): void {
  const [condition, then, otherwise] = ifArguments(argument);
  found.push({ kind: "condition", name: condition, by: "Fn::If" });
  if (branchOf === undefined) {
    collect(then, branchOf, found);
    collect(otherwise, branchOf, found);
  } else collect(branchOf(condition) ? then : otherwise, branchOf, found);
}
