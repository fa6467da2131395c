/** A cluster as one worker runs it at one epoch: its endpoints, those among them that may have requests, and whose turn it is. */
import type { Clock } from "../base/clock.ts";
import { createPicker, type Outstanding, type Picker } from "./balance/pickers.ts";
import type { Stickiness } from "./balance/stickiness.ts";
import { atEjected, atVerdict, healthChanges, healthGood } from "./board.ts";
import type { Outcomes } from "./outcomes.ts";
import type { Upstream } from "./pool.ts";
import type { ClusterConfig } from "./ports.ts";
import type { RequestRecord } from "./record.ts";
import type { ClusterGuard } from "./resilience/guard.ts";
import type { StatsWriter } from "./stats.ts";

export type Endpoint = (
  | { kind: "address"; id: string; upstream: Upstream }
  | { kind: "function"; id: string; requestBytesMax: number }
) & {
  /** Where its cells on the board begin. */
  slot: number;
  /** Counts how its requests end, where somebody looks at that. */
  outcomes?: Outcomes;
};

export interface ClusterParts {
  config: ClusterConfig;
  /** In the order of the configuration. */
  endpoints: readonly Endpoint[];
  /** See `board.ts`. */
  board: Int32Array;
  clock: Clock;
  outstanding: Outstanding;
  /** From 0 to less than 1. */
  random(): number;
  stats: StatsWriter;
  stickiness: Stickiness | undefined;
  guard?: ClusterGuard | undefined;
}

export class Cluster {
  readonly config: ClusterConfig;
  readonly stats: StatsWriter;
  /** What it lets in at once; undefined where nothing limits that. */
  readonly guard: ClusterGuard | undefined;
  readonly #parts: ClusterParts;
  readonly #board: Int32Array;
  readonly #stickiness: Stickiness | undefined;
  readonly #picker: Picker;
  #eligible: readonly Endpoint[] = [];
  #healthy = 0;
  #seenChanges = -1;
  #panic = false;
  /** Requests go to any endpoint. */
  #open = false;

  constructor(parts: ClusterParts) {
    this.config = parts.config;
    this.stats = parts.stats;
    this.guard = parts.guard;
    this.#parts = parts;
    this.#board = parts.board;
    this.#stickiness = parts.stickiness;
    this.#picker = createPicker(parts.config, parts);
  }

  /**
   * The endpoint for a request: the one it sticks to, or whose turn it is; undefined when the cluster has none. A request
   * that already had one (it is tried again) sticks to nothing, and gets another where there is one.
   */
  pick(request: RequestRecord): Endpoint | undefined {
    const changes = Atomics.load(this.#board, healthChanges);
    if (changes !== this.#seenChanges) this.#judge(changes);
    if (this.#eligible.length === 0) return undefined;
    if (this.#open) this.stats.failedOpen();
    // Of a fallback's request the endpoint is another cluster's.
    const tried = request.cluster?.config === this.config ? request.endpoint : undefined;
    const endpoint =
      this.#stickiness === undefined ? this.#picker.next(tried) : this.#stick(request, this.#stickiness, tried);
    this.#picker.taken?.(endpoint, request);
    endpoint.outcomes?.watch(request);
    return endpoint;
  }

  /** The same cluster, for a route with a judgement of its own on {@link panic}. */
  view(): Cluster {
    return new Cluster(this.#parts);
  }

  /** A number that is another one when verdicts have changed. */
  get changes(): number {
    return Atomics.load(this.#board, healthChanges);
  }

  /** Endpoints that are healthy, and not ejected. */
  get healthy(): number {
    const { changes } = this;
    if (changes !== this.#seenChanges) this.#judge(changes);
    return this.#healthy;
  }

  get total(): number {
    return this.#parts.endpoints.length;
  }

  /** Whether requests go to all endpoints, healthy or not. */
  set panic(panic: boolean) {
    if (panic !== this.#panic) this.#seenChanges = -1;
    this.#panic = panic;
  }

  #stick(request: RequestRecord, stickiness: Stickiness, tried: Endpoint | undefined): Endpoint {
    const { endpointId, others } = stickiness.claim(request);
    const wanted = tried === undefined ? endpointId : undefined;
    const found = wanted === undefined ? undefined : this.#eligible.find(({ id }) => id === wanted);
    const endpoint = found ?? this.#picker.next(tried);
    if (found === undefined && tried === undefined) request.listener.counts.add("nonStickyRequests", 1);
    stickiness.keep(request, endpoint.id, others);
    return endpoint;
  }

  #judge(changes: number): void {
    this.#seenChanges = changes;
    const { endpoints } = this.#parts;
    const board = this.#board;
    const good = endpoints.filter(({ slot }) => Atomics.load(board, slot + atVerdict) === healthGood);
    const kept = good.filter(({ slot }) => Atomics.load(board, slot + atEjected) === 0);
    this.#healthy = kept.length;
    // Fail-open: a wrong verdict on most of them must not be an outage.
    const open = this.#panic || good.length < this.#healthyMin();
    this.#open = open;
    const eligible = open ? endpoints : kept.length > 0 ? kept : good;
    if (sameMembers(eligible, this.#eligible)) return;
    this.#eligible = eligible;
    if (eligible.length > 0) this.#picker.among(eligible);
  }

  /** ALB user guide, "Target group health": `unhealthy_state_routing`. */
  #healthyMin(): number {
    const { count, percent } = this.config.healthyMin ?? { count: 1, percent: 0 };
    return Math.max(1, count, Math.ceil((percent * this.total) / 100));
  }
}

function sameMembers(a: readonly Endpoint[], b: readonly Endpoint[]): boolean {
  return a.length === b.length && a.every((endpoint, i) => endpoint === b[i]);
}
