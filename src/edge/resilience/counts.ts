/** A count that all workers share: each writes its own cell, so that none waits and a dead one's share is known. */
import { permitOwnersMax } from "../permits.ts";

/** Memory of a count. */
export function countMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer((permitOwnersMax + 1) * Int32Array.BYTES_PER_ELEMENT);
}

/** Worker `owner` is gone: what it had counts no more. */
export function clearCount(memory: SharedArrayBuffer, owner: number): void {
  Atomics.store(new Int32Array(memory), owner, 0);
}

/** One worker's view of a count. */
export class SharedCount {
  readonly #cells: Int32Array;
  readonly #owner: number;

  constructor(memory: SharedArrayBuffer, owner: number) {
    this.#cells = new Int32Array(memory);
    this.#owner = owner;
  }

  add(by: 1 | -1): void {
    Atomics.add(this.#cells, this.#owner, by);
  }

  /** Over all workers. */
  get total(): number {
    let sum = 0;
    for (let i = 0; i < this.#cells.length; i += 1) sum += Atomics.load(this.#cells, i);
    return sum;
  }
}
