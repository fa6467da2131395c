/** Choices by weight: in every run of requests as long as the sum of the weights each is made exactly so many times. */
import type { Turn } from "./turns.ts";

export interface Weighted<T> {
  value: T;
  /** A whole number, 0-999; 0 is never chosen. */
  weight: number;
}

/** Chooses by weight; nothing when all weights are 0. */
export function byWeight<T>(choices: readonly Weighted<T>[], turn: Turn): () => T | undefined {
  const live = choices.filter(({ weight }) => weight > 0);
  const [only] = live;
  if (live.length <= 1) return () => only?.value;
  // Made when the first request comes: most routes of most configurations never see one.
  let order: Uint8Array | undefined;
  return () => {
    order ??= smoothOrder(live.map(({ weight }) => weight));
    return live[order[turn() % order.length] as number]?.value;
  };
}

/**
 * Indexes of `weights`, each as often as its weight (in lowest terms), and evenly spread: of 5, 1, 1 it makes
 * 0 0 1 0 2 0 0. The way of nginx's smooth weighted round robin. At most 256 weights.
 */
export function smoothOrder(weights: readonly number[]): Uint8Array {
  const divisor = weights.reduce(commonDivisor, 0);
  const total = weights.reduce((sum, weight) => sum + weight / divisor, 0);
  const credit = weights.map(() => 0);
  const order = new Uint8Array(total);
  for (let turn = 0; turn < total; turn += 1) {
    let best = 0;
    for (const [i, weight] of weights.entries()) {
      credit[i] = (credit[i] ?? 0) + weight / divisor;
      if ((credit[i] ?? 0) > (credit[best] ?? 0)) best = i;
    }
    credit[best] = (credit[best] ?? 0) - total;
    order[turn] = best;
  }
  return order;
}

function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b);
}
