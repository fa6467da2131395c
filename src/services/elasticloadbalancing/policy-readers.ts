/** Reads what stands under `Metadata: { Mikan: ... }`: by shape, in words that say what was meant and what may stand there. */
import { nearestOf } from "../../base/nearest.ts";
import { Fault } from "../../base/errors.ts";
import { unresolved, type Json, type JsonObject } from "../../kit/resource.ts";
import { readArn } from "./arns.ts";

/** Turns JSON into a value; `path` names the place in the refusal: `Mikan.Cap.Max`. */
export type Reader<T> = (json: Json, path: string) => T;

type Shape = Readonly<Record<string, Reader<unknown>>>;
/** What an object of this shape holds: every member may be absent. */
export type Read<S extends Shape> = { [K in keyof S]?: ReturnType<S[K]> };

export const isObject = (json: Json): json is JsonObject =>
  typeof json === "object" && json !== null && !Array.isArray(json);

/** A policy that is not one; `at` is the place of what is wrong: that of a member that should not be there. */
export class PolicyRefusal extends Fault {
  readonly at: string;

  constructor(path: string, message: string, at = path) {
    super("ValidationError", `${path} ${message}`);
    this.at = at;
  }
}

export const refused = (path: string, message: string, at?: string) => new PolicyRefusal(path, message, at);

/** A policy cannot be judged yet: a part of it is {@link unresolved}. */
export class NotKnown extends Error {}

/** A reader that is given what is known. */
const known =
  <T>(reader: Reader<T>): Reader<T> =>
  (json, path) => {
    if (json === unresolved) throw new NotKnown(`${path} is not known yet`);
    return reader(json, path);
  };

/** A number in a range; parameters and `!Ref`s come as text. */
const numberIn =
  (what: string, passes: (value: number) => boolean) =>
  (min: number, max: number): Reader<number> =>
    known((json, path) => {
      const value = typeof json === "string" && json.trim() !== "" ? Number(json) : json;
      if (typeof value === "number" && passes(value) && value >= min && value <= max) return value;
      throw refused(path, `must be ${what} from ${min} to ${max}, not ${JSON.stringify(json)}`);
    });

export const whole = numberIn("a whole number", Number.isSafeInteger);
export const fraction = numberIn("a number", Number.isFinite);

export const flag: Reader<boolean> = known((json, path) => {
  if (json === true || json === "true") return true;
  if (json === false || json === "false") return false;
  throw refused(path, `must be true or false, not ${JSON.stringify(json)}`);
});

/** Text that `pattern` matches; `what` says so in words. */
export const textLike = (what: string, pattern: RegExp): Reader<string> =>
  known((json, path) => {
    if (typeof json === "string" && pattern.test(json)) return json;
    throw refused(path, `must be ${what}, not ${JSON.stringify(json)}`);
  });

const meant = (name: string, among: readonly string[]) => {
  const nearest = nearestOf(name, among);
  return nearest === undefined ? "" : `; did you mean ${nearest}?`;
};

export const oneOf = <T extends string>(...values: readonly T[]): Reader<T> =>
  known((json, path) => {
    const value = values.find((candidate) => candidate === json);
    if (value !== undefined) return value;
    const hint = typeof json === "string" ? meant(json, values) : "";
    throw refused(path, `must be one of ${values.join(", ")}, not ${JSON.stringify(json)}${hint}`);
  });

/** A list of 1 to `max`; what is no list stands for a list of one. */
export const listOf = <T>(item: Reader<T>, max: number): Reader<T[]> =>
  known((json, path) => {
    const list: readonly Json[] = Array.isArray(json) ? json : [json];
    if (list.length === 0 || list.length > max) throw refused(path, `must have 1 to ${max} members`);
    return list.map((element, index) => item(element, `${path}[${index}]`));
  });

/** An object with these members, each optional; another one is refused by name. */
export const members = <S extends Shape>(shape: S): Reader<Read<S>> =>
  known((json, path) => {
    const names = Object.keys(shape);
    if (!isObject(json)) throw refused(path, `must be an object with ${names.join(", ")}, not ${JSON.stringify(json)}`);
    const read: Partial<Record<keyof S, unknown>> = {};
    for (const [name, value] of Object.entries(json)) {
      const reader = Object.hasOwn(shape, name) ? shape[name] : undefined;
      if (reader === undefined) {
        throw refused(path, `has no ${name}; it takes ${names.join(", ")}${meant(name, names)}`, `${path}.${name}`);
      }
      read[name as keyof S] = reader(value, `${path}.${name}`);
    }
    return read as Read<S>;
  });

const isPlain = (json: Json) => json === unresolved || (!isObject(json) && !Array.isArray(json));

/** An object with these members, or in one line the value of its member `short` alone. */
export const membersOr = <S extends Shape>(short: keyof S & string, shape: S): Reader<Read<S>> => {
  const object = members(shape);
  return (json, path) => object(isPlain(json) ? { [short]: json } : json, path);
};

/** One of two shapes: a plain value, or an object. */
export const plainOr =
  <T, U>(plain: Reader<T>, object: Reader<U>): Reader<T | U> =>
  (json, path) =>
    isPlain(json) ? plain(json, path) : object(json, path);

/** The member, or the refusal that it is missing. */
export function needed<T>(value: T | undefined, path: string): T {
  if (value === undefined) throw refused(path, "is missing");
  return value;
}

/** The ARN of a target group; whether there is one is asked where it is stored. */
export const targetGroup: Reader<string> = (json, path) => {
  // As good as any: a template names its groups by what they will be.
  if (json === unresolved) return "";
  if (typeof json === "string" && readArn("target group", json) !== undefined) return json;
  throw refused(path, `must be the ARN of a target group, not ${JSON.stringify(json)}`);
};
