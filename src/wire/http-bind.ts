/** What REST protocols carry outside the body: labels, query parameters, header fields, the status. */
import { Bug, type Fault } from "../base/errors.ts";
import { setOwn } from "./json-read.ts";
import type { Message } from "./message.ts";
import type { Member, Structure, Type } from "./model.ts";
import { BadText, textReader, textWriter, type TextReader, type TextWriter } from "./scalars.ts";

/** Where a member of an input stood, for the error that names it. */
export interface Place {
  kind: "label" | "query" | "header";
  name: string;
}
export type Unreadable = (error: BadText, place: Place) => Fault;

type Binder = (message: Message, out: Record<string, unknown>) => void;

export interface Binding {
  /** Members in the body, all together. */
  body: readonly Member[];
  /** The member that is the whole body. */
  payload: Member | undefined;
}

export interface InputBinding extends Binding {
  /** Sets what stands outside the body. */
  read: Binder;
}

const bound = ({ traits }: Member) =>
  traits.httpLabel === 1 ||
  traits.httpQuery !== undefined ||
  traits.httpQueryParams === 1 ||
  traits.httpHeader !== undefined ||
  traits.httpPrefixHeaders !== undefined ||
  traits.httpResponseCode === 1;

function bindingOf({ members }: Structure): Binding {
  const payload = members.find(({ traits }) => traits.httpPayload === 1);
  return { payload, body: members.filter((member) => member !== payload && !bound(member)) };
}

export function inputBinding(structure: Structure, unreadable: Unreadable): InputBinding {
  const named = structure.members.map(({ traits }) => traits.httpQuery).filter((name) => name !== undefined);
  const binders = structure.members
    .map((member) => binderOf(member, unreadable, named))
    .filter((binder) => binder !== undefined);
  return {
    ...bindingOf(structure),
    read(message, out) {
      for (const bind of binders) bind(message, out);
    },
  };
}

function binderOf(member: Member, unreadable: Unreadable, named: readonly string[]): Binder | undefined {
  const { name, traits, type } = member;
  if (traits.httpLabel === 1) {
    const read = placedReader(type, { kind: "label", name }, unreadable);
    return ({ labels }, out) => {
      const text = labels[name];
      if (text !== undefined) out[name] = read(text);
    };
  }
  if (traits.httpQuery !== undefined) return queryBinder(name, type, traits.httpQuery, unreadable);
  if (traits.httpQueryParams === 1) return restOfQueryBinder(name, type, named);
  if (traits.httpHeader !== undefined) return headerBinder(name, type, traits.httpHeader, unreadable);
  if (traits.httpPrefixHeaders !== undefined) return prefixBinder(name, traits.httpPrefixHeaders.toLowerCase());
  return undefined;
}

function placedReader(type: Type, place: Place, unreadable: Unreadable): TextReader {
  if (type.kind !== "scalar") throw new Error(`${place.name}: no ${type.kind} can stand in a ${place.kind}`);
  const read = textReader(type.scalar);
  return (text) => {
    try {
      return read(text);
    } catch (error) {
      if (error instanceof BadText) throw unreadable(error, place);
      throw error;
    }
  };
}

function queryBinder(name: string, type: Type, wireName: string, unreadable: Unreadable): Binder {
  const place = { kind: "query", name: wireName } as const;
  if (type.kind === "list") {
    const read = placedReader(type.item.type, place, unreadable);
    return ({ query }, out) => {
      const found = query.filter(([key]) => key === wireName).map(([, text]) => read(text));
      if (found.length > 0) out[name] = found;
    };
  }
  const read = placedReader(type, place, unreadable);
  return ({ query }, out) => {
    for (const [key, text] of query) {
      if (key !== wireName) continue;
      out[name] = read(text);
      return;
    }
  };
}

function restOfQueryBinder(name: string, type: Type, named: readonly string[]): Binder {
  const others = new Set(named);
  const many = type.kind === "map" && type.value.type.kind === "list";
  return ({ query }, out) => {
    const found: Record<string, unknown> = {};
    for (const [key, text] of query) {
      if (others.has(key)) continue;
      const before = Object.hasOwn(found, key) ? found[key] : undefined;
      if (many) setOwn(found, key, Array.isArray(before) ? [...(before as unknown[]), text] : [text]);
      else if (before === undefined) setOwn(found, key, text);
    }
    if (Object.keys(found).length > 0) out[name] = found;
  };
}

function headerBinder(name: string, type: Type, field: string, unreadable: Unreadable): Binder {
  const wireName = field.toLowerCase();
  const place = { kind: "header", name: field } as const;
  if (type.kind === "list") {
    const read = placedReader(type.item.type, place, unreadable);
    return ({ headers }, out) => {
      const text = headers.get(wireName);
      if (text !== undefined) out[name] = text.split(",").map((item) => read(utf8Text(item.trim())));
    };
  }
  const read = placedReader(type, place, unreadable);
  return ({ headers }, out) => {
    const text = headers.get(wireName);
    if (text !== undefined) out[name] = read(utf8Text(text));
  };
}

function prefixBinder(name: string, prefix: string): Binder {
  return ({ headers }, out) => {
    let found: Record<string, unknown> | undefined;
    for (const [key, text] of headers) {
      if (!key.startsWith(prefix)) continue;
      found ??= {};
      setOwn(found, key.slice(prefix.length), utf8Text(text));
    }
    if (found !== undefined) out[name] = found;
  };
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true });

/** Field values come byte by byte (Latin-1); those that are UTF-8 are read as such. */
function utf8Text(text: string): string {
  if (!/[^\p{ASCII}]/u.test(text) || /[^\p{ASCII}\u0080-\u00ff]/u.test(text)) return text;
  try {
    return strictUtf8.decode(Buffer.from(text, "latin1"));
  } catch (error) {
    if (error instanceof TypeError) return text;
    throw error;
  }
}

export interface OutputBinding extends Binding {
  /** The header fields of an output, flat. */
  headers(output: Readonly<Record<string, unknown>>): string[];
  status(output: Readonly<Record<string, unknown>>): number;
}

type FieldWriter = (output: Readonly<Record<string, unknown>>, fields: string[]) => void;

export function outputBinding(structure: Structure, status: number): OutputBinding {
  const writers = structure.members.map(fieldWriter).filter((writer) => writer !== undefined);
  const code = structure.members.find(({ traits }) => traits.httpResponseCode === 1)?.name;
  return {
    ...bindingOf(structure),
    headers(output) {
      const fields: string[] = [];
      for (const write of writers) write(output, fields);
      return fields;
    },
    status(output) {
      const own = code === undefined ? undefined : output[code];
      return typeof own === "number" ? own : status;
    },
  };
}

function fieldWriter({ name, traits, type }: Member): FieldWriter | undefined {
  const field = traits.httpHeader;
  if (field !== undefined) {
    const write = type.kind === "list" ? listWriter(type.item.type, field) : scalarWriter(type, field);
    return (output, fields) => {
      const value = output[name];
      if (value !== undefined && value !== null) fields.push(field, fieldValue(write(value)));
    };
  }
  const prefix = traits.httpPrefixHeaders;
  if (prefix === undefined) return undefined;
  return (output, fields) => {
    const map = output[name];
    if (map === undefined || map === null) return;
    for (const [key, value] of Object.entries(map)) {
      if (!token.test(key)) throw new Bug(`an output's ${name} has a key that no header field can be called`);
      fields.push(prefix + key, fieldValue(String(value)));
    }
  };
}

function scalarWriter(type: Type, field: string): TextWriter {
  if (type.kind !== "scalar") throw new Error(`${field}: no ${type.kind} can stand in a header field`);
  return textWriter(type.scalar, "http-date");
}

function listWriter(type: Type, field: string): TextWriter {
  const write = scalarWriter(type, field);
  return (value) => {
    if (!Array.isArray(value)) throw new Bug(`an output holds no array for ${field}`);
    return value.map(write).join(", ");
  };
}

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** A value that cannot end its field: control characters become spaces, and what is not ASCII is written as S3 does (RFC 2047). */
export function fieldValue(text: string): string {
  if (/[^\p{ASCII}]/u.test(text)) return `=?UTF-8?B?${Buffer.from(text).toString("base64")}?=`;
  return text.replace(/(?!\t)\p{Cc}/gu, " ");
}
