/**
 * Token buckets that all workers share, one for each key, in memory of a fixed size. A bucket is one number, the moment
 * at which it is full again (the generic cell rate algorithm), so that a compare-and-swap both asks and takes.
 */

/** Buckets of a limit with keys; a power of two. A key that finds no free one takes the place of the fullest nearby. */
const slotsOfKeys = 16_384;
/** Slots that a key is looked for in. */
const probesMax = 8;
/** 64-bit cells of a slot: the key's fingerprint, and the moment (milliseconds, as the bits of a double). */
const cellsOfSlot = 2;
const headerCells = 1;
/** Tries against other workers for one bucket; a thread that loses this often lets the request pass. */
const swapsMax = 64;

/** Memory for a limit: of one bucket, or of one for each key. `seed` makes collisions nobody's choice. */
export function bucketMemory(keyed: boolean, seed: bigint): SharedArrayBuffer {
  const slots = keyed ? slotsOfKeys : 1;
  const memory = new SharedArrayBuffer((headerCells + slots * cellsOfSlot) * BigInt64Array.BYTES_PER_ELEMENT);
  new BigInt64Array(memory)[0] = BigInt.asIntN(64, seed);
  return memory;
}

export interface BucketRate {
  requestsPerSecond: number;
  /** Requests at once, beyond the one that is always let in when the bucket is full. */
  burst: number;
}

export class Buckets {
  readonly #cells: BigInt64Array;
  readonly #slots: number;
  readonly #seed: number;
  /** Milliseconds in which one request's worth flows back. */
  readonly #intervalMs: number;
  /** How far ahead of now a bucket's moment may be. */
  readonly #aheadMs: number;
  readonly #bits = new BigInt64Array(1);
  readonly #double = new Float64Array(this.#bits.buffer);

  constructor(memory: SharedArrayBuffer, { requestsPerSecond, burst }: BucketRate) {
    this.#cells = new BigInt64Array(memory);
    this.#slots = (this.#cells.length - headerCells) / cellsOfSlot;
    this.#seed = Number(BigInt.asUintN(32, this.#cells[0] as bigint));
    this.#intervalMs = 1000 / requestsPerSecond;
    this.#aheadMs = burst * this.#intervalMs;
  }

  /** Takes a request's worth from the bucket of `key`: 0, or the milliseconds until there is one. */
  take(key: string, nowMs: number): number {
    const at = this.#slots === 1 ? headerCells : this.#find(key, nowMs);
    for (let tries = 0; tries < swapsMax; tries += 1) {
      const before = Atomics.load(this.#cells, at + 1);
      const full = this.#current(before, nowMs);
      const waitMs = full - nowMs - this.#aheadMs;
      if (waitMs > 0) return waitMs;
      if (Atomics.compareExchange(this.#cells, at + 1, before, this.#bitsOf(full + this.#intervalMs)) === before) {
        return 0;
      }
    }
    return 0;
  }

  /** The moment in `cell`, not before now. One too far ahead was written before the wall clock was set back. */
  #current(cell: bigint, nowMs: number): number {
    const full = this.#momentOf(cell);
    return full > nowMs && full <= nowMs + this.#aheadMs + this.#intervalMs ? full : nowMs;
  }

  /** The slot of a key: its own, or one whose bucket is full or the nearest to that, which becomes its own. */
  #find(key: string, nowMs: number): number {
    const print = this.#fingerprint(key);
    const first = Number(BigInt.asUintN(32, print)) % this.#slots;
    let best = -1;
    let bestMoment = Infinity;
    for (let probe = 0; probe < probesMax; probe += 1) {
      const at = headerCells + ((first + probe) % this.#slots) * cellsOfSlot;
      if (Atomics.load(this.#cells, at) === print) return at;
      const moment = this.#momentOf(Atomics.load(this.#cells, at + 1));
      if (moment < bestMoment) [best, bestMoment] = [at, moment];
    }
    Atomics.store(this.#cells, best, print);
    if (bestMoment > nowMs) Atomics.store(this.#cells, best + 1, 0n);
    return best;
  }

  /** Two rounds of FNV-1a under the seed; never 0, which is nobody's. */
  #fingerprint(key: string): bigint {
    let low = (0x811c9dc5 ^ this.#seed) >>> 0;
    let high = (0x9e3779b9 ^ this.#seed) >>> 0;
    for (let i = 0; i < key.length; i += 1) {
      const code = key.charCodeAt(i);
      low = Math.imul(low ^ code, 0x01000193) >>> 0;
      high = Math.imul(high ^ (code + i), 0x85ebca6b) >>> 0;
    }
    return BigInt.asIntN(64, (BigInt(high) << 32n) | BigInt(low | 1));
  }

  #bitsOf(moment: number): bigint {
    this.#double[0] = moment;
    return this.#bits[0] as bigint;
  }

  #momentOf(bits: bigint): number {
    this.#bits[0] = bits;
    return this.#double[0] as number;
  }
}
