/** Writes the response of a handler: the head checked field by field, the body framed and paced. */
import type { Headers, HttpResponse } from "../../base/http.ts";
import { tokenText, valueText } from "./chars.ts";
import { field, fieldIdOf, hopByHop, neverTrailer } from "./fields.ts";
import { parseLength } from "./request.ts";
import { reasonOf } from "./status.ts";

/** How the body of a response is framed; `length` with its bytes. */
export type ResponseFraming =
  | { kind: "none" }
  | { kind: "length"; bytes: number }
  | { kind: "chunked" }
  | { kind: "eof" };

export interface ResponsePlan {
  reason: string;
  /** The head's fields, complete but for `Connection` and `Date`, each with its end. */
  lines: string;
  framing: ResponseFraming;
  /** Whether the body is sent at all: not to HEAD, not with 204 and 304. */
  withBody: boolean;
  hasDate: boolean;
  hasServer: boolean;
}

/** A response that a handler made wrongly; it is not sent. */
export class InvalidResponse extends Error {
  override readonly name = "InvalidResponse";
}

/** Checks and frames `response` for a request of `method` in HTTP/1.`minor`. Throws {@link InvalidResponse}. */
export function planResponse(response: HttpResponse, method: string, minor: number): ResponsePlan {
  const { status, body } = response;
  if (!Number.isInteger(status) || status < 200 || status > 599) throw new InvalidResponse(`status ${status}`);
  const reason = response.reason ?? reasonOf(status);
  if (!valueText(reason)) throw new InvalidResponse("the reason phrase holds control characters");
  const { text, contentLength, hasDate, hasServer } = fieldsText(response.headers);
  const bodiless = status === 204 || status === 304;
  const withBody = method !== "HEAD" && !bodiless;
  const framing = bodiless ? none : framingOf(body, contentLength, method, minor);
  let lines = text;
  if (framing.kind === "length") lines += `Content-Length: ${framing.bytes}\r\n`;
  else if (framing.kind === "chunked") lines += "Transfer-Encoding: chunked\r\n";
  else if (status === 304 && contentLength >= 0) lines += `Content-Length: ${contentLength}\r\n`;
  return { reason, lines, framing, withBody, hasDate, hasServer };
}

const none: ResponseFraming = { kind: "none" };

function framingOf(body: HttpResponse["body"], contentLength: number, method: string, minor: number): ResponseFraming {
  if (body instanceof Uint8Array) return { kind: "length", bytes: body.byteLength };
  // Without a body a length may still be said in the answer to HEAD: it is what GET would give.
  if (body === undefined) return { kind: "length", bytes: method === "HEAD" ? Math.max(0, contentLength) : 0 };
  if (contentLength >= 0) return { kind: "length", bytes: contentLength };
  return minor === 0 ? { kind: "eof" } : { kind: "chunked" };
}

interface CheckedFields {
  text: string;
  contentLength: number;
  hasDate: boolean;
  hasServer: boolean;
}

function fieldsText(headers: Headers): CheckedFields {
  let text = "";
  let contentLength = -1;
  let hasDate = false;
  let hasServer = false;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] ?? "";
    const value = headers[i + 1] ?? "";
    if (!tokenText(name)) throw new InvalidResponse(`the field name ${JSON.stringify(name)} is no token`);
    if (!valueText(value)) throw new InvalidResponse(`the value of ${name} holds characters that may not be sent`);
    const id = fieldIdOf(name.toLowerCase());
    if (id === field.contentLength) {
      contentLength = parseLength(value);
      if (contentLength < 0) throw new InvalidResponse(`Content-Length ${JSON.stringify(value)}`);
    } else if (!hopByHop.has(id)) {
      hasDate ||= id === field.date;
      hasServer ||= id === field.server;
      text += `${name}: ${value}\r\n`;
    }
  }
  return { text, contentLength, hasDate, hasServer };
}

/** Trailer lines, checked; those that may not be trailers are left out. */
export function trailerText(trailers: Headers): string {
  let text = "";
  for (let i = 0; i < trailers.length; i += 2) {
    const name = trailers[i] ?? "";
    const value = trailers[i + 1] ?? "";
    if (!tokenText(name) || !valueText(value)) throw new InvalidResponse(`the trailer ${JSON.stringify(name)}`);
    if (!neverTrailer.has(name.toLowerCase())) text += `${name}: ${value}\r\n`;
  }
  return text;
}
