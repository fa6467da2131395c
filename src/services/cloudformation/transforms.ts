/** The `Transform` section: which macros a template asks for, and the template after them. */
import { invalid } from "./faults.ts";
import { isMap, member, type JsonObject } from "./json.ts";
import type { ParameterValue } from "./parameters.ts";
import { extendLanguage, languageExtensions, refuseExtensions, withoutExtensions } from "./language-extensions.ts";
import { transformsMax } from "./limits.ts";
import { embeddedMacros, usesIn, withEmbedded, type RunMacro } from "./macros.ts";
import { expandSam, samTransform } from "./sam/transform.ts";

/** Names of the transforms that a template declares, in order. */
export function declaredTransforms(source: JsonObject): readonly string[] {
  const section = member(source, "Transform");
  return section === undefined ? [] : usesIn(section).map(({ name }) => name);
}

/** Names of all transforms that a template uses, declared and within. */
export function usedTransforms(source: JsonObject): readonly string[] {
  return [...new Set([...declaredTransforms(source), ...embeddedMacros(source)])];
}

export function isSam(source: JsonObject): boolean {
  return declaredTransforms(source).includes(samTransform);
}

const ownTransforms = new Set<string>([samTransform, languageExtensions]);

/** The template without what only a transform understands, for those who look at its parameters and outputs. */
export function withoutGlobals(source: JsonObject): JsonObject {
  if (usedTransforms(source).some((name) => !ownTransforms.has(name))) return withoutFragments(source);
  const plain = declaredTransforms(source).includes(languageExtensions) ? withoutExtensions(source) : source;
  if (!isSam(source)) return plain;
  return Object.fromEntries(Object.entries(plain).filter(([name]) => name !== "Globals"));
}

const untouched = new Set(["AWSTemplateFormatVersion", "Description", "Metadata", "Parameters", "Transform"]);

/** What can be said of a template before its macros have run: they may read the rest as they like. */
function withoutFragments(source: JsonObject): JsonObject {
  const section = member(source, "Resources");
  const types = Object.entries(isMap(section) ? section : {}).flatMap(([id, resource]) => {
    const type = isMap(resource) ? member(resource, "Type") : undefined;
    return typeof type === "string" ? [[id, { Type: type }] as const] : [];
  });
  // A template of nothing but macros has resources all the same.
  const stand = types.length === 0 ? [["Macro", { Type: "AWS::CloudFormation::WaitConditionHandle" }] as const] : types;
  const kept = Object.entries(source).filter(([name]) => untouched.has(name));
  return Object.fromEntries([...kept, ["Resources", Object.fromEntries(stand)]]);
}

/**
 * Runs the transforms: those within the template, the innermost first, then those that it declares, in order. A name
 * that is neither AWS's nor a macro's of the account is refused.
 */
export async function transformed(
  source: JsonObject,
  parameters: ReadonlyMap<string, ParameterValue>,
  region: string,
  run: RunMacro,
): Promise<JsonObject> {
  const transforms = declaredTransforms(source);
  if (transforms.length + embeddedMacros(source).length > transformsMax) {
    throw invalid(`Template format error: the template uses more than ${transformsMax} transforms`);
  }
  if (transforms.includes(samTransform) && transforms.indexOf(languageExtensions) > transforms.indexOf(samTransform)) {
    throw invalid(`Transform ${languageExtensions} must be listed before ${samTransform}`);
  }
  if (!transforms.includes(languageExtensions)) refuseExtensions(source);
  const mappings = member(source, "Mappings") ?? {};
  const context = { parameters, mappings: isMap(mappings) ? mappings : {} };
  const { Transform: section = [], ...rest } = source;
  let template = await withEmbedded(rest, run, context);
  for (const use of usesIn(section)) {
    if (!isMap(template)) throw invalid(`Template format error: unsupported structure.`);
    if (use.name === languageExtensions) template = extendLanguage(template, parameters, region);
    else if (use.name === samTransform) template = expandSam(template, parameters, region);
    else template = await run({ ...use, fragment: template }, context);
  }
  if (!isMap(template)) throw invalid(`Template format error: unsupported structure.`);
  return template;
}
