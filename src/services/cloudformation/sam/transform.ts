/** `Transform: AWS::Serverless-2016-10-31`: a SAM template as the CloudFormation template that AWS makes of it. */
import { invalid } from "../faults.ts";
import { isMap, member, type Json, type JsonObject } from "../json.ts";
import type { ParameterValue } from "../parameters.ts";
import { expandApplication } from "./application.ts";
import { embeddedConnectors, expandConnector } from "./connector.ts";
import { badDocument, badResource, SamError } from "./errors.ts";
import type { Expand, Expanded } from "./expansion.ts";
import { expandFunction } from "./function.ts";
import { globalsFor, merge, readGlobals } from "./globals.ts";
import { expandLayer } from "./layer.ts";
import type { KnownParameters } from "./parameter-refs.ts";
import { resolveResourceRefs } from "./resource-refs.ts";

export const samTransform = "AWS::Serverless-2016-10-31";
const samPrefix = "AWS::Serverless::";

/** Sections that only the transform knows. */
const samSections = new Set(["Globals", "Transform"]);

/** How each type is expanded, in this order: a connector must see what its ends have become. */
const expansions: ReadonlyMap<string, Expand> = new Map([
  ["Function", expandFunction],
  ["LayerVersion", expandLayer],
  ["Application", expandApplication],
  ["Connector", expandConnector],
]);
/** AWS's other types, and what each waits for. */
const awaited: Readonly<Record<string, string>> = {
  Api: "API Gateway",
  CapacityProvider: "capacity providers of Lambda",
  GraphQLApi: "AppSync",
  HttpApi: "API Gateway",
  SimpleTable: "DynamoDB",
  StateMachine: "Step Functions",
  WebSocketApi: "API Gateway",
};

/** Expands the template, or throws one fault that names everything wrong with it. */
export function expandSam(
  source: JsonObject,
  parameters: ReadonlyMap<string, ParameterValue>,
  region: string,
): JsonObject {
  const section = member(source, "Resources");
  if (!isMap(section)) throw invalid("Template format error: At least one Resources member must be defined.");
  const errors: SamError[] = [];
  const known = new Map<string, Json>([...parameters].map(([name, { value }]) => [name, value]));
  known.set("AWS::Region", region).set("AWS::Partition", "aws");
  const originals = readResources(source, section, errors);
  const expanded = expandAll(originals, known, errors);
  if (errors.length > 0) throw badDocument(errors);
  const kept = Object.entries(source).filter(([name]) => !samSections.has(name));
  const conditions = member(source, "Conditions");
  const added = Object.keys(expanded.conditions).length > 0;
  const sections = {
    ...Object.fromEntries(kept),
    ...(added ? { Conditions: { ...(isMap(conditions) ? conditions : {}), ...expanded.conditions } } : {}),
    Resources: { ...section, ...Object.fromEntries(expanded.resources) },
  };
  const gone = new Set(expanded.gone);
  const Resources = Object.fromEntries(Object.entries(sections.Resources).filter(([id]) => !gone.has(id)));
  // What refers to `Function.Alias` may be anywhere: in outputs, in other resources.
  const whole = resolveResourceRefs({ ...sections, Resources }, expanded);
  return isMap(whole) ? whole : {};
}

/** The resources as SAM reads them: with `Globals`, and embedded connectors as resources of their own. */
function readResources(source: JsonObject, section: JsonObject, errors: SamError[]): ReadonlyMap<string, JsonObject> {
  const globals = collecting(errors, new Map<string, JsonObject>(), () => readGlobals(source));
  const resources = new Map<string, JsonObject>();
  for (const [id, resource] of Object.entries(section)) {
    if (!isMap(resource)) continue;
    collecting(errors, undefined, () => {
      const { Connectors: _, ...plain } = resource;
      resources.set(id, withGlobals(id, plain, globals));
      for (const [connectorId, connector] of Object.entries(embeddedConnectors(id, resource))) {
        if (Object.hasOwn(section, connectorId)) throw duplicate(id, connectorId, `${samPrefix}Connector`);
        resources.set(connectorId, connector);
      }
    });
  }
  return resources;
}

function withGlobals(id: string, resource: JsonObject, globals: ReadonlyMap<string, JsonObject>): JsonObject {
  const type = samType(resource);
  if (type === undefined) return resource;
  const given = member(resource, "Properties") ?? {};
  if (!isMap(given)) throw badResource(id, "'Properties' should be a map.");
  const global = globals.get(type);
  if (global === undefined) return { ...resource, Properties: given };
  return { ...resource, Properties: merge(globalsFor(id, global, member(resource, "IgnoreGlobals")), given) };
}

/** `Function` for `AWS::Serverless::Function`; undefined for what is not SAM's. */
function samType(resource: JsonObject): string | undefined {
  const type = member(resource, "Type");
  return typeof type === "string" && type.startsWith(samPrefix) ? type.slice(samPrefix.length) : undefined;
}

function expandAll(originals: ReadonlyMap<string, JsonObject>, parameters: KnownParameters, errors: SamError[]) {
  const resources = new Map(originals);
  const whole = {
    resources,
    gone: [] as string[],
    conditions: {} as Record<string, Json>,
    generated: new Map<string, string>(),
    renamed: new Map<string, string>(),
    standIns: new Map<string, readonly string[]>(),
  };
  const all = [...originals];
  const refused = all.filter(([, resource]) => !expansions.has(samType(resource) ?? "Function"));
  for (const [id, resource] of refused) errors.push(refusal(id, samType(resource) ?? ""));
  for (const [type, expand] of expansions) {
    for (const [logicalId, resource] of all) {
      if (samType(resource) !== type) continue;
      const properties = member(resource, "Properties");
      collecting(errors, undefined, () => {
        const sam = { logicalId, resource, properties: isMap(properties) ? properties : {} };
        const expanded = expand(sam, { parameters, resources, originals });
        checkIds(logicalId, expanded, originals);
        if (!Object.hasOwn(expanded.resources, logicalId)) {
          resources.delete(logicalId);
          whole.gone.push(logicalId);
        }
        for (const [id, part] of Object.entries(expanded.resources)) resources.set(id, part);
        for (const [name, id] of expanded.generated ?? []) whole.generated.set(name, id);
        if (expanded.renamed !== undefined) whole.renamed.set(logicalId, expanded.renamed);
        if (expanded.standIns !== undefined) whole.standIns.set(logicalId, expanded.standIns);
        Object.assign(whole.conditions, expanded.conditions);
      });
    }
  }
  return whole;
}

/** What is made must not take the id of another resource; a bucket that is told of events is the same one. */
function checkIds(logicalId: string, { resources }: Expanded, originals: ReadonlyMap<string, JsonObject>): void {
  for (const [id, part] of Object.entries(resources)) {
    const there = id === logicalId ? undefined : originals.get(id);
    if (there === undefined) continue;
    const type = member(part, "Type");
    if (type === "AWS::S3::Bucket" && member(there, "Type") === type) continue;
    throw duplicate(logicalId, id, typeof type === "string" ? type : "");
  }
}

function refusal(logicalId: string, type: string): SamError {
  const service = awaited[type];
  const needs = service === undefined ? "." : `: it needs ${service}.`;
  return badResource(logicalId, `Mikan does not implement ${samPrefix}${type} yet${needs}`);
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

function duplicate(logicalId: string, id: string, type: string): SamError {
  return new SamError(
    `Transforming resource with id [${logicalId}] attempts to create a new resource with id [${id}] and type "${type}". A resource with that id already exists within this template. Please use a different id for that resource.`,
  );
}
