/** `wildcard` patterns: text with stars, each of which stands for any text, also none. */
import { wildcardComplexityMax } from "./limits.ts";
import { PatternError } from "./source.ts";

/** UTF-16 code units, and a star. */
export type WildcardStep = number | "*";
export type Wildcard = readonly WildcardStep[];

/** @throws PatternError for two stars in a row, an escape that is none, and what is too complex */
export function wildcardOf(text: string): Wildcard {
  const steps: WildcardStep[] = [];
  // AWS counts bytes, from the quote before the text on.
  const position = (index: number) => Buffer.byteLength(text.slice(0, index)) + 1;
  for (let index = 0; index < text.length; index += 1) {
    const char = text.charAt(index);
    const next = text.charAt(index + 1);
    if (char === "*") {
      if (next === "*") throw new PatternError(`Consecutive wildcard characters at pos ${position(index)}`);
      steps.push("*");
    } else if (char === "\\") {
      if (next !== "*" && next !== "\\") throw new PatternError(`Invalid escape character at pos ${position(index)}`);
      steps.push(next.charCodeAt(0));
      index += 1;
    } else {
      steps.push(text.charCodeAt(index));
    }
  }
  if (complexity(steps) > wildcardComplexityMax) {
    throw new PatternError(
      "Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences after a wildcard character",
    );
  }
  return steps;
}

/**
 * How many places of a pattern one text can stand at: every star that it has passed, and behind each of them the
 * beginnings of the text to come that repeat themselves. A bound from above, found in linear time.
 */
function complexity(steps: Wildcard): number {
  const stars = steps.filter((step) => step === "*").length;
  if (stars === 0) return 1;
  const parts: number[][] = [];
  for (const step of steps) {
    if (step === "*") parts.push([]);
    else parts.at(-1)?.push(step);
  }
  return parts.reduce((places, part) => places + bordersOf(part), stars);
}

/** The most beginnings of a text that are endings of one of its other beginnings, at once: 3 for `aaaa`, 0 for `abcd`. */
function bordersOf(part: readonly number[]): number {
  const border: number[] = [];
  const depth: number[] = [];
  for (let index = 0; index < part.length; index += 1) {
    let length = index === 0 ? 0 : (border[index - 1] ?? 0);
    while (length > 0 && part[length] !== part[index]) length = border[length - 1] ?? 0;
    if (index > 0 && part[length] === part[index]) length += 1;
    border.push(length);
    depth.push(length === 0 ? 0 : (depth[length - 1] ?? 0) + 1);
  }
  return Math.max(0, ...depth);
}
