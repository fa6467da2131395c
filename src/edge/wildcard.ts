/** Patterns of `*` (any run of characters) and `?` (exactly one), compiled to functions that never backtrack. */

export interface PatternOptions {
  /** The pattern is put in lower case; the text that is tested must be so already. */
  ignoreCase?: boolean;
  /** `\*` and `\?` are the characters themselves, as in query conditions. */
  escapes?: boolean;
}

export type Matcher = (text: string) => boolean;

/** Stands for "any one character" in a compiled segment; no request text can hold it. */
const anyOne = "\0";

/** The pieces between the stars; `?` becomes {@link anyOne}. */
function segmentsOf(pattern: string, escapes: boolean): string[] {
  const segments: string[] = [];
  let segment = "";
  for (let i = 0; i < pattern.length; i += 1) {
    const char = pattern.charAt(i);
    const next = pattern.charAt(i + 1);
    if (escapes && char === "\\" && (next === "*" || next === "?" || next === "\\")) {
      segment += next;
      i += 1;
    } else if (char === "*") {
      segments.push(segment);
      segment = "";
    } else {
      segment += char === "?" ? anyOne : char;
    }
  }
  return [...segments, segment];
}

/** Compiles `pattern`. Testing takes time in proportion to the text, times the pattern's length at worst. */
export function compilePattern(pattern: string, { ignoreCase = false, escapes = false }: PatternOptions = {}): Matcher {
  const segments = segmentsOf(ignoreCase ? pattern.toLowerCase() : pattern, escapes);
  const first = segments[0] ?? "";
  const last = segments.at(-1) ?? "";
  if (segments.length === 1) {
    return first.includes(anyOne)
      ? (text) => text.length === first.length && matchesAt(text, 0, first)
      : (text) => text === first;
  }
  const middle = segments.slice(1, -1).filter((segment) => segment !== "");
  const shortest = segments.reduce((sum, segment) => sum + segment.length, 0);
  const starts = startTest(first);
  const ends = (text: string) => matchesAt(text, text.length - last.length, last);
  if (middle.length === 0)
    return last === "" ? starts : (text) => text.length >= shortest && starts(text) && ends(text);
  return (text) => {
    if (text.length < shortest || !starts(text) || !ends(text)) return false;
    let from = first.length;
    // The leftmost place for each piece leaves the most room for the next, so no other place need be tried.
    for (const segment of middle) {
      const at = find(text, segment, from);
      if (at < 0) return false;
      from = at + segment.length;
    }
    return from <= text.length - last.length;
  };
}

function startTest(first: string): Matcher {
  if (first === "") return () => true;
  return first.includes(anyOne)
    ? (text) => text.length >= first.length && matchesAt(text, 0, first)
    : (text) => text.startsWith(first);
}

function matchesAt(text: string, at: number, segment: string): boolean {
  for (let i = 0; i < segment.length; i += 1) {
    const wanted = segment.charCodeAt(i);
    if (wanted !== 0 && wanted !== text.charCodeAt(at + i)) return false;
  }
  return true;
}

function find(text: string, segment: string, from: number): number {
  if (!segment.includes(anyOne)) return text.indexOf(segment, from);
  for (let at = from; at + segment.length <= text.length; at += 1) {
    if (matchesAt(text, at, segment)) return at;
  }
  return -1;
}

/** True when any of `patterns` matches. */
export function compileAny(patterns: readonly string[], options?: PatternOptions): Matcher {
  const matchers = patterns.map((pattern) => compilePattern(pattern, options));
  const [only] = matchers;
  if (matchers.length === 1 && only !== undefined) return only;
  return (text) => matchers.some((matches) => matches(text));
}
