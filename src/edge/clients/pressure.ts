/**
 * The bytes that a worker holds because a client or an endpoint takes them slowly. One connection holds little, by its
 * high-water marks; all together are looked at now and then, and from the limit on new requests are refused until there
 * is room again.
 */
import type { Clock, Timer } from "../../base/clock.ts";

/** Bytes held in a worker from which requests are refused. */
export const heldBytesMax = 256 * 1024 * 1024;
/** It has recovered at this share of that. */
const recoveredShare = 0.9;
/** Between two looks. What comes in meanwhile is beyond the limit: at 10 Gbit/s, 250 MB. */
const lookMs = 200;

export interface PressureDeps {
  clock: Clock;
  /** Bytes held now. */
  held(): number;
  /** For tests; {@link heldBytesMax}. */
  bytesMax?: number;
  changed(high: boolean, bytes: number): void;
}

export class Pressure {
  /** No more requests. */
  high = false;
  readonly #deps: PressureDeps;
  readonly #bytesMax: number;
  #timer: Timer;

  constructor(deps: PressureDeps) {
    this.#deps = deps;
    this.#bytesMax = deps.bytesMax ?? heldBytesMax;
    this.#timer = this.#again();
  }

  close(): void {
    this.#timer.cancel();
  }

  #again(): Timer {
    return this.#deps.clock.after(lookMs, () => {
      this.#look();
      this.#timer = this.#again();
    });
  }

  #look(): void {
    const bytes = this.#deps.held();
    const high = bytes > (this.high ? this.#bytesMax * recoveredShare : this.#bytesMax);
    if (high === this.high) return;
    this.high = high;
    this.#deps.changed(high, bytes);
  }
}
