/** The `Transform` section: which macros a template asks for, and the template after them. */
import { invalid, unsupported } from "./faults.ts";
import { isList, isMap, member, type Json, type JsonObject } from "./json.ts";
import type { ParameterValue } from "./parameters.ts";
import { extendLanguage, languageExtensions, refuseExtensions, withoutExtensions } from "./language-extensions.ts";
import { expandSam, samTransform } from "./sam/transform.ts";

/** Names of the transforms that a template declares, in order. */
export function declaredTransforms(source: JsonObject): readonly string[] {
  const section = member(source, "Transform");
  if (section === undefined) return [];
  return (isList(section) ? section : [section]).map((item: Json) => {
    const name = isMap(item) ? member(item, "Name") : item;
    if (typeof name !== "string") throw invalid("Key Name of transform definition must be a string.");
    return name;
  });
}

export function isSam(source: JsonObject): boolean {
  return declaredTransforms(source).includes(samTransform);
}

/** The template without what only a transform understands, for those who look at its parameters and outputs. */
export function withoutGlobals(source: JsonObject): JsonObject {
  const plain = declaredTransforms(source).includes(languageExtensions) ? withoutExtensions(source) : source;
  if (!isSam(source)) return plain;
  return Object.fromEntries(Object.entries(plain).filter(([name]) => name !== "Globals"));
}

/** Runs the transforms. One that Mikan does not have is refused by name. */
export function transformed(
  source: JsonObject,
  parameters: ReadonlyMap<string, ParameterValue>,
  region: string,
): JsonObject {
  const transforms = declaredTransforms(source);
  const other = transforms.find((name) => name !== samTransform && name !== languageExtensions);
  if (other !== undefined) throw unsupported(`the transform ${other}`);
  if (transforms.includes(samTransform) && transforms.indexOf(languageExtensions) > transforms.indexOf(samTransform)) {
    throw invalid(`Transform ${languageExtensions} must be listed before ${samTransform}`);
  }
  if (!transforms.includes(languageExtensions)) refuseExtensions(source);
  const extended = transforms.includes(languageExtensions) ? extendLanguage(source, parameters, region) : source;
  return transforms.includes(samTransform) ? expandSam(extended, parameters, region) : extended;
}
