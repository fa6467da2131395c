/** Fields on their way into HTTP/2 messages: lines become names in lower case, and what HTTP/2 has no place for goes. */
import { field, fieldIdOf, hopByHop, neverTrailer } from "../h1/fields.ts";
import type { ResponseHead } from "../h1/response.ts";
import { idMask, spanSize } from "../h1/scan.ts";
import type { Headers } from "../../base/http.ts";

/** Of a change from HTTP/1.1 to HTTP/2 (RFC 7540 section 3.2.1): node:http2 throws where it is sent on. */
const settingsField = "http2-settings";

/** The fields of an answer's head as it goes to an HTTP/2 client, `:status` first. */
export function responseFields(head: ResponseHead, extra: string): string[] {
  const { text, spans, count, status, connectionOptions } = head;
  const fields = [":status", String(status)];
  // RFC 9110 section 8.6: no length where there can be no content.
  const dropLength = status < 200 || status === 204;
  for (let i = 0, at = 0; i < count; i += 1, at += spanSize) {
    const id = (spans[at] as number) & idMask;
    if (hopByHop.has(id) || (dropLength && id === field.contentLength)) continue;
    const name = text.slice(spans[at + 1], spans[at + 2]).toLowerCase();
    if (name === settingsField || (id !== field.contentLength && connectionOptions.includes(name))) continue;
    fields.push(name, text.slice(spans[at + 3], spans[at + 4]));
  }
  addLines(fields, extra);
  return fields;
}

/** Adds `lines`, each with its end, one space behind the colon. */
export function addLines(fields: string[], lines: string): void {
  for (let at = 0; at < lines.length;) {
    const end = lines.indexOf("\r\n", at);
    const colon = lines.indexOf(":", at);
    const name = lines.slice(at, colon).toLowerCase();
    if (name !== settingsField && !hopByHop.has(fieldIdOf(name))) fields.push(name, lines.slice(colon + 2, end));
    at = end + 2;
  }
}

/** The head of a request as it goes to an HTTP/2 endpoint, from how HTTP/1.1 would write it. */
export function requestFields(text: string, method: string, scheme: "http" | "https"): string[] {
  const firstEnd = text.indexOf("\r\n");
  const target = text.slice(method.length + 1, text.lastIndexOf(" ", firstEnd));
  const fields = [":method", method, ":scheme", scheme, ":path", target, ":authority", ""];
  // The last line is empty.
  for (let at = firstEnd + 2; at < text.length - 2;) {
    const end = text.indexOf("\r\n", at);
    const colon = text.indexOf(":", at);
    const name = text.slice(at, colon).toLowerCase();
    const value = text.slice(colon + 2, end);
    const id = fieldIdOf(name);
    if (id === field.host) fields[7] = value;
    else if (id === field.te) fields.push("te", "trailers");
    else if (name !== settingsField && !hopByHop.has(id)) fields.push(name, value);
    at = end + 2;
  }
  return fields;
}

/** Trailers as `node:http2` takes them; what may not be a trailer is left out. */
export function trailerFields(trailers: Headers): Record<string, string[]> {
  const fields = new Map<string, string[]>();
  for (let i = 0; i < trailers.length; i += 2) {
    const name = (trailers[i] as string).toLowerCase();
    if (name.startsWith(":") || neverTrailer.has(name)) continue;
    const value = trailers[i + 1] as string;
    const values = fields.get(name);
    if (values === undefined) fields.set(name, [value]);
    else values.push(value);
  }
  return Object.fromEntries(fields);
}
