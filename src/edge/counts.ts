/**
 * Counts of a load balancer, in memory that one worker writes and main reads, as those of clusters (`stats.ts`): what
 * happened before a target was chosen, and what the edge answered itself, are here alone.
 */
import type { EdgeConfig, ListenerConfig, LoadBalancerStats } from "./ports.ts";

const names = [
  /** Requests for which an endpoint was chosen. */
  "requests",
  "grpcRequests",
  "ipv6Requests",
  "connections",
  "activeConnections",
  "connectionsRejected",
  "handshakesFailed",
  "receivedBytes",
  "sentBytes",
  /** Rules that were looked at, the default rule not among them. */
  "rulesEvaluated",
  "fixedResponses",
  "redirects",
  /** Requests that are not compliant, whatever became of them. */
  "desyncRequests",
  /** Of stream listeners: who ended a connection with a reset. */
  "resetsByClient",
  "resetsByEndpoint",
  "resetsByEdge",
  /** Connections for which there was no endpoint, and those that went to one though none was healthy. */
  "connectionsUnrouted",
  /** Those that found no local port to reach their endpoint from. */
  "portsExhausted",
  /** Of stream listeners with TLS, as above; in `connections` and the bytes of all they are too. */
  "tlsConnections",
  "activeTlsConnections",
  "tlsBytes",
  /** Requests with a field whose name has other characters than `-A-Za-z0-9`, by what became of it. */
  "invalidFieldsDropped",
  "invalidFieldsForwarded",
  /** Requests to a cluster whose clients stick, that were given an endpoint anew. */
  "nonStickyRequests",
  /** Redirects that were not sent, because their URL is longer than it may be. */
  "redirectsTooLong",
  /** Requests answered from a response cache, fresh and stale; those it had nothing for; and what proved still right. */
  "cacheHits",
  "cacheStale",
  "cacheMisses",
  "cacheRevalidated",
  /** Those that waited for another one to bring what they wanted. */
  "cacheWaits",
] as const;

export type CountName = (typeof names)[number];

const indexes = Object.fromEntries(names.map((name, index) => [name, index])) as Record<CountName, number>;
/** Answers of the edge's own, by status: 300-599. */
const statusFirst = 300;
const statusLast = 599;
const atStatus = names.length;
const cells = atStatus + statusLast - statusFirst + 1;

/** Memory of one worker's counts of one load balancer. */
export function countsBlock(): SharedArrayBuffer {
  return new SharedArrayBuffer(cells * Float64Array.BYTES_PER_ELEMENT);
}

/** The writer's side; only the worker that owns the block may use it. */
export class Counts {
  readonly #cells: Float64Array;

  constructor(block: SharedArrayBuffer) {
    this.#cells = new Float64Array(block);
  }

  add(name: CountName, by: number): void {
    this.#add(indexes[name], by);
  }

  /** A request has a route, for which so many rules were looked at. Of every request, so by no name. */
  routed(rules: number): void {
    this.#add(indexes.rulesEvaluated, rules);
  }

  /** A request that had an endpoint is over. */
  forwarded(): void {
    this.#add(indexes.requests, 1);
  }

  /** An answer that no endpoint made. */
  answered(status: number): void {
    if (status >= statusFirst && status <= statusLast) this.#add(atStatus + status - statusFirst, 1);
  }

  /** A request and its answer are over. */
  moved(receivedBytes: number, sentBytes: number): void {
    this.#add(indexes.receivedBytes, receivedBytes);
    this.#add(indexes.sentBytes, sentBytes);
  }

  #add(index: number, by: number): void {
    this.#cells[index] = (this.#cells[index] as number) + by;
  }
}

/** What a worker that is gone had open is open no more. */
function clearOpen(block: SharedArrayBuffer): void {
  const counts = new Float64Array(block);
  counts[indexes.activeConnections] = 0;
  counts[indexes.activeTlsConnections] = 0;
}

/** The sum over the workers' blocks. */
export function readCounts(loadBalancerId: string, blocks: readonly SharedArrayBuffer[]): LoadBalancerStats {
  const sums = new Float64Array(cells);
  for (const block of blocks) {
    const counts = new Float64Array(block);
    for (let i = 0; i < cells; i += 1) sums[i] = (sums[i] as number) + (counts[i] as number);
  }
  const counts = Object.fromEntries(names.map((name, index) => [name, sums[index] as number])) as Record<
    CountName,
    number
  >;
  const ownAnswers: Record<string, number> = {};
  for (let status = statusFirst; status <= statusLast; status += 1) {
    const count = sums[atStatus + status - statusFirst] as number;
    if (count > 0) ownAnswers[status] = count;
  }
  return { loadBalancerId, ...counts, ownAnswers };
}

/** The blocks of all load balancers, on the main thread: one for each worker, for as long as a listener needs them. */
export class Ledger {
  readonly #workers: number;
  readonly #blocks = new Map<string, SharedArrayBuffer[]>();

  constructor(workers: number) {
    this.#workers = workers;
  }

  /** The blocks of one worker, for the owners of `listeners`; made where there are none. */
  of(owners: readonly string[], worker: number): Record<string, SharedArrayBuffer> {
    return Object.fromEntries(
      owners.map((owner) => {
        let blocks = this.#blocks.get(owner);
        if (blocks === undefined) {
          blocks = Array.from({ length: this.#workers }, () => countsBlock());
          this.#blocks.set(owner, blocks);
        }
        return [owner, blocks[worker] ?? countsBlock()];
      }),
    );
  }

  /** Forgets all but `owners`. */
  keep(owners: readonly string[]): void {
    const live = new Set(owners);
    for (const owner of this.#blocks.keys()) if (!live.has(owner)) this.#blocks.delete(owner);
  }

  workerGone(worker: number): void {
    for (const blocks of this.#blocks.values()) {
      const block = blocks[worker];
      if (block !== undefined) clearOpen(block);
    }
  }

  read(): LoadBalancerStats[] {
    return [...this.#blocks].map(([owner, blocks]) => readCounts(owner, blocks));
  }
}

/** Who owns the listeners of a configuration. */
export function ownersOf({ listeners, streamListeners = [] }: EdgeConfig): string[] {
  return [...new Set([...listeners.map(ownerOf), ...streamListeners.map(({ loadBalancerId }) => loadBalancerId)])];
}

/** Whose requests a listener's are. */
export function ownerOf({ id, loadBalancerId = id }: Pick<ListenerConfig, "id" | "loadBalancerId">): string {
  return loadBalancerId;
}
