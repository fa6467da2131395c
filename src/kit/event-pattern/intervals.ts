/** Many ranges, and those of them that a value lies in: found in the logarithm of their number and what is found. */

interface Range<K, T> {
  low: K;
  high: K;
  outcome: T;
}

/** A node of the tree: ranges over its middle, in the order of either end; the others lie wholly to one side. */
interface Node<K, T> {
  middle: K;
  byLow: readonly Range<K, T>[];
  byHigh: readonly Range<K, T>[];
  below: Node<K, T> | undefined;
  above: Node<K, T> | undefined;
}

/** Ranges of numbers or of whole numbers of any size, both ends included. */
export class Intervals<K extends number | bigint, T> {
  readonly #ranges: Range<K, T>[] = [];
  #root: Node<K, T> | undefined;
  #isBuilt = true;

  add(low: K, high: K, outcome: T): void {
    this.#ranges.push({ low, high, outcome });
    this.#isBuilt = false;
  }

  find(value: K, found: (outcome: T) => void): void {
    if (!this.#isBuilt) this.#root = build(this.#ranges);
    this.#isBuilt = true;
    for (let node = this.#root; node !== undefined; node = value < node.middle ? node.below : node.above) {
      if (value < node.middle) {
        for (const { low, outcome } of node.byLow) {
          if (low > value) break;
          found(outcome);
        }
      } else {
        for (const { high, outcome } of node.byHigh) {
          if (high < value) break;
          found(outcome);
        }
      }
    }
  }
}

function build<K extends number | bigint, T>(ranges: readonly Range<K, T>[]): Node<K, T> | undefined {
  const ends = ranges.flatMap(({ low, high }) => [low, high]).toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  const middle = ends[ends.length >> 1];
  if (middle === undefined) return undefined;
  const over = ranges.filter(({ low, high }) => low <= middle && middle <= high);
  return {
    middle,
    byLow: over.toSorted((a, b) => (a.low < b.low ? -1 : a.low > b.low ? 1 : 0)),
    byHigh: over.toSorted((a, b) => (a.high > b.high ? -1 : a.high < b.high ? 1 : 0)),
    below: build(ranges.filter(({ high }) => high < middle)),
    above: build(ranges.filter(({ low }) => low > middle)),
  };
}
