/**
 * Event streams of outputs: each event a message with its lengths, its headers and two checksums, written when it comes.
 * Source: Smithy, "Amazon Event Stream Specification".
 */
import { crc32 } from "node:zlib";
import { Bug, isFault, type Fault } from "../base/errors.ts";
import type { Member, Structure, Type } from "./model.ts";
import { bytesOfValue } from "./scalars.ts";

export const eventStreamType = "application/vnd.amazon.eventstream";

type EventHeaders = Readonly<Record<string, string>>;

/** How a protocol writes the documents inside of events. */
export interface EventDocuments {
  contentType: string;
  writer(structure: Structure): (value: unknown) => Uint8Array;
}

const lengthsBytes = 8;
const checksumBytes = 4;
/** The type of a header whose value is text, the only one that the services of the tables use. */
const textHeader = 7;

/** One message, whole: lengths, their checksum, headers, payload, checksum of all before. */
export function eventMessage(headers: EventHeaders, payload: Uint8Array): Uint8Array {
  const head = Buffer.concat(Object.entries(headers).map(headerBytes));
  const length = lengthsBytes + checksumBytes + head.length + payload.byteLength + checksumBytes;
  const message = Buffer.allocUnsafe(length);
  message.writeUInt32BE(length, 0);
  message.writeUInt32BE(head.length, 4);
  message.writeUInt32BE(crc32(message.subarray(0, lengthsBytes)), lengthsBytes);
  message.set(head, lengthsBytes + checksumBytes);
  message.set(payload, lengthsBytes + checksumBytes + head.length);
  message.writeUInt32BE(crc32(message.subarray(0, length - checksumBytes)), length - checksumBytes);
  return message;
}

function headerBytes([name, value]: [string, string]): Buffer {
  const bytes = Buffer.allocUnsafe(1 + name.length + 3 + Buffer.byteLength(value));
  bytes[0] = name.length;
  bytes.write(name, 1, "latin1");
  bytes[1 + name.length] = textHeader;
  bytes.writeUInt16BE(bytes.length - name.length - 4, 2 + name.length);
  bytes.write(value, 4 + name.length);
  return bytes;
}

/** The member of an output that is its event stream; undefined without one. */
export function eventMember({ members }: Structure): Member | undefined {
  return members.find((member) => eventsOf(member.type) !== undefined);
}

function eventsOf(type: Type): Structure | undefined {
  return type.kind === "structure" && type.structure.traits.streaming === 1 ? type.structure : undefined;
}

/**
 * Writes the events of `member`. What a handler gives there is an async iterable of the SDK's union; a fault that it
 * throws ends the stream as the exception that it is, anything else breaks it off.
 */
export function eventStreamWriter(
  { type, name }: Member,
  documents: EventDocuments,
): (value: unknown) => AsyncIterable<Uint8Array> {
  const union = eventsOf(type);
  if (union === undefined) throw new Error(`${name} is no event stream`);
  const writers = new Map(union.members.map((member) => [member.name, eventWriter(member, documents)]));
  const write = (event: unknown): Uint8Array => {
    for (const [key, value] of Object.entries(event ?? {})) {
      const writer = value === undefined ? undefined : writers.get(key);
      if (writer !== undefined) return writer(value);
    }
    throw new Bug(`an output's ${name} holds an event that ${union.name} has not`);
  };
  return (value) => {
    if (!isIterable(value)) throw new Bug(`an output holds no events where ${name} belongs`);
    return messagesOf(value, write, writers);
  };
}

type EventWriter = (value: unknown) => Uint8Array;

async function* messagesOf(
  events: AsyncIterable<unknown>,
  write: EventWriter,
  writers: ReadonlyMap<string, EventWriter>,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const event of events) yield write(event);
  } catch (error) {
    if (!isFault(error)) throw error;
    yield writers.get(error.code)?.({ ...error.members, message: error.message }) ?? errorMessage(error);
  }
}

/** What no event of the stream models. */
function errorMessage({ code, message }: Fault): Uint8Array {
  return eventMessage({ ":message-type": "error", ":error-code": code, ":error-message": message }, new Uint8Array(0));
}

function eventWriter({ name, type }: Member, documents: EventDocuments): EventWriter {
  if (type.kind !== "structure") throw new Error(`${name}: an event is a structure`);
  const { structure } = type;
  const kind = structure.traits.error === undefined ? "event" : "exception";
  const head = { ":message-type": kind, [`:${kind}-type`]: name };
  const payload = structure.members.find(({ traits }) => traits.eventPayload === 1);
  const { contentType, write } =
    payload === undefined ? documentOf(structure, documents) : payloadOf(payload, documents);
  if (structure.members.length === 0) return () => eventMessage(head, new Uint8Array(0));
  const headers = { ...head, ":content-type": contentType };
  return (value) => eventMessage(headers, write(value));
}

interface Payload {
  contentType: string;
  write: EventWriter;
}

const documentOf = (structure: Structure, { contentType, writer }: EventDocuments): Payload => ({
  contentType,
  write: writer(structure),
});

/** One member is the whole payload: bytes, text, or a document. */
function payloadOf({ name, type }: Member, { contentType, writer }: EventDocuments): Payload {
  const found = (value: unknown) => (value as Readonly<Record<string, unknown>>)[name] ?? "";
  if (type.kind === "structure") {
    const write = writer(type.structure);
    return { contentType, write: (value) => write(found(value)) };
  }
  const isText = type.kind === "scalar" && type.scalar === "string";
  return {
    contentType: isText ? "text/plain" : "application/octet-stream",
    write: (value) => bytesOfValue(found(value)),
  };
}

/** The first message of a protocol that has no other place for the members beside the stream. */
export function initialResponse({ contentType, writer }: EventDocuments, rest: Structure, value: object): Uint8Array {
  const headers = { ":message-type": "event", ":event-type": "initial-response", ":content-type": contentType };
  return eventMessage(headers, writer(rest)(value));
}

const isIterable = (value: unknown): value is AsyncIterable<unknown> =>
  typeof value === "object" && value !== null && Symbol.asyncIterator in value;

/** The whole body of an answer in RPC protocols: its other members, then the events. */
export function rpcEvents(
  output: Structure,
  documents: EventDocuments,
): ((value: object) => AsyncIterable<Uint8Array>) | undefined {
  const events = eventMember(output);
  if (events === undefined) return undefined;
  const rest = { ...output, members: output.members.filter((member) => member !== events) };
  const write = eventStreamWriter(events, documents);
  return (value) =>
    joined(
      initialResponse(documents, rest, value),
      write(Object.entries(value).find(([key]) => key === events.name)?.[1]),
    );
}

async function* joined(first: Uint8Array, rest: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield first;
  yield* rest;
}
