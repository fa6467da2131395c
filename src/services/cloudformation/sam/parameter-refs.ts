/** References to parameters, put in place before CloudFormation does: where SAM must know a value to choose names. */
import { isList, isMap, isScalar, member, textOf, type Json } from "../json.ts";

/** Values by parameter name; pseudo parameters only where SAM knows them too. */
export type KnownParameters = ReadonlyMap<string, Json>;

/** `value` with each `Ref` and `${}` that names a known parameter replaced; everything else as it was. */
export function resolveParameterRefs(value: Json, known: KnownParameters): Json {
  if (isList(value)) return value.map((item) => resolveParameterRefs(item, known));
  if (!isMap(value)) return value;
  const name = member(value, "Ref");
  if (typeof name === "string" && Object.keys(value).length === 1) return known.get(name) ?? value;
  const resolved = Object.entries(value).map(([key, inner]): [string, Json] => [
    key,
    key === "Fn::Sub" ? resolveSub(inner, known) : resolveParameterRefs(inner, known),
  ]);
  return Object.fromEntries(resolved);
}

function resolveSub(argument: Json, known: KnownParameters): Json {
  const replaced = (text: string) =>
    text.replaceAll(/\$\{([A-Za-z0-9.:_]+)\}/g, (whole, name: string) => {
      const value = known.get(name);
      return isScalar(value) ? textOf(value) : whole;
    });
  if (typeof argument === "string") return replaced(argument);
  if (!isList(argument)) return resolveParameterRefs(argument, known);
  return argument.map((item, index) =>
    index === 0 && typeof item === "string" ? replaced(item) : resolveParameterRefs(item, known),
  );
}
