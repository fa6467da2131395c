/** Plain JSON as the input of an operation: of a template's properties, or of a target that names the operation. */
import { Fault, must } from "../base/errors.ts";
import { checkInput } from "../wire/check-input.ts";
import { loadService, type Member, type Structure, type Type } from "../wire/model.ts";
import type { ScalarName } from "../wire/table.ts";

export interface SdkInputOptions {
  /** Numbers and truth values may be given as text, and text as those, as CloudFormation lets them. */
  lenient?: boolean;
}

/**
 * Makes an operation's input of JSON: times of text, blobs of text, and the names of members in the case that the
 * operation has them (`DbInstanceIdentifier` is `DBInstanceIdentifier`).
 *
 * @throws Fault `ValidationException` for what the operation cannot take
 * @example
 * sdkInput("sqs", "SendMessage", { queueUrl, messageBody: "hello" })
 */
export function sdkInput(service: string, operation: string, json: unknown, options: SdkInputOptions = {}): object {
  const { input: structure } = must(loadService(service).operation(operation), `${service}:${operation}`);
  const input = structureOf(json, structure, "", options);
  checkInput(service, operation, input);
  return input;
}

const wrong = (path: string, wanted: string) =>
  new Fault("ValidationException", `${path === "" ? "The input" : path} must be ${wanted}.`);

function entriesOf(value: unknown, path: string): [string, unknown][] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong(path, "an object");
  return Object.entries(value);
}

function structureOf(value: unknown, { members }: Structure, path: string, options: SdkInputOptions): object {
  const byName = new Map<string, Member>(members.map((member) => [member.name.toLowerCase(), member]));
  const read = entriesOf(value, path).flatMap(([name, inner]): [string, unknown][] => {
    const member = byName.get(name.toLowerCase());
    const inside = path === "" ? name : `${path}.${name}`;
    if (member === undefined) throw new Fault("ValidationException", `${inside} is not known to the operation.`);
    return inner === null ? [] : [[member.name, valueOf(inner, member.type, inside, options)]];
  });
  return Object.fromEntries(read);
}

function valueOf(value: unknown, type: Type, path: string, options: SdkInputOptions): unknown {
  switch (type.kind) {
    case "structure":
      return structureOf(value, type.structure, path, options);
    case "list":
      if (!Array.isArray(value)) throw wrong(path, "a list");
      return value.map((item: unknown, index) => valueOf(item, type.item.type, `${path}[${index}]`, options));
    case "map":
      return Object.fromEntries(
        entriesOf(value, path).map(([key, item]) => [key, valueOf(item, type.value.type, `${path}.${key}`, options)]),
      );
    default:
      return scalarOf(value, type.scalar, path, options);
  }
}

function scalarOf(value: unknown, scalar: ScalarName, path: string, { lenient = false }: SdkInputOptions): unknown {
  switch (scalar) {
    case "string":
      if (lenient && (typeof value === "number" || typeof value === "boolean")) return String(value);
      if (typeof value !== "string") throw wrong(path, "text");
      return value;
    case "boolean":
      if (lenient && (value === "true" || value === "false")) return value === "true";
      if (typeof value !== "boolean") throw wrong(path, "true or false");
      return value;
    case "timestamp":
    case "date-time":
    case "http-date":
    case "epoch-seconds":
      return dateOf(value, path);
    case "blob":
    case "stream":
      // A function's Payload, an object's Body: as they are, not in base64.
      if (typeof value !== "string") throw wrong(path, "text");
      return Buffer.from(value);
    case "document":
      return value;
    default:
      return numberOf(lenient && typeof value === "string" && value.trim() !== "" ? Number(value) : value, path);
  }
}

function numberOf(value: unknown, path: string): number {
  if (typeof value !== "number" || Number.isNaN(value)) throw wrong(path, "a number");
  return value;
}

/** ISO 8601, or seconds since 1970. */
function dateOf(value: unknown, path: string): Date {
  const date = new Date(typeof value === "number" ? value * 1_000 : typeof value === "string" ? value : Number.NaN);
  if (Number.isNaN(date.getTime())) throw wrong(path, "a time");
  return date;
}
