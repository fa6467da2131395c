/** Event patterns of rules and archives, and what is said of those that are none. */
import { rulePatternCharsMax } from "../../kit/event-pattern/limits.ts";
import { parsePattern, PatternError, type EventPattern } from "../../kit/event-pattern/pattern.ts";
import { fault } from "./faults.ts";

/** Throws AWS's words for what is no pattern. */
export function checkPattern(text: string): EventPattern {
  try {
    return parsePattern(text, { charsMax: rulePatternCharsMax });
  } catch (cause) {
    if (!(cause instanceof PatternError)) throw cause;
    throw fault("InvalidEventPatternException", `Event pattern is not valid. Reason: ${cause.message}`, {}, { cause });
  }
}
