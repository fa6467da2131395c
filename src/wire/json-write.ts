/** Outputs to JSON values: closures compiled from a type. Only members of the schema are sent. */
import { Bug } from "../base/errors.ts";
import { jsonNameOf, setOwn } from "./json-read.ts";
import { perStructure, type Member, type Structure, type Type } from "./model.ts";
import { base64OfBytes, bytesOfValue, dateOf } from "./scalars.ts";
import type { ScalarName } from "./table.ts";
import { textOfDate, timestampForm } from "./timestamps.ts";

export type JsonWriter = (value: unknown) => unknown;

export interface JsonWriters {
  structure(structure: Structure): JsonWriter;
  members(members: readonly Member[]): JsonWriter;
}

/** In what formats with values like those of JSON differ. */
export interface WriteStyle {
  nameOf(member: Member): string;
  scalar(scalar: ScalarName): JsonWriter;
}

const asIs: JsonWriter = (value) => value;

const writeNumber: JsonWriter = (value) =>
  Number.isFinite(value) || typeof value !== "number" ? value : String(value);

function scalarWriter(scalar: ScalarName): JsonWriter {
  switch (scalar) {
    case "number":
    case "float":
    case "double":
      return writeNumber;
    case "bigint":
    case "bigdecimal":
      return Number;
    case "blob":
    case "stream":
      return (value) => base64OfBytes(bytesOfValue(value));
    case "timestamp":
    case "epoch-seconds":
      return (value) => dateOf(value).getTime() / 1000;
    case "date-time":
    case "http-date": {
      const form = timestampForm(scalar, "date-time");
      return (value) => textOfDate(dateOf(value), form);
    }
    default:
      return asIs;
  }
}

const jsonOutput: WriteStyle = { nameOf: jsonNameOf, scalar: scalarWriter };

export function jsonWriters(style: WriteStyle = jsonOutput): JsonWriters {
  const structure = perStructure<JsonWriter>(
    (of) => membersWriter(of.members, style, type),
    (target) => (value) => target()(value),
  );
  const type = (of: Type): JsonWriter => {
    switch (of.kind) {
      case "scalar":
        return style.scalar(of.scalar);
      case "structure":
        return structure(of.structure);
      case "list":
        return listWriter(type(of.item.type), of.item.traits.sparse === 1);
      default:
        return mapWriter(type(of.value.type), of.value.traits.sparse === 1);
    }
  };
  return { structure, members: (members) => membersWriter(members, style, type) };
}

function membersWriter(members: readonly Member[], style: WriteStyle, type: (of: Type) => JsonWriter): JsonWriter {
  const names = members.map((member) => member.name);
  const wireNames = members.map((member) => style.nameOf(member));
  const writers = members.map((member) => type(member.type));
  return (value) => {
    if (typeof value !== "object" || value === null)
      throw new Bug("an output holds no object where a structure belongs");
    const raw = value as Record<string, unknown>;
    const out: Record<string, unknown> = {};
    for (let i = 0; i < names.length; i += 1) {
      const found = raw[names[i] as string];
      if (found !== undefined && found !== null) out[wireNames[i] as string] = (writers[i] as JsonWriter)(found);
    }
    return out;
  };
}

function listWriter(item: JsonWriter, sparse: boolean): JsonWriter {
  return (value) => {
    if (!Array.isArray(value)) throw new Bug("an output holds no array where a list belongs");
    const out: unknown[] = [];
    for (const found of value as unknown[]) {
      if (found !== undefined && found !== null) out.push(item(found));
      else if (sparse) out.push(null);
    }
    return out;
  };
}

function mapWriter(item: JsonWriter, sparse: boolean): JsonWriter {
  return (value) => {
    if (typeof value !== "object" || value === null) throw new Bug("an output holds no object where a map belongs");
    const out: Record<string, unknown> = {};
    for (const [key, found] of Object.entries(value)) {
      if (found !== undefined && found !== null) setOwn(out, key, item(found));
      else if (sparse) setOwn(out, key, null);
    }
    return out;
  };
}
