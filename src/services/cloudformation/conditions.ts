/** The `Conditions` of a template: each a boolean from parameters, mappings and other conditions. */
import type { Fault } from "../../base/errors.ts";
import { invalid } from "./faults.ts";
import { evaluate, type Scope } from "./intrinsics.ts";
import type { JsonObject } from "./json.ts";
import { orderOf } from "./plan.ts";
import { isPseudoParameter } from "./pseudo.ts";
import { collected, type Reference } from "./references.ts";
import { wrongAt, type Finding, type Path } from "./spec/finding.ts";

/** Values of all conditions, by name. `scope.condition` is not asked: conditions are found here. */
export function evaluateConditions(conditions: JsonObject, scope: Scope): ReadonlyMap<string, boolean> {
  const values = new Map<string, boolean>();
  const resolving = new Set<string>();
  const condition = (name: string): boolean => {
    const known = values.get(name);
    if (known !== undefined) return known;
    const expression = conditions[name];
    if (expression === undefined) throw unresolvedCondition(name, "Condition");
    // conditionFindings() has found circles; without it this would not end.
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
export function conditionFindings(conditions: JsonObject, parameters: ReadonlySet<string>): readonly Finding[] {
  const findings: Finding[] = [];
  const edges = new Map<string, readonly string[]>();
  const unresolved: { name: string; path: Path }[] = [];
  for (const [name, expression] of Object.entries(conditions)) {
    const at = (path: Path): Path => ["Conditions", name, ...path];
    const refused = ({ message }: Fault, path: Path) => void findings.push(wrongAt(at(path), message));
    const references = collected(expression, undefined, { refused });
    for (const reference of references) {
      const path = at(reference.path);
      const forbidden = forbiddenIn(reference);
      if (forbidden !== undefined) findings.push(wrongAt(path, forbidden));
      else if (reference.kind === "ref") {
        if (!parameters.has(reference.name) && !isPseudoParameter(reference.name))
          unresolved.push({ name: reference.name, path });
      } else if (reference.kind === "attribute") unresolved.push({ name: reference.resource, path });
      else if (reference.kind === "condition" && !Object.hasOwn(conditions, reference.name)) {
        findings.push({
          ...wrongAt(path, unresolvedCondition(reference.name, reference.by).message),
          message: `There is no condition ${reference.name}`,
          unknown: { name: reference.name, among: () => Object.keys(conditions) },
        });
      }
    }
    edges.set(name, conditionsIn(references, conditions));
  }
  const sorted = orderOf(edges);
  const circles =
    "circle" in sorted
      ? sorted.circle.map((name) => wrongAt(["Conditions", name], circular(sorted.circle).message))
      : [];
  const names = [...new Set(unresolved.map(({ name }) => name))].join(", ");
  const fault = `Template format error: Unresolved dependencies [${names}]. Cannot reference resources in the Conditions block of the template`;
  return [
    ...findings,
    ...circles,
    ...unresolved.map(({ name, path }) => ({
      ...wrongAt(path, fault),
      message: `There is no parameter ${name}, and conditions can refer to nothing else`,
      unknown: { name, among: () => parameters },
    })),
  ];
}

function forbiddenIn({ kind }: Reference): string | undefined {
  if (kind === "import") return "Template error: Cannot use Fn::ImportValue in Conditions.";
  return kind === "zones" ? "Template error: Cannot use Fn::GetAZs in Conditions." : undefined;
}

function conditionsIn(references: readonly Reference[], conditions: JsonObject): readonly string[] {
  return references.flatMap((reference) =>
    reference.kind === "condition" && Object.hasOwn(conditions, reference.name) ? [reference.name] : [],
  );
}
