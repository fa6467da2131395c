/** Many texts with stars in one tree: what of them a text matches is found in one pass over it. */
import type { Wildcard } from "./wildcards.ts";

interface Place<T> {
  next: Map<number, Place<T>> | undefined;
  /** Behind a star: any text comes back here. */
  star: Place<T> | undefined;
  /** Is this place behind a star? */
  stays: boolean;
  /** Matched where a text ends here. */
  ends: T[];
  /** Matched by every text that comes here. */
  passes: T[];
}

const newPlace = <T>(stays = false): Place<T> => ({ next: undefined, star: undefined, stays, ends: [], passes: [] });

const reversed = (text: string): readonly number[] =>
  Array.from({ length: text.length }, (_, index) => text.charCodeAt(text.length - 1 - index));

const codesOf = (text: string): readonly number[] =>
  Array.from({ length: text.length }, (_, index) => text.charCodeAt(index));

export class TextTrie<T> {
  readonly #root: Place<T> = newPlace();

  addPrefix(text: string, outcome: T): void {
    this.#place(codesOf(text)).passes.push(outcome);
  }

  addSuffix(text: string, outcome: T): void {
    this.#place(reversed(text)).passes.push(outcome);
  }

  addWildcard(wildcard: Wildcard, outcome: T): void {
    const place = this.#place(wildcard);
    // A last star takes all the rest.
    (place.stays ? place.passes : place.ends).push(outcome);
  }

  /** What was added as a prefix of `text`, or with `backwards` as a suffix. */
  walk(text: string, found: (outcome: T) => void, backwards = false): void {
    let place: Place<T> | undefined = this.#root;
    for (let index = 0; place !== undefined; index += 1) {
      for (const outcome of place.passes) found(outcome);
      if (index === text.length) return;
      place = place.next?.get(text.charCodeAt(backwards ? text.length - 1 - index : index));
    }
  }

  /** What was added as a wildcard and matches all of `text`; an outcome may be told more than once. */
  match(text: string, found: (outcome: T) => void): void {
    let here = new Set<Place<T>>();
    const reach = (place: Place<T>, places: Set<Place<T>>) => {
      for (let at: Place<T> | undefined = place; at !== undefined && !places.has(at); at = at.star) {
        const isNew = !here.has(at);
        places.add(at);
        if (isNew) for (const outcome of at.passes) found(outcome);
      }
    };
    reach(this.#root, here);
    for (let index = 0; index < text.length && here.size > 0; index += 1) {
      const code = text.charCodeAt(index);
      const there = new Set<Place<T>>();
      for (const place of here) {
        if (place.stays) reach(place, there);
        const next = place.next?.get(code);
        if (next !== undefined) reach(next, there);
      }
      here = there;
    }
    for (const place of here) for (const outcome of place.ends) found(outcome);
  }

  #place(steps: Wildcard): Place<T> {
    let place = this.#root;
    for (const step of steps) {
      if (step === "*") {
        place.star ??= newPlace(true);
        place = place.star;
      } else {
        place.next ??= new Map();
        const next: Place<T> = place.next.get(step) ?? newPlace<T>();
        place.next.set(step, next);
        place = next;
      }
    }
    return place;
  }
}
