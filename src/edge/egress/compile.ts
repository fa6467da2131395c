/** The way out made ready to run in one worker: its listener, and a destination as a listener of one route. */
import { createAnswerer } from "../answers.ts";
import { sealOnce } from "../balance/seal.ts";
import {
  compileCluster,
  Epoch,
  type AddressEndpoint,
  type CompileDeps,
  type CompiledListener,
  type CompiledRoute,
  type PlaneDeps,
} from "../compile.ts";
import { Counts } from "../counts.ts";
import { compileGates } from "../gates.ts";
import { limitsOf } from "../h1/limits.ts";
import type { UpstreamDeps } from "../pool.ts";
import type { ClusterConfig, ListenerConfig } from "../ports.ts";
import { compileResilience } from "../resilience/policy.ts";
import { compileRequestRewriter } from "../rewrite.ts";
import type { Rewrite } from "../rewrites.ts";
import type { ContextStore } from "../tls/contexts.ts";
import type { DestinationMessage, EgressMessage } from "./messages.ts";
import { Meter } from "./meter.ts";
import { EgressUpstream } from "./upstreams.ts";

/** A destination as one worker runs it. */
export interface Known {
  listener: CompiledListener;
  cluster: ClusterConfig;
  /** By address, and how it is spoken to. */
  upstreams: ReadonlyMap<string, EgressUpstream>;
  /** Monotonic. */
  heldUntilMs: number;
  /** Main was asked since. */
  asked: boolean;
}

export interface DestinationDeps extends Pick<
  CompileDeps,
  "health" | "onOutlier" | "outstanding" | "worker" | "replays" | "accessLogs" | "ticketSecret"
> {
  plane: PlaneDeps;
  upstreams: Omit<UpstreamDeps, "meter">;
}

/** No destination has sticky clients. */
const noSeal = sealOnce(undefined);

/** What requests run on before their destination is known; `message.counts` are of those that never have one. */
export function compileEgressListener(
  { address, port, name, counts }: EgressMessage,
  plane: PlaneDeps,
): CompiledListener {
  const limits = limitsOf("egress");
  const config: ListenerConfig = {
    id: "egress",
    address,
    port,
    routes: [],
    forwarded: { xff: "preserve", preserveHost: true, dropInvalidNames: false },
    serverName: "",
    idleTimeoutMs: limits.idleTimeoutMs,
    keepAliveTimeoutMs: limits.keepAliveTimeoutMs,
  };
  return {
    config,
    plane,
    epoch: new Epoch(0, () => {}),
    limits,
    answerer: createAnswerer(undefined, plane.dateText),
    rewriter: compileRequestRewriter({ ...config, scheme: "http", newTraceId: plane.newTraceId, via: name }),
    tls: undefined,
    accessLog: undefined,
    counts: new Counts(counts),
    match: () => -1,
    routes: [],
    clients: undefined,
  };
}

/** @param before The same destination as it was: connections to what stays are kept. */
export function compileDestination(
  message: DestinationMessage,
  before: Known | undefined,
  base: CompiledListener,
  contexts: ContextStore,
  deps: DestinationDeps,
): Known {
  const { destination, cluster: config, route, http2, slots, stats, permits } = message;
  const { plane, upstreams: shared } = deps;
  const nowMs = plane.clock.monotonicMs();
  const meter = new Meter(message.meter, plane.clock);
  const upstreams = new Map<string, EgressUpstream>();
  const upstream = ({ tls }: ClusterConfig, { host, port }: AddressEndpoint) => {
    const key = JSON.stringify([host, port, tls, http2]);
    const found = before?.upstreams.get(key) ?? new EgressUpstream({ host, port, tls, http2 }, contexts, meter, shared);
    upstreams.set(key, found);
    return found;
  };
  const parts: CompileDeps = {
    ...deps,
    ...plane,
    wheel: shared.wheel,
    contexts,
    slots: { [config.id]: slots },
    stats: { [config.id]: stats },
    counts: {},
    turns: new SharedArrayBuffer(0),
    permits,
    epoch: base.epoch,
    upstream,
  };
  const cluster = compileCluster(config, parts, noSeal);
  const compiled: CompiledRoute = {
    config: route,
    gates: compileGates(route, parts),
    action: { kind: "forward", choose: () => cluster },
    rewrite: readdress(destination.host),
    resilience: compileResilience(route, new Map([[config.id, cluster]]), { ...parts, random: Math.random }),
    cache: undefined,
  };
  return {
    listener: { ...base, counts: new Counts(message.counts), match: () => 0, routes: [compiled] },
    cluster: config,
    upstreams,
    heldUntilMs: message.holdMs === undefined ? (before?.heldUntilMs ?? 0) : nowMs + message.holdMs,
    asked: false,
  };
}

/** The destination is addressed as itself. */
function readdress(host: string): Rewrite {
  return (request) => {
    const { head } = request;
    request.sent = { target: head.target, host: head.hostText };
    head.hostText = host;
    head.host = host;
    return true;
  };
}
