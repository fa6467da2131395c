/** A configuration made ready to run in one worker: every decision that a request does not change is made here. */
import { must } from "../base/errors.ts";
import type { LogFields, LogLevel } from "../telemetry/log.ts";
import type { Clock } from "../base/clock.ts";
import type { Batches } from "./access-log/batches.ts";
import { AccessLog } from "./access-log/recorder.ts";
import { compileAnswer, createAnswerer, type Answerer, type OwnAnswer } from "./answers.ts";
import { compileChoice, type Choice, type ChoiceDeps } from "./balance/choice.ts";
import type { Outstanding } from "./balance/pickers.ts";
import { sealOnce, type Seal } from "./balance/seal.ts";
import { compileStickiness } from "./balance/stickiness.ts";
import { compileTurns } from "./balance/turns.ts";
import { RouteCache } from "./cache/cache.ts";
import { Cluster, type Endpoint } from "./cluster.ts";
import { compileClientGuard, clientRate, type ClientGuard } from "./clients/guard.ts";
import { compileGates, rateGate } from "./gates.ts";
import { Counts, ownerOf } from "./counts.ts";
import { limitsOf, type H1Limits } from "./h1/limits.ts";
import { Outcomes, type OutcomesParts } from "./outcomes.ts";
import { compileRoutes, type Subject } from "./match.ts";
import type { Upstream } from "./pool.ts";
import type { ClusterConfig, EdgeConfig, EndpointConfig, ListenerConfig, RouteConfig } from "./ports.ts";
import type { RequestRecord } from "./record.ts";
import { compileGuard } from "./resilience/guard.ts";
import { compileResilience, type Resilience } from "./resilience/policy.ts";
import type { ReplayMemory } from "./resilience/replay.ts";
import { compileRequestRewriter, type RequestRewriter } from "./rewrite.ts";
import { compileRewrites, type Rewrite } from "./rewrites.ts";
import { compileSetFields, type SetFields } from "./response-fields.ts";
import { StatsWriter } from "./stats.ts";
import { TlsAcceptor } from "./tls/acceptor.ts";
import type { ContextStore } from "./tls/contexts.ts";
import type { Wheel } from "./wheel.ts";

/** What a worker has for all its listeners and exchanges. */
export interface PlaneDeps {
  clock: Clock;
  dateText(): string;
  newTraceId(): string;
  log(level: LogLevel, message: string, fields: LogFields): void;
}

/** One generation of the routing, and the requests that run on it. */
export class Epoch {
  readonly number: number;
  active = 0;
  readonly #onRetired: (epoch: number) => void;
  #superseded = false;

  constructor(number: number, onRetired: (epoch: number) => void) {
    this.number = number;
    this.#onRetired = onRetired;
  }

  /** A request that began with it has ended. */
  end(): void {
    this.active -= 1;
    if (this.#superseded && this.active === 0) this.#onRetired(this.number);
  }

  /** No further request begins with it. */
  supersede(): void {
    this.#superseded = true;
    if (this.active === 0) this.#onRetired(this.number);
  }
}

/** What a request must pass before it is answered; gives the refusal of one that may not. */
export type Gate = (request: RequestRecord) => GateRefusal | undefined;

export interface GateRefusal {
  answer: OwnAnswer;
  /** For the logs and the counts. */
  reason: string;
}

export type CompiledAction =
  | { kind: "forward"; choose: Choice }
  | { kind: "answer"; answer: (subject: Subject) => OwnAnswer | undefined };

export interface CompiledRoute {
  readonly config: RouteConfig;
  /** In the order they are asked. */
  readonly gates: readonly Gate[];
  readonly action: CompiledAction;
  readonly rewrite?: Rewrite;
  /** What happens to a request beside being forwarded; undefined where nothing does. */
  readonly resilience: Resilience | undefined;
  /** Answers that it keeps; they go with the epoch. */
  readonly cache: RouteCache | undefined;
}

export interface CompiledListener {
  readonly config: ListenerConfig;
  readonly plane: PlaneDeps;
  readonly epoch: Epoch;
  readonly limits: H1Limits;
  /** `Server` of what the edge says itself. */
  readonly serverName?: string;
  readonly setFields?: SetFields;
  readonly answerer: Answerer;
  readonly rewriter: RequestRewriter;
  /** Shakes hands with who comes; undefined in clear text. */
  readonly tls: TlsAcceptor | undefined;
  readonly accessLog: AccessLog | undefined;
  readonly counts: Counts;
  /** Index into {@link routes}, or -1. */
  readonly match: (subject: Subject) => number;
  readonly routes: readonly CompiledRoute[];
  /** Of how many connections a client may have. */
  readonly clients: ClientGuard | undefined;
}

export interface CompileDeps extends PlaneDeps {
  wheel: Wheel;
  /** Bodies kept to be sent again. */
  replays: ReplayMemory;
  accessLogs: Batches;
  contexts: ContextStore;
  ticketSecret: Uint8Array;
  health: Int32Array;
  slots: Readonly<Record<string, readonly number[]>>;
  stats: Readonly<Record<string, SharedArrayBuffer>>;
  /** Tells main of an endpoint whose requests fail. */
  onOutlier: OutcomesParts["report"];
  counts: Readonly<Record<string, SharedArrayBuffer>>;
  outstanding: Outstanding;
  /** See `balance/turns.ts`. */
  turns: SharedArrayBuffer;
  /** The number of this worker. */
  worker: number;
  permits: Readonly<Record<string, SharedArrayBuffer>>;
  epoch: Epoch;
  /** The endpoint's connections, kept over the epochs. */
  upstream(cluster: ClusterConfig, endpoint: AddressEndpoint): Upstream;
}

export type AddressEndpoint = Extract<EndpointConfig, { kind: "address" }>;

/** The listeners of `config`, by `address:port`. Throws for a configuration that names what it does not hold. */
export function compileConfig(config: EdgeConfig, deps: CompileDeps): Map<string, CompiledListener> {
  const seal = sealOnce(config.cookieSecret);
  const clusters = new Map(config.clusters.map((cluster) => [cluster.id, compileCluster(cluster, deps, seal)]));
  const choices: ChoiceDeps = { clusters, turnOf: compileTurns(config, deps.turns), seal };
  return new Map(config.listeners.map((listener) => [placeOf(listener), compileListener(listener, choices, deps)]));
}

/** What a socket is known by: a listener that takes over another's address takes over its socket. */
export function placeOf({ address, port }: { address: string; port: number }): string {
  return `${address}:${port}`;
}

export function compileCluster(config: ClusterConfig, deps: CompileDeps, seal: () => Seal): Cluster {
  const slots = must(deps.slots[config.id], `the slots of cluster ${config.id}`);
  const endpoints = config.endpoints.map((endpoint, index): Endpoint => {
    const slot = must(slots[index], `the slot of endpoint ${endpoint.id}`);
    const watched = watchOutcomes(config, slot, deps);
    if (endpoint.kind === "function") return { ...endpoint, slot, ...watched };
    return {
      kind: "address",
      id: endpoint.id,
      slot,
      ...watched,
      upstream: deps.upstream(config, endpoint),
    };
  });
  return new Cluster({
    config,
    endpoints,
    board: deps.health,
    clock: deps.clock,
    outstanding: deps.outstanding,
    random: Math.random,
    stats: new StatsWriter(must(deps.stats[config.id], `the counts of cluster ${config.id}`)),
    stickiness: compileStickiness(config, seal),
    guard: compileGuard(config, deps),
  });
}

/** Counts how requests end, for those clusters whose endpoints are judged by it. */
function watchOutcomes({ outlier: policy, balance }: ClusterConfig, slot: number, deps: CompileDeps) {
  if (policy === undefined && balance !== "weighted-random") return {};
  return { outcomes: new Outcomes({ board: deps.health, slot, policy, report: deps.onOutlier }) };
}

function compileListener(config: ListenerConfig, choices: ChoiceDeps, deps: CompileDeps): CompiledListener {
  const { clock, dateText, newTraceId, log, epoch } = deps;
  const serverName = config.response?.hideServer === true ? undefined : config.serverName;
  const setFields = compileSetFields(config.response);
  const rate = clientRate(config);
  const clientGates = rate === undefined ? [] : [rateGate(rate, deps)];
  return {
    config,
    plane: { clock, dateText, newTraceId, log },
    epoch,
    limits: limitsOf("public", {
      idleTimeoutMs: config.idleTimeoutMs,
      // ALB: no data before the idle timeout is over is a 408.
      headTimeoutMs: Math.min(config.idleTimeoutMs, 60_000),
      keepAliveTimeoutMs: config.keepAliveTimeoutMs,
    }),
    ...(serverName === undefined ? {} : { serverName }),
    ...(setFields === undefined ? {} : { setFields }),
    answerer: createAnswerer(serverName, dateText, setFields?.lines),
    rewriter: compileRequestRewriter({
      forwarded: config.forwarded,
      scheme: schemeOf(config),
      port: config.port,
      address: config.address,
      newTraceId,
    }),
    tls:
      config.tls === undefined
        ? undefined
        : new TlsAcceptor(config, config.tls, { clock, contexts: deps.contexts, ticketSecret: deps.ticketSecret }),
    accessLog:
      config.accessLog === true ? new AccessLog(config, { clock, newTraceId, batches: deps.accessLogs }) : undefined,
    clients: compileClientGuard(config, deps),
    counts: new Counts(must(deps.counts[ownerOf(config)], `the counts of ${ownerOf(config)}`)),
    match: compileRoutes(config.routes),
    routes: config.routes.map((route) => ({
      config: route,
      gates: [...clientGates, ...compileGates(route, deps)],
      ...(route.rewrites === undefined ? {} : { rewrite: compileRewrites(route.rewrites) }),
      action: compileAction(route, config, choices),
      cache: route.policy?.cache === undefined ? undefined : new RouteCache(route.policy.cache, deps),
      resilience: compileResilience(route, choices.clusters, { ...deps, random: Math.random }),
    })),
  };
}

function schemeOf({ tls }: ListenerConfig): "http" | "https" {
  return tls === undefined ? "http" : "https";
}

function compileAction(route: RouteConfig, listener: ListenerConfig, choices: ChoiceDeps): CompiledAction {
  const { action } = route;
  if (action.kind !== "forward")
    return { kind: "answer", answer: compileAnswer(action, schemeOf(listener), listener.port) };
  return { kind: "forward", choose: compileChoice(route, action, choices) };
}
