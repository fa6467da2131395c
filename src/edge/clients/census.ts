/**
 * How many connections each client address has, over all workers, in shared memory of a fixed size. A place holds the
 * mark of an address and a count for each worker, so that every number has one writer, and those of a worker that dies
 * are known. A worker counts itself in first and looks at the sum then: never are more let in than may be; of two that
 * ask for the last place in the same instant, both may be turned away.
 */
import { randomInt } from "node:crypto";

/** Addresses with connections, of one listener. One that finds no place is let in uncounted. */
export const addressesMax = 65_536;
/** Places in which an address may be. */
const probesMax = 16;
/** Tries against other workers for one place; a thread that loses this often lets the client in uncounted. */
const triesMax = 8;

const atSeed = 0;
const atWorkers = 1;
const headerCells = 2;
const nobody = 0;

/** What {@link Census.enter} gives where it gives no place. */
export const refused = -1;
export const uncounted = -2;

/** Memory for a listener; `workers` is how many there are. `seed` makes collisions nobody's choice. */
export function censusMemory(workers: number, places = addressesMax, seed = randomInt(2 ** 31)): SharedArrayBuffer {
  const memory = new SharedArrayBuffer((headerCells + places * (1 + workers)) * Int32Array.BYTES_PER_ELEMENT);
  const cells = new Int32Array(memory);
  cells[atSeed] = seed;
  cells[atWorkers] = workers;
  return memory;
}

/** A worker is gone, and its connections with it. Main only. */
export function emptyCensus(memory: SharedArrayBuffer, worker: number): void {
  const cells = new Int32Array(memory);
  const stride = 1 + (cells[atWorkers] as number);
  for (let at = headerCells; at < cells.length; at += stride) Atomics.store(cells, at + 1 + worker, 0);
}

/** One worker's view. */
export class Census {
  readonly #cells: Int32Array;
  readonly #worker: number;
  readonly #stride: number;
  readonly #places: number;

  constructor(memory: SharedArrayBuffer, worker: number) {
    this.#cells = new Int32Array(memory);
    this.#worker = worker;
    this.#stride = 1 + (this.#cells[atWorkers] as number);
    this.#places = (this.#cells.length - headerCells) / this.#stride;
  }

  /** Counts a connection in: its place, to count it out by; {@link refused}, or {@link uncounted}. */
  enter(address: string, max: number): number {
    const { mark, first } = this.#whereIs(householdOf(address));
    for (let tries = 0; tries < triesMax; tries += 1) {
      const at = this.#find(mark, first);
      if (at < 0) return uncounted;
      if (Atomics.load(this.#cells, at) !== mark) {
        this.#claim(at, mark);
        // Whether it is there now or not: others may have put the same address somewhere before it.
        continue;
      }
      Atomics.add(this.#cells, at + 1 + this.#worker, 1);
      // It was nobody's as far as another could see, and may be another's by now.
      if (Atomics.load(this.#cells, at) !== mark) {
        this.leave(at);
        continue;
      }
      if (this.#sum(at) <= max) return at;
      this.leave(at);
      return refused;
    }
    return uncounted;
  }

  leave(place: number): void {
    if (place >= 0) Atomics.sub(this.#cells, place + 1 + this.#worker, 1);
  }

  /** The connections of an address. */
  count(address: string): number {
    const { mark, first } = this.#whereIs(householdOf(address));
    const at = this.#find(mark, first);
    return at < 0 || Atomics.load(this.#cells, at) !== mark ? 0 : this.#sum(at);
  }

  /** The place of `mark`, or else the first where nobody is counted; -1 when there is none. */
  #find(mark: number, first: number): number {
    let free = -1;
    for (let probe = 0; probe < probesMax; probe += 1) {
      const at = headerCells + ((first + probe) % this.#places) * this.#stride;
      if (Atomics.load(this.#cells, at) === mark) return at;
      if (free < 0 && this.#sum(at) === 0) free = at;
    }
    return free;
  }

  /** Takes a place that nobody is counted in; gives it back when somebody was, just before. */
  #claim(at: number, mark: number): void {
    const before = Atomics.load(this.#cells, at);
    if (Atomics.compareExchange(this.#cells, at, before, mark) !== before) return;
    if (this.#sum(at) > 0) Atomics.compareExchange(this.#cells, at, mark, before);
  }

  #sum(at: number): number {
    let sum = 0;
    for (let cell = at + 1; cell < at + this.#stride; cell += 1) sum += Atomics.load(this.#cells, cell);
    return sum;
  }

  /** Two hashes of FNV's kind under the seed: the mark, which is never {@link nobody}, and where to begin to look. */
  #whereIs(household: string): { mark: number; first: number } {
    const seed = this.#cells[atSeed] as number;
    let mark = 0x811c9dc5 ^ seed;
    let first = 0x9e3779b9 ^ seed;
    for (let i = 0; i < household.length; i += 1) {
      const code = household.charCodeAt(i);
      mark = Math.imul(mark ^ code, 0x01000193);
      first = Math.imul(first ^ code, 0x85ebca6b);
      first ^= first >>> 13;
    }
    return { mark: mark === nobody ? 1 : mark, first: (first >>> 0) % this.#places };
  }
}

/** An IPv4 address, or the /64 of an IPv6 one: a single customer has all of it to choose from. */
export function householdOf(address: string): string {
  if (!address.includes(":")) return address;
  const [head = "", tail = ""] = address.split("::", 2);
  const left = head === "" ? [] : head.split(":");
  const right = tail === "" ? [] : tail.split(":");
  const groups = [...left, ...Array.from({ length: 8 - left.length - right.length }, () => "0"), ...right];
  return groups.slice(0, 4).join(":");
}
