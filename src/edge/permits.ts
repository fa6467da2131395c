/**
 * Permits that all workers share, exactly: never more than `max` are out. A permit is a byte of shared memory that holds
 * the number of the worker it was given to, so one compare-and-swap both takes it and says whose it is. A worker that
 * dies at any instruction leaves nothing in doubt: its bytes are given back. (A counter with a sub-count for each worker
 * has a moment between the two.)
 */

/** The most that a pool may give out. */
export const permitsMax = 65_536;

/** Workers are numbered from 0 to this. */
export const permitOwnersMax = 254;

const free = 0;

/** Memory of a pool for `max` permits; it can grow to {@link permitsMax}. */
export function permitMemory(max: number): SharedArrayBuffer {
  return new SharedArrayBuffer(Math.min(max, permitsMax), { maxByteLength: permitsMax });
}

/** Makes room for `max` permits. What is out beyond a smaller `max` stays out, and counts. Main only. */
export function growPermits(memory: SharedArrayBuffer, max: number): void {
  const bytes = Math.min(max, permitsMax);
  if (memory.byteLength < bytes) memory.grow(bytes);
}

/** Gives back all that worker `owner` had: it is gone. */
export function returnPermits(memory: SharedArrayBuffer, owner: number): void {
  const slots = new Uint8Array(memory);
  for (let i = 0; i < slots.length; i += 1) Atomics.compareExchange(slots, i, owner + 1, free);
}

/** One worker's view of a pool. */
export class Permits {
  readonly #slots: Uint8Array;
  readonly #owner: number;
  readonly #max: number;
  /** Where the last one was found: the next is likely to be near. */
  #hint = 0;

  /** @param max 0-{@link permitsMax} */
  constructor(memory: SharedArrayBuffer, owner: number, max: number) {
    this.#slots = new Uint8Array(memory);
    this.#owner = owner + 1;
    this.#max = Math.min(max, permitsMax);
  }

  /** A permit's number, to give it back by; -1 when all are out. */
  take(): number {
    const max = this.#max;
    const slots = this.#slots;
    for (let i = 0, slot = this.#hint; i < max; i += 1, slot += 1) {
      if (slot >= max) slot = 0;
      if (Atomics.load(slots, slot) !== free) continue;
      if (Atomics.compareExchange(slots, slot, free, this.#owner) !== free) continue;
      if (slots.length > max && this.#out() > max) {
        // The pool was larger, and those of that time are still out.
        this.give(slot);
        return -1;
      }
      this.#hint = slot;
      return slot;
    }
    return -1;
  }

  give(permit: number): void {
    Atomics.store(this.#slots, permit, free);
  }

  /** Permits that are out, over all workers. */
  get out(): number {
    return this.#out();
  }

  #out(): number {
    const slots = this.#slots;
    let out = 0;
    for (let i = 0; i < slots.length; i += 1) if (Atomics.load(slots, i) !== free) out += 1;
    return out;
  }
}
