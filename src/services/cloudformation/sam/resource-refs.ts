/** `Function.Version` and `Function.Alias`: SAM's names for what it makes, replaced by the logical ids that they get. */
import { isList, isMap, type Json } from "../json.ts";

/** `Tiles.Alias` -> `TilesAliaslive`. */
export type GeneratedIds = ReadonlyMap<string, string>;

/** `value` with every reference to a generated resource under its own logical id. */
export function resolveResourceRefs(value: Json, generated: GeneratedIds): Json {
  if (generated.size === 0) return value;
  if (isList(value)) return value.map((item) => resolveResourceRefs(item, generated));
  if (!isMap(value)) return value;
  const resolved = Object.entries(value).map(([key, inner]): [string, Json] => {
    if (key === "Ref" && typeof inner === "string") return [key, generated.get(inner) ?? inner];
    if (key === "Fn::GetAtt") return [key, attributeOf(inner, generated)];
    if (key === "Fn::Sub") return [key, subOf(inner, generated)];
    return [key, resolveResourceRefs(inner, generated)];
  });
  return Object.fromEntries(resolved);
}

/** The first two parts of a dotted name, when they name something generated, and what is left. */
function renamed(name: string, generated: GeneratedIds): readonly [string, string] | undefined {
  const [logicalId = "", property = "", ...rest] = name.split(".");
  const id = generated.get(`${logicalId}.${property}`);
  return id === undefined ? undefined : [id, rest.join(".")];
}

function attributeOf(argument: Json, generated: GeneratedIds): Json {
  const whole = isList(argument) && argument.every((part) => typeof part === "string") ? argument.join(".") : argument;
  if (typeof whole !== "string") return resolveResourceRefs(argument, generated);
  const found = renamed(whole, generated);
  return found === undefined ? argument : [found[0], found[1]];
}

function subOf(argument: Json, generated: GeneratedIds): Json {
  const replaced = (text: string) =>
    text.replaceAll(/\$\{([A-Za-z0-9.:_]+)\}/g, (whole, name: string) => {
      const found = renamed(name, generated);
      if (found === undefined) return whole;
      return found[1] === "" ? `\${${found[0]}}` : `\${${found[0]}.${found[1]}}`;
    });
  if (typeof argument === "string") return replaced(argument);
  if (!isList(argument)) return argument;
  return argument.map((item, index) =>
    index === 0 && typeof item === "string" ? replaced(item) : resolveResourceRefs(item, generated),
  );
}
