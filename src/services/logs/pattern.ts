/**
 * Filter patterns, compiled once for many messages: terms and phrases, a regular expression, conditions on JSON, fields
 * between spaces. Source: CloudWatch Logs guide, "Filter pattern syntax".
 */
import { fieldsPattern } from "./pattern-fields.ts";
import { jsonPattern } from "./pattern-json.ts";
import { compileRegex } from "./pattern-regex.ts";
import { acceptEnd, malformed, readRegex, sourceOf } from "./pattern-source.ts";
import { termsPattern } from "./pattern-terms.ts";

/** What a message is made of by name (`$status_code`) or by place (`$3`); empty for patterns without fields. */
export type Extracted = Readonly<Record<string, string>>;

/** Undefined where the message does not match. */
export type Pattern = (message: string) => Extracted | undefined;

export const nothing: Extracted = {};

/** @throws Fault InvalidParameterException */
export function patternOf(text: string | undefined): Pattern {
  const trimmed = (text ?? "").trim();
  switch (trimmed[0]) {
    case undefined:
      return () => nothing;
    case "{":
      return whether(jsonPattern(trimmed));
    case "[":
      return fieldsPattern(trimmed);
    case "%":
      return whether(regexPattern(trimmed));
    default:
      return whether(termsPattern(trimmed));
  }
}

const whether =
  (test: (message: string) => boolean): Pattern =>
  (message) =>
    test(message) ? nothing : undefined;

function regexPattern(text: string): (message: string) => boolean {
  const source = sourceOf(text);
  const body = readRegex(source);
  if (body === undefined) throw malformed();
  acceptEnd(source);
  return compileRegex(body);
}
