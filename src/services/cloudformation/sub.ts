/** The text of `Fn::Sub`, taken apart. Source: user guide, "Fn::Sub". */
import { invalid } from "./faults.ts";

export type SubPart = { kind: "text"; text: string } | { kind: "variable"; name: string };

const placeholder = /\$\{([^}]*)\}/g;
const variableName = /^[a-zA-Z0-9._:]+$/;

/** `a-${B.C}-${!D}` -> text `a-`, variable `B.C`, text `-${D}`. */
export function subParts(text: string): readonly SubPart[] {
  const parts: SubPart[] = [];
  let at = 0;
  for (const match of text.matchAll(placeholder)) {
    const name = (match[1] ?? "").trim();
    if (match.index > at) parts.push({ kind: "text", text: text.slice(at, match.index) });
    if (name.startsWith("!")) parts.push({ kind: "text", text: `\${${name.slice(1)}}` });
    else if (variableName.test(name)) parts.push({ kind: "variable", name });
    else {
      throw invalid(
        "Template error: variable names in Fn::Sub syntax must contain only alphanumeric characters, underscores, periods, and colons",
      );
    }
    at = match.index + match[0].length;
  }
  if (at < text.length) parts.push({ kind: "text", text: text.slice(at) });
  return parts;
}

/** `Logical.Attribute` -> its two halves; undefined for a plain name. */
export function splitAttribute(name: string): readonly [string, string] | undefined {
  const dot = name.indexOf(".");
  return dot < 0 ? undefined : [name.slice(0, dot), name.slice(dot + 1)];
}
