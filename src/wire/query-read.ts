/** Parameters of awsQuery and ec2Query to inputs: `Filter.1.Value.2=x` to a tree, then closures compiled from a type. */
import { Fault } from "../base/errors.ts";
import { setOwn } from "./json-read.ts";
import { mapEntriesMax, nestingMax, parametersMax } from "./limits.ts";
import { perStructure, type Member, type Structure, type Type } from "./model.ts";
import { BadText, textReader } from "./scalars.ts";

/** A parameter name up to a dot: what stands there, and what goes on below. */
export interface QueryNode {
  value: string | undefined;
  below: Map<string, QueryNode> | undefined;
}

export type QueryReader = (node: QueryNode) => unknown;

/** How a family of query services names things, and what it answers to what it cannot read. */
export interface QueryStyle {
  nameOf(member: Member): string;
  /** Lists are numbered right after their name, without `member`. */
  flattensAll: boolean;
  malformed(message: string): Fault;
  unreadable(error: BadText, name: string): Fault;
}

export const queryStyle: QueryStyle = {
  nameOf: (member) => member.traits.xmlName ?? member.name,
  flattensAll: false,
  malformed: (message) => new Fault("MalformedInput", message),
  unreadable: ({ wanted, text }) =>
    new Fault("MalformedInput", `${JSON.stringify(text)} cannot be converted to ${wanted}`),
};

/** Source: "Query requests" of the EC2 API reference; error texts of its "Error codes". */
export const ec2Style: QueryStyle = {
  nameOf: ({ name, traits }) => traits.ec2QueryName ?? capitalised(traits.xmlName ?? name),
  flattensAll: true,
  malformed: (message) => new Fault("InvalidParameterValue", message),
  unreadable: ({ wanted, text }, name) =>
    new Fault("InvalidParameterValue", `Value (${text}) for parameter ${name} is invalid. Expected: ${wanted}.`),
};

const capitalised = (name: string) => name.charAt(0).toUpperCase() + name.slice(1);

/** Adds parameters to the tree; later ones of the same name win. */
export function queryTree(pairs: readonly (readonly [string, string])[], style: QueryStyle): QueryNode {
  if (pairs.length > parametersMax) throw style.malformed(`More than ${parametersMax} parameters`);
  const root: QueryNode = { value: undefined, below: new Map() };
  for (const [name, value] of pairs) {
    const parts = name.split(".", nestingMax + 1);
    if (parts.length > nestingMax) throw style.malformed(`A parameter name is nested deeper than ${nestingMax}`);
    let node = root;
    for (const part of parts) {
      node.below ??= new Map();
      let next = node.below.get(part);
      if (next === undefined) {
        next = { value: undefined, below: undefined };
        node.below.set(part, next);
      }
      node = next;
    }
    node.value = value;
  }
  return root;
}

export function queryReaders(style: QueryStyle): { structure(structure: Structure): QueryReader } {
  const structure = perStructure<QueryReader>(
    (of) => structureReader(of, style, type),
    (target) => (node) => target()(node),
  );
  const type = (member: Member): QueryReader => {
    const of: Type = member.type;
    switch (of.kind) {
      case "scalar":
        return scalarReader(member, style);
      case "structure":
        return structure(of.structure);
      case "list":
        return listReader(member, of.item, style, type(of.item));
      default:
        return mapReader(member, of, style, type);
    }
  };
  return { structure };
}

function scalarReader(member: Member, style: QueryStyle): QueryReader {
  if (member.type.kind !== "scalar") throw style.malformed("not a scalar");
  const read = textReader(member.type.scalar);
  const name = style.nameOf(member);
  return ({ value, below }) => {
    if (below !== undefined) {
      throw style.malformed(startsList(below) ? "Start of list found where not expected" : structureUnexpected);
    }
    try {
      return read(value ?? "");
    } catch (error) {
      if (error instanceof BadText) throw style.unreadable(error, name);
      throw error;
    }
  };
}

const structureUnexpected = "Start of structure or map found where not expected";
const startsList = (below: Map<string, QueryNode>) => below.has("member") || below.has("1") || below.has("entry");

function structureReader(of: Structure, style: QueryStyle, type: (member: Member) => QueryReader): QueryReader {
  const wanted = of.members.map((member) => [style.nameOf(member), member.name, type(member)] as const);
  return ({ value, below }) => {
    if (below === undefined) {
      if (value) throw style.malformed("Unexpected complex element termination");
      return {};
    }
    const out: Record<string, unknown> = {};
    for (const [wireName, name, read] of wanted) {
      const node = below.get(wireName);
      if (node !== undefined) out[name] = read(node);
    }
    return out;
  };
}

const indexText = /^[1-9]\d{0,8}$/;

/** The numbered nodes in the order of their numbers; gaps close up. */
function numbered(below: Map<string, QueryNode>, style: QueryStyle): QueryNode[] {
  const found: [number, QueryNode][] = [];
  for (const [key, node] of below) {
    if (!indexText.test(key)) throw style.malformed("Unexpected list element termination");
    found.push([Number(key), node]);
  }
  return found.sort(([a], [b]) => a - b).map(([, node]) => node);
}

/** The items below a list or a map: right there when flattened, else below `member`, `entry`, or the name it was given. */
function itemsOf(node: QueryNode, wrapper: string | undefined, style: QueryStyle): QueryNode[] {
  const { value, below } = node;
  if (below === undefined) {
    // `Names=` is how clients send an empty list.
    if (value) throw style.malformed("Unexpected list element termination");
    return [];
  }
  if (wrapper === undefined) return numbered(below, style);
  const wrapped = below.get(wrapper);
  if (wrapped === undefined || wrapped.below === undefined)
    throw style.malformed("Unexpected list element termination");
  return numbered(wrapped.below, style);
}

function listReader(member: Member, item: Member, style: QueryStyle, read: QueryReader): QueryReader {
  const flattened = style.flattensAll || member.traits.xmlFlattened === 1;
  const wrapper = flattened ? undefined : (item.traits.xmlName ?? "member");
  return (node) => itemsOf(node, wrapper, style).map(read);
}

function mapReader(
  member: Member,
  of: Extract<Type, { kind: "map" }>,
  style: QueryStyle,
  type: (member: Member) => QueryReader,
): QueryReader {
  const wrapper = style.flattensAll || member.traits.xmlFlattened === 1 ? undefined : "entry";
  const keyName = of.key.traits.xmlName ?? "key";
  const valueName = of.value.traits.xmlName ?? "value";
  const readKey = type(of.key);
  const readValue = type(of.value);
  return (node) => {
    const entries = itemsOf(node, wrapper, style);
    if (entries.length > mapEntriesMax) throw style.malformed(`A map has more than ${mapEntriesMax} entries`);
    const out: Record<string, unknown> = {};
    for (const { below } of entries) {
      const key = below?.get(keyName);
      const value = below?.get(valueName);
      if (key === undefined || value === undefined) throw style.malformed("Unexpected map entry termination");
      setOwn(out, String(readKey(key)), readValue(value));
    }
    return out;
  };
}
