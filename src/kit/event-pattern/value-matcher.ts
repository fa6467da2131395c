/** The conditions of many patterns on one field, and which of them a value fulfils. */
import { Intervals } from "./intervals.ts";
import { addressOf, comparable } from "./numbers.ts";
import { folded, type Condition, type Scalar } from "./operators.ts";
import { TextTrie } from "./text-trie.ts";

/** A value as a key: of its kind, and numbers by their millionths, as far as AWS compares them so. */
function keyOf(value: Scalar): string {
  if (typeof value === "string") return `"${value}`;
  if (typeof value !== "number") return String(value);
  const units = comparable(value);
  return units === undefined ? String(value) : `=${units}`;
}

/** Indexes of conditions that are fulfilled where one of them is. */
class Index<T> {
  readonly #exact = new Map<string, T[]>();
  readonly #equals = new Map<string, T[]>();
  readonly #prefixes = new TextTrie<T>();
  readonly #suffixes = new TextTrie<T>();
  readonly #anyCasePrefixes = new TextTrie<T>();
  readonly #anyCaseSuffixes = new TextTrie<T>();
  readonly #wildcards = new TextTrie<T>();
  readonly #numbers = new Intervals<number, T>();
  readonly #addresses = { 4: new Intervals<bigint, T>(), 6: new Intervals<bigint, T>() };
  /** What there is of kinds that cost something to ask for. */
  readonly #has = { folded: false, wildcards: false, addresses: false };

  add(condition: Exclude<Condition, { kind: "exists" | "anything-but" }>, outcome: T): void {
    switch (condition.kind) {
      case "exact":
        return this.#addExact(condition.value, outcome);
      case "equals":
        this.#has.folded = true;
        return addTo(this.#equals, condition.text, outcome);
      case "prefix":
        this.#has.folded ||= condition.anyCase;
        return (condition.anyCase ? this.#anyCasePrefixes : this.#prefixes).addPrefix(condition.text, outcome);
      case "suffix":
        this.#has.folded ||= condition.anyCase;
        return (condition.anyCase ? this.#anyCaseSuffixes : this.#suffixes).addSuffix(condition.text, outcome);
      case "wildcard":
        this.#has.wildcards = true;
        return this.#wildcards.addWildcard(condition.wildcard, outcome);
      case "numeric":
        return this.#numbers.add(condition.low, condition.high, outcome);
      case "cidr":
        this.#has.addresses = true;
        return this.#addresses[condition.family].add(condition.low, condition.high, outcome);
    }
  }

  find(value: Scalar, found: (outcome: T) => void): void {
    this.#exact.get(keyOf(value))?.forEach(found);
    if (typeof value === "number") {
      const units = comparable(value);
      if (units !== undefined) this.#numbers.find(units, found);
    } else if (typeof value === "string") {
      this.#findText(value, found);
    }
  }

  /** An address stands for itself however it is written. */
  #addExact(value: Scalar, outcome: T): void {
    const address = typeof value === "string" ? addressOf(value) : undefined;
    if (address === undefined) return addTo(this.#exact, keyOf(value), outcome);
    this.#has.addresses = true;
    return this.#addresses[address.family].add(address.bits, address.bits, outcome);
  }

  #findText(text: string, found: (outcome: T) => void): void {
    this.#prefixes.walk(text, found);
    this.#suffixes.walk(text, found, true);
    if (this.#has.wildcards) this.#wildcards.match(text, found);
    if (this.#has.folded) {
      const lower = folded(text);
      this.#equals.get(lower)?.forEach(found);
      this.#anyCasePrefixes.walk(lower, found);
      this.#anyCaseSuffixes.walk(lower, found, true);
    }
    const address = this.#has.addresses ? addressOf(text) : undefined;
    if (address !== undefined) this.#addresses[address.family].find(address.bits, found);
  }
}

function addTo<K, T>(lists: Map<K, T[]>, key: K, item: T): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [item]);
  else list.push(item);
}

/** A condition that holds where none of its parts does. */
interface Negation<T> {
  outcome: T;
}

/** Conditions on the value of a field, all but its absence. */
export class ValueMatcher<T> {
  readonly #index = new Index<T>();
  readonly #any: T[] = [];
  readonly #negations: Negation<T>[] = [];
  readonly #negated = new Index<Negation<T>>();

  add(condition: Condition, outcome: T): void {
    if (condition.kind === "exists") {
      if (condition.exists) this.#any.push(outcome);
    } else if (condition.kind === "anything-but") {
      const negation = { outcome };
      this.#negations.push(negation);
      for (const part of condition.of) {
        if (part.kind !== "exists" && part.kind !== "anything-but") this.#negated.add(part, negation);
      }
    } else {
      this.#index.add(condition, outcome);
    }
  }

  /** The outcomes of the conditions that `value` fulfils. */
  match(value: Scalar): ReadonlySet<T> {
    const outcomes = new Set<T>(this.#any);
    this.#index.find(value, (outcome) => outcomes.add(outcome));
    if (this.#negations.length > 0) {
      const refused = new Set<Negation<T>>();
      this.#negated.find(value, (negation) => refused.add(negation));
      for (const negation of this.#negations) if (!refused.has(negation)) outcomes.add(negation.outcome);
    }
    return outcomes;
  }
}
