/** Checks of a template as a whole, before anything is made: every name it uses exists. */
import { isFault } from "../../base/errors.ts";
import type { Resource } from "../../kit/resource.ts";
import { conditionFindings, unresolvedCondition } from "./conditions.ts";
import { checkReferences } from "./dynamic-references.ts";
import { invalid, unsupportedMessage } from "./faults.ts";
import type { Json } from "./json.ts";
import { isPseudoParameter } from "./pseudo.ts";
import { collected, type BranchOf, type Observer, type Reference } from "./references.ts";
import { unsupportedAt, wrongAt, type Finding, type Path } from "./spec/finding.ts";
import { loadSpecification } from "./spec/types.ts";
import type { Template } from "./template.ts";

export type ResourceTypes = (type: string) => Resource | undefined;

/** Everything that names what does not exist: types, conditions, parameters, resources, attributes. In AWS's order. */
export function nameFindings(template: Template, typeOf: ResourceTypes): readonly Finding[] {
  const wrong: Finding[] = [];
  const unused: Finding[] = [];
  const references = allReferences(template, undefined, (at) => ({
    refused: ({ code, message }, path) =>
      void wrong.push((code === "NotImplemented" ? unsupportedAt : wrongAt)([...at, ...path], message)),
    unused: (variable, path) =>
      void unused.push({
        ...wrongAt([...at, ...path], `Fn::Sub does not use its variable ${variable}`),
        at: "name",
        severity: "warning",
      }),
  }));
  const all = new Set(template.resources.keys());
  return [
    ...conditionFindings(template.conditions, new Set(template.parameters.keys())),
    ...typeFindings(template, typeOf),
    ...wrong,
    ...conditionNames(template, references),
    ...missingNames(template, references, all, all),
    ...missingAttributes(references, template, typeOf),
    ...importFindings(references, template),
    ...dynamicFindings(template),
    ...unused,
  ];
}

function dynamicFindings({ resources }: Template): readonly Finding[] {
  return [...resources].flatMap(([id, { properties }]) => {
    try {
      checkReferences(properties);
      return [];
    } catch (error) {
      if (!isFault(error)) throw error;
      return [wrongAt(["Resources", id, "Properties"], error.message)];
    }
  });
}

function typeFindings({ resources }: Template, typeOf: ResourceTypes): readonly Finding[] {
  const absent = [...resources].filter(([, { type }]) => typeOf(type) === undefined);
  if (absent.length === 0) return [];
  const { typeOf: awsType, names } = loadSpecification();
  const unknown = [...new Set(absent.map(([, { type }]) => type))].filter((type) => awsType(type) === undefined);
  return absent.map(([id, { type }]): Finding => {
    const path = ["Resources", id, "Type"];
    if (awsType(type) !== undefined) {
      return unsupportedAt(path, unsupportedMessage(`the resource type ${type}`));
    }
    return {
      ...wrongAt(path, `Template format error: Unrecognized resource types: [${unknown.join(", ")}]`),
      message: `There is no resource type ${type}`,
      unknown: { name: type, among: () => names },
    };
  });
}

function conditionNames({ resources, outputs, conditions }: Template, references: readonly Placed[]) {
  const unresolved = (path: Path, name: string, fault: string): Finding => ({
    ...wrongAt(path, fault),
    message: `There is no condition ${name}`,
    unknown: { name, among: () => Object.keys(conditions) },
  });
  const inBlock = (of: ReadonlyMap<string, { condition?: string }>, block: string) =>
    [...of].flatMap(([id, { condition }]) =>
      condition === undefined || Object.hasOwn(conditions, condition)
        ? []
        : [
            unresolved(
              [block, id, "Condition"],
              condition,
              `Template format error: Unresolved condition dependency ${condition} in the ${block} block of the template`,
            ),
          ],
    );
  return [
    ...inBlock(resources, "Resources"),
    ...inBlock(outputs, "Outputs"),
    ...references.flatMap((reference) =>
      reference.kind === "condition" && !Object.hasOwn(conditions, reference.name)
        ? [unresolved(reference.place, reference.name, unresolvedCondition(reference.name, reference.by).message)]
        : [],
    ),
  ];
}

/** A reference and where it stands in the template. */
type Placed = Reference & { place: Path };
type ObserverAt = (at: Path) => Observer;

const strict: ObserverAt = () => ({
  refused(fault) {
    throw fault;
  },
});

function allReferences(
  { resources, outputs }: Pick<Template, "resources" | "outputs">,
  branchOf: BranchOf,
  observer: ObserverAt,
): readonly Placed[] {
  const inValue = (value: Json | undefined, ...at: Path): readonly Placed[] =>
    value === undefined
      ? []
      : collected(value, branchOf, observer(at)).map((reference) => ({
          ...reference,
          place: [...at, ...reference.path],
        }));
  return [
    ...[...resources].flatMap(([id, { properties, metadata }]) => [
      ...inValue(properties, "Resources", id, "Properties"),
      ...inValue(metadata, "Resources", id, "Metadata"),
    ]),
    ...[...outputs].flatMap(([id, { value, exportName }]) => [
      ...inValue(value, "Outputs", id, "Value"),
      ...inValue(exportName, "Outputs", id, "Export", "Name"),
    ]),
  ];
}

/**
 * Every name that is referred to is a parameter or in `resources`: all of the template's, or once conditions are known
 * those that will be made. `all` has those as well that will not. Throws AWS's error for the first that is not.
 */
export function checkNames(
  template: Template,
  resources: ReadonlySet<string>,
  branchOf: BranchOf,
  all: ReadonlySet<string>,
): void {
  const [first] = missingNames(template, allReferences(template, branchOf, strict), resources, all);
  if (first !== undefined) throw invalid(first.fault);
}

function missingNames(
  template: Template,
  references: readonly Placed[],
  resources: ReadonlySet<string>,
  all: ReadonlySet<string>,
): readonly Finding[] {
  const isKnown = (name: string) => template.parameters.has(name) || resources.has(name) || isPseudoParameter(name);
  const missing = references.flatMap((reference): readonly Missing[] => {
    if (reference.kind === "ref" && !isKnown(reference.name)) return [{ name: reference.name, path: reference.place }];
    if (reference.kind !== "attribute" || resources.has(reference.resource)) return [];
    return [{ name: reference.resource, path: reference.place, attribute: !all.has(reference.resource) }];
  });
  // A resource may depend on one whose condition does not hold; it may not depend on one that is nowhere.
  const undefinedOnes = [...template.resources].flatMap(([id, { dependsOn }]) =>
    dependsOn.flatMap((name) => (all.has(name) ? [] : [{ name, path: ["Resources", id, "DependsOn"] }])),
  );
  const among = () => [...all, ...template.parameters.keys()];
  const withFault = (found: readonly Missing[], faultOf: (names: string) => string) => {
    const names = [...new Set(found.map(({ name }) => name))].join(", ");
    return found.map(({ name, path }): Finding => {
      const isThere = all.has(name);
      const message = isThere
        ? `${name} is not made: its condition does not hold`
        : `There is no parameter or resource ${name}`;
      return { ...wrongAt(path, faultOf(names)), message, ...(isThere ? {} : { unknown: { name, among } }) };
    });
  };
  const attributes = missing.filter(({ attribute }) => attribute === true);
  const plain = missing.filter(({ attribute }) => attribute !== true);
  const inBlock = (block: string) => plain.filter(({ path }) => path[0] === block);
  return [
    ...attributes.flatMap((one) =>
      withFault([one], (name) => `Template error: instance of Fn::GetAtt references undefined resource ${name}`),
    ),
    ...withFault(
      [...inBlock("Resources"), ...undefinedOnes],
      (names) =>
        `Template format error: Unresolved resource dependencies [${names}] in the Resources block of the template`,
    ),
    ...withFault(
      inBlock("Outputs"),
      (names) => `Unresolved resource dependencies [${names}] in the Outputs block of the template`,
    ),
  ];
}

interface Missing {
  name: string;
  path: Path;
  /** By an attribute of something that is nowhere. */
  attribute?: boolean;
}

function missingAttributes(references: readonly Placed[], template: Template, typeOf: ResourceTypes) {
  return references.flatMap((reference): readonly Finding[] => {
    if (reference.kind !== "attribute" || reference.attribute === undefined) return [];
    const { resource, attribute, place } = reference;
    const type = template.resources.get(resource)?.type;
    const known = type === undefined ? undefined : typeOf(type);
    if (known === undefined || known.attributes.includes(attribute)) return [];
    if (known.attributePrefix !== undefined && attribute.startsWith(known.attributePrefix)) return [];
    const atAws = loadSpecification().typeOf(known.type)?.attributes;
    if (atAws?.has(attribute) === true) {
      return [unsupportedAt(place, unsupportedMessage(`the attribute ${attribute} of ${known.type}`))];
    }
    return [
      {
        ...wrongAt(
          place,
          `Template error: resource ${resource} does not support attribute type ${attribute} in Fn::GetAtt`,
        ),
        message: `${known.type} has no attribute ${attribute}`,
        unknown: { name: attribute, among: () => known.attributes },
      },
    ];
  });
}

/** Only functions whose value is known before the stack is made may name an export. Source: user guide, "Outputs". */
function importFindings(references: readonly Placed[], template: Template): readonly Finding[] {
  return references.flatMap((reference) => {
    if (reference.kind !== "import") return [];
    // Who looks at all references is told of functions that are not written right.
    const depends = collected(reference.name, undefined, { refused() {} }).some(
      (inner) => inner.kind !== "condition" && !(inner.kind === "ref" && !template.resources.has(inner.name)),
    );
    if (!depends) return [];
    return [
      wrongAt(
        reference.place,
        "Template error: Fn::ImportValue must not depend on any resources, imported values, or Fn::GetAZs",
      ),
    ];
  });
}
