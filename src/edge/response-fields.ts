/**
 * Fields that a listener sets in every answer, in place of what the endpoint says (ALB user guide, "HTTP header
 * modification").
 */
import type { Headers } from "../base/http.ts";
import type { ResponseHead } from "./h1/response.ts";
import type { ResponseFields } from "./ports.ts";

export interface SetFields {
  /** Each line with its end. */
  readonly lines: string;
  /** Keeps the endpoint's own fields of these names from going on. */
  hide(head: ResponseHead): void;
  /** The same for the fields of a function's answer. */
  without(headers: Headers): Headers;
}

/** Compiles what a listener sets; undefined where that is nothing. */
export function compileSetFields(fields: ResponseFields | undefined): SetFields | undefined {
  if (fields === undefined || fields.set.length === 0) return undefined;
  const names: string[] = [];
  let lines = "";
  for (let i = 0; i + 1 < fields.set.length; i += 2) {
    const name = fields.set[i] ?? "";
    names.push(name.toLowerCase());
    lines += `${name}: ${fields.set[i + 1] ?? ""}\r\n`;
  }
  return {
    lines,
    hide(head) {
      // As if `Connection` had named them: what is listed there does not go on, whatever the client speaks.
      head.connectionOptions = [...head.connectionOptions, ...names];
    },
    without: (headers) => headers.filter((_, i) => !names.includes((headers[i - (i % 2)] ?? "").toLowerCase())),
  };
}
