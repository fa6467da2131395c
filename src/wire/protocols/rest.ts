/** What restJson1 and restXml share: bindings of HTTP, payloads, bodies. */
import { Bug } from "../../base/errors.ts";
import type { Body, HttpResponse } from "../../base/http.ts";
import { eventMember, eventStreamType, eventStreamWriter } from "../event-stream.ts";
import { inputBinding, outputBinding, type Unreadable } from "../http-bind.ts";
import type { Codec, Message, ResponseContext } from "../message.ts";
import type { Member, OperationModel, Structure, Type } from "../model.ts";
import { bytesOfValue } from "../scalars.ts";

/** How a body is read and written by one of the two. */
export interface BodyFormat {
  contentType: string;
  /** Header fields of every answer. */
  headersOf(context: ResponseContext): string[];
  unreadable: Unreadable;
  /** Reads members that stand in the body together; `root` is the name of their document. */
  membersReader(
    members: readonly Member[],
    root: Structure,
  ): (body: Uint8Array, json?: unknown) => Record<string, unknown>;
  /** Reads a structure that is the whole body. */
  payloadReader(payload: Member): (body: Uint8Array, json?: unknown) => unknown;
  /** Writes members that stand in the body together. */
  membersWriter(members: readonly Member[], operation: OperationModel): (value: object) => string;
  payloadWriter(payload: Member): (value: unknown) => string;
  /** An answer without members in its body has none at all (XML), or an empty document (JSON). */
  emptyBody: string | undefined;
}

/** Content type of payloads that are bytes or text, where AWS says more than "bytes". */
const payloadTypes: Readonly<Record<string, string>> = { Invoke: "application/json" };

export function restCodec(operation: OperationModel, format: BodyFormat): Codec {
  const read = bodyReader(operation, format);
  const write = bodyWriter(operation, format);
  const input = inputBinding(operation.input, format.unreadable);
  const output = outputBinding(operation.output, operation.http[2]);
  return {
    decode(message) {
      const value: Record<string, unknown> = {};
      input.read(message, value);
      read(message, value);
      return value;
    },
    encode(value, context) {
      const fields = value as Readonly<Record<string, unknown>>;
      const status = output.status(fields);
      const headers = [...format.headersOf(context), ...output.headers(fields)];
      if (status === 204 || status === 304) return { status, headers, body: undefined };
      const { body, contentType } = write(fields);
      if (contentType !== undefined && !hasContentType(headers)) headers.push("Content-Type", contentType);
      return { status, headers, body: context.method === "HEAD" ? undefined : body };
    },
  };
}

const hasContentType = (headers: readonly string[]) =>
  headers.some((name, i) => i % 2 === 0 && name.toLowerCase() === "content-type");

const isBytes = (type: Type, ...scalars: string[]) => type.kind === "scalar" && scalars.includes(type.scalar);

/** True when an operation takes its body as it comes, without an end in sight. */
export function streamsInput({ input }: OperationModel): boolean {
  return input.members.some(({ traits, type }) => traits.httpPayload === 1 && isBytes(type, "stream"));
}

type BodyReader = (message: Message, out: Record<string, unknown>) => void;

function bodyReader({ input }: OperationModel, format: BodyFormat): BodyReader {
  const { payload, body } = inputBinding(input, format.unreadable);
  if (payload !== undefined) return payloadReader(payload, format);
  if (body.length === 0) return () => undefined;
  const read = format.membersReader(body, input);
  return (message, out) => {
    const bytes = bytesIn(message.body);
    if (bytes.byteLength > 0) Object.assign(out, read(bytes, message.json));
  };
}

function payloadReader({ name, type, ...rest }: Member, format: BodyFormat): BodyReader {
  if (isBytes(type, "stream")) {
    return ({ body }, out) => {
      out[name] = body ?? new Uint8Array(0);
    };
  }
  if (isBytes(type, "blob")) {
    return ({ body }, out) => {
      const bytes = bytesIn(body);
      if (bytes.byteLength > 0) out[name] = bytes;
    };
  }
  if (isBytes(type, "string")) {
    return ({ body }, out) => {
      const bytes = bytesIn(body);
      if (bytes.byteLength > 0) out[name] = Buffer.from(bytes).toString("utf8");
    };
  }
  const read = format.payloadReader({ name, type, ...rest });
  return ({ body, json }, out) => {
    const bytes = bytesIn(body);
    if (bytes.byteLength > 0) out[name] = read(bytes, json);
  };
}

function bytesIn(body: Body): Uint8Array {
  if (body instanceof Uint8Array) return body;
  if (body === undefined) return new Uint8Array(0);
  throw new Bug("the body was not read before decoding");
}

interface Written {
  body: Body;
  contentType: string | undefined;
}

function bodyWriter(
  operation: OperationModel,
  format: BodyFormat,
): (value: Readonly<Record<string, unknown>>) => Written {
  const { payload, body } = outputBinding(operation.output, 200);
  if (payload !== undefined) return payloadWriter(operation, payload, format);
  if (body.length === 0) {
    const empty = format.emptyBody === undefined ? undefined : Buffer.from(format.emptyBody);
    const contentType = empty === undefined ? undefined : format.contentType;
    return () => ({ body: empty, contentType });
  }
  const write = format.membersWriter(body, operation);
  return (value) => ({ body: Buffer.from(write(value)), contentType: format.contentType });
}

function payloadWriter(
  operation: OperationModel,
  payload: Member,
  format: BodyFormat,
): (value: Readonly<Record<string, unknown>>) => Written {
  const { name, type } = payload;
  if (eventMember(operation.output) === payload) return eventsWriter(payload, format);
  const nothing = { body: undefined, contentType: undefined };
  if (isBytes(type, "stream", "blob", "string")) {
    const contentType =
      payloadTypes[operation.name] ?? (isBytes(type, "string") ? "text/plain" : "application/octet-stream");
    return (value) => {
      const found = value[name];
      return found === undefined || found === null ? nothing : { body: payloadBody(found), contentType };
    };
  }
  const write = format.payloadWriter(payload);
  return (value) => {
    const found = value[name];
    if (found === undefined || found === null) return nothing;
    return { body: Buffer.from(write(found)), contentType: format.contentType };
  };
}

/** An event stream is the whole body; the documents in it are the format's own. */
function eventsWriter(payload: Member, format: BodyFormat): (value: Readonly<Record<string, unknown>>) => Written {
  const write = eventStreamWriter(payload, {
    contentType: format.contentType,
    writer(structure) {
      const text = format.payloadWriter({ ...payload, traits: {}, type: { kind: "structure", structure } });
      return (value) => Buffer.from(text(value));
    },
  });
  return (value) => ({ body: write(value[payload.name]), contentType: eventStreamType });
}

/** A payload as handlers may answer it: bytes, text, or a stream. */
function payloadBody(value: unknown): Body {
  if (typeof value === "object" && value !== null && Symbol.asyncIterator in value) {
    return value as AsyncIterable<Uint8Array>;
  }
  return bytesOfValue(value);
}

/** An error's own header fields (`Retry-After`) and its status. */
export function errorFields(structure: Structure | undefined, members: Readonly<Record<string, unknown>>): string[] {
  return structure === undefined ? [] : outputBinding(structure, 0).headers(members);
}

/** Answers an error; to HEAD, and with 304, without a body. */
export function errorResponse(
  status: number,
  headers: string[],
  body: string,
  contentType: string,
  { method }: ResponseContext,
): HttpResponse {
  if (method === "HEAD" || status === 304) return { status, headers, body: undefined };
  return { status, headers: [...headers, "Content-Type", contentType], body: Buffer.from(body) };
}
