/** The properties of a template's resources against AWS's specification of their types. */
import type { Resource } from "../../../kit/resource.ts";
import { unsupportedMessage } from "../faults.ts";
import type { JsonObject } from "../json.ts";
import type { Template, TemplateResource } from "../template.ts";
import { unsupportedAt, type Finding, type Path } from "./finding.ts";
import { policyFindings } from "./policies.ts";
import { loadSpecification, type ResourceType } from "./types.ts";
import { valueFindings, type Place } from "./values.ts";
import { presenceOf, type Known } from "./yields.ts";

/**
 * What AWS refuses in the resources' properties, and what only Mikan does, in its own part of their metadata too. Types that AWS does not have, or leaves open
 * as custom resources, have no properties to check.
 */
export function propertyFindings(
  template: Pick<Template, "resources">,
  known: Known,
  typeOf: (type: string) => Resource | undefined,
): readonly Finding[] {
  const ofProperties = [...template.resources].flatMap(([id, resource]) => {
    const own = typeOf(resource.type);
    const type = own?.open === true ? undefined : loadSpecification().typeOf(resource.type);
    if (type === undefined) return [];
    const place: Place = { logicalId: id, type: type.name, path: ["Resources", id, "Properties"], pointer: "#" };
    return [
      ...valueFindings(resource.properties, { kind: "structure", structure: type }, place, known),
      ...(own === undefined ? [] : unsupportedFindings(resource, place.path, { type, own, known })),
    ];
  });
  return [...ofProperties, ...policyFindings(template, known, typeOf)];
}

interface Both {
  type: ResourceType;
  own: Resource;
  known: Known;
}

/** Properties that AWS has and Mikan's resource has not. */
function unsupportedFindings(
  { properties }: TemplateResource,
  path: Path,
  { type, own, known }: Both,
): readonly Finding[] {
  const given = presentIn(properties, known).filter((name) => type.properties.has(name));
  return given
    .filter((name) => !own.properties.includes(name))
    .map((name) => ({
      ...unsupportedAt([...path, name], unsupportedMessage(`the property ${name} of ${type.name}`)),
      at: "name",
    }));
}

function presentIn(properties: JsonObject, known: Known): readonly string[] {
  return Object.entries(properties).flatMap(([name, value]) => (presenceOf(value, known) === "absent" ? [] : [name]));
}
