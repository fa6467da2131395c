/** Whether a SAM resource has the properties that its type has, of the kinds that SAM reads. */
import { isList, isMap, type Json, type JsonObject } from "../json.ts";
import { badResource, type SamError } from "./errors.ts";
import { isIntrinsic } from "./globals.ts";

const kinds = {
  any: () => true,
  boolean: (value: Json) => typeof value === "boolean",
  integer: (value: Json) => typeof value === "number" && Number.isInteger(value),
  list: (value: Json) => isList(value) && value.every((item) => typeof item === "string" || isMap(item)),
  content: isMap,
  map: isMap,
  mapOrText: (value: Json) => typeof value === "string" || isMap(value),
  names: (value: Json) => isList(value) && value.every((item) => typeof item === "string"),
  text: (value: Json) => typeof value === "string",
} satisfies Readonly<Record<string, (value: Json) => boolean>>;

/** What a property must be, unless it is a function; one that ends in `!` must be there. */
export type Kind = keyof typeof kinds | `${keyof typeof kinds}!`;
export type Kinds = Readonly<Record<string, Kind>>;

/** AWS's translator says what is expected of these, and of nothing else. */
const expected: Readonly<Record<string, string>> = { map: "map", text: "string" };

/** @throws SamError in the words of AWS's translator. */
export function checkProperties(logicalId: string, type: string, properties: JsonObject, known: Kinds): void {
  const unknown = Object.keys(properties).find((name) => !Object.hasOwn(known, name));
  if (unknown !== undefined) {
    throw badResource(logicalId, `property ${unknown} not defined for resource of type ${type}`);
  }
  checkKinds(properties, known, (why) => badResource(logicalId, why));
}

export function checkKinds(properties: JsonObject, known: Kinds, bad: (why: string) => SamError): void {
  for (const [name, kind] of Object.entries(known)) {
    const plain = kind.replace("!", "") as keyof typeof kinds;
    const value = Object.hasOwn(properties, name) ? (properties[name] ?? null) : null;
    if (value === null) {
      if (plain !== kind) throw bad(`Missing required property '${name}'.`);
      continue;
    }
    if (kinds[plain](value) || isIntrinsic(value)) continue;
    const what = expected[plain];
    throw bad(
      what === undefined ? `Type of property '${name}' is invalid.` : `Property '${name}' should be a ${what}.`,
    );
  }
}
