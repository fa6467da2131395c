/** The `Conditions` of a template: each a boolean from parameters, mappings and other conditions. */
import { invalid } from "./faults.ts";
import { evaluate, type Scope } from "./intrinsics.ts";
import type { JsonObject } from "./json.ts";
import { orderOf } from "./plan.ts";
import { referencesIn } from "./references.ts";
import { isPseudoParameter } from "./pseudo.ts";

/** Values of all conditions, by name. `scope.condition` is not asked: conditions are found here. */
export function evaluateConditions(conditions: JsonObject, scope: Scope): ReadonlyMap<string, boolean> {
  const values = new Map<string, boolean>();
  const resolving = new Set<string>();
  const condition = (name: string): boolean => {
    const known = values.get(name);
    if (known !== undefined) return known;
    const expression = conditions[name];
    if (expression === undefined) throw unresolvedCondition(name, "Condition");
    // checkConditions() has refused circles; without it this would not end.
    if (resolving.has(name)) throw circular([...resolving]);
    resolving.add(name);
    const value = evaluate(expression, { ...scope, condition });
    resolving.delete(name);
    if (typeof value !== "boolean") {
      throw invalid(
        "Template format error: Conditions can only be boolean operations on parameters and other conditions",
      );
    }
    values.set(name, value);
    return value;
  };
  for (const name of Object.keys(conditions)) condition(name);
  return values;
}

export function unresolvedCondition(name: string, by: string) {
  return invalid(`Template error: unresolved condition dependency ${name} in ${by}`);
}

function circular(names: readonly string[]) {
  return invalid(`Circular dependency between conditions: [${names.join(", ")}]`);
}

/** Conditions may refer to parameters and to one another, and to nothing that is made later. */
export function checkConditions(conditions: JsonObject, parameters: ReadonlySet<string>): void {
  const edges = new Map<string, readonly string[]>();
  const unresolved = new Set<string>();
  for (const [name, expression] of Object.entries(conditions)) {
    const needs: string[] = [];
    for (const reference of referencesIn(expression)) {
      if (reference.kind === "ref") {
        if (!parameters.has(reference.name) && !isPseudoParameter(reference.name)) unresolved.add(reference.name);
      } else if (reference.kind === "attribute") unresolved.add(reference.resource);
      else if (reference.kind === "condition") {
        if (!Object.hasOwn(conditions, reference.name)) throw unresolvedCondition(reference.name, reference.by);
        needs.push(reference.name);
      } else {
        const what = reference.kind === "import" ? "Fn::ImportValue" : "Fn::GetAZs";
        throw invalid(`Template error: Cannot use ${what} in Conditions.`);
      }
    }
    edges.set(name, needs);
  }
  const sorted = orderOf(edges);
  if ("circle" in sorted) throw circular(sorted.circle);
  if (unresolved.size > 0) {
    throw invalid(
      `Template format error: Unresolved dependencies [${[...unresolved].join(", ")}]. Cannot reference resources in the Conditions block of the template`,
    );
  }
}
