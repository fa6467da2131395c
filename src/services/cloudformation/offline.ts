/** A template checked where no node is: what a node would refuse, with places, as far as it is known without an account. */
import { isFault, type Fault } from "../../base/errors.ts";
import { drawBlueprint } from "./blueprint.ts";
import { nameFindings, type ResourceTypes } from "./check.ts";
import { invalid } from "./faults.ts";
import { isMap, member, type Json, type JsonObject } from "./json.ts";
import { resolveParameters, storedNames, type ParameterDeclaration, type ParameterValue } from "./parameters.ts";
import { positionsOf, type Position } from "./positions.ts";
import { languageExtensions } from "./language-extensions.ts";
import { samTransform } from "./sam/transform.ts";
import { parseSource } from "./source.ts";
import { messageOf, pathText, unsupportedAt, wrongAt, type Finding, type Path } from "./spec/finding.ts";
import { propertyFindings } from "./spec/properties.ts";
import type { Known } from "./spec/yields.ts";
import { outlineOf } from "./submitted.ts";
import { readTemplate, type Template } from "./template.ts";
import { transformed, usedTransforms } from "./transforms.ts";

export interface OfflineOptions {
  typeOf: ResourceTypes;
  /** Values of parameters; without them, those with defaults have these. */
  parameters?: Readonly<Record<string, string>>;
  region: string;
  /** By resource type: the property whose local path is packaged before a template is deployed, and as what. */
  localFiles?: Readonly<Record<string, { property: string; form: PackagedForm }>>;
}

/** `s3://` address, bucket and key apart, or the URL of a template. */
export type PackagedForm = "address" | "location" | "template";

export interface ShownFinding {
  severity: Finding["severity"];
  /** `Resources.Function.Properties.Runtime`; empty for the template as a whole. */
  path: string;
  message: string;
  position?: Position;
}

export interface OfflineReport {
  findings: readonly ShownFinding[];
  /** How many resources there are, those of transforms included. */
  resources: number;
}

/** All that is wrong with the template of this text, in the order of the text. */
export async function checkOffline(text: string, options: OfflineOptions): Promise<OfflineReport> {
  const findings: Finding[] = [];
  let resources = 0;
  const source = attempt(
    () => parseSource(text),
    (fault) => findings.push(wrongAt(pathIn(fault), fault.message)),
  );
  if (source !== undefined) resources = await checkSource(asPackaged(source, options), options, findings);
  const positions = positionsOf(text, findings);
  const shown = findings.map((finding, at): ShownFinding => {
    const position = statedPosition(finding.fault) ?? (finding.path.length === 0 ? undefined : positions[at]);
    const { severity, path } = finding;
    return {
      severity,
      path: pathText(path),
      message: messageOf(finding),
      ...(position === undefined ? {} : { position }),
    };
  });
  return { findings: shown.toSorted(byPosition), resources };
}

function byPosition({ position: a }: ShownFinding, { position: b }: ShownFinding): number {
  return (a?.line ?? 0) - (b?.line ?? 0) || (a?.column ?? 0) - (b?.column ?? 0);
}

/** Where the text is no template at all, the fault itself says so. */
function statedPosition(fault: string): Position | undefined {
  const [, line, column] = /well-formed\. \(line (\d+), column (\d+)\)$/.exec(fault) ?? [];
  return line === undefined ? undefined : { line: Number(line), column: Number(column), length: 1 };
}

function attempt<T>(work: () => T, failed: (fault: Fault) => void): T | undefined {
  try {
    return work();
  } catch (error) {
    if (!isFault(error)) throw error;
    failed(error);
    return undefined;
  }
}

const packagedForms: Readonly<Record<PackagedForm, Json>> = {
  address: "s3://packaged/code",
  location: { S3Bucket: "packaged", S3Key: "code" },
  template: "https://packaged/template",
};

/** The template with its local paths as if they were packaged. */
function asPackaged(source: JsonObject, { localFiles = {} }: OfflineOptions): JsonObject {
  const resources = Object.entries(asMap(member(source, "Resources"))).map(([id, resource]): [string, Json] => {
    const type = member(asMap(resource), "Type");
    const place = typeof type === "string" ? localFiles[type] : undefined;
    const properties = asMap(member(asMap(resource), "Properties"));
    const path = place === undefined ? undefined : member(properties, place.property);
    if (place === undefined || typeof path !== "string" || /^(?:s3|https?):\/\//.test(path)) return [id, resource];
    return [id, { ...asMap(resource), Properties: { ...properties, [place.property]: packagedForms[place.form] } }];
  });
  return isMap(member(source, "Resources")) ? { ...source, Resources: Object.fromEntries(resources) } : source;
}

/** Returns the number of resources. */
async function checkSource(source: JsonObject, options: OfflineOptions, findings: Finding[]): Promise<number> {
  const told = (fault: Fault) => void findings.push(...ofFault(fault, source));
  const outline = attempt(() => outlineOf(source).template, told);
  if (outline === undefined) return 0;
  const { values, complete } = valuesOf(outline.parameters, options.parameters, told);
  const template = await afterTransforms(source, outline, { values, complete, region: options.region }, findings);
  const known: Known = {
    branchOf: undefined,
    declarations: template.parameters,
    values,
    resources: template.resources,
  };
  const { typeOf } = options;
  const names = template === outline && usedTransforms(source).length > 0 ? [] : nameFindings(template, typeOf);
  findings.push(...names);
  const blueprint =
    complete && names.length === 0
      ? attempt(() => drawBlueprint(template, values, pseudoIn(options.region)), told)
      : undefined;
  const branchOf =
    blueprint === undefined ? undefined : (condition: string) => blueprint.conditions.get(condition) === true;
  findings.push(...propertyFindings(blueprint ?? template, { ...known, branchOf }, typeOf));
  return template.resources.size;
}

function pseudoIn(region: string) {
  const account = "000000000000";
  const stackId = `arn:aws:cloudformation:${region}:${account}:stack/check/00000000-0000-0000-0000-000000000000`;
  return { account, region, stackName: "check", stackId, notificationArns: [] };
}

interface Values {
  values: ReadonlyMap<string, ParameterValue>;
  /** Every parameter has a value that is known here. */
  complete: boolean;
}

function valuesOf(
  declarations: ReadonlyMap<string, ParameterDeclaration>,
  given: Readonly<Record<string, string>> | undefined,
  told: (fault: Fault) => void,
): Values {
  const needed =
    given === undefined ? [...declarations].filter(([, { default: text }]) => text !== undefined) : declarations;
  const pairs = Object.entries(given ?? {}).map(([ParameterKey, ParameterValue]) => ({ ParameterKey, ParameterValue }));
  const values = attempt(() => resolveParameters(new Map(needed), pairs), told) ?? new Map<string, ParameterValue>();
  // What Parameter Store holds under a name is known to a node.
  const stored = new Set(storedNames(declarations, values));
  const here = new Map([...values].filter(([, { text }]) => !stored.has(text)));
  return { values: here, complete: here.size === declarations.size };
}

const ownTransforms = new Set<string>([samTransform, languageExtensions]);

/** The template that would be run; as written where a transform fails, or what it makes is not known here. */
async function afterTransforms(
  source: JsonObject,
  outline: Template,
  { values, complete, region }: Values & { region: string },
  findings: Finding[],
): Promise<Template> {
  const used = usedTransforms(source);
  if (used.length === 0) return outline;
  const unknown = (why: string) =>
    void findings.push({ ...wrongAt(["Transform"], `${why}; what it makes is not checked`), severity: "warning" });
  const macro = used.find((name) => !ownTransforms.has(name));
  if (macro !== undefined) {
    unknown(`${macro} is run by a node`);
    return outline;
  }
  try {
    const processed = await transformed(source, values, region, ({ name }) =>
      Promise.reject(invalid(`${name} is run by a node`)),
    );
    return readTemplate(processed);
  } catch (error) {
    if (!isFault(error)) throw error;
    // Loops over parameters can only be written out with their values.
    if (!complete && used.includes(languageExtensions)) unknown(`${languageExtensions} needs values of all parameters`);
    else findings.push(...ofFault(error, source));
    return outline;
  }
}

/** The findings of a fault: of a SAM document, each of its errors. */
function ofFault(fault: Fault, source: JsonObject): readonly Finding[] {
  const { cause } = fault;
  const messages: readonly string[] =
    cause instanceof AggregateError ? cause.errors.map((error: unknown) => messageIn(error)) : [fault.message];
  return messages.map((message) => {
    const unsupported = fault.code === "NotImplemented" || message.includes("Mikan does not implement");
    const path = placeIn(message, source);
    // A property is wrong by what it holds; anything else is what the fault names.
    return { ...(unsupported ? unsupportedAt : wrongAt)(path, message), at: path.length > 2 ? "value" : "name" };
  });
}

function messageIn(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** `[/Resources/A/Type] ...` -> its path. */
function pathIn({ message }: Fault): Path {
  const [, path = ""] = /\[((?:\/[^\]/]+)+)\]/.exec(message) ?? [];
  return path.split("/").filter((step) => step !== "");
}

/**
 * Where the names stand that a fault names: a section of the template, one of its members, or a property of a resource.
 * Faults are AWS's sentences and have no other place.
 */
function placeIn(message: string, source: JsonObject): Path {
  const names = message.match(/[A-Za-z0-9_:-]+/g) ?? [];
  for (const [section, body] of Object.entries(source)) {
    const name = isMap(body) ? names.find((word) => Object.hasOwn(body, word)) : undefined;
    if (name === undefined || !isMap(body) || section === "Metadata") continue;
    const properties = member(asMap(body[name]), "Properties");
    const property = names.find((word) => Object.hasOwn(asMap(properties), word));
    return property === undefined ? [section, name] : [section, name, "Properties", property];
  }
  const section = names.find((word) => Object.hasOwn(source, word));
  return section === undefined ? [] : [section];
}

function asMap(value: JsonObject[string] | undefined): JsonObject {
  return isMap(value) ? value : {};
}
