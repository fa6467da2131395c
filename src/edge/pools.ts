/** The pools of permits of a configuration, on the main thread: made, grown, and forgotten with what they belong to. */
import { growPermits, permitMemory, Permits, returnPermits } from "./permits.ts";
import type { EdgeConfig } from "./ports.ts";

export interface Pools {
  /** Memory of every pool of `config`, by name; a pool that is there already is the same memory. */
  of(config: EdgeConfig): Record<string, SharedArrayBuffer>;
  /**
   * Lets go of the pools that neither `config` nor the configuration before it has, once all permits are back: requests
   * of an earlier epoch still count when a route with the same cap comes again.
   */
  keep(config: EdgeConfig): void;
  /** A worker is gone: what it had comes back. */
  workerGone(worker: number): void;
}

/** The pool of a cap. */
export const capPool = (id: string) => `cap:${id}`;

export function createPools(): Pools {
  const memories = new Map<string, SharedArrayBuffer>();
  let former = new Set<string>();
  return {
    of(config) {
      const sizes = poolSizes(config);
      for (const [name, max] of sizes) {
        const memory = memories.get(name);
        if (memory === undefined) memories.set(name, permitMemory(max));
        else growPermits(memory, max);
      }
      return Object.fromEntries([...memories].filter(([name]) => sizes.has(name)));
    },
    keep(config) {
      const sizes = poolSizes(config);
      for (const [name, memory] of memories) {
        if (!sizes.has(name) && !former.has(name) && new Permits(memory, 0, 0).out === 0) memories.delete(name);
      }
      former = new Set(sizes.keys());
    },
    workerGone(worker) {
      for (const memory of memories.values()) returnPermits(memory, worker);
    },
  };
}

/** Each pool by its name, with the most permits that any user of it wants. */
function poolSizes(config: EdgeConfig): Map<string, number> {
  const sizes = new Map<string, number>();
  const want = (name: string, max: number) => sizes.set(name, Math.max(max, sizes.get(name) ?? 0));
  for (const { routes } of config.listeners) {
    for (const { policy } of routes) if (policy?.cap !== undefined) want(capPool(policy.cap.id), policy.cap.max);
  }
  return sizes;
}
