/** Filter criteria: what of a source a function wants to see. Source: Lambda guide, "Control which events Lambda sends to your function". */
import type { FilterCriteria } from "@aws-sdk/client-lambda";
import { filterPatternCharsMax } from "../../../kit/event-pattern/limits.ts";
import { createMatcher } from "../../../kit/event-pattern/matcher.ts";
import { parsePattern, PatternError } from "../../../kit/event-pattern/pattern.ts";
import { invalid } from "../faults.ts";
import { filtersMax } from "./limits.ts";

export type Filter = (event: object) => boolean;

/**
 * True for events that one of the filters matches; all, where there is none.
 *
 * @throws Fault `InvalidParameterValueException` for a pattern that is none
 */
export function filterOf(criteria: FilterCriteria | undefined): Filter {
  const filters = criteria?.Filters ?? [];
  if (filters.length === 0) return () => true;
  if (filters.length > filtersMax) {
    throw invalid(`FilterCriteria has ${filters.length} filters; the most that are allowed are ${filtersMax}.`);
  }
  const matcher = createMatcher<true>();
  for (const { Pattern = "{}" } of filters) {
    // An empty pattern is one that everything matches.
    if (/^\s*\{\s*\}\s*$/.test(Pattern)) return () => true;
    matcher.add(patternOf(Pattern), true);
  }
  return (event) => matcher.match(event).length > 0;
}

function patternOf(text: string) {
  try {
    return parsePattern(text, { charsMax: filterPatternCharsMax });
  } catch (error) {
    if (error instanceof PatternError) throw invalid("Invalid filter pattern definition.", { cause: error });
    throw error;
  }
}

/** A text as filters see it: the object or array that it holds as JSON, or itself. */
export function filterable(text: string): unknown {
  if (!/^\s*[[{]/.test(text)) return text;
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    if (error instanceof SyntaxError) return text;
    throw error;
  }
}
