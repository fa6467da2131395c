/** Cookies in a request's head and in an endpoint's answer, and the lines that set the edge's own (RFC 6265). */
import type { Headers } from "../../base/http.ts";
import { spanSize } from "../h1/scan.ts";

/** A head's text, and where its fields lie in it: see `h1/scan.ts`. */
export interface ScannedHead {
  text: string;
  spans: Int32Array;
  count: number;
}

/** Values of one name that are looked at: each may cost a decryption. */
export const cookieValuesMax = 4;

/** The values of cookie `name`, in the order they came, over all `Cookie` fields; at most {@link cookieValuesMax}. */
export function cookieValues(head: ScannedHead, name: string): string[] {
  const values: string[] = [];
  eachValue(head, "cookie", (field) => {
    for (const pair of field.split(";")) {
      const equals = pair.indexOf("=");
      if (equals < 0 || pair.slice(0, equals).trim() !== name) continue;
      if (values.push(unquoted(pair.slice(equals + 1).trim())) === cookieValuesMax) return true;
    }
    return false;
  });
  return values;
}

/** An answer's `Set-Cookie` fields, asked for a name. */
export type SetsCookie = (name: string) => boolean;

/** Asks the head of an endpoint's answer. */
export const setsCookieOf =
  (head: ScannedHead): SetsCookie =>
  (name) =>
    eachValue(head, "set-cookie", (value) => isNamed(value, name));

/** Asks the fields of a function's answer. */
export const setsCookieIn =
  (headers: Headers): SetsCookie =>
  (name) =>
    headers.some(
      (field, i) => i % 2 === 0 && field.toLowerCase() === "set-cookie" && isNamed(headers[i + 1] ?? "", name),
    );

/** How long a client keeps the edge's cookies, whatever their duration: a week (ALB user guide, "Sticky sessions"). */
const keptMs = 7 * 24 * 60 * 60 * 1000;

/** The line that sets a cookie of the edge. */
export function setCookie(name: string, value: string, nowMs: number, attributes = ""): string {
  return `Set-Cookie: ${name}=${value}; Expires=${new Date(nowMs + keptMs).toUTCString()}; Path=/${attributes}\r\n`;
}

/** Sets cookie `name`, and its twin for requests from other sites (`nameCORS`). */
export function setWithTwin(name: string, value: string, nowMs: number, secure: boolean): string {
  // A cookie marked Secure would be refused over clear text: ALB leaves the mark out there.
  const attributes = secure ? "; SameSite=None; Secure" : "; SameSite=None";
  return setCookie(name, value, nowMs) + setCookie(`${name}CORS`, value, nowMs, attributes);
}

/** Hands `look` the value of each field `name` until it is content; says whether it was. */
function eachValue(head: ScannedHead, name: string, look: (value: string) => boolean): boolean {
  const { text, spans, count } = head;
  for (let i = 0, at = 0; i < count; i += 1, at += spanSize) {
    const start = spans[at + 1] as number;
    const end = spans[at + 2] as number;
    if (end - start !== name.length || text.slice(start, end).toLowerCase() !== name) continue;
    if (look(text.slice(spans[at + 3], spans[at + 4]))) return true;
  }
  return false;
}

function isNamed(setCookieValue: string, name: string): boolean {
  const equals = setCookieValue.indexOf("=");
  return equals >= 0 && setCookieValue.slice(0, equals).trim() === name;
}

function unquoted(value: string): string {
  return value.length >= 2 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value;
}
