/**
 * What a cluster lets in at once, over all workers: the circuit breaker's limits, and the budget that retries live on.
 * Clusters without either have no guard, and pay nothing.
 */
import { must } from "../../base/errors.ts";
import type { Endpoint } from "../cluster.ts";
import { Permits } from "../permits.ts";
import type { Admission, Lack, Upstream } from "../pool.ts";
import { breakerPool, countPool } from "../pools.ts";
import type { ClusterConfig } from "../ports.ts";
import type { RequestRecord } from "../record.ts";
import type { EdgeErrorReason } from "../stats.ts";
import { SharedCount } from "./counts.ts";

/** Envoy's defaults: envoy.config.cluster.v3.CircuitBreakers.Thresholds.RetryBudget. */
export const budgetDefault = { percent: 20, min: 3 } as const;

export interface ClusterGuard {
  /** Lets a try in; the reason when the cluster has as many as it may. What it takes comes back when the try ends. */
  enter(attempt: RequestRecord, endpoint: Endpoint): EdgeErrorReason | undefined;
  /** Lets the try open a connection; the reason when there are as many as there may be, or as many who wait for one. */
  connect(attempt: RequestRecord, upstream: Upstream): EdgeErrorReason | undefined;
  /** Likewise, lets it get what it lacks at `upstream`. */
  wait(attempt: RequestRecord, upstream: Upstream): EdgeErrorReason | undefined;
  /** Lets a retry begin: the one to call when it is over; undefined when there are as many as there may be. */
  retry(): (() => void) | undefined;
}

export interface GuardDeps {
  /** The number of this worker. */
  worker: number;
  permits: Readonly<Record<string, SharedArrayBuffer>>;
}

/** The guard of a cluster; undefined where nothing is to be guarded. */
export function compileGuard(config: ClusterConfig, { worker, permits }: GuardDeps): ClusterGuard | undefined {
  const { id, breaker, retryBudget = budgetDefault } = config;
  const memory = permits[countPool("active", id)];
  if (memory === undefined) return undefined;
  const active = new SharedCount(memory, worker);
  const retrying = new SharedCount(must(permits[countPool("retrying", id)], `the retries of cluster ${id}`), worker);
  const pool = (of: Parameters<typeof breakerPool>[0], max: number | undefined) =>
    max === undefined
      ? undefined
      : new Permits(must(permits[breakerPool(of, id)], `the permits of cluster ${id}`), worker, max);
  const requests = pool("requests", breaker?.requestsMax);
  const retries = pool("retries", breaker?.retriesMax);
  const connections = pool("connections", breaker?.connectionsMax);
  const pending = pool("pending", breaker?.pendingMax);

  const admit = (attempt: RequestRecord, upstream: Upstream, lack: Lack): EdgeErrorReason | undefined => {
    if (connections === undefined || pending === undefined || lack === "nothing") return undefined;
    const connection = lack === "connection" ? connections.take() : undefined;
    if (connection === -1) return "breaker-connections";
    const waiting = pending.take();
    if (waiting < 0) {
      if (connection !== undefined) connections.give(connection);
      return "breaker-pending";
    }
    const admission = admissionOf(
      () => pending.give(waiting),
      () => {
        if (connection !== undefined) connections.give(connection);
      },
    );
    upstream.admit(admission);
    attempt.onEnd(() => {
      if (!admission.used) admission.gone();
    });
    return undefined;
  };
  const connect: ClusterGuard["connect"] = (attempt, upstream) => admit(attempt, upstream, "connection");
  const wait: ClusterGuard["wait"] = (attempt, upstream) => admit(attempt, upstream, upstream.lack);

  return {
    connect,
    wait,
    enter(attempt, endpoint) {
      if (endpoint.kind === "address") {
        // A tunnel has a connection of its own.
        const { upstream } = endpoint;
        const full =
          attempt.head.upgrade === undefined ? wait(attempt, upstream) : connect(attempt, upstream.tunnels ?? upstream);
        if (full !== undefined) return full;
      }
      if (requests !== undefined) {
        const permit = requests.take();
        if (permit < 0) return "breaker-requests";
        attempt.onEnd(() => requests.give(permit));
      }
      active.add(1);
      attempt.onEnd(() => active.add(-1));
      return undefined;
    },
    retry() {
      // Added before it is looked at: two workers that ask at once never both get the last one.
      retrying.add(1);
      const allowed = Math.max(retryBudget.min, Math.floor((active.total * retryBudget.percent) / 100));
      const permit = retrying.total > allowed ? -1 : (retries?.take() ?? 0);
      if (permit < 0) {
        retrying.add(-1);
        return undefined;
      }
      return () => {
        retrying.add(-1);
        retries?.give(permit);
      };
    },
  };
}

/** An admission whose permits each come back once: of the wait when that is over, of both when the connection is gone. */
function admissionOf(endWait: () => void, end: () => void): Admission {
  let waits = true;
  let counts = true;
  const stands = () => {
    if (waits) endWait();
    waits = false;
  };
  return {
    used: false,
    stands,
    gone() {
      stands();
      if (counts) end();
      counts = false;
    },
  };
}
