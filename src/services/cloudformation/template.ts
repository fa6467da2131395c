/** A template whose sections have the right shape; what its parts refer to is checked in references.ts. */
import { invalid, unsupported } from "./faults.ts";
import { isList, isMap, isScalar, member, type Json, type JsonObject } from "./json.ts";
import {
  descriptionBytesMax,
  logicalIdLengthMax,
  logicalIdPattern,
  mappingAttributesMax,
  mappingsMax,
  outputsMax,
  parametersMax,
  resourcesMax,
} from "./limits.ts";
import { readDeclarations, type ParameterDeclaration } from "./parameters.ts";

export type DeletionPolicy = "Delete" | "Retain" | "RetainExceptOnCreate";

export interface TemplateResource {
  type: string;
  properties: JsonObject;
  dependsOn: readonly string[];
  condition?: string;
  metadata: JsonObject;
  deletionPolicy: DeletionPolicy;
  updateReplacePolicy: DeletionPolicy;
}

export interface TemplateOutput {
  value: Json;
  description?: string;
  condition?: string;
  exportName?: Json;
}

export interface Template {
  description?: string;
  version?: string;
  metadata: JsonObject;
  parameters: ReadonlyMap<string, ParameterDeclaration>;
  mappings: JsonObject;
  conditions: JsonObject;
  rules: JsonObject;
  resources: ReadonlyMap<string, TemplateResource>;
  outputs: ReadonlyMap<string, TemplateOutput>;
}

/** Types of the resources, each once. */
export function typesIn({ resources }: Template): string[] {
  return [...new Set(Array.from(resources.values(), ({ type }) => type))];
}

const sections = new Set([
  "AWSTemplateFormatVersion",
  "Conditions",
  "Description",
  "Mappings",
  "Metadata",
  "Outputs",
  "Parameters",
  "Resources",
  "Rules",
  "Transform",
]);
/** Sections that would change what happens, and are not run yet. */
const laterSections = ["Hooks"];

/** Reads the sections of a template after its transforms. Throws AWS's `Template format error`. */
export function readTemplate(source: JsonObject): Template {
  checkSections(source);
  const description = member(source, "Description");
  const version = member(source, "AWSTemplateFormatVersion");
  const conditions = sectionOf(source, "Conditions");
  checkIds("Conditions", conditions);
  return {
    ...(typeof description === "string" ? { description } : {}),
    ...(typeof version === "string" ? { version } : {}),
    metadata: sectionOf(source, "Metadata"),
    parameters: readDeclarations(checkIds("Parameter", sectionOf(source, "Parameters", parametersMax))),
    mappings: readMappings(sectionOf(source, "Mappings", mappingsMax)),
    conditions,
    rules: checkIds("Rule", sectionOf(source, "Rules")),
    resources: readResources(source),
    outputs: readOutputs(checkIds("Output", sectionOf(source, "Outputs", outputsMax))),
  };
}

function checkSections(source: JsonObject): void {
  for (const name of laterSections) if (Object.hasOwn(source, name)) throw unsupported(`the section ${name}`);
  const unknown = Object.keys(source).filter((name) => !sections.has(name));
  if (unknown.length > 0) throw invalid(`Invalid template property or properties [${unknown.join(", ")}]`);
  const version = member(source, "AWSTemplateFormatVersion");
  if (version !== undefined && version !== "2010-09-09") {
    throw invalid("Template format error: unsupported value for AWSTemplateFormatVersion.");
  }
  const description = member(source, "Description");
  if (description === undefined) return;
  if (typeof description !== "string") throw invalid("Template format error: Description must be a string.");
  if (Buffer.byteLength(description) > descriptionBytesMax) {
    throw invalid(`Template format error: 'Description' length is greater than ${descriptionBytesMax}.`);
  }
}

function sectionOf(source: JsonObject, name: string, max = Infinity): JsonObject {
  const section = member(source, name);
  if (section === undefined) return {};
  if (!isMap(section)) throw invalid(`Template format error: ${name} must be an object.`);
  const count = Object.keys(section).length;
  if (count > max) {
    throw invalid(
      `Template format error: Number of ${name.toLowerCase()}, ${count}, is greater than maximum allowed, ${max}`,
    );
  }
  return section;
}

/** Names of parameters, resources, mappings, conditions and outputs. `kind` as AWS's message has it. */
function checkIds(kind: string, section: JsonObject): JsonObject {
  for (const name of Object.keys(section)) {
    if (!logicalIdPattern.test(name)) throw invalid(`Template format error: ${kind} name ${name} is non alphanumeric.`);
    if (name.length > logicalIdLengthMax) {
      throw invalid(
        `Template format error: ${kind} name ${name} must contain at most ${logicalIdLengthMax} characters.`,
      );
    }
  }
  return section;
}

function readMappings(mappings: JsonObject): JsonObject {
  checkIds("Mappings", mappings);
  for (const [name, mapping] of Object.entries(mappings)) {
    if (!isMap(mapping)) throw invalid(`Template format error: Every Mappings member ${name} must be a map`);
    if (Object.keys(mapping).length > mappingAttributesMax) {
      throw invalid(
        `Template format error: Number of attributes in mapping ${name} is greater than maximum allowed, ${mappingAttributesMax}`,
      );
    }
    for (const [key, attributes] of Object.entries(mapping)) {
      if (!isMap(attributes)) throw invalid(`Template format error: Every Mappings member ${key} must be a map`);
      for (const value of Object.values(attributes)) {
        if (isScalar(value) || (isList(value) && value.every(isScalar))) continue;
        throw invalid("Template format error: Every Mappings attribute must be a String or a List.");
      }
    }
  }
  return mappings;
}

const resourceMembers = new Set([
  "Condition",
  "CreationPolicy",
  "DeletionPolicy",
  "DependsOn",
  "Metadata",
  "Properties",
  "Type",
  "UpdatePolicy",
  "UpdateReplacePolicy",
]);

/** Members that only the SAM transform reads. */
const samMembers = new Set(["Connectors", "IgnoreGlobals"]);

function readResources(source: JsonObject): ReadonlyMap<string, TemplateResource> {
  const section = sectionOf(source, "Resources", resourcesMax);
  const resources = Object.entries(section);
  if (resources.length === 0) throw invalid("Template format error: At least one Resources member must be defined.");
  for (const [, resource] of resources) {
    if (!isMap(resource)) throw invalid("Template format error: Any Resources member must be an object.");
  }
  checkIds("Resource", section);
  return new Map(resources.map(([id, resource]) => [id, readResource(id, resource as JsonObject)]));
}

function readResource(id: string, resource: JsonObject): TemplateResource {
  const type = member(resource, "Type");
  if (typeof type !== "string" || type === "") {
    throw invalid(`Template format error: [/Resources/${id}] Every Resources object must contain a Type member.`);
  }
  for (const name of Object.keys(resource)) {
    const forTransform = type.startsWith("AWS::Serverless::") && samMembers.has(name);
    if (!resourceMembers.has(name) && !forTransform) throw invalid(`Invalid template resource property '${name}'`);
  }
  if (Object.hasOwn(resource, "CreationPolicy")) throw unsupported(`CreationPolicy of resource ${id}`);
  const condition = conditionOf(resource, `resource ${id}`);
  return {
    type,
    properties: mapOf(resource, "Properties", id),
    metadata: mapOf(resource, "Metadata", id),
    dependsOn: readDependsOn(member(resource, "DependsOn")),
    deletionPolicy: readPolicy(member(resource, "DeletionPolicy"), "DeletionPolicy", type),
    updateReplacePolicy: readPolicy(member(resource, "UpdateReplacePolicy"), "UpdateReplacePolicy", type),
    ...(condition === undefined ? {} : { condition }),
  };
}

function mapOf(resource: JsonObject, name: string, id: string): JsonObject {
  const value = member(resource, name);
  if (value === undefined) return {};
  if (!isMap(value)) throw invalid(`Template format error: [/Resources/${id}/${name}] ${name} must be an object.`);
  return value;
}

function conditionOf(of: JsonObject, what: string): string | undefined {
  const condition = member(of, "Condition");
  if (condition === undefined) return undefined;
  if (typeof condition !== "string") throw invalid(`Template format error: Condition of ${what} must be a string.`);
  return condition;
}

function readDependsOn(value: Json | undefined): readonly string[] {
  if (value === undefined) return [];
  const names = isList(value) ? value : [value];
  if (!names.every((name) => typeof name === "string")) {
    throw invalid("Template format error: DependsOn must be a string or list of strings.");
  }
  return names;
}

/** Source: user guide, "DeletionPolicy attribute". No type of Mikan's makes snapshots yet. */
function readPolicy(value: Json | undefined, attribute: string, type: string): DeletionPolicy {
  if (value === undefined || value === "Delete") return "Delete";
  if (value === "Retain" || value === "RetainExceptOnCreate") return value;
  if (value === "Snapshot") {
    throw invalid(`Template error: resource type ${type} does not support ${attribute} Snapshot`);
  }
  throw invalid(`Template format error: Unrecognized ${attribute} ${isScalar(value) ? value : JSON.stringify(value)}`);
}

function readOutputs(outputs: JsonObject): ReadonlyMap<string, TemplateOutput> {
  return new Map(Object.entries(outputs).map(([name, output]) => [name, readOutput(name, output)]));
}

function readOutput(name: string, output: Json): TemplateOutput {
  const value = isMap(output) ? member(output, "Value") : undefined;
  if (!isMap(output) || value === undefined) {
    throw invalid("Template format error: Every Outputs member must contain a Value object");
  }
  const description = member(output, "Description");
  const condition = conditionOf(output, `output ${name}`);
  const exported = member(output, "Export");
  const exportName = isMap(exported) ? member(exported, "Name") : undefined;
  if (exported !== undefined && exportName === undefined) {
    throw invalid("Template format error: Output export must contain a Name member.");
  }
  return {
    value,
    ...(typeof description === "string" ? { description } : {}),
    ...(condition === undefined ? {} : { condition }),
    ...(exportName === undefined ? {} : { exportName }),
  };
}
