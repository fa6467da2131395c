/** A comparison of one value: `= "x"`, `!= 4*`, `>= 1e3`, `= %re%`. */
import { compileRegex } from "./pattern-regex.ts";
import { malformed, readQuoted, readRegex, take, type Source, type Test } from "./pattern-source.ts";

/** A value as it stands in a message. */
export type Scalar = string | number;

const operator = /!=|>=|<=|=|>|</y;
/** A word without quotes: everything that ends no condition. */
const word = /[^\s,()[\]{}&|"<>=!%]+/y;
const numeric = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
/** Longest text that is looked at as a number. */
const numberCharsMax = 64;

const order: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  ">": (a, b) => a > b,
  "<": (a, b) => a < b,
  ">=": (a, b) => a >= b,
  "<=": (a, b) => a <= b,
};

/** Reads operator and operand. */
export function readComparison(source: Source): Test<Scalar> {
  const found = take(source, operator) ?? "";
  const compare = order[found];
  if (compare !== undefined) {
    const bound = numberOf(take(source, word) ?? "");
    if (bound === undefined) throw malformed();
    return (value) => {
      const number = numberOf(value);
      return number !== undefined && compare(number, bound);
    };
  }
  if (found === "") throw malformed();
  const equals = readOperand(source);
  return found === "=" ? equals : (value) => !equals(value);
}

function readOperand(source: Source): Test<Scalar> {
  const regex = readRegex(source);
  if (regex !== undefined) {
    const matches = compileRegex(regex);
    return (value) => matches(String(value));
  }
  const text = readQuoted(source);
  if (text !== undefined) return wildcards(text);
  const bare = take(source, word);
  if (bare === undefined) throw malformed();
  const number = numberOf(bare);
  return number === undefined ? wildcards(bare) : (value) => numberOf(value) === number;
}

function numberOf(value: Scalar): number | undefined {
  if (typeof value === "number") return value;
  return value.length <= numberCharsMax && numeric.test(value) ? Number(value) : undefined;
}

/** Text in which `*` stands for any other. Each piece is looked for once, from where the last one ended. */
function wildcards(text: string): Test<Scalar> {
  const [first = "", ...pieces] = text.split("*");
  const last = pieces.pop();
  if (last === undefined) return (value) => String(value) === text;
  return (value) => {
    const subject = String(value);
    if (!subject.startsWith(first) || !subject.endsWith(last)) return false;
    let at = first.length;
    for (const piece of pieces) {
      const found = subject.indexOf(piece, at);
      if (found === -1) return false;
      at = found + piece.length;
    }
    return at <= subject.length - last.length;
  };
}
