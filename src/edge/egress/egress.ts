/**
 * The way out: a forward proxy that speaks plain HTTP to callers on this machine and keeps connections, with TLS, to
 * where their requests go (the pattern of `chocon`: many short-lived callers, one set of warm connections). Main's side:
 * the edge's workers run it, main knows the ways.
 */
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../telemetry/log.ts";
import type { ClusterStats, EdgeConfig } from "../ports.ts";
import type { Destination } from "./destination.ts";
import { Directory, withWays, type DirectoryDeps, type Listener, type Way } from "./directory.ts";
import { EgressLedger } from "./ledger.ts";
import type { DestinationMessage, EgressMessage, EgressToWorker } from "./messages.ts";
import { createNames, type Resolve } from "./names.ts";
import { createLearnProtocol } from "./protocol.ts";
import { compileRules } from "./rules.ts";
import type { EgressPolicy, EgressSettings, EgressSummary } from "./settings.ts";
import { newViaName } from "./via.ts";

export interface EgressDeps extends Pick<DirectoryDeps, "exclusively" | "listeners"> {
  clock: Clock;
  log: Log;
  workers: number;
  /** Those in force. */
  policies(): readonly EgressPolicy[] | undefined;
  /** Main is to watch the destinations that there are now. */
  changed(): void;
  /** The shared memory of a cluster that main watches. */
  sharedOf(
    config: EdgeConfig,
    clusterId: string,
    worker: number,
  ): Pick<DestinationMessage, "slots" | "stats" | "permits">;
  /** For tests. */
  resolve?: Resolve;
}

export interface Egress {
  /** What opens it in `worker`. */
  messageFor(round: number, worker: number): EgressMessage;
  /** `config` with the destinations that there are, under its policies. */
  within(config: EdgeConfig): EdgeConfig;
  ask(who: Listener, destination: Destination): void;
  /** What `worker` is told when policies have changed. */
  policiesFor(round: number, worker: number): Extract<EgressToWorker, { kind: "destinations" }>;
  workerGone(worker: number): void;
  report(stats: readonly ClusterStats[]): EgressSummary;
  close(): void;
}

const nothing: EdgeConfig = { epoch: 0, listeners: [], clusters: [] };
const none: readonly EgressPolicy[] = [];
/** Whose the requests are that came to the listener and named no destination. */
const listenerId = "egress";

const unknown = { protocol: "HTTP/1.1", addresses: 0, edgeErrors: {} } as const;

/** @param port the one to listen on. Throws a RangeError for a list that cannot be read. */
export function createEgress(settings: EgressSettings, port: number, deps: EgressDeps): Egress {
  const { clock, log, workers } = deps;
  const { address = "127.0.0.1" } = settings;
  const ledger = new EgressLedger(workers);
  const own = new EgressLedger(workers);
  const name = newViaName();
  const directory = new Directory({
    ...deps,
    policies: () => deps.policies() ?? none,
    settings,
    names: createNames({ clock, ...(deps.resolve === undefined ? {} : { resolve: deps.resolve }) }),
    rules: compileRules(settings),
    learn: createLearnProtocol(clock),
    memoryOf: (way: Way, worker) => ({
      ...deps.sharedOf(withWays(nothing, [way]), way.cluster.id, worker),
      ...ledger.of(way.cluster.id, worker),
    }),
  });
  log.info("the way out is open", { address, port });
  return {
    messageFor: (round, worker) => {
      const { counts } = own.of(listenerId, worker);
      return { kind: "egress", round, address, port, name, counts };
    },
    within: (config) => withWays(config, directory.ways(config.egress ?? none)),
    ask: (who, destination) => void directory.ask(who, destination),
    policiesFor: (round, worker) => ({ kind: "destinations", round, destinations: directory.all(worker) }),
    workerGone(worker) {
      directory.workerGone(worker);
      ledger.workerGone(worker);
    },
    report(stats) {
      const errors = new Map(stats.map(({ clusterId, edgeErrors }) => [clusterId, edgeErrors]));
      const destinations = ledger.report((origin) => {
        const resident = directory.resident(origin);
        return {
          protocol: resident?.http2 === true ? "HTTP/2" : "HTTP/1.1",
          addresses: resident?.addresses.length ?? 0,
          edgeErrors: errors.get(origin) ?? {},
        };
      });
      return { address, port, ownAnswers: own.report(() => unknown)[0]?.ownAnswers ?? {}, destinations };
    },
    close: () => directory.close(),
  };
}
