/**
 * AWS's resource types as `types.json` has them (`npm run spec`). The text is read with the first template that is
 * checked, and a type's line with the first resource of it: most nodes meet a dozen of 1,800.
 */
import { readFileSync } from "node:fs";
import { must } from "../../../base/errors.ts";
import type { PropertyRows, ResourceTypeRow, TypeRow } from "./rows.ts";

/** What a value must be. */
export type ValueType =
  | { kind: "string" | "number" | "integer" | "boolean" | "json" }
  | { kind: "enumeration"; values: readonly (string | number)[] }
  | { kind: "union"; types: readonly ValueType[] }
  | { kind: "list" | "map"; of: ValueType }
  | { kind: "structure"; structure: Structure };

export interface Property {
  name: string;
  type: ValueType;
  required: boolean;
  replaces: "always" | "perhaps" | "never";
}

/** Something with named properties: a resource type itself, or what one of its properties holds. */
export interface Structure {
  /** `AWS::Lambda::Function`, or of a part of it `Environment`. */
  name: string;
  properties: ReadonlyMap<string, Property>;
}

export interface ResourceType extends Structure {
  /** What `Fn::GetAtt` gives. */
  attributes: ReadonlyMap<string, ValueType>;
  /** `primaryIdentifier`: the properties that name one resource of the type. */
  identifier: readonly string[];
}

export interface Specification {
  /** Undefined for a type that AWS does not have. */
  typeOf(name: string): ResourceType | undefined;
  /** Names of all types, in order. */
  readonly names: readonly string[];
}

// Beside this module in the sources, and in dist/, where the build copies it.
const file = new URL("./types.json", import.meta.url);

let loaded: Specification | undefined;

/** The specification, read once: it never changes while a node runs. */
export function loadSpecification(): Specification {
  loaded ??= readSpecification(readFileSync(file, "latin1"));
  return loaded;
}

/** Reads the text of `types.json`, whose every type stands on a line of its own. */
export function readSpecification(text: string): Specification {
  const lines = new Map<string, { start: number; end: number }>();
  for (const { index, 0: line, 1: name = "" } of text.matchAll(/^"([^"]+)":(.*)$/gm)) {
    lines.set(name, { start: index + name.length + 3, end: index + line.length });
  }
  const types = new Map<string, ResourceType>();
  return {
    names: [...lines.keys()],
    typeOf(name) {
      const known = types.get(name);
      if (known !== undefined) return known;
      const line = lines.get(name);
      if (line === undefined) return undefined;
      const row = JSON.parse(text.slice(line.start, line.end).replace(/,$/, "")) as ResourceTypeRow;
      const type = linkType(name, row);
      types.set(name, type);
      return type;
    },
  };
}

function linkType(name: string, { properties, attributes = {}, identifier = [], structures = {} }: ResourceTypeRow) {
  const linked = new Map<string, Structure>();
  const structureOf = (part: string): Structure => {
    const seen = linked.get(part);
    if (seen !== undefined) return seen;
    const inner = new Map<string, Property>();
    const structure: Structure = { name: part, properties: inner };
    // Known before its properties are linked: a structure may hold itself.
    linked.set(part, structure);
    for (const property of propertiesOf(must(structures[part], `${part} of ${name}`), structureOf)) {
      inner.set(property.name, property);
    }
    return structure;
  };
  return {
    name,
    properties: new Map(propertiesOf(properties, structureOf).map((property) => [property.name, property])),
    attributes: new Map(Object.entries(attributes).map(([attribute, row]) => [attribute, typeFrom(row, structureOf)])),
    identifier,
  };
}

type StructureOf = (name: string) => Structure;

function propertiesOf(rows: PropertyRows, structureOf: StructureOf): readonly Property[] {
  return Object.entries(rows).map(([key, row]) => ({
    name: key.replace(/[!*?]+$/, ""),
    type: typeFrom(row, structureOf),
    required: key.includes("!"),
    replaces: key.endsWith("*") ? "always" : key.endsWith("?") ? "perhaps" : "never",
  }));
}

const text: ValueType = { kind: "string" };
const tag: Structure = {
  name: "Tag",
  properties: new Map(
    ["Key", "Value"].map((name) => [name, { name, type: text, required: true, replaces: "never" as const }]),
  ),
};

const letters: Readonly<Record<string, ValueType>> = {
  b: { kind: "boolean" },
  d: text,
  i: { kind: "integer" },
  j: { kind: "json" },
  n: { kind: "number" },
  s: text,
  t: { kind: "structure", structure: tag },
};

function typeFrom(row: TypeRow, structureOf: StructureOf): ValueType {
  if (typeof row === "string") return typeFromText(row, structureOf);
  if (row[0] === "=") return { kind: "enumeration", values: row.slice(1) };
  if (row[0] === "|") {
    return { kind: "union", types: (row.slice(1) as readonly TypeRow[]).map((type) => typeFrom(type, structureOf)) };
  }
  return { kind: row[0] === "[]" ? "list" : "map", of: typeFrom(row[1], structureOf) };
}

function typeFromText(row: string, structureOf: StructureOf): ValueType {
  if (row.startsWith("[]")) return { kind: "list", of: typeFromText(row.slice(2), structureOf) };
  if (row.startsWith("{}")) return { kind: "map", of: typeFromText(row.slice(2), structureOf) };
  if (row.startsWith("@")) return { kind: "structure", structure: structureOf(row.slice(1)) };
  return must(letters[row], `the type ${row}`);
}
