/** Services as they are at run time: tables read on first use, rows linked to one another on first use of an operation. */
import { readdirSync, readFileSync } from "node:fs";
import { must } from "../base/errors.ts";
import type {
  MemberRow,
  MemberTraits,
  OperationTraits,
  ProtocolName,
  ScalarName,
  StructureTraits,
  Table,
  TypeRow,
} from "./table.ts";

export interface Member {
  name: string;
  type: Type;
  traits: MemberTraits;
  required: boolean;
}

export type Type =
  | { kind: "scalar"; scalar: ScalarName }
  | { kind: "list"; item: Member }
  | { kind: "map"; key: Member; value: Member }
  | { kind: "structure"; structure: Structure };

export interface Structure {
  name: string;
  members: readonly Member[];
  traits: StructureTraits;
}

export interface OperationModel {
  name: string;
  input: Structure;
  output: Structure;
  http: readonly [method: string, uri: string, status: number];
  /** `x-amz-checksum-*` fields are of its body. */
  checksum: boolean;
  /** It takes an event stream, or is known by name only: there is no codec for it, and it answers 501. */
  opaque: boolean;
}

export interface ServiceModel {
  key: string;
  protocol: ProtocolName;
  table: Table;
  /** All of them, in the order of their names. */
  operationNames: readonly string[];
  /** Undefined for a name that the service does not have. */
  operation(name: string): OperationModel | undefined;
  structure(name: string): Structure | undefined;
}

// Beside this module in the sources, and in dist/, where the build copies them.
const folder = new URL("./tables/", import.meta.url);
const nothing: Structure = { name: "Unit", members: [], traits: {} };
const noTraits: MemberTraits = {};
const plainHttp = ["POST", "/", 200] as const;

let keys: readonly string[] | undefined;

/** Keys of all services that have a table, in order. */
export function serviceKeys(): readonly string[] {
  keys ??= readdirSync(folder)
    .filter((file) => file.endsWith(".json"))
    .map((file) => file.slice(0, -".json".length))
    .sort();
  return keys;
}

// Tables never change while a node runs: one copy serves every wire of the process.
const loaded = new Map<string, ServiceModel>();

/** The table of a service, read once; a {@link serviceKeys} key. */
export function loadService(key: string): ServiceModel {
  const seen = loaded.get(key);
  if (seen !== undefined) return seen;
  const made = linkService(JSON.parse(readFileSync(new URL(`${key}.json`, folder), "utf8")) as Table);
  loaded.set(key, made);
  return made;
}

/** Makes a service of a table; its structures are linked when they are first asked for. */
export function linkService(table: Table): ServiceModel {
  const structures = new Map<string, Structure>();
  const operations = new Map<string, OperationModel>();
  const named = new Set(table.named);

  const structure = (name: string): Structure | undefined => {
    const seen = structures.get(name);
    if (seen !== undefined) return seen;
    const row = Object.hasOwn(table.structures, name) ? table.structures[name] : undefined;
    if (row === undefined) return undefined;
    const [rows, required, traits = {}] = row;
    const members: Member[] = [];
    // Known before its members are linked: a structure may hold itself.
    structures.set(name, { name, members, traits });
    for (const [member, memberRow] of Object.entries(rows)) {
      members.push(link(member, memberRow, members.length < required));
    }
    return structures.get(name);
  };

  const link = (name: string, row: MemberRow, required: boolean): Member => {
    const [type, traits] = isTraited(row) ? row : [row, noTraits];
    return { name, type: linkType(type), traits, required };
  };

  const linkType = (row: TypeRow): Type => {
    if (typeof row !== "string") {
      return "list" in row
        ? { kind: "list", item: link("member", row.list, true) }
        : { kind: "map", key: link("key", row.key, true), value: link("value", row.value, true) };
    }
    if (!row.startsWith("#")) return { kind: "scalar", scalar: row as ScalarName };
    return { kind: "structure", structure: must(structure(row.slice(1)), `${table.service} ${row}`) };
  };

  const side = (name: string | null) =>
    name === null ? nothing : must(structure(name), `structure ${name} of ${table.service}`);

  return {
    key: table.service,
    protocol: table.protocol,
    table,
    operationNames: [...Object.keys(table.operations), ...named].sort(),
    structure,
    operation(name) {
      const seen = operations.get(name);
      if (seen !== undefined) return seen;
      const row = Object.hasOwn(table.operations, name) ? table.operations[name] : undefined;
      if (row === undefined && !named.has(name)) return undefined;
      const [input, output, traits = {}] = row ?? [null, null];
      const made = linkOperation(name, side(input), side(output), traits, row === undefined);
      operations.set(name, made);
      return made;
    },
  };
}

function linkOperation(
  name: string,
  input: Structure,
  output: Structure,
  traits: OperationTraits,
  byName: boolean,
): OperationModel {
  const opaque = byName || traits.events === "input" || traits.events === "both";
  return { name, input, output, http: traits.http ?? plainHttp, checksum: traits.checksum === 1, opaque };
}

const isTraited = (row: MemberRow): row is readonly [TypeRow, MemberTraits] => Array.isArray(row);

/** A cache of closures compiled for structures, safe for structures that hold themselves. */
export function perStructure<F extends (...args: never[]) => unknown>(
  compile: (structure: Structure) => F,
  forward: (target: () => F) => F,
): (structure: Structure) => F {
  const made = new Map<Structure, F>();
  return (structure) => {
    const seen = made.get(structure);
    if (seen !== undefined) return seen;
    let compiled: F | undefined;
    // While the structure is being compiled, whoever meets it again gets a closure that looks it up when called.
    made.set(
      structure,
      forward(() => must(compiled, `codec of ${structure.name}`)),
    );
    compiled = compile(structure);
    made.set(structure, compiled);
    return compiled;
  };
}
