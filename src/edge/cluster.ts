/** A cluster as one worker runs it at one epoch: its endpoints in turn, the healthy ones first. */
import { must } from "../base/errors.ts";
import type { Stickiness } from "./balance/stickiness.ts";
import type { Upstream } from "./pool.ts";
import type { ClusterConfig } from "./ports.ts";
import type { RequestRecord } from "./record.ts";
import type { StatsWriter } from "./stats.ts";

/** Verdicts in the shared health array; main writes them. Index 0 counts the changes. */
export const healthUnknown = 0;
export const healthGood = 1;
export const healthBad = 2;
export const healthChanges = 0;

export type Endpoint =
  | { kind: "address"; id: string; upstream: Upstream }
  | { kind: "function"; id: string; requestBytesMax: number };

export interface ClusterParts {
  config: ClusterConfig;
  /** In the order of the configuration. */
  endpoints: readonly Endpoint[];
  /** Index of each endpoint's verdict in `health`. */
  slots: readonly number[];
  health: Int32Array;
  stats: StatsWriter;
  stickiness: Stickiness | undefined;
}

export class Cluster {
  readonly config: ClusterConfig;
  readonly stats: StatsWriter;
  readonly #endpoints: readonly Endpoint[];
  readonly #slots: readonly number[];
  readonly #health: Int32Array;
  readonly #stickiness: Stickiness | undefined;
  #eligible: readonly Endpoint[] = [];
  #seenChanges = -1;
  #next = 0;

  constructor({ config, endpoints, slots, health, stats, stickiness }: ClusterParts) {
    this.config = config;
    this.stats = stats;
    this.#endpoints = endpoints;
    this.#slots = slots;
    this.#health = health;
    this.#stickiness = stickiness;
  }

  /**
   * The endpoint for a request: the one it sticks to, or the next in turn; undefined when the cluster has none. A request
   * that already had one (it is tried again) sticks to nothing.
   */
  pick(request: RequestRecord): Endpoint | undefined {
    const changes = Atomics.load(this.#health, healthChanges);
    if (changes !== this.#seenChanges) {
      this.#seenChanges = changes;
      this.#eligible = this.#judge();
    }
    if (this.#eligible.length === 0) return undefined;
    return this.#stickiness === undefined ? this.#turn() : this.#stick(request, this.#stickiness);
  }

  #turn(): Endpoint | undefined {
    const eligible = this.#eligible;
    this.#next = (this.#next + 1) % eligible.length;
    return eligible[this.#next];
  }

  #stick(request: RequestRecord, stickiness: Stickiness): Endpoint | undefined {
    const wanted = request.endpoint === undefined ? stickiness.wanted(request) : undefined;
    const found = wanted === undefined ? undefined : this.#eligible.find(({ id }) => id === wanted);
    const endpoint = found ?? this.#turn();
    if (endpoint !== undefined) stickiness.keep(request, endpoint.id);
    return endpoint;
  }

  /** The healthy endpoints; all of them where none is: a wrong verdict on everything must not be an outage. */
  #judge(): readonly Endpoint[] {
    const healthy = this.#endpoints.filter(
      (_, index) => Atomics.load(this.#health, must(this.#slots[index], "the slot of an endpoint")) === healthGood,
    );
    return healthy.length === 0 ? this.#endpoints : healthy;
  }
}

/** Chooses between weighted choices so that any run of requests holds them in their proportion; none when all are 0. */
export function weightedTurns<T>(choices: readonly { value: T; weight: number }[]): () => T | undefined {
  const live = choices.filter(({ weight }) => weight > 0);
  const [only] = live;
  if (only === undefined) return () => undefined;
  if (live.length === 1) return () => only.value;
  const total = live.reduce((sum, { weight }) => sum + weight, 0);
  const credit = live.map(() => 0);
  return () => {
    let best = 0;
    for (let i = 0; i < live.length; i += 1) {
      credit[i] = (credit[i] as number) + (live[i] as { weight: number }).weight;
      if ((credit[i] as number) > (credit[best] as number)) best = i;
    }
    credit[best] = (credit[best] as number) - total;
    return (live[best] as { value: T }).value;
  };
}
