/** The template of a request: its text from the body or from S3, its structure, and what the transforms make of it. */
import type { Call } from "../../kit/call.ts";
import type { Deps } from "../../kit/service.ts";
import { requireCapability } from "./capabilities.ts";
import { invalid } from "./faults.ts";
import type { JsonObject } from "./json.ts";
import { refuseExtensions } from "./language-extensions.ts";
import { templateBodyBytesMax } from "./limits.ts";
import { resolveParameters, type GivenParameter, type ParameterValue } from "./parameters.ts";
import { readTemplate, type Template } from "./template.ts";
import { templateAt } from "./template-url.ts";
import { declaredTransforms, transformed, withoutGlobals } from "./transforms.ts";

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
  return { transforms: declaredTransforms(source), template: readTemplate(withoutGlobals(source)) };
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
}

/** The template ready to be checked and run, with its parameters' values. */
export function submittedTemplate(
  original: string,
  source: JsonObject,
  given: Given,
  capabilities: readonly string[],
  region: string,
): Submitted {
  const { transforms, template: outline } = outlineOf(source);
  const parameters = resolveParameters(outline.parameters, given.parameters, given.previous);
  if (transforms.length === 0) {
    refuseExtensions(source);
    return { original, processed: source, transformed: false, template: outline, parameters };
  }
  requireCapability("CAPABILITY_AUTO_EXPAND", capabilities);
  const processed = transformed(source, parameters, region);
  const template = readTemplate(processed);
  return { original, processed, transformed: true, template, parameters };
}
