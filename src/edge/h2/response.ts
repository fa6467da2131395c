/** The head of an HTTP/2 answer, checked and written as the scanner of HTTP/1.1 gives one. */
import { field, fieldIdOf } from "../h1/fields.ts";
import { parseLength } from "../h1/request.ts";
import type { ResponseHead } from "../h1/response.ts";
import { reasonOf } from "../h1/status.ts";
import { connectionFields, linesOf, namePattern, valuePattern } from "./request.ts";

/**
 * Fills `head` from `raw` (name, value, name, value ...); false when it may not be passed on. `bare`: nothing follows
 * it; `method` is that of the request.
 */
export function readResponseHead(raw: readonly string[], bare: boolean, method: string, head: ResponseHead): boolean {
  const fields: string[] = [];
  head.status = 0;
  head.contentLength = -1;
  head.hasDate = false;
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string;
    const value = raw[i + 1] as string;
    if (name === ":status") {
      head.status = /^[1-5][0-9]{2}$/.test(value) ? Number(value) : 0;
      continue;
    }
    if (!namePattern.test(name) || connectionFields.has(name) || !valuePattern.test(value)) return false;
    const id = fieldIdOf(name);
    if (id === field.contentLength) {
      if (head.contentLength >= 0) return false;
      head.contentLength = parseLength(value);
      if (head.contentLength < 0) return false;
    }
    head.hasDate ||= id === field.date;
    fields.push(name, value);
  }
  // 101 is of HTTP/1.1 alone (RFC 9113 section 8.6).
  if (head.status === 0 || head.status === 101) return false;
  const { text, spans } = linesOf(`HTTP/1.1 ${head.status} ${reasonOf(head.status)}\r\n`, fields);
  head.text = text;
  head.spans = spans;
  head.count = fields.length / 2;
  const { status } = head;
  if (method === "HEAD" || status < 200 || status === 204 || status === 304) head.framing = "none";
  else if (head.contentLength >= 0) head.framing = "length";
  else head.framing = "chunked";
  return !(bare && head.framing === "length" && head.contentLength > 0);
}
