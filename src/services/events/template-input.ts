/** Properties of templates as the inputs of operations: read by the operation's own schema, and checked as a request's. */
import { must } from "../../base/errors.ts";
import type { InputOf, OperationName, Received } from "../../kit/handlers.ts";
import type { Json, JsonObject } from "../../kit/resource.ts";
import { checkInput } from "../../wire/check-input.ts";
import { jsonNameOf, jsonReaders, jsonScalarReaders, type JsonReader } from "../../wire/json-read.ts";
import { loadService } from "../../wire/model.ts";

type Client = typeof import("@aws-sdk/client-eventbridge");

/** CloudFormation takes `"3"` for 3, `"true"` for true, and the other way round. */
const readInteger: JsonReader = (value) =>
  jsonScalarReaders.integer(typeof value === "string" && /^-?\d{1,15}$/.test(value) ? Number(value) : value);
const readBoolean: JsonReader = (value) =>
  jsonScalarReaders.boolean(value === "true" || value === "false" ? value === "true" : value);
const readText: JsonReader = (value) =>
  jsonScalarReaders.string(typeof value === "number" || typeof value === "boolean" ? String(value) : value);

const readers = jsonReaders({
  nameOf: jsonNameOf,
  scalars: { ...jsonScalarReaders, integer: readInteger, boolean: readBoolean, string: readText },
});

/**
 * @throws Fault in the words that a request would be answered
 * @example
 * readInput("CreateEventBus", { Name: "orders" }).Name
 */
export function readInput<Op extends OperationName<Client>>(
  operation: Op,
  members: Readonly<Record<string, Json | undefined>>,
): Received<InputOf<Client, Op>> {
  const { input: structure } = must(loadService("events").operation(operation), `events:${operation}`);
  const input = readers.structure(structure)(JSON.parse(JSON.stringify(members)));
  checkInput("events", operation, input as object);
  // The reader is compiled from the operation's own schema.
  return input as Received<InputOf<Client, Op>>;
}

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Documents stand in templates as objects, or as text. */
export const documentText = (value: Json | undefined): string | undefined =>
  value === undefined || typeof value === "string" ? value : JSON.stringify(value);

const textOf = (value: Json | undefined) => (typeof value === "string" ? value : JSON.stringify(value ?? ""));

export function tagsIn(properties: JsonObject, given: Readonly<Record<string, string>>): Record<string, string> {
  const list: readonly Json[] = Array.isArray(properties["Tags"]) ? properties["Tags"] : [];
  const own = list.filter(isObject).map(({ Key, Value }) => [textOf(Key), textOf(Value)] as const);
  return { ...given, ...Object.fromEntries(own) };
}
