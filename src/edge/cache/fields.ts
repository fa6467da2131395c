/** Fields as caches read them: joined lists, directives, dates (RFC 9110 section 5, RFC 9111 section 5.2). */
import type { Headers } from "../../base/http.ts";

/** Directives of `Cache-Control`, by name in lower case; empty where one has no argument. */
export type Directives = ReadonlyMap<string, string>;

/** RFC 9111 section 1.2.2: what to take for a longer time. */
const secondsMax = 2 ** 31;

/** The values of a field, `name` in lower case, as the one line that they stand for. */
export function valueOf(fields: Headers, name: string): string | undefined {
  let value: string | undefined;
  for (let i = 0; i < fields.length; i += 2) {
    if ((fields[i] ?? "").toLowerCase() !== name) continue;
    const more = fields[i + 1] ?? "";
    value = value === undefined ? more : `${value}, ${more}`;
  }
  return value;
}

/** Reads `Cache-Control`. One that contradicts itself gets an argument that is none: it counts as 0 seconds. */
export function directivesOf(value: string | undefined): Directives {
  const directives = new Map<string, string>();
  if (value === undefined) return directives;
  for (const [, name = "", quoted, plain = ""] of value.matchAll(
    /([^\s,;="]+)(?:=(?:"((?:[^"\\]|\\.)*)"|([^\s,]*)))?/g,
  )) {
    const key = name.toLowerCase();
    const argument = quoted ?? plain;
    const before = directives.get(key);
    directives.set(key, before === undefined || before === argument ? argument : "contradiction");
  }
  return directives;
}

/** The seconds that a directive says; 0 where they cannot be read, undefined where it is absent. */
export function secondsOf(directives: Directives, name: string): number | undefined {
  const value = directives.get(name);
  if (value === undefined) return undefined;
  return /^\d+$/.test(value) ? Math.min(Number(value), secondsMax) : 0;
}

const datePattern =
  /^(?:\w{3}, \d{2} \w{3} \d{4} \d{2}:\d{2}:\d{2} GMT|\w{6,9}, \d{2}-\w{3}-\d{2} \d{2}:\d{2}:\d{2} GMT|\w{3} \w{3} [ \d]\d \d{2}:\d{2}:\d{2} \d{4})$/;

/** A date in one of the three forms (RFC 9110 section 5.6.7), in milliseconds since the epoch. */
export function dateOf(value: string | undefined): number | undefined {
  if (value === undefined || !datePattern.test(value)) return undefined;
  const time = Date.parse(value.endsWith("GMT") ? value : `${value} GMT`);
  return Number.isNaN(time) ? undefined : time;
}

/** Opaque tags of a list, without the mark of weak ones: the weak comparison (RFC 9110 section 8.8.3.2). */
export function tagsOf(value: string): string[] {
  return Array.from(value.matchAll(/(?:W\/)?("[^"]*")/g), ([, tag = ""]) => tag);
}
