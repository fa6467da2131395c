/** Filter patterns for unstructured events: terms and quoted phrases. Source: CloudWatch Logs guide, "Filter pattern syntax". */
import { invalid, notYet } from "./faults.ts";

export type Filter = (message: string) => boolean;

interface Term {
  kind: "all" | "any" | "none";
  text: string;
}

/** A sign, then a phrase in quotes (with `\"` and `\\` inside), or a word. */
const token = /\s*([?-]?)(?:"((?:[^"\\]|\\.)*)"|([\p{L}\p{N}_]+))(?=\s|$)/uy;
const kinds = { "": "all", "?": "any", "-": "none" } as const;

function termsOf(pattern: string): Term[] {
  const terms: Term[] = [];
  token.lastIndex = 0;
  while (token.lastIndex < pattern.length) {
    const match = token.exec(pattern);
    if (match === null) throw invalid("Invalid filter pattern");
    const [, sign = "", phrase, word = ""] = match;
    terms.push({ kind: kinds[sign as keyof typeof kinds], text: phrase?.replaceAll(/\\(.)/g, "$1") ?? word });
  }
  return terms;
}

/**
 * A test for messages. All plain terms must be in the message, one of those with `?` if there are any, and none of
 * those with `-`. Case counts. Patterns for JSON and for fields between spaces, and regular expressions, are refused by name.
 */
export function filterOf(text: string | undefined): Filter {
  const pattern = (text ?? "").trim();
  if (pattern === "") return () => true;
  if (pattern.startsWith("{")) throw notYet("filter patterns of JSON events");
  if (pattern.startsWith("[")) throw notYet("filter patterns of space-delimited events");
  if (/(^|\s)[?-]?%/.test(pattern)) throw notYet("regular expressions in filter patterns");
  const terms = termsOf(pattern);
  const of = (kind: Term["kind"]) => terms.filter((term) => term.kind === kind).map((term) => term.text);
  const [all, any, none] = [of("all"), of("any"), of("none")];
  return (message) =>
    all.every((term) => message.includes(term)) &&
    (any.length === 0 || any.some((term) => message.includes(term))) &&
    !none.some((term) => message.includes(term));
}
