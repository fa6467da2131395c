/** What a target is given of an event. Source: EventBridge user guide, "Input transformation". */
import { parsePath, valueAt, type JsonPath } from "./json-path.ts";
import { ruleArn } from "./names.ts";
import type { RuleRef, Target } from "./tables.ts";

/** The event cannot be made into what the target is to be given. */
export class InputError extends Error {
  override readonly name = "InputError";
}

/** An event on its way to a target. */
export interface Occurrence {
  /** JSON. */
  event: string;
  rule: RuleRef;
  /** When EventBridge took it, as in `aws.events.event.ingestion-time`. */
  ingestionTime: string;
}

const placeholder = /<([^<>\s]+)>/g;
/** Predefined variables; none may be defined. */
export const reserved: ReadonlySet<string> = new Set([
  "aws.events.rule-arn",
  "aws.events.rule-name",
  "aws.events.event",
  "aws.events.event.json",
  "aws.events.event.ingestion-time",
]);

/** Names that a template uses. */
export const placeholdersOf = (template: string): readonly string[] =>
  [...template.matchAll(placeholder)].map(([, name = ""]) => name);

/** The text that the target is given. Throws {@link InputError} where there is none. */
export function inputOf({ Input, InputPath, InputTransformer }: Target, occurrence: Occurrence): string {
  if (Input !== undefined) return Input;
  if (InputPath !== undefined) return pathInput(InputPath, occurrence.event);
  if (InputTransformer !== undefined) {
    return transformed(InputTransformer.InputTemplate, InputTransformer.InputPathsMap ?? {}, occurrence);
  }
  return occurrence.event;
}

function pathInput(text: string, event: string): string {
  const path = parsePath(text);
  // The whole event as it is, digits included.
  if (path?.length === 0) return event;
  const value = path === undefined ? undefined : valueAt(JSON.parse(event), path);
  if (value === undefined) throw new InputError(`The event has nothing at ${text}.`);
  return JSON.stringify(value);
}

function transformed(
  template: string,
  paths: Readonly<Record<string, string>>,
  { event, rule, ingestionTime }: Occurrence,
): string {
  const parsed: unknown = JSON.parse(event);
  const valueOf = (name: string): unknown => {
    switch (name) {
      case "aws.events.rule-arn":
        return ruleArn(rule);
      case "aws.events.rule-name":
        return rule.name;
      case "aws.events.event.ingestion-time":
        return ingestionTime;
      case "aws.events.event":
        return withoutDetail(parsed);
      case "aws.events.event.json":
        return parsed;
      default:
        return valueAt(parsed, pathOf(paths[name]));
    }
  };
  // Text in quotes is text, of one line or several; anything else must be JSON in the end.
  if (template.trimStart().startsWith('"'))
    return template.replace(placeholder, (_, name: string) => words(valueOf(name)));
  const text = fillJson(template, valueOf);
  try {
    JSON.parse(text);
  } catch (cause) {
    throw new InputError("The input template does not make valid JSON of the event.", { cause });
  }
  return text;
}

const pathOf = (text: string | undefined): JsonPath => (text === undefined ? undefined : parsePath(text)) ?? [];

/** AWS's order and names of what an event is without its detail. */
function withoutDetail(event: unknown): object {
  const of = (name: string) => valueAt(event, [name]);
  return {
    id: of("id"),
    account: of("account"),
    detailType: of("detail-type"),
    time: of("time"),
    source: of("source"),
    region: of("region"),
    resources: of("resources"),
    version: of("version"),
  };
}

/** Inside of a JSON string. */
const inner = (text: string) => JSON.stringify(text).slice(1, -1);

/** In text: strings as they are, everything else as JSON without its quotes; nothing for what is not there. */
function words(value: unknown): string {
  if (value === undefined) return "";
  return typeof value === "string" ? inner(value) : JSON.stringify(value).replaceAll('"', "");
}

/** In JSON: a value in the place of a value, and its words in the middle of a string. */
function fillJson(template: string, valueOf: (name: string) => unknown): string {
  const token = /"(?:[^"\\]|\\.)*"|<([^<>\s]+)>/g;
  return template.replace(token, (whole: string, name: string | undefined) => {
    if (name !== undefined) return JSON.stringify(valueOf(name) ?? "");
    // An object does not become a string by standing in quotes: what comes of it is no JSON, and is refused.
    return whole.replace(placeholder, (_, inside: string) => {
      const value = valueOf(inside) ?? "";
      return typeof value === "string" ? inner(value) : JSON.stringify(value);
    });
  });
}
