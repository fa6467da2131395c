/**
 * The regular expressions of filter patterns: a small part of what `base/regex.ts` runs, without groups.
 * Source: CloudWatch Logs guide, "Supported regular expressions (regex) syntax".
 */
import { compileRegex as compile, RegexRefused } from "../../base/regex.ts";
import { malformed } from "./pattern-source.ts";

const escape = String.raw`\\(?:[dDsSwW]|x[0-7][0-9A-Fa-f]|[:_#=@/;,\-^$?[\]{}|\\*+. ])`;
const plain = String.raw`[A-Za-z0-9:_#=@/;,\- ]`;
/** In a class only `\`, `]` and `[` mean more than themselves. */
const characters = String.raw`\[\^?(?:${escape}|[A-Za-z0-9:_#=@/;,\- $?{}|*+.^])+\]`;
const counted = String.raw`[?*+]|\{\d{1,3}(?:,\d{0,3})?\}`;
const sequence = String.raw`\^?(?:(?:${plain}|${escape}|${characters}|\.)(?:${counted})?)*\$?`;
const syntax = new RegExp(String.raw`^${sequence}(?:\|${sequence})*$`);

/** What one character of a message can cost at worst. */
const instructionsMax = 250;

/** @throws Fault InvalidParameterException for what the page above does not have. */
export function compileRegex(text: string, statesMax?: number): (message: string) => boolean {
  if (!syntax.test(text)) throw malformed();
  try {
    const options = { dotAll: true, instructionsMax, ...(statesMax === undefined ? {} : { statesMax }) };
    const regex = compile(text, options);
    // As in Java, `$` is before a line's end too, with which Lambda's messages end.
    return (message) => regex.test(message) || (message.endsWith("\n") && regex.test(message.slice(0, -1)));
  } catch (error) {
    throw error instanceof RegexRefused ? malformed() : error;
  }
}
