/** Outputs to XML: closures compiled from a type that return the text of an element, for query, ec2 and restXml. */
import { Bug } from "../base/errors.ts";
import { perStructure, type Member, type Structure, type Type } from "./model.ts";
import { textWriter } from "./scalars.ts";
import type { ScalarName } from "./table.ts";

/** Writes a value as the element `name`. */
export type XmlWriter = (value: unknown, name: string) => string;
/** Writes what stands inside an element. */
export type XmlContentWriter = (value: unknown) => string;

/** How lists are written. */
export interface XmlStyle {
  /** Name of a list's items where the schema gives none. */
  itemName: string;
  nameOf(member: Member): string;
  /** ISO dates without `.000`, as query services write them. */
  shortDates: boolean;
}

const schemaName = ({ name, traits }: Member) => traits.xmlName ?? name;
export const queryXml: XmlStyle = { itemName: "member", nameOf: schemaName, shortDates: true };
export const restXml: XmlStyle = { itemName: "member", nameOf: schemaName, shortDates: false };
export const ec2Xml: XmlStyle = { itemName: "item", nameOf: schemaName, shortDates: false };

const special = /[&<>\u2028]|(?![\t\n])\p{Cc}/u;
const specials = new RegExp(special, "gu");
const names: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
const reference = (char: string) => names[char] ?? `&#x${char.charCodeAt(0).toString(16).toUpperCase()};`;

/** Text of an element. Control characters become references, as S3 writes the keys that hold them. */
export function escapeText(text: string): string {
  return special.test(text) ? text.replace(specials, reference) : text;
}

export function escapeAttribute(text: string): string {
  return escapeText(text).replaceAll('"', "&quot;").replaceAll("\n", "&#xA;").replaceAll("\t", "&#x9;");
}

/** The namespace of an element, as an attribute with a leading space. */
export function namespaceAttribute(namespace: Member["traits"]["xmlNamespace"]): string {
  if (namespace === undefined) return "";
  if (typeof namespace === "string") return ` xmlns="${escapeAttribute(namespace)}"`;
  const [prefix, uri] = namespace;
  return prefix === "" ? ` xmlns="${escapeAttribute(uri)}"` : ` xmlns:${prefix}="${escapeAttribute(uri)}"`;
}

export interface XmlWriters {
  /** Writes a structure as an element; with its attributes. */
  structure(structure: Structure): XmlWriter;
  /** Writes members one after another, without an element around them. */
  members(members: readonly Member[]): XmlContentWriter;
}

export function xmlWriters(style: XmlStyle): XmlWriters {
  const structure = perStructure<XmlWriter>(
    (of) => structureWriter(of, style, member),
    (target) => (value, name) => target()(value, name),
  );
  const type = (of: Type, itemNamed: boolean): XmlWriter => {
    switch (of.kind) {
      case "scalar":
        return scalarWriter(of.scalar, style);
      case "structure":
        return structure(of.structure);
      case "list": {
        const item = type(of.item.type, false);
        const itemName = of.item.traits.xmlName ?? style.itemName;
        return itemNamed ? flatListWriter(item) : wrappedListWriter(item, itemName);
      }
      default:
        return mapWriter(of, itemNamed, (inner) => type(inner, false));
    }
  };
  const member = (of: Member): XmlWriter => type(of.type, of.traits.xmlFlattened === 1);
  return { structure, members: (members) => membersWriter(members, style, member) };
}

function scalarWriter(scalar: ScalarName, style: XmlStyle): XmlWriter {
  const write = textWriter(scalar, "date-time");
  switch (scalar) {
    case "string":
      return (value, name) => `<${name}>${escapeText(write(value))}</${name}>`;
    case "timestamp":
    case "date-time":
      if (style.shortDates) return (value, name) => `<${name}>${write(value).replace(".000Z", "Z")}</${name}>`;
      return (value, name) => `<${name}>${write(value)}</${name}>`;
    default:
      return (value, name) => `<${name}>${write(value)}</${name}>`;
  }
}

function structureWriter(of: Structure, style: XmlStyle, member: (of: Member) => XmlWriter): XmlWriter {
  const attributes = of.members.filter(({ traits }) => traits.xmlAttribute === 1);
  const content = membersWriter(
    of.members.filter(({ traits }) => traits.xmlAttribute !== 1),
    style,
    member,
  );
  const fixed = namespaceAttribute(of.traits.xmlNamespace);
  if (attributes.length === 0) return (value, name) => `<${name}${fixed}>${content(value)}</${name}>`;
  return (value, name) => {
    const raw = recordOf(value);
    let written = fixed;
    for (const { name: key, traits } of attributes) {
      const found = raw[key];
      if (found !== undefined) written += ` ${traits.xmlName ?? key}="${escapeAttribute(writeText(found))}"`;
    }
    return `<${name}${written}>${content(value)}</${name}>`;
  };
}

const writeText = textWriter("string", "date-time");

function recordOf(value: unknown): Record<string, unknown> {
  if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  throw new Bug("an output holds no object where a structure or map belongs");
}

function membersWriter(
  members: readonly Member[],
  style: XmlStyle,
  writerOf: (of: Member) => XmlWriter,
): XmlContentWriter {
  const rows = members.map((member) => {
    const wireName = style.nameOf(member);
    const namespace = namespaceAttribute(member.traits.xmlNamespace);
    const write = writerOf(member);
    // The namespace of a member goes into its start tag (S3's Grantee).
    const qualified: XmlWriter =
      namespace === "" ? write : (value, name) => write(value, name).replace(`<${name}`, `<${name}${namespace}`);
    return { name: member.name, wireName, write: qualified };
  });
  return (value) => {
    const raw = recordOf(value);
    let out = "";
    for (const { name, wireName, write } of rows) {
      const found = raw[name];
      if (found !== undefined && found !== null) out += write(found, wireName);
    }
    return out;
  };
}

function itemsOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new Bug("an output holds no array where a list belongs");
}

function flatListWriter(item: XmlWriter): XmlWriter {
  return (value, name) => {
    let out = "";
    for (const found of itemsOf(value)) if (found !== undefined && found !== null) out += item(found, name);
    return out;
  };
}

function wrappedListWriter(item: XmlWriter, itemName: string): XmlWriter {
  const flat = flatListWriter(item);
  return (value, name) => `<${name}>${flat(value, itemName)}</${name}>`;
}

function mapWriter(of: Extract<Type, { kind: "map" }>, flattened: boolean, type: (of: Type) => XmlWriter): XmlWriter {
  const keyName = of.key.traits.xmlName ?? "key";
  const valueName = of.value.traits.xmlName ?? "value";
  const writeKey = type(of.key.type);
  const writeValue = type(of.value.type);
  return (value, name) => {
    const entryName = flattened ? name : "entry";
    let out = "";
    for (const [key, found] of Object.entries(recordOf(value))) {
      if (found === undefined || found === null) continue;
      out += `<${entryName}>${writeKey(key, keyName)}${writeValue(found, valueName)}</${entryName}>`;
    }
    return flattened ? out : `<${name}>${out}</${name}>`;
  };
}
