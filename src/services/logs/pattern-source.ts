/** Reading the text of a filter pattern: what its forms have in common. */
import { invalid } from "./faults.ts";

export interface Source {
  readonly text: string;
  at: number;
  /** Regular expressions read so far. */
  regexes: number;
}

/** Source: "Filter pattern syntax": in a pattern of JSON or of fields. */
const regexesMax = 2;

export const sourceOf = (text: string): Source => ({ text, at: 0, regexes: 0 });

export const malformed = () => invalid("Invalid filter pattern");

/** What a sticky expression finds here, after spaces; its first group where it has one. */
export function take(source: Source, expression: RegExp): string | undefined {
  skipSpaces(source);
  expression.lastIndex = source.at;
  const match = expression.exec(source.text);
  if (match === null) return undefined;
  source.at = expression.lastIndex;
  return match[1] ?? match[0];
}

const spaces = /\s*/y;

function skipSpaces(source: Source): void {
  spaces.lastIndex = source.at;
  spaces.exec(source.text);
  source.at = Math.max(source.at, spaces.lastIndex);
}

/** True, and past it, where this text stands next. */
export function accept(source: Source, text: string): boolean {
  skipSpaces(source);
  if (!source.text.startsWith(text, source.at)) return false;
  source.at += text.length;
  return true;
}

export function acceptEnd(source: Source): void {
  skipSpaces(source);
  if (source.at < source.text.length) throw malformed();
}

const quoted = /"((?:[^"\\]|\\.)*)"/suy;

/** A phrase in quotes, with `\"` and `\\` inside. */
export const readQuoted = (source: Source): string | undefined => take(source, quoted)?.replaceAll(/\\(.)/gsu, "$1");

const betweenPercents = /%([^%]+)%/y;

/** What stands between percent signs, which no regular expression here can hold. */
export function readRegex(source: Source): string | undefined {
  const body = take(source, betweenPercents);
  if (body !== undefined && (source.regexes += 1) > regexesMax) {
    throw invalid(`Invalid filter pattern: more than ${regexesMax} regular expressions`);
  }
  return body;
}

export type Test<T> = (subject: T) => boolean;

/** Conditions joined by `||` and `&&`, of which `&&` binds closer, and parentheses. */
export function readExpression<T>(source: Source, condition: () => Test<T>): Test<T> {
  const unit = (): Test<T> => {
    if (!accept(source, "(")) return condition();
    const inside = readExpression(source, condition);
    if (!accept(source, ")")) throw malformed();
    return inside;
  };
  const joined = (operator: "||" | "&&", operand: () => Test<T>): Test<T>[] => {
    const tests = [operand()];
    while (accept(source, operator)) tests.push(operand());
    return tests;
  };
  const every = (): Test<T> => {
    const tests = joined("&&", unit);
    return (subject) => tests.every((test) => test(subject));
  };
  const some = joined("||", every);
  return (subject) => some.some((test) => test(subject));
}
