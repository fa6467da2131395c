/** Where a text stops being JSON, for an error message: V8's own message does not always say. */

const token =
  // oxlint-disable-next-line no-control-regex -- JSON forbids control characters inside strings (RFC 8259 section 7).
  /[ \t\r\n]*(?:([{}[\],:])|("(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")|(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null))/y;

type Expected = "value" | "first" | "key" | "firstKey" | "colon" | "next" | "end";

/** Offset of the first character that cannot stand where it stands; the text's length when it ends too early. */
export function jsonErrorOffset(text: string): number {
  const open: ("{" | "[")[] = [];
  let expected: Expected = "value";
  let at = 0;
  for (;;) {
    token.lastIndex = at;
    const match = token.exec(text);
    if (match === null) return at + (/^[ \t\r\n]*/.exec(text.slice(at))?.[0].length ?? 0);
    const [whole, mark, string] = match;
    const next = step(expected, mark ?? (string === undefined ? "scalar" : "string"), open);
    if (next === undefined) return at + whole.length - whole.trimStart().length;
    expected = next;
    at = token.lastIndex;
  }
}

/** What may come after `mark`, or undefined when `mark` itself may not come. */
function step(expected: Expected, mark: string, open: ("{" | "[")[]): Expected | undefined {
  const after = (): Expected => (open.length === 0 ? "end" : "next");
  const close = (bracket: "{" | "["): Expected | undefined => {
    if (open.at(-1) !== bracket) return undefined;
    open.pop();
    return after();
  };
  if (expected === "end") return undefined;
  if (expected === "colon") return mark === ":" ? "value" : undefined;
  if (expected === "key" || expected === "firstKey") {
    if (mark === "string") return "colon";
    return mark === "}" && expected === "firstKey" ? close("{") : undefined;
  }
  if (expected === "next") {
    if (mark === ",") return open.at(-1) === "{" ? "key" : "value";
    if (mark === "}") return close("{");
    return mark === "]" ? close("[") : undefined;
  }
  if (mark === "{" || mark === "[") {
    open.push(mark);
    return mark === "{" ? "firstKey" : "first";
  }
  if (mark === "]") return expected === "first" ? close("[") : undefined;
  return mark === "string" || mark === "scalar" ? after() : undefined;
}
