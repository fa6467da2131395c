/** The template of a request: its text from the body or from S3, its structure, and what the transforms make of it. */
import type { Call } from "../../kit/call.ts";
import type { Deps } from "../../kit/service.ts";
import { requireCapability } from "./capabilities.ts";
import { invalid } from "./faults.ts";
import type { JsonObject } from "./json.ts";
import { refuseExtensions } from "./language-extensions.ts";
import { templateBodyBytesMax } from "./limits.ts";
import type { RunMacro } from "./macros.ts";
import { resolveParameters, storedNames, withStored, type GivenParameter, type ParameterValue } from "./parameters.ts";
import { readTemplate, type Template } from "./template.ts";
import { templateAt } from "./template-url.ts";
import { transformed, usedTransforms, withoutGlobals } from "./transforms.ts";

export interface TemplateInput {
  TemplateBody?: string | undefined;
  TemplateURL?: string | undefined;
}

export async function templateText({ TemplateBody: body, TemplateURL: url }: TemplateInput, deps: Deps, call: Call) {
  if (body !== undefined && url !== undefined) throw invalid("You cannot specify both TemplateBody and TemplateURL");
  if (url !== undefined) return templateAt(url, deps, call);
  if (body === undefined || body === "") throw invalid("Either Template URL or Template Body must be specified.");
  if (Buffer.byteLength(body) > templateBodyBytesMax) {
    throw invalid(
      `1 validation error detected: Value '${body.slice(0, 100)}...' at 'templateBody' failed to satisfy constraint: Member must have length less than or equal to ${templateBodyBytesMax}`,
    );
  }
  return body;
}

/** The structure of a template as written, before transforms. */
export function outlineOf(source: JsonObject): { transforms: readonly string[]; template: Template } {
  return { transforms: usedTransforms(source), template: readTemplate(withoutGlobals(source)) };
}

export interface Submitted {
  original: string;
  processed: JsonObject;
  transformed: boolean;
  template: Template;
  parameters: ReadonlyMap<string, ParameterValue>;
}

export interface Given {
  parameters: readonly GivenParameter[];
  /** Values that `UsePreviousValue` takes. */
  previous?: ReadonlyMap<string, ParameterValue>;
  /** What SSM holds under these names; names that it does not know are left out. */
  held(names: readonly string[]): Promise<ReadonlyMap<string, string>>;
  macros: RunMacro;
}

/** SSM takes so many names at once. */
const namesMax = 10;

/** Reads SSM parameters with the caller's rights. */
export function heldIn({ peers }: Deps, call: Call): Given["held"] {
  return async (names) => {
    const values = new Map<string, string>();
    for (let at = 0; at < names.length; at += namesMax) {
      const Names = [...new Set(names)].slice(at, at + namesMax);
      if (Names.length === 0) break;
      const { Parameters: found = [] } = await peers.ssm.GetParameters({ Names }, call);
      for (const { Name, Value, Type } of found) {
        // Source: user guide, "SSM parameter types": secure strings are not for parameters of templates.
        if (Name !== undefined && Value !== undefined && Type !== "SecureString") values.set(Name, Value);
      }
    }
    return values;
  };
}

/** The template ready to be checked and run, with its parameters' values. */
export async function submittedTemplate(
  original: string,
  source: JsonObject,
  given: Given,
  capabilities: readonly string[],
  region: string,
): Promise<Submitted> {
  const { transforms, template: outline } = outlineOf(source);
  const values = resolveParameters(outline.parameters, given.parameters, given.previous);
  const names = storedNames(outline.parameters, values);
  const parameters = withStored(outline.parameters, values, names.length === 0 ? new Map() : await given.held(names));
  if (transforms.length === 0) {
    refuseExtensions(source);
    return { original, processed: source, transformed: false, template: outline, parameters };
  }
  requireCapability("CAPABILITY_AUTO_EXPAND", capabilities);
  const processed = await transformed(source, parameters, region, given.macros);
  const template = readTemplate(processed);
  return { original, processed, transformed: true, template, parameters };
}
