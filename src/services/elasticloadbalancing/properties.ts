/** Reads a template's properties into what an operation takes: by shape, with the limits that the wire checks for clients. */
import type { Json, JsonObject } from "../../kit/resource.ts";
import { invalid } from "./refusals.ts";

/** Turns JSON into a value; `path` names the place in the refusal: `#/DefaultActions/0/Order`. */
export type Reader<T> = (json: Json, path: string) => T;

type Shape = Readonly<Record<string, Reader<unknown>>>;
export type Read<S extends Shape> = { [K in keyof S]?: ReturnType<S[K]> };

const refused = (path: string, message: string) => invalid(`Model validation failed (${path}: ${message})`);
const isObject = (json: Json): json is JsonObject => typeof json === "object" && json !== null && !Array.isArray(json);

/** Text; CloudFormation takes numbers and booleans for it too. */
export const text: Reader<string> = (json, path) => {
  if (typeof json === "string") return json;
  if (typeof json === "number" || typeof json === "boolean") return String(json);
  throw refused(path, "expected type: String");
};

/** A whole number in a range; parameters and `!Ref`s come as text. */
export const integer =
  (min: number, max: number): Reader<number> =>
  (json, path) => {
    const number = typeof json === "string" && /^-?\d+$/.test(json) ? Number(json) : json;
    if (typeof number !== "number" || !Number.isInteger(number)) throw refused(path, "expected type: Integer");
    if (number < min || number > max) throw refused(path, `${number} is not between ${min} and ${max}`);
    return number;
  };

export const flag: Reader<boolean> = (json, path) => {
  if (json === true || json === "true") return true;
  if (json === false || json === "false") return false;
  throw refused(path, "expected type: Boolean");
};

export const oneOf =
  <T extends string>(...values: readonly T[]): Reader<T> =>
  (json, path) => {
    const value = values.find((candidate) => candidate === json);
    if (value === undefined) throw refused(path, `${JSON.stringify(json)} is not one of [${values.join(", ")}]`);
    return value;
  };

export const listOf =
  <T>(item: Reader<T>): Reader<T[]> =>
  (json, path) => {
    if (!Array.isArray(json)) throw refused(path, "expected type: JSONArray");
    return json.map((element: Json, index) => item(element, `${path}/${index}`));
  };

/** An object with these members, each optional; another one is refused by name. */
export const object =
  <S extends Shape>(shape: S): Reader<Read<S>> =>
  (json, path) => {
    if (!isObject(json)) throw refused(path, "expected type: JSONObject");
    const read: Partial<Record<keyof S, unknown>> = {};
    for (const [name, value] of Object.entries(json)) {
      const reader = Object.hasOwn(shape, name) ? shape[name] : undefined;
      if (reader === undefined) throw refused(path, `extraneous key [${name}] is not permitted`);
      read[name as keyof S] = reader(value, `${path}/${name}`);
    }
    return read as Read<S>;
  };

/** The member, or AWS's refusal that it is missing. */
export function needed<T>(value: T | undefined, path: string): T {
  if (value === undefined) throw refused(path, "required key is not present");
  return value;
}

export function readProperties<S extends Shape>(shape: S, properties: JsonObject): Read<S> {
  return object(shape)(properties, "#");
}
