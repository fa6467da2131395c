/** A pattern's text as tokens that know where they stand: AWS's refusals name line and column. */
import { depthMax } from "./limits.ts";

/** A pattern that is none, in the words of AWS's own matcher. Whoever asked puts its own frame around the reason. */
export class PatternError extends Error {
  override readonly name = "PatternError";
}

export type TokenKind = "{" | "}" | "[" | "]" | "key" | "string" | "number" | "true" | "false" | "null" | "end";

export interface Token {
  kind: TokenKind;
  /** A string without its quotes and escapes; else as it stands. */
  text: string;
  /** How far AWS's reader has come when it has this token: in a string, behind its opening quote. */
  at: number;
}

/** Of a text that a message shows. */
const shownCharsMax = 500;

const number = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const string = /"(?:[^"\\]|\\.)*"/y;
const word = /true|false|null/y;
const space = /[ \t\r\n]*/y;

function takeAt(form: RegExp, text: string, at: number): string | undefined {
  form.lastIndex = at;
  return form.exec(text)?.[0];
}

/** The string that stands at `at`, and how long it is with its quotes and escapes. */
function quotedAt(text: string, at: number): { text: string; length: number } | undefined {
  const quoted = takeAt(string, text, at);
  if (quoted === undefined) return undefined;
  try {
    return { text: JSON.parse(quoted) as string, length: quoted.length };
  } catch (cause) {
    if (cause instanceof SyntaxError) return undefined;
    throw cause;
  }
}

/** Reads the tokens of a pattern one after the other. */
export class PatternSource {
  readonly #text: string;
  readonly #tokens: readonly Token[];
  #next = 0;

  /** @throws PatternError where the text is no JSON */
  constructor(text: string) {
    this.#text = text;
    this.#tokens = tokensOf(text, (reason, at) => this.#error(reason, at));
  }

  next(): Token {
    const token = this.#tokens[this.#next] ?? { kind: "end", text: "", at: this.#text.length };
    this.#next += 1;
    return token;
  }

  /** The refusal of what was read last. */
  error(reason: string): PatternError {
    return this.#error(reason, this.#tokens[this.#next - 1]?.at ?? this.#text.length);
  }

  #error(reason: string, at: number): PatternError {
    const before = this.#text.slice(0, at).split("\n");
    const column = (before.at(-1)?.length ?? 0) + 1;
    const shown = this.#text.slice(0, shownCharsMax);
    const cut = this.#text.length - shown.length;
    const rest = cut === 0 ? "" : `[truncated ${cut} chars]`;
    return new PatternError(
      `${reason}\n at [Source: (String)"${shown}"${rest}; line: ${before.length}, column: ${column}]`,
    );
  }
}

/** What may come next. */
type Expected = "value" | "first key" | "key" | "first element" | "after";

function tokensOf(text: string, error: (reason: string, at: number) => PatternError): readonly Token[] {
  const tokens: Token[] = [];
  const open: ("{" | "[")[] = [];
  let expected: Expected = "value";
  let at = skip(text, 0);
  const push = (kind: TokenKind, token: string, length: number, seen = length) => {
    tokens.push({ kind, text: token, at: at + seen });
    at = skip(text, at + length);
  };
  while (at < text.length && !(expected === "after" && open.length === 0)) {
    const char = text.charAt(at);
    const inside = open.at(-1);
    const closing = inside === "{" ? "}" : "]";
    const mayClose = expected === "after" || expected === "first key" || expected === "first element";
    if (inside !== undefined && char === closing && mayClose) {
      open.pop();
      push(closing, char, 1);
      expected = "after";
    } else if (expected === "after") {
      if (char !== ",") throw error(`Unexpected character ('${char}'): was expecting comma`, at + 1);
      at = skip(text, at + 1);
      expected = inside === "{" ? "key" : "value";
    } else if (expected === "key" || expected === "first key") {
      const key = quotedAt(text, at);
      if (key === undefined) throw error(`Unexpected character ('${char}'): was expecting a field name`, at + 1);
      const colon = skip(text, at + key.length);
      if (text.charAt(colon) !== ":") throw error("Unexpected character: was expecting a colon", colon + 1);
      // AWS's reader has looked at the value's first character by then.
      const value = skip(text, colon + 1);
      tokens.push({ kind: "key", text: key.text, at: value + 1 });
      at = value;
      expected = "value";
    } else if (char === "{" || char === "[") {
      if (open.length === depthMax) throw error(`Nesting is deeper than ${depthMax}`, at + 1);
      open.push(char);
      push(char, char, 1);
      expected = char === "{" ? "first key" : "first element";
    } else {
      pushScalar(text, at, push, error);
      expected = "after";
    }
  }
  if (open.length > 0 || expected !== "after") throw error("Unexpected end-of-input", text.length);
  if (at < text.length) throw error("Unexpected text after the pattern", at + 1);
  return tokens;
}

const skip = (text: string, at: number) => at + (takeAt(space, text, at)?.length ?? 0);

function pushScalar(
  text: string,
  at: number,
  push: (kind: TokenKind, token: string, length: number, seen?: number) => void,
  error: (reason: string, at: number) => PatternError,
): void {
  const quoted = quotedAt(text, at);
  if (quoted !== undefined) return push("string", quoted.text, quoted.length, 1);
  const digits = takeAt(number, text, at);
  if (digits !== undefined) return push("number", digits, digits.length);
  const literal = takeAt(word, text, at);
  if (literal !== "true" && literal !== "false" && literal !== "null") {
    throw error(`Unrecognized token '${/^[\w$.-]*/.exec(text.slice(at, at + 32))?.[0] || text.charAt(at)}'`, at + 1);
  }
  return push(literal, literal, literal.length);
}
