/** What an event template is: the event of a source as AWS documents it, with the parts that people change as parameters. */
import { createHash, randomUUID } from "node:crypto";
import { UserError } from "../command.ts";

/** Where and when an event happens. */
export interface Occasion {
  now: Date;
  region: string;
  account: string;
}

export interface EventTemplate {
  /** As `sam local generate-event` calls it where it has one: `s3-put`. */
  name: string;
  /** What makes such an event. */
  summary: string;
  /** The page of AWS that shows its form. */
  source: string;
  /** What can be set, and what it is when nobody sets it. */
  parameters: Readonly<Record<string, string>>;
  /** The event; throws a {@link UserError} for a parameter that it does not have. */
  event(given: Readonly<Record<string, string>>, occasion: Occasion): object;
}

interface Definition<Name extends string> {
  name: string;
  summary: string;
  source: string;
  parameters: Readonly<Record<Name, string>>;
  event(values: Readonly<Record<Name, string>>, occasion: Occasion): object;
}

/** A template whose event sees exactly the parameters that it names. */
export function template<Name extends string>(definition: Definition<Name>): EventTemplate {
  const { name, parameters } = definition;
  return {
    ...definition,
    event(given, occasion) {
      const unknown = Object.keys(given).find((key) => !Object.hasOwn(parameters, key));
      if (unknown !== undefined) {
        throw new UserError(`${name} has no parameter ${unknown}; it has: ${Object.keys(parameters).join(", ")}`);
      }
      return definition.event({ ...parameters, ...given }, occasion);
    },
  };
}

export const arn = (service: string, { region, account }: Occasion, resource: string) =>
  `arn:aws:${service}:${region}:${account}:${resource}`;
export const base64 = (text: string | Uint8Array) => Buffer.from(text).toString("base64");
export const md5 = (text: string) => createHash("md5").update(text).digest("hex");
export const uuid = (): string => randomUUID();

/** A parameter that is JSON. */
export function json(name: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new UserError(`${name} must be JSON, and is ${text}`, { cause });
  }
}

/** `a=1&b=2` as names and their values, in order, as they are written. */
export function queryPairs(query: string): [name: string, value: string][] {
  return query
    .split("&")
    .filter((part) => part !== "")
    .map((part) => {
      const [name = "", ...rest] = part.split("=");
      return [name, rest.join("=")];
    });
}
