/** Whose turn it is among the endpoints that may have a request (ALB user guide, "Routing algorithms"). */
import type { Clock } from "../../base/clock.ts";
import { atCut, atSlowSince } from "../board.ts";
import type { Endpoint } from "../cluster.ts";
import type { ClusterConfig } from "../ports.ts";
import type { RequestRecord } from "../record.ts";

export interface Picker {
  /** From now on it is these; at least one. */
  among(endpoints: readonly Endpoint[]): void;
  /** The next; another than `avoid`, where there is one. */
  next(avoid: Endpoint | undefined): Endpoint;
  /** A request goes to `endpoint`, whoever chose it. */
  taken?(endpoint: Endpoint, request: RequestRecord): void;
}

export interface PickerDeps {
  board: Int32Array;
  outstanding: Outstanding;
  clock: Clock;
  /** From 0 to less than 1. */
  random(): number;
}

export function createPicker(config: ClusterConfig, deps: PickerDeps): Picker {
  switch (config.balance ?? "round-robin") {
    case "least-outstanding":
      return new LeastOutstanding(deps);
    case "weighted-random":
      return new WeightedRandom(deps);
    default:
      return config.slowStartMs === undefined ? new RoundRobin(deps) : new SlowRobin(config.slowStartMs, deps);
  }
}

/** One after the other. Each worker has a turn of its own and begins anywhere, so that together they favour nobody. */
class RoundRobin implements Picker {
  readonly #random: () => number;
  #endpoints: readonly Endpoint[] = [];
  #at = 0;

  constructor({ random }: PickerDeps) {
    this.#random = random;
  }

  among(endpoints: readonly Endpoint[]): void {
    if (this.#endpoints.length === 0) this.#at = Math.floor(this.#random() * endpoints.length);
    this.#endpoints = endpoints;
  }

  next(avoid: Endpoint | undefined): Endpoint {
    const endpoint = this.#step();
    return endpoint === avoid ? this.#step() : endpoint;
  }

  #step(): Endpoint {
    const endpoints = this.#endpoints;
    this.#at = (this.#at + 1) % endpoints.length;
    return endpoints[this.#at] as Endpoint;
  }
}

/**
 * One after the other, except that an endpoint in slow start is passed over for as much of its turns as its share still
 * lacks. The share grows evenly over the time from when it became healthy.
 */
class SlowRobin implements Picker {
  readonly #slowStartMs: number;
  readonly #deps: PickerDeps;
  #endpoints: readonly Endpoint[] = [];
  /** By endpoint: the part of a turn that it has saved up. */
  #credit: number[] = [];
  #at = 0;

  constructor(slowStartMs: number, deps: PickerDeps) {
    this.#slowStartMs = slowStartMs;
    this.#deps = deps;
  }

  among(endpoints: readonly Endpoint[]): void {
    if (this.#endpoints.length === 0) this.#at = Math.floor(this.#deps.random() * endpoints.length);
    this.#endpoints = endpoints;
    this.#credit = endpoints.map(() => 0);
  }

  next(avoid: Endpoint | undefined): Endpoint {
    const endpoints = this.#endpoints;
    const nowMs = this.#deps.clock.now();
    // Were all of them slow, somebody would still have to serve: then slowness counts for nothing.
    for (let passed = 0; passed < endpoints.length; passed += 1) {
      this.#at = (this.#at + 1) % endpoints.length;
      const endpoint = endpoints[this.#at] as Endpoint;
      if (endpoint === avoid || !this.#mayTake(endpoint, nowMs)) continue;
      return endpoint;
    }
    this.#at = (this.#at + 1) % endpoints.length;
    return endpoints[this.#at] as Endpoint;
  }

  #mayTake({ slot }: Endpoint, nowMs: number): boolean {
    const share = slowShare(Atomics.load(this.#deps.board, slot + atSlowSince), nowMs, this.#slowStartMs);
    if (share >= 1) return true;
    const credit = (this.#credit[this.#at] ?? 0) + share;
    this.#credit[this.#at] = credit >= 1 ? credit - 1 : credit;
    return credit >= 1;
  }
}

/** The part of its full share that an endpoint gets whose slow start began at `sinceS` (wall time in seconds; 0: never). */
export function slowShare(sinceS: number, nowMs: number, slowStartMs: number): number {
  return sinceS === 0 ? 1 : Math.max(0, nowMs - (sinceS >>> 0) * 1000) / slowStartMs;
}

/** A worker's requests under way, by the slot of their endpoint: over the epochs, and whichever route they came by. */
export class Outstanding {
  readonly #bySlot = new Map<number, { count: number; release: () => void }>();

  of({ slot }: Endpoint): number {
    return this.#bySlot.get(slot)?.count ?? 0;
  }

  /** One more, until `request` ends. */
  add({ slot }: Endpoint, request: RequestRecord): void {
    let open = this.#bySlot.get(slot);
    if (open === undefined) {
      const fresh = { count: 0, release: () => void (fresh.count -= 1) };
      this.#bySlot.set(slot, (open = fresh));
    }
    open.count += 1;
    request.onEnd(open.release);
  }
}

/**
 * The endpoint with the fewest requests under way, and one after the other among equals. A worker counts its own: each
 * spreads what it has, and so do all together; a count of all would have them all choose the same one at once.
 */
class LeastOutstanding implements Picker {
  readonly #outstanding: Outstanding;
  readonly #random: () => number;
  #endpoints: readonly Endpoint[] = [];
  #at = 0;

  constructor({ outstanding, random }: PickerDeps) {
    this.#outstanding = outstanding;
    this.#random = random;
  }

  among(endpoints: readonly Endpoint[]): void {
    if (this.#endpoints.length === 0) this.#at = Math.floor(this.#random() * endpoints.length);
    this.#endpoints = endpoints;
  }

  next(avoid: Endpoint | undefined): Endpoint {
    const endpoints = this.#endpoints;
    let best = -1;
    let least = Infinity;
    for (let i = 1; i <= endpoints.length; i += 1) {
      const at = (this.#at + i) % endpoints.length;
      const endpoint = endpoints[at] as Endpoint;
      const count = endpoint === avoid ? Number.MAX_SAFE_INTEGER : this.#outstanding.of(endpoint);
      if (count >= least) continue;
      least = count;
      best = at;
    }
    this.#at = best;
    return endpoints[best] as Endpoint;
  }

  taken(endpoint: Endpoint, request: RequestRecord): void {
    this.#outstanding.add(endpoint, request);
  }
}

/** Tries at a draw that respects the shares; past them the last one drawn is taken. */
const drawsMax = 64;

/** Anyone, each with the same chance but for what an anomaly has cost it. */
class WeightedRandom implements Picker {
  readonly #deps: PickerDeps;
  #endpoints: readonly Endpoint[] = [];

  constructor(deps: PickerDeps) {
    this.#deps = deps;
  }

  among(endpoints: readonly Endpoint[]): void {
    this.#endpoints = endpoints;
  }

  next(avoid: Endpoint | undefined): Endpoint {
    const { board, random } = this.#deps;
    let drawn = this.#draw();
    for (let draws = 1; draws < drawsMax; draws += 1) {
      const cut = Atomics.load(board, drawn.slot + atCut);
      if (drawn !== avoid && (cut === 0 || random() * 1000 >= cut)) break;
      drawn = this.#draw();
    }
    return drawn;
  }

  #draw(): Endpoint {
    return this.#endpoints[Math.floor(this.#deps.random() * this.#endpoints.length)] as Endpoint;
  }
}
