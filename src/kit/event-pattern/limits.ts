/** Bounds of patterns. What AWS sets names its page; the others keep a pattern from costing more than it says. */

/** Characters of a rule's pattern. Source: EventBridge guide, "Amazon EventBridge quotas", Event pattern size. */
export const rulePatternCharsMax = 2_048;
/** Characters of a filter of an event source mapping. Source: Lambda guide, "Lambda quotas", and API reference, Filter. */
export const filterPatternCharsMax = 4_096;
/** Combinations that the `$or`s of a pattern make. Source: EventBridge guide, "Comparison operators", `$or`. */
export const combinationsMax = 1_000;
/** Objects inside objects, of patterns and events; what lies deeper in an event is not looked at. */
export const depthMax = 1_000;
/** Numbers that ranges compare lie within this. Source: EventBridge guide, "Comparison operators", numeric matching. */
export const numberMax = 5_000_000_000;
/**
 * Beginnings of a wildcard pattern, each up to one of its stars or its end, that one text can match at once. AWS refuses
 * what is "too complex" and publishes no figure.
 */
export const wildcardComplexityMax = 12;
