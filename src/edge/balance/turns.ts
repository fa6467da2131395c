/** Whose turn it is on a route: one count for all workers, so that shares are exact whichever worker a request meets. */
import { randomInt } from "node:crypto";
import { must } from "../../base/errors.ts";
import type { EdgeConfig, RouteConfig } from "../ports.ts";

/** The number of a request on its route, from 0 to 2^32 - 1 and from 0 again. */
export type Turn = () => number;

/** Main's side: a count for each route of a configuration, in the order of listeners and routes. */
export function createTurns(): { of(config: EdgeConfig): SharedArrayBuffer } {
  const memories = new WeakMap<EdgeConfig, SharedArrayBuffer>();
  return {
    of(config) {
      let memory = memories.get(config);
      if (memory === undefined) {
        memory = new SharedArrayBuffer(routesOf(config).length * Int32Array.BYTES_PER_ELEMENT);
        // Anywhere: were it always the first, then where configurations change often the first choice got more than its share.
        new Int32Array(memory).forEach((_, index, counts) => {
          counts[index] = randomInt(2 ** 31);
        });
        memories.set(config, memory);
      }
      return memory;
    },
  };
}

/** A worker's side. `config` is as main had it when it made `memory`. */
export function compileTurns(config: EdgeConfig, memory: SharedArrayBuffer): (route: RouteConfig) => Turn {
  const counts = new Int32Array(memory);
  const places = new Map(routesOf(config).map((route, index) => [route, index]));
  return (route) => {
    const place = must(places.get(route), `the count of route ${route.id}`);
    return () => Atomics.add(counts, place, 1) >>> 0;
  };
}

function routesOf({ listeners }: EdgeConfig): RouteConfig[] {
  return listeners.flatMap(({ routes }) => routes);
}
