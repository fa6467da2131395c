/** Patterns of terms. Source: CloudWatch Logs guide, "Using filter patterns to match terms in unstructured log events". */
import { malformed, type Test } from "./pattern-source.ts";

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
    if (match === null) throw malformed();
    const [, sign = "", phrase, word = ""] = match;
    terms.push({ kind: kinds[sign as keyof typeof kinds], text: phrase?.replaceAll(/\\(.)/g, "$1") ?? word });
  }
  return terms;
}

/** All plain terms must be in the message and none of those with `-`. Those with `?` count only where there is no other. */
export function termsPattern(pattern: string): Test<string> {
  const terms = termsOf(pattern);
  const of = (kind: Term["kind"]) => terms.filter((term) => term.kind === kind).map((term) => term.text);
  const [all, any, none] = [of("all"), of("any"), of("none")];
  if (all.length === 0 && none.length === 0) return (message) => any.some((term) => message.includes(term));
  return (message) => all.every((term) => message.includes(term)) && !none.some((term) => message.includes(term));
}
