/** Counts of what was mirrored to a cluster, and why the rest was not: each worker writes its own row, main reads all. */
import { permitOwnersMax } from "./permits.ts";
import type { MirrorStats } from "./ports.ts";

/** Why a request of a route with a mirror was not mirrored. */
export const notMirroredReasons = ["method", "upgrade", "sampled-out", "body-too-large", "busy", "incomplete"] as const;
export type NotMirrored = (typeof notMirroredReasons)[number];

const atMirrored = 0;
const atAnswered = 1;
const atFailed = 2;
const atReasons = 3;
const cells = atReasons + notMirroredReasons.length;

const reasonIndex = Object.fromEntries(notMirroredReasons.map((reason, index) => [reason, index])) as Record<
  NotMirrored,
  number
>;

export function mirrorMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer((permitOwnersMax + 1) * cells * Float64Array.BYTES_PER_ELEMENT);
}

/** The writer's side. */
export class MirrorCounts {
  readonly #cells: Float64Array;

  constructor(memory: SharedArrayBuffer, worker: number) {
    this.#cells = new Float64Array(memory, worker * cells * Float64Array.BYTES_PER_ELEMENT, cells);
  }

  mirrored(): void {
    this.#add(atMirrored);
  }

  answered(): void {
    this.#add(atAnswered);
  }

  failed(): void {
    this.#add(atFailed);
  }

  notMirrored(reason: NotMirrored): void {
    this.#add(atReasons + reasonIndex[reason]);
  }

  #add(index: number): void {
    this.#cells[index] = (this.#cells[index] as number) + 1;
  }
}

/** The sum over the workers. */
export function readMirror(memory: SharedArrayBuffer): MirrorStats {
  const all = new Float64Array(memory);
  const at = (index: number) => {
    let sum = 0;
    for (let i = index; i < all.length; i += cells) sum += all[i] as number;
    return sum;
  };
  const notMirrored = Object.fromEntries(
    notMirroredReasons.flatMap((reason) => {
      const count = at(atReasons + reasonIndex[reason]);
      return count === 0 ? [] : [[reason, count]];
    }),
  );
  return { mirrored: at(atMirrored), answered: at(atAnswered), failed: at(atFailed), notMirrored };
}
