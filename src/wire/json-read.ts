/** JSON values to inputs: closures compiled from a type. What does not fit is a `SerializationException`, as from AWS. */
import { Fault } from "../base/errors.ts";
import { mapEntriesMax, nestingMax } from "./limits.ts";
import { perStructure, type Member, type Structure, type Type } from "./model.ts";
import { bytesOfBase64, integerMax, integerMin, LongText } from "./scalars.ts";
import type { ScalarName } from "./table.ts";
import { dateOfEpoch, dateOfText } from "./timestamps.ts";

export type JsonReader = (value: unknown) => unknown;

export interface JsonReaders {
  structure(structure: Structure): JsonReader;
  type(type: Type): JsonReader;
  /** Reads members that stand together, without the rest of their structure. */
  members(members: readonly Member[]): JsonReader;
}

/** In what formats with values like those of JSON differ. */
export interface ReadStyle {
  nameOf(member: Member): string;
  scalars: Readonly<Record<ScalarName, JsonReader>>;
}

/** Coral's words for what JSON has: "NUMBER_VALUE cannot be converted to String". */
function mismatch(value: unknown, wanted: string): Fault {
  if (Array.isArray(value)) return serialization("Start of list found where not expected");
  if (typeof value === "object" && value !== null) {
    return serialization("Start of structure or map found where not expected");
  }
  const token = typeof value === "boolean" ? String(value) : value === null ? "null" : typeof value;
  return serialization(`${token.toUpperCase()}_VALUE cannot be converted to ${wanted}`);
}

export const serialization = (message: string) => new Fault("SerializationException", message);

function readString(value: unknown): unknown {
  if (typeof value === "string") return value;
  if (value instanceof LongText) return invalidJson(() => value.text());
  throw mismatch(value, "String");
}

function readBoolean(value: unknown): unknown {
  if (typeof value === "boolean") return value;
  throw mismatch(value, "Boolean");
}

function readInteger(value: unknown): unknown {
  if (typeof value !== "number") throw mismatch(value, "Integer");
  if (Number.isInteger(value) && value >= integerMin && value <= integerMax) return value;
  throw serialization(`${value} cannot be converted to an Integer`);
}

function readLong(value: unknown): unknown {
  if (typeof value !== "number") throw mismatch(value, "Long");
  if (Number.isInteger(value) && Math.abs(value) <= 2 ** 63) return value;
  throw serialization(`${value} cannot be converted to a Long`);
}

function readDecimal(value: unknown): unknown {
  if (typeof value === "number") return value;
  if (value === "NaN") return Number.NaN;
  if (value === "Infinity") return Number.POSITIVE_INFINITY;
  if (value === "-Infinity") return Number.NEGATIVE_INFINITY;
  throw mismatch(value, "Double");
}

function readBigInt(value: unknown): unknown {
  if (typeof value !== "number" || !Number.isInteger(value)) throw mismatch(value, "BigInteger");
  return BigInt(value);
}

function readBigDecimal(value: unknown): unknown {
  if (typeof value !== "number") throw mismatch(value, "BigDecimal");
  return String(value);
}

function readBlob(value: unknown): unknown {
  const bytes = value instanceof LongText ? value.bytes : typeof value === "string" ? bytesOfBase64(value) : undefined;
  if (bytes !== undefined) return bytes;
  throw typeof value === "string" || value instanceof LongText
    ? serialization("The value is not Base64")
    : mismatch(value, "Blob");
}

function readEpoch(value: unknown): unknown {
  const date = typeof value === "number" ? dateOfEpoch(value) : undefined;
  if (date === undefined) throw mismatch(value, "Timestamp");
  return date;
}

function readDate(value: unknown): unknown {
  const date = typeof value === "string" ? dateOfText(value) : undefined;
  if (date === undefined) throw mismatch(value, "Timestamp");
  return date;
}

export const jsonScalarReaders: Readonly<Record<ScalarName, JsonReader>> = {
  string: readString,
  boolean: readBoolean,
  number: readDecimal,
  integer: readInteger,
  long: readLong,
  float: readDecimal,
  double: readDecimal,
  bigint: readBigInt,
  bigdecimal: readBigDecimal,
  timestamp: readEpoch,
  "epoch-seconds": readEpoch,
  "date-time": readDate,
  "http-date": readDate,
  blob: readBlob,
  stream: readBlob,
  document: (value) => value,
};

/** Sets an own property, also one called `__proto__`, which assignment would take for the prototype. */
export function setOwn(target: Record<string, unknown>, key: string, value: unknown): void {
  if (key === "__proto__") {
    Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
  } else {
    target[key] = value;
  }
}

type JsonObject = Record<string, unknown>;

function objectOf(value: unknown): JsonObject {
  // Neither an array nor one of the classes that stand for scalars.
  if (typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
    return value as JsonObject;
  }
  throw Array.isArray(value) ? mismatch(value, "") : serialization("Unexpected value where a structure or map belongs");
}

/** Compiles readers; each structure once. */
export function jsonReaders(style: ReadStyle = jsonInput): JsonReaders {
  const members = (of: readonly Member[]) => membersReader(of, style, type);
  const structure = perStructure<JsonReader>(
    (of) => (of.traits.union === 1 ? unionReader(members(of.members)) : members(of.members)),
    (target) => (value) => target()(value),
  );
  const type = (of: Type): JsonReader => {
    switch (of.kind) {
      case "scalar":
        return style.scalars[of.scalar];
      case "structure":
        return structure(of.structure);
      case "list":
        return listReader(type(of.item.type), of.item.traits.sparse === 1);
      default:
        return mapReader(type(of.value.type), of.value.traits.sparse === 1);
    }
  };
  return { structure, type, members };
}

export const jsonNameOf = (member: Member) => member.traits.jsonName ?? member.name;

const jsonInput: ReadStyle = { nameOf: jsonNameOf, scalars: jsonScalarReaders };

function membersReader(members: readonly Member[], style: ReadStyle, type: (of: Type) => JsonReader): JsonReader {
  const names = members.map((member) => member.name);
  const wireNames = members.map((member) => style.nameOf(member));
  const readers = members.map((member) => type(member.type));
  return (value) => {
    const raw = objectOf(value);
    const out: JsonObject = {};
    for (let i = 0; i < names.length; i += 1) {
      const found = raw[wireNames[i] as string];
      if (found !== undefined && found !== null) out[names[i] as string] = (readers[i] as JsonReader)(found);
    }
    return out;
  };
}

function unionReader(read: JsonReader): JsonReader {
  return (value) => {
    const out = read(value) as JsonObject;
    if (Object.keys(out).length === 1) return out;
    throw serialization("Supplied union has not exactly one member set");
  };
}

function listReader(item: JsonReader, sparse: boolean): JsonReader {
  return (value) => {
    if (!Array.isArray(value)) throw mismatchOfList(value);
    const out: unknown[] = Array.from({ length: value.length });
    for (let i = 0; i < value.length; i += 1) {
      const found: unknown = value[i];
      if (found !== null) out[i] = item(found);
      else if (sparse) out[i] = null;
      else throw serialization("NULL_VALUE found in a list that takes none");
    }
    return out;
  };
}

function mismatchOfList(value: unknown): Fault {
  return typeof value === "object" && value !== null ? mismatch(value, "") : serialization("Expected list or null");
}

function mapReader(item: JsonReader, sparse: boolean): JsonReader {
  return (value) => {
    const raw = objectOf(value);
    const keys = Object.keys(raw);
    if (keys.length > mapEntriesMax) throw serialization(`A map has more than ${mapEntriesMax} entries`);
    const out: JsonObject = {};
    for (const key of keys) {
      const found = raw[key];
      if (found !== null) setOwn(out, key, item(found));
      else if (sparse) setOwn(out, key, null);
      else throw serialization("NULL_VALUE found in a map that takes none");
    }
    return out;
  };
}

/** True when a value of this type can nest without end, so that the text has to be looked at before it is parsed. */
export function nestsFreely(structure: Structure): boolean {
  const open = new Set<Structure>();
  const done = new Set<Structure>();
  const visit = (type: Type): boolean => {
    switch (type.kind) {
      case "scalar":
        return type.scalar === "document";
      case "list":
        return visit(type.item.type);
      case "map":
        return visit(type.value.type);
      default:
        return visitStructure(type.structure);
    }
  };
  const visitStructure = (of: Structure): boolean => {
    if (open.has(of)) return true;
    if (done.has(of)) return false;
    open.add(of);
    const found = of.members.some((member) => visit(member.type));
    open.delete(of);
    done.add(of);
    return found;
  };
  return visitStructure(structure);
}

const decoder = new TextDecoder("utf-8", { fatal: true });

/** Parses a body of JSON; an empty one is an empty object. `guardNesting` where the type can nest without end. */
export function parseJson(body: Uint8Array, guardNesting: boolean): unknown {
  if (body.byteLength === 0) return {};
  return invalidJson(() => {
    const text = decoder.decode(body);
    if (guardNesting && nesting(text) > nestingMax) throw serialization(`JSON is nested deeper than ${nestingMax}`);
    return JSON.parse(text) as unknown;
  });
}

function invalidJson<T>(parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    // Not UTF-8 (TypeError of the decoder), or not JSON.
    if (!(cause instanceof SyntaxError || cause instanceof TypeError)) throw cause;
    throw new Fault("SerializationException", "The request body is not valid JSON", {}, { cause });
  }
}

/** How deep brackets nest outside of strings. */
function nesting(text: string): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let i = 0; i < text.length; i += 1) {
    const char = text.charCodeAt(i);
    if (inString) {
      if (char === 0x5c) i += 1;
      else if (char === 0x22) inString = false;
    } else if (char === 0x22) inString = true;
    else if (char === 0x7b || char === 0x5b) deepest = Math.max(deepest, (depth += 1));
    else if (char === 0x7d || char === 0x5d) depth -= 1;
  }
  return deepest;
}
