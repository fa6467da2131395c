/** Paths into an event: `$.body.order.items[0].id`. Source: EventBridge guide, "Pipes input transformation" and "Pipes event filtering and batching". */
import { invalid } from "./faults.ts";

export type Path = readonly (string | number)[];

/** @throws Fault `ValidationException` for what is no path */
export function parsePath(text: string): Path {
  if (text.charAt(0) !== "$") throw invalid(`Invalid JSON path: ${text}`);
  const steps: (string | number)[] = [];
  const step = /\.([A-Za-z0-9_-]+)|\[(\d{1,9})\]|\['([^']*)'\]|\["([^"]*)"\]/y;
  step.lastIndex = 1;
  while (step.lastIndex < text.length) {
    const [, name, index, quoted, doubleQuoted] = step.exec(text) ?? [];
    const found = index === undefined ? (name ?? quoted ?? doubleQuoted) : Number(index);
    if (found === undefined) throw invalid(`Invalid JSON path: ${text}`);
    steps.push(found);
  }
  return steps;
}

/** The member of an event that sources fill with text; as JSON it is looked into. */
const implicit = "body";

/** What the text holds as JSON, if it is an object or a list; else the text. */
export function parsedBody(value: unknown): unknown {
  if (typeof value !== "string" || !/^\s*[[{]/.test(value)) return value;
  try {
    return JSON.parse(value) as unknown;
  } catch (error) {
    if (error instanceof SyntaxError) return value;
    throw error;
  }
}

/** An event with its body as what it says. */
export function withParsedBody(event: unknown): unknown {
  if (typeof event !== "object" || event === null || Array.isArray(event) || !(implicit in event)) return event;
  return { ...event, [implicit]: parsedBody(event[implicit]) };
}

/** What is there; undefined where nothing is. */
export function valueAt(event: unknown, path: Path): unknown {
  let value = withParsedBody(event);
  for (const step of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, step)) return undefined;
    value = Reflect.get(value, step);
  }
  return value;
}

/** A parameter that is a path into the event where it begins like one, and else itself. */
export function parameterOf(text: string, event: unknown): string {
  if (!text.startsWith("$.") && !text.startsWith("$[")) return text;
  const value = valueAt(event, parsePath(text));
  if (value === undefined || value === null) throw invalid(`The event has nothing at ${text}.`);
  return typeof value === "string" ? value : JSON.stringify(value);
}
