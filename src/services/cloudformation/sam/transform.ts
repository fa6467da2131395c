/** `Transform: AWS::Serverless-2016-10-31`: a SAM template as the CloudFormation template that AWS makes of it. */
import { invalid } from "../faults.ts";
import { isMap, member, type Json, type JsonObject } from "../json.ts";
import type { ParameterValue } from "../parameters.ts";
import { badDocument, badResource, SamError } from "./errors.ts";
import { expandFunction } from "./function.ts";
import { functionGlobals, globalsFor, merge } from "./globals.ts";
import { resolveResourceRefs } from "./resource-refs.ts";

export const samTransform = "AWS::Serverless-2016-10-31";
const samPrefix = "AWS::Serverless::";

/** Sections that only the transform knows. */
const samSections = new Set(["Globals", "Transform"]);

/** Expands the template, or throws one fault that names everything wrong with it. */
export function expandSam(
  source: JsonObject,
  parameters: ReadonlyMap<string, ParameterValue>,
  region: string,
): JsonObject {
  const resources = member(source, "Resources");
  if (!isMap(resources)) throw invalid("Template format error: At least one Resources member must be defined.");
  const errors: SamError[] = [];
  const globals = collecting(errors, {}, () => functionGlobals(source));
  const known = new Map<string, Json>([...parameters].map(([name, { value }]) => [name, value]));
  known.set("AWS::Region", region).set("AWS::Partition", "aws");
  const made: Record<string, Json> = {};
  const generated = new Map<string, string>();
  for (const [logicalId, resource] of Object.entries(resources)) {
    const type = isMap(resource) ? member(resource, "Type") : undefined;
    if (!isMap(resource) || typeof type !== "string" || !type.startsWith(samPrefix)) {
      made[logicalId] = resource;
      continue;
    }
    collecting(errors, undefined, () => {
      const properties = propertiesOf(logicalId, type, resource, globals);
      const expanded = expandFunction(logicalId, resource, properties, known);
      for (const [id, part] of Object.entries(expanded.resources)) {
        if (id !== logicalId && Object.hasOwn(resources, id))
          throw duplicate(logicalId, id, JSON.stringify(part["Type"]));
        made[id] = part;
      }
      for (const [name, id] of expanded.generated) generated.set(name, id);
    });
  }
  if (errors.length > 0) throw badDocument(errors);
  const kept = Object.entries(source).filter(([name]) => !samSections.has(name));
  // What refers to `Function.Alias` may be anywhere: in outputs, in other resources.
  const whole = resolveResourceRefs(Object.fromEntries([...kept, ["Resources", made]]), generated);
  return isMap(whole) ? whole : {};
}

/** Runs `work`; what is wrong with the document is put with the rest. */
function collecting<T>(errors: SamError[], otherwise: T, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof SamError)) throw error;
    errors.push(error);
    return otherwise;
  }
}

function propertiesOf(logicalId: string, type: string, resource: JsonObject, globals: JsonObject): JsonObject {
  if (type !== `${samPrefix}Function`) throw badResource(logicalId, `Mikan does not implement ${type} yet.`);
  if (Object.hasOwn(resource, "Connectors")) {
    throw badResource(logicalId, "Mikan does not implement 'Connectors' of AWS::Serverless::Function yet.");
  }
  const own = member(resource, "Properties") ?? {};
  if (!isMap(own)) throw badResource(logicalId, "'Properties' should be a map.");
  const merged = merge(globalsFor(logicalId, globals, member(resource, "IgnoreGlobals")), own);
  return isMap(merged) ? merged : {};
}

function duplicate(logicalId: string, id: string, type: string): SamError {
  return new SamError(
    `Transforming resource with id [${logicalId}] attempts to create a new resource with id [${id}] and type ${type}. A resource with that id already exists within this template. Please use a different id for that resource.`,
  );
}
