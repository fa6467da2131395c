/**
 * Counts of a cluster, in memory that one worker writes and main reads. A block per worker and cluster: no worker waits
 * for another, every number has one writer, and a worker that dies leaves its counts behind.
 */
import type { ClusterConfig, ClusterStats } from "./ports.ts";

/** Why the edge answered itself, or why an exchange ended without a proper answer. */
export const edgeErrorReasons = [
  "no-endpoints",
  "connect-timeout",
  "connect-refused",
  "connect-failed",
  "reset",
  "malformed-response",
  "idle-timeout",
  "client-timeout",
  "client-closed",
  "drained",
  "truncated",
  "body-too-large",
  "bad-body",
  "function-failed",
  "function-busy",
  "worker-lost",
  "per-try-timeout",
  "request-timeout",
  /** An answer that was not passed on: the request was tried again, or fell back. */
  "retried",
  /** There were as many retries as there may be. */
  "retry-budget",
  "fell-back",
  "breaker-requests",
  "breaker-connections",
  "breaker-pending",
  "tls-failed",
  /** An HTTP/2 endpoint said that it did not look at the request. */
  "refused-stream",
  /** A client that took its answer too slowly, or not at all. */
  "client-stalled",
  /** A function's answer, where too much waits for the client on its connection. */
  "connection-full",
] as const;

export type EdgeErrorReason = (typeof edgeErrorReasons)[number];

const givenUp: ReadonlySet<string> = new Set<EdgeErrorReason>([
  "per-try-timeout",
  "request-timeout",
  "retried",
  "client-stalled",
]);

/** What is counted of an exchange that nobody waits for any more: its policies gave it up, or its client did. */
export function goneReason(why: string, refused: boolean): EdgeErrorReason {
  if (refused) return "bad-body";
  return givenUp.has(why) ? (why as EdgeErrorReason) : "client-closed";
}

const atRequests = 0;
const atActive = 1;
const atFailedOpen = 2;
const atFunctionBytes = 3;
const atStatus = 4;
const atReasons = atStatus + 4;
const atLatency = atReasons + edgeErrorReasons.length;
/** Ten buckets to a doubling, from a microsecond to 50 s: 7% wide. */
const latencyBuckets = 256;
const bucketsPerDoubling = 10;
const cells = atLatency + latencyBuckets;

const reasonIndex = Object.fromEntries(edgeErrorReasons.map((reason, index) => [reason, index])) as Record<
  EdgeErrorReason,
  number
>;

/** Memory of one worker's counts of one cluster. */
export function statsBlock(): SharedArrayBuffer {
  return new SharedArrayBuffer(cells * Float64Array.BYTES_PER_ELEMENT);
}

/** The writer's side; only the worker that owns the block may use it. */
export class StatsWriter {
  readonly #cells: Float64Array;

  constructor(block: SharedArrayBuffer) {
    this.#cells = new Float64Array(block);
  }

  begin(): void {
    this.#add(atRequests, 1);
    this.#add(atActive, 1);
  }

  /** The endpoint's status came `latencyMs` after the request was sent. */
  answered(status: number, latencyMs: number): void {
    if (status >= 200) this.#add(atStatus + Math.floor(status / 100) - 2, 1);
    const bucket = Math.floor(Math.log2(latencyMs * 1000 + 1) * bucketsPerDoubling);
    this.#add(atLatency + Math.min(latencyBuckets - 1, Math.max(0, bucket)), 1);
  }

  /** A request goes to any endpoint, because too few are healthy. */
  failedOpen(): void {
    this.#add(atFailedOpen, 1);
  }

  /** So much went to a function, or came from it. */
  functionBytes(bytes: number): void {
    this.#add(atFunctionBytes, bytes);
  }

  /** A request that no endpoint got. */
  refused(reason: EdgeErrorReason): void {
    this.#add(atRequests, 1);
    this.failed(reason);
  }

  failed(reason: EdgeErrorReason): void {
    this.#add(atReasons + reasonIndex[reason], 1);
  }

  end(): void {
    this.#add(atActive, -1);
  }

  #add(index: number, by: number): void {
    this.#cells[index] = (this.#cells[index] as number) + by;
  }
}

/** What a worker that is gone had under way failed with it. */
function failActive(block: SharedArrayBuffer): void {
  const cells = new Float64Array(block);
  const at = atReasons + reasonIndex["worker-lost"];
  cells[at] = (cells[at] as number) + (cells[atActive] as number);
  cells[atActive] = 0;
}

/** The sum over the workers' blocks; `more` are errors that main itself knows of. */
function readStats(
  clusterId: string,
  blocks: readonly SharedArrayBuffer[],
  more: ReadonlyMap<string, number> = new Map(),
): ClusterStats {
  const sums = new Float64Array(cells);
  for (const block of blocks) {
    const counts = new Float64Array(block);
    for (let i = 0; i < cells; i += 1) sums[i] = (sums[i] as number) + (counts[i] as number);
  }
  const at = (index: number) => sums[index] as number;
  const edgeErrors: Record<string, number> = Object.fromEntries(more);
  for (const [index, reason] of edgeErrorReasons.entries()) {
    if (at(atReasons + index) > 0) edgeErrors[reason] = (edgeErrors[reason] ?? 0) + at(atReasons + index);
  }
  return {
    clusterId,
    requests: at(atRequests),
    endpointStatus: [at(atStatus), at(atStatus + 1), at(atStatus + 2), at(atStatus + 3)],
    edgeErrors,
    active: at(atActive),
    failedOpen: at(atFailedOpen),
    functionBytes: at(atFunctionBytes),
    latencyMs: { p50: quantile(sums, 0.5), p99: quantile(sums, 0.99) },
  };
}

function quantile(sums: Float64Array, share: number): number {
  let total = 0;
  for (let i = 0; i < latencyBuckets; i += 1) total += sums[atLatency + i] as number;
  if (total === 0) return 0;
  let left = total * share;
  for (let i = 0; i < latencyBuckets; i += 1) {
    left -= sums[atLatency + i] as number;
    if (left <= 0) return (2 ** ((i + 1) / bucketsPerDoubling) - 1) / 1000;
  }
  return 2 ** (latencyBuckets / bucketsPerDoubling) / 1000;
}

/** The blocks of all clusters, on the main thread: one for each worker, for as long as a cluster is there. */
export class StatsLedger {
  readonly #workers: number;
  readonly #blocks = new Map<string, SharedArrayBuffer[]>();

  constructor(workers: number) {
    this.#workers = workers;
  }

  /** Makes blocks for those of `clusters` that have none. */
  make(clusters: readonly Pick<ClusterConfig, "id">[]): void {
    for (const { id } of clusters) {
      if (this.#blocks.has(id)) continue;
      this.#blocks.set(
        id,
        Array.from({ length: this.#workers }, () => statsBlock()),
      );
    }
  }

  /** Forgets all but `clusters`, and makes theirs. */
  keep(clusters: readonly Pick<ClusterConfig, "id">[]): void {
    const live = new Set(clusters.map(({ id }) => id));
    for (const id of this.#blocks.keys()) if (!live.has(id)) this.#blocks.delete(id);
    this.make(clusters);
  }

  /** Where `worker` counts of a cluster. */
  of(clusterId: string, worker: number): SharedArrayBuffer {
    return this.#blocks.get(clusterId)?.[worker] ?? statsBlock();
  }

  workerGone(worker: number): void {
    for (const blocks of this.#blocks.values()) {
      const block = blocks[worker];
      if (block !== undefined) failActive(block);
    }
  }

  /** `more` gives the errors of a cluster that main itself knows of. */
  read(more: (clusterId: string) => ReadonlyMap<string, number>): ClusterStats[] {
    return [...this.#blocks].map(([clusterId, blocks]) => readStats(clusterId, blocks, more(clusterId)));
  }
}
