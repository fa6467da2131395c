/**
 * References to what has another logical id after the transform: `Function.Version` and `Function.Alias`, SAM's names
 * for what it makes, and layers, whose ids follow their contents.
 */
import { isList, isMap, type Json } from "../json.ts";

export interface NewIds {
  /** `Tiles.Alias` -> `TilesAliaslive`. */
  generated: ReadonlyMap<string, string>;
  /** `Fonts` -> `Fonts4f8ca4bf2e`. */
  renamed: ReadonlyMap<string, string>;
  /** Ids in `DependsOn` that others stand in for. */
  standIns: ReadonlyMap<string, readonly string[]>;
}

/** `value` with every reference under the logical id that there is now. */
export function resolveResourceRefs(value: Json, ids: NewIds): Json {
  if (ids.generated.size + ids.renamed.size + ids.standIns.size === 0) return value;
  return resolved(value, ids);
}

function resolved(value: Json, ids: NewIds): Json {
  if (isList(value)) return value.map((item) => resolved(item, ids));
  if (!isMap(value)) return value;
  const entries = Object.entries(value).map(([key, inner]): [string, Json] => {
    if (key === "Ref" && typeof inner === "string") {
      return [key, ids.generated.get(inner) ?? ids.renamed.get(inner) ?? inner];
    }
    if (key === "DependsOn") return [key, dependencies(inner, ids)];
    if (key === "Fn::GetAtt") return [key, attributeOf(inner, ids)];
    if (key === "Fn::Sub") return [key, subOf(inner, ids)];
    return [key, resolved(inner, ids)];
  });
  return Object.fromEntries(entries);
}

function dependencies(value: Json, { renamed, standIns }: NewIds): Json {
  if (typeof value === "string" && !standIns.has(value)) return renamed.get(value) ?? value;
  const list = isList(value) ? value : [value];
  return list.flatMap((id): readonly Json[] =>
    typeof id === "string" ? (standIns.get(id) ?? [renamed.get(id) ?? id]) : [id],
  );
}

/** What a dotted name begins with, when that has another id, and what is left. */
function renamedPath(name: string, { generated, renamed }: NewIds): readonly [string, string] | undefined {
  const [logicalId = "", property = "", ...rest] = name.split(".");
  const id = generated.get(`${logicalId}.${property}`);
  if (id !== undefined) return [id, rest.join(".")];
  const other = renamed.get(logicalId);
  return other === undefined ? undefined : [other, name.slice(logicalId.length + 1)];
}

function attributeOf(argument: Json, ids: NewIds): Json {
  const whole = isList(argument) && argument.every((part) => typeof part === "string") ? argument.join(".") : argument;
  if (typeof whole !== "string") return resolved(argument, ids);
  const found = renamedPath(whole, ids);
  return found === undefined ? argument : [found[0], found[1]];
}

function subOf(argument: Json, ids: NewIds): Json {
  const replaced = (text: string) =>
    text.replaceAll(/\$\{([A-Za-z0-9.:_]+)\}/g, (whole, name: string) => {
      const found = renamedPath(name, ids);
      if (found === undefined) return whole;
      return found[1] === "" ? `\${${found[0]}}` : `\${${found[0]}.${found[1]}}`;
    });
  if (typeof argument === "string") return replaced(argument);
  if (!isList(argument)) return argument;
  return argument.map((item, index) =>
    index === 0 && typeof item === "string" ? replaced(item) : resolved(item, ids),
  );
}
