/** Checks of a template as a whole, before anything is made: every name it uses exists. */
import type { Resource } from "../../kit/resource.ts";
import { checkConditions, unresolvedCondition } from "./conditions.ts";
import { checkReferences } from "./dynamic-references.ts";
import { invalid } from "./faults.ts";
import { isPseudoParameter } from "./pseudo.ts";
import { referencesIn, type BranchOf, type Reference } from "./references.ts";
import type { Template } from "./template.ts";

export type ResourceTypes = (type: string) => Resource | undefined;

/** Throws AWS's error for the first name that does not exist: type, condition, parameter, resource or attribute. */
export function checkTemplate(template: Template, typeOf: ResourceTypes): void {
  checkConditions(template.conditions, new Set(template.parameters.keys()));
  checkTypes(template, typeOf);
  checkConditionNames(template);
  const all = new Set(template.resources.keys());
  checkNames(template, all, undefined, all);
  checkAttributes(template, typeOf);
  checkImports(template);
  checkDynamic(template);
}

function checkDynamic({ resources }: Template): void {
  for (const { properties } of resources.values()) checkReferences(properties);
}

function checkTypes({ resources }: Template, typeOf: ResourceTypes): void {
  const types = new Set([...resources.values()].map(({ type }) => type));
  const unknown = [...types].filter((type) => typeOf(type) === undefined);
  if (unknown.length > 0) throw invalid(`Template format error: Unrecognized resource types: [${unknown.join(", ")}]`);
}

function checkConditionNames({ resources, outputs, conditions }: Template): void {
  const block = (of: ReadonlyMap<string, { condition?: string }>, name: string) => {
    for (const { condition } of of.values()) {
      if (condition === undefined || Object.hasOwn(conditions, condition)) continue;
      throw invalid(
        `Template format error: Unresolved condition dependency ${condition} in the ${name} block of the template`,
      );
    }
  };
  block(resources, "Resources");
  block(outputs, "Outputs");
  for (const reference of allReferences({ resources, outputs }, undefined)) {
    if (reference.kind === "condition" && !Object.hasOwn(conditions, reference.name)) {
      throw unresolvedCondition(reference.name, reference.by);
    }
  }
}

function allReferences({ resources, outputs }: Pick<Template, "resources" | "outputs">, branchOf: BranchOf) {
  return [...inResources(resources, branchOf), ...inOutputs(outputs, branchOf)];
}

function inResources(resources: Template["resources"], branchOf: BranchOf): readonly Reference[] {
  return [...resources.values()].flatMap(({ properties, metadata }) => [
    ...referencesIn(properties, branchOf),
    ...referencesIn(metadata, branchOf),
  ]);
}

function inOutputs(outputs: Template["outputs"], branchOf: BranchOf): readonly Reference[] {
  return [...outputs.values()].flatMap(({ value, exportName }) => [
    ...referencesIn(value, branchOf),
    ...(exportName === undefined ? [] : referencesIn(exportName, branchOf)),
  ]);
}

/**
 * Every name that is referred to is a parameter or in `resources`: all of the template's, or once conditions are known
 * those that will be made. `all` has those as well that will not.
 */
export function checkNames(
  template: Template,
  resources: ReadonlySet<string>,
  branchOf: BranchOf,
  all: ReadonlySet<string>,
): void {
  const isKnown = (name: string) => template.parameters.has(name) || resources.has(name) || isPseudoParameter(name);
  const missing = (references: readonly Reference[]) =>
    references.flatMap((reference) =>
      reference.kind === "ref" && !isKnown(reference.name) ? [reference.name] : missingAttribute(reference),
    );
  const missingAttribute = (reference: Reference) => {
    if (reference.kind !== "attribute" || resources.has(reference.resource)) return [];
    if (all.has(reference.resource)) return [reference.resource];
    throw invalid(`Template error: instance of Fn::GetAtt references undefined resource ${reference.resource}`);
  };
  const dependencies = [...template.resources.values()].flatMap(({ dependsOn }) => dependsOn);
  // A resource may depend on one whose condition does not hold; it may not depend on one that is nowhere.
  const undefinedOnes = dependencies.filter((name) => !all.has(name));
  const inBlock = [...missing(inResources(template.resources, branchOf)), ...undefinedOnes];
  if (inBlock.length > 0) {
    throw invalid(
      `Template format error: Unresolved resource dependencies [${listOf(inBlock)}] in the Resources block of the template`,
    );
  }
  const inOutput = missing(inOutputs(template.outputs, branchOf));
  if (inOutput.length > 0) {
    throw invalid(`Unresolved resource dependencies [${listOf(inOutput)}] in the Outputs block of the template`);
  }
}

function listOf(names: readonly string[]): string {
  return [...new Set(names)].join(", ");
}

function checkAttributes(template: Template, typeOf: ResourceTypes): void {
  for (const reference of allReferences(template, undefined)) {
    if (reference.kind !== "attribute" || reference.attribute === undefined) continue;
    checkAttribute(reference.resource, reference.attribute, template, typeOf);
  }
}

function checkAttribute(resource: string, attribute: string, template: Template, typeOf: ResourceTypes): void {
  const type = template.resources.get(resource)?.type;
  const known = type === undefined ? undefined : typeOf(type);
  if (known === undefined || known.attributes.includes(attribute)) return;
  if (known.attributePrefix !== undefined && attribute.startsWith(known.attributePrefix)) return;
  throw invalid(`Template error: resource ${resource} does not support attribute type ${attribute} in Fn::GetAtt`);
}

/** Only functions whose value is known before the stack is made may name an export. Source: user guide, "Outputs". */
function checkImports(template: Template): void {
  for (const reference of allReferences(template, undefined)) {
    if (reference.kind !== "import") continue;
    const depends = referencesIn(reference.name).some(
      (inner) => inner.kind !== "condition" && !(inner.kind === "ref" && !template.resources.has(inner.name)),
    );
    if (!depends) continue;
    throw invalid("Template error: Fn::ImportValue must not depend on any resources, imported values, or Fn::GetAZs");
  }
}
