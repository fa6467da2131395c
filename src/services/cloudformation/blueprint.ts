/** A template together with its parameters' values: what will be made, in which order, and what its functions give. */
import { checkNames } from "./check.ts";
import { evaluateConditions } from "./conditions.ts";
import { noEchoAttribute } from "./custom-response.ts";
import { invalid } from "./faults.ts";
import { evaluate, type Scope } from "./intrinsics.ts";
import type { Json } from "./json.ts";
import { masked, type ParameterValue } from "./parameters.ts";
import { orderOf } from "./plan.ts";
import { availabilityZones, pseudoParameter, type PseudoInput } from "./pseudo.ts";
import { referencesIn, type Reference } from "./references.ts";
import { checkRules } from "./rules.ts";
import type { Template, TemplateOutput, TemplateResource } from "./template.ts";

export interface Blueprint {
  template: Template;
  parameters: ReadonlyMap<string, ParameterValue>;
  pseudo: PseudoInput;
  conditions: ReadonlyMap<string, boolean>;
  /** Those whose condition holds. */
  resources: ReadonlyMap<string, BlueprintResource>;
  outputs: ReadonlyMap<string, TemplateOutput>;
}

export interface BlueprintResource extends TemplateResource {
  /** Logical ids that must be complete before it is begun. */
  needs: readonly string[];
}

/** What exists so far. */
export interface Made {
  physicalId(logicalId: string): string | undefined;
  attribute(logicalId: string, name: string): Json | undefined;
  /** Values of imported exports, by name. */
  imports: ReadonlyMap<string, string>;
}

export const nothingMade: Made = { physicalId: () => undefined, attribute: () => undefined, imports: new Map() };

/** Decides the conditions and the order. Throws AWS's errors for what is left unresolved, and for circles. */
export function drawBlueprint(
  template: Template,
  parameters: ReadonlyMap<string, ParameterValue>,
  pseudo: PseudoInput,
): Blueprint {
  const bare = {
    template,
    parameters,
    pseudo,
    conditions: new Map<string, boolean>(),
    resources: new Map(),
    outputs: new Map(),
  };
  checkRules(template.rules, scopeOf(bare, nothingMade));
  const conditions = evaluateConditions(template.conditions, scopeOf(bare, nothingMade));
  const holds = ({ condition }: { condition?: string }) =>
    condition === undefined || conditions.get(condition) === true;
  const branchOf = (name: string) => conditions.get(name) === true;
  const resources = new Map([...template.resources].filter(([, resource]) => holds(resource)));
  if (resources.size === 0) throw invalid("Template format error: At least one Resources member must be defined.");
  const outputs = new Map([...template.outputs].filter(([, output]) => holds(output)));
  const ids = new Set(resources.keys());
  checkNames({ ...template, resources, outputs }, ids, branchOf, new Set(template.resources.keys()));
  const ordered = [...resources].map(([id, resource]): [string, BlueprintResource] => [
    id,
    { ...resource, needs: needsOf(resource, ids, branchOf) },
  ]);
  checkCircles(ordered);
  return { ...bare, conditions, resources: new Map(ordered), outputs };
}

function needsOf(
  { properties, metadata, dependsOn }: TemplateResource,
  ids: ReadonlySet<string>,
  branchOf: (condition: string) => boolean,
): readonly string[] {
  const references = [...referencesIn(properties, branchOf), ...referencesIn(metadata, branchOf)];
  const names = [...dependsOn, ...references.map(targetOf)];
  return [...new Set(names)].filter((name): name is string => name !== undefined && ids.has(name));
}

function targetOf(reference: Reference): string | undefined {
  if (reference.kind === "ref") return reference.name;
  return reference.kind === "attribute" ? reference.resource : undefined;
}

function checkCircles(resources: readonly (readonly [string, BlueprintResource])[]): void {
  const sorted = orderOf(new Map(resources.map(([id, { needs }]) => [id, needs])));
  if ("circle" in sorted) throw invalid(`Circular dependency between resources: [${sorted.circle.join(", ")}]`);
}

/** Values for the names in a template. With `mask`, NoEcho parameters show as `****`. */
export function scopeOf(blueprint: Blueprint, made: Made, { mask = false } = {}): Scope {
  const { parameters, pseudo, conditions, template } = blueprint;
  return {
    mappings: template.mappings,
    condition: (name) => conditions.get(name) === true,
    zones: (region) => availabilityZones(region === "" ? pseudo.region : region),
    ref(name) {
      const parameter = parameters.get(name);
      if (parameter !== undefined) return mask && parameter.noEcho ? masked : parameter.value;
      const value = pseudoParameter(name, pseudo) ?? made.physicalId(name);
      if (value === undefined) throw invalid(`Template error: resource ${name} does not exist yet`);
      return value;
    },
    getAtt(resource, attribute) {
      const value = made.attribute(resource, attribute);
      if (value === undefined) throw invalid(`Attribute '${attribute}' does not exist`);
      return mask && made.attribute(resource, noEchoAttribute) === true ? masked : value;
    },
    importValue(name) {
      const value = made.imports.get(name);
      if (value === undefined) throw invalid(noSuchExport(name));
      return value;
    },
  };
}

export function noSuchExport(name: string): string {
  return `No export named ${name} found`;
}

/** Names of the exports that the stack imports: all that will be evaluated. */
export function importNames(blueprint: Blueprint): readonly string[] {
  const scope = scopeOf(blueprint, nothingMade);
  const branchOf = (name: string) => blueprint.conditions.get(name) === true;
  const values = [
    ...[...blueprint.resources.values()].flatMap(({ properties, metadata }) => [properties, metadata]),
    ...[...blueprint.outputs.values()].flatMap(({ value, exportName }) => [
      value,
      ...(exportName === undefined ? [] : [exportName]),
    ]),
  ];
  const names = values
    .flatMap((value) => referencesIn(value, branchOf))
    .flatMap((reference) => (reference.kind === "import" ? [evaluate(reference.name, scope)] : []));
  return [...new Set(names)].map((name) => {
    if (typeof name !== "string") throw invalid("Template error: the attribute in Fn::ImportValue must be a string");
    return name;
  });
}
