/** A submitted template before anything runs: every name, and every property as far as its value is known. */
import type { Deps } from "../../kit/service.ts";
import { drawBlueprint, importNames, type Blueprint } from "./blueprint.ts";
import { neededCapability, requireCapability } from "./capabilities.ts";
import { nameFindings } from "./check.ts";
import { refuse } from "./findings.ts";
import type { PseudoInput } from "./pseudo.ts";
import type { SourceReader } from "./source-reader.ts";
import { propertyFindings } from "./spec/properties.ts";
import type { Known } from "./spec/yields.ts";
import type { Submitted } from "./submitted.ts";
import { typesIn } from "./template.ts";

/** What will be made of the template. Throws one fault with everything that is wrong with it. */
export async function validated(
  { deps, reader }: { deps: Pick<Deps, "resourceType" | "openTypes">; reader: SourceReader },
  { template, parameters, original }: Submitted,
  pseudo: PseudoInput,
  capabilities: readonly string[],
): Promise<Blueprint> {
  await deps.openTypes(typesIn(template));
  const names = nameFindings(template, deps.resourceType);
  const known: Known = {
    branchOf: undefined,
    declarations: template.parameters,
    values: parameters,
    resources: template.resources,
  };
  if (names.some(({ severity }) => severity !== "warning")) {
    await refuse([...names, ...propertyFindings(template, known, deps.resourceType)], original, reader);
  }
  // Which branches count, and which resources are made, is known from here on.
  const blueprint = drawBlueprint(template, parameters, pseudo);
  // Evaluated once for its faults; the engine reads the exports when it begins.
  importNames(blueprint);
  const needed = neededCapability(blueprint.resources);
  if (needed !== undefined) requireCapability(needed.capability, capabilities);
  const branchOf = (condition: string) => blueprint.conditions.get(condition) === true;
  await refuse(propertyFindings(blueprint, { ...known, branchOf }, deps.resourceType), original, reader);
  return blueprint;
}
