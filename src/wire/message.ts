/** A request taken apart once, and what a protocol makes of it. */
import type { Body, Headers, HttpRequest, HttpResponse } from "../base/http.ts";
import { decodePairs, type Pair } from "./form.ts";
import type { OperationModel } from "./model.ts";

/** Fields by name in lower case; the values of repeated ones are joined by `, `. */
export type HeaderMap = ReadonlyMap<string, string>;

export interface Incoming {
  request: HttpRequest;
  /** As sent, without the query. */
  path: string;
  /** As sent, without `?`. */
  rawQuery: string;
  /** Decoded. */
  query: readonly Pair[];
  headers: HeaderMap;
}

/** Which operation is meant, and what its URI says. */
export interface Located {
  operation: OperationModel;
  /** Decoded, by member. */
  labels: Readonly<Record<string, string>>;
}

/** What is left to read when the operation is known. */
export interface Message {
  labels: Readonly<Record<string, string>>;
  query: readonly Pair[];
  headers: HeaderMap;
  /** Bytes, unless the operation's payload is a stream. */
  body: Body;
  /** The body's JSON, where it was so long that it was parsed before. */
  json?: unknown;
}

export interface ResponseContext {
  requestId: string;
  /** Of the request: an answer to HEAD has no body. */
  method: string;
  /** Named in the errors of S3. */
  path?: string;
}

/** Reads and writes the messages of one operation. */
export interface Codec {
  decode(message: Message): object;
  /** The body is JSON; `guardNesting` when its values can nest without end. */
  json?: { guardNesting: boolean };
  encode(output: object, context: ResponseContext): HttpResponse;
}

export function headerMap(headers: Headers): HeaderMap {
  const map = new Map<string, string>();
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = (headers[i] as string).toLowerCase();
    const value = headers[i + 1] as string;
    const before = map.get(name);
    map.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return map;
}

/** Takes a request apart; throws a fault when its query is not percent-encoded. */
export function incomingOf(request: HttpRequest): Incoming {
  const { path, rawQuery } = splitTarget(request.target);
  return { request, path, rawQuery, query: decodePairs(rawQuery), headers: headerMap(request.headers) };
}

export function splitTarget(target: string): { path: string; rawQuery: string } {
  const mark = target.indexOf("?");
  return mark === -1
    ? { path: target, rawQuery: "" }
    : { path: target.slice(0, mark), rawQuery: target.slice(mark + 1) };
}

/** Media type of a `Content-Type`, in lower case and without parameters; empty when there is none. */
export function mediaType(headers: HeaderMap): string {
  const value = headers.get("content-type") ?? "";
  const end = value.indexOf(";");
  return (end === -1 ? value : value.slice(0, end)).trim().toLowerCase();
}
