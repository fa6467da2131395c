/** XML to inputs (restXml): `saxes` to a tree without DTD and without entities of its own, then compiled closures. */
import { SaxesParser } from "saxes";
import { Fault } from "../base/errors.ts";
import { setOwn } from "./json-read.ts";
import { mapEntriesMax, nestingMax } from "./limits.ts";
import { perStructure, type Member, type Structure, type Type } from "./model.ts";
import { BadText, textReader } from "./scalars.ts";

export interface XmlElement {
  /** Without its prefix. */
  name: string;
  /** By name as written. */
  attributes: Readonly<Record<string, string>>;
  children: XmlElement[];
  /** All character data right below it. */
  text: string;
}

export type XmlReader = (element: XmlElement) => unknown;

/** Source: "Error responses" of the S3 API reference. */
export const malformedXml = (cause?: unknown) =>
  new Fault(
    "MalformedXML",
    "The XML you provided was not well-formed or did not validate against our published schema",
    {},
    cause === undefined ? undefined : { cause },
  );

const localName = (name: string) => name.slice(name.indexOf(":") + 1);
const decoder = new TextDecoder("utf-8", { fatal: true });

/** Parses a document; throws `MalformedXML`. The size is bounded before it comes here. */
export function parseXml(body: Uint8Array): XmlElement {
  const parser = new SaxesParser();
  const open: XmlElement[] = [];
  let root: XmlElement | undefined;
  parser.on("error", (error) => {
    throw malformedXml(error);
  });
  parser.on("doctype", () => {
    throw malformedXml();
  });
  parser.on("opentag", (tag) => {
    if (open.length >= nestingMax) throw malformedXml();
    const element: XmlElement = { name: localName(tag.name), attributes: tag.attributes, children: [], text: "" };
    open.at(-1)?.children.push(element);
    root ??= element;
    open.push(element);
  });
  const addText = (text: string) => {
    const element = open.at(-1);
    if (element !== undefined) element.text += text;
  };
  parser.on("text", addText);
  parser.on("cdata", addText);
  parser.on("closetag", () => {
    open.pop();
  });
  parser.write(textOf(body)).close();
  if (root === undefined) throw malformedXml();
  return root;
}

function textOf(body: Uint8Array): string {
  try {
    return decoder.decode(body);
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw malformedXml(cause);
  }
}

export interface XmlReaders {
  structure(structure: Structure): XmlReader;
  members(members: readonly Member[]): XmlReader;
}

export function xmlReaders(): XmlReaders {
  const structure = perStructure<XmlReader>(
    (of) => membersReader(of.members, type),
    (target) => (element) => target()(element),
  );
  const type = (of: Type): XmlReader => {
    switch (of.kind) {
      case "scalar":
        return scalarReader(of.scalar);
      case "structure":
        return structure(of.structure);
      case "list":
        return wrappedListReader(of.item.traits.xmlName ?? "member", type(of.item.type));
      default:
        return mapReader(of, type);
    }
  };
  return { structure, members: (members) => membersReader(members, type) };
}

function scalarReader(scalar: Parameters<typeof textReader>[0]): XmlReader {
  const read = textReader(scalar);
  const trims = scalar !== "string";
  return ({ children, text }) => {
    if (children.length > 0) throw malformedXml();
    try {
      return read(trims ? text.trim() : text);
    } catch (error) {
      if (error instanceof BadText) throw malformedXml(error);
      throw error;
    }
  };
}

interface Slot {
  name: string;
  read: XmlReader;
  /** Each element is one item of the list. */
  flattened: boolean;
}

function membersReader(members: readonly Member[], type: (of: Type) => XmlReader): XmlReader {
  const slots = new Map<string, Slot>();
  const attributes: { name: string; wireName: string }[] = [];
  for (const { name, traits, type: of } of members) {
    const wireName = traits.xmlName ?? name;
    if (traits.xmlAttribute === 1) {
      attributes.push({ name, wireName });
      continue;
    }
    const flattened = traits.xmlFlattened === 1 && of.kind === "list";
    if (traits.xmlFlattened === 1 && of.kind === "map") throw new Error("flattened maps are in no service's XML input");
    slots.set(localName(wireName), { name, flattened, read: type(flattened ? of.item.type : of) });
  }
  return (element) => {
    const out: Record<string, unknown> = {};
    for (const { name, wireName } of attributes) {
      const value = element.attributes[wireName];
      if (value !== undefined) out[name] = value;
    }
    for (const child of element.children) {
      const slot = slots.get(child.name);
      if (slot === undefined) continue;
      const value = slot.read(child);
      if (!slot.flattened) {
        // A second element of the same name does not validate.
        if (out[slot.name] !== undefined) throw malformedXml();
        out[slot.name] = value;
      } else {
        const list = (out[slot.name] ??= []);
        if (Array.isArray(list)) list.push(value);
      }
    }
    return out;
  };
}

function wrappedListReader(itemName: string, item: XmlReader): XmlReader {
  return ({ children }) =>
    children.map((child) => {
      if (child.name !== itemName) throw malformedXml();
      return item(child);
    });
}

function mapReader(of: Extract<Type, { kind: "map" }>, type: (of: Type) => XmlReader): XmlReader {
  const keyName = of.key.traits.xmlName ?? "key";
  const valueName = of.value.traits.xmlName ?? "value";
  const readKey = type(of.key.type);
  const readValue = type(of.value.type);
  return ({ children }) => {
    if (children.length > mapEntriesMax) throw malformedXml();
    const out: Record<string, unknown> = {};
    for (const entry of children) {
      const key = entry.children.find((child) => child.name === keyName);
      const value = entry.children.find((child) => child.name === valueName);
      if (key === undefined || value === undefined) throw malformedXml();
      setOwn(out, String(readKey(key)), readValue(value));
    }
    return out;
  };
}
