/** All event templates, and the one that somebody at a terminal means. */
import { UserError } from "../command.ts";
import { cognito } from "./cognito.ts";
import { messages } from "./messages.ts";
import { requests } from "./requests.ts";
import { services } from "./services.ts";
import { storage } from "./storage.ts";
import type { EventTemplate } from "./template.ts";

export const templates: readonly EventTemplate[] = [...requests, ...messages, ...storage, ...services, ...cognito];

/** By its name, or by as much of its beginning as no other has: `sqs`, `apigateway-http`. */
export function findTemplate(name: string): EventTemplate {
  const exact = templates.find((template) => template.name === name);
  const [first, ...more] = templates.filter((template) => template.name.startsWith(name));
  const found = exact ?? (more.length === 0 ? first : undefined);
  if (found !== undefined) return found;
  if (first === undefined) throw new UserError(`There is no event template ${name}; see mikan invoke --templates`);
  throw new UserError(`${name} may be ${[first, ...more].map((one) => one.name).join(", ")}`);
}

/**
 * `NAME`, or `NAME=key=value,key=value`. A comma belongs to the value unless a name and an equals sign follow it; a value
 * with such text goes by an option of its own.
 */
export function parseTemplate(text: string): { name: string; given: Record<string, string> } {
  const [name = "", ...rest] = text.split("=");
  if (rest.length === 0) return { name, given: {} };
  const parts = rest.join("=").split(/,(?=[a-zA-Z]+=)/);
  return { name, given: Object.assign({}, ...parts.map(parameter)) as Record<string, string> };
}

/** `key=value` */
export function parameter(text: string): Record<string, string> {
  const at = text.indexOf("=");
  if (at < 1) throw new UserError(`A parameter of an event is written key=value, and this is ${text}`);
  return { [text.slice(0, at)]: text.slice(at + 1) };
}
