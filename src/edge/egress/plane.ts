/**
 * The way out in one worker: its listener, and the destinations that somebody here goes to. What a request names is
 * looked at here; from there on it is a request like any other, and goes the way of `pipeline.ts` with the policies of
 * its destination.
 */
import { randomBytes } from "node:crypto";
import { asError, Bug } from "../../base/errors.ts";
import { createAnswerer, type OwnAnswer } from "../answers.ts";
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
import { Door, type Dispatch, type DoorDeps } from "../door.ts";
import type { ClientStream, Exchange } from "../exchange.ts";
import { compileGates } from "../gates.ts";
import { field } from "../h1/fields.ts";
import { limitsOf } from "../h1/limits.ts";
import type { RequestHead } from "../h1/request.ts";
import { idMask, spanSize } from "../h1/scan.ts";
import type { UpstreamDeps } from "../pool.ts";
import type { ClusterConfig, ListenerConfig } from "../ports.ts";
import { RequestRecord } from "../record.ts";
import { compileResilience } from "../resilience/policy.ts";
import { compileRequestRewriter } from "../rewrite.ts";
import type { Rewrite } from "../rewrites.ts";
import { ContextStore } from "../tls/contexts.ts";
import { destinationOf, type Destination } from "./destination.ts";
import type { AskMessage, DestinationMessage, EgressMessage, EgressToWorker } from "./messages.ts";
import { Meter } from "./meter.ts";
import { EgressUpstream } from "./upstreams.ts";
import { WaitingExchange } from "./waiting.ts";

/**
 * What was believed for as long as it may be is asked about while requests go on by it, for so long: a busy destination
 * never stands still for that.
 */
const graceMs = 2_000;
/** Requests of one worker that wait to know the way. */
const waitingMax = 1_000;
/** Nodes of this kind that a request may pass, however they are chained. */
const hopsMax = 4;
const viaName = "mikan-egress-";

/** A name for the `Via` of one node. */
export const newViaName = () => viaName + randomBytes(6).toString("hex");

export interface EgressPlaneDeps
  extends
    Pick<CompileDeps, "health" | "onOutlier" | "outstanding" | "worker" | "replays" | "accessLogs" | "ticketSecret">,
    Pick<DoorDeps, "pressure" | "shed"> {
  plane: PlaneDeps;
  upstreams: Omit<UpstreamDeps, "meter">;
  reusePort: boolean;
  /** The pipeline. */
  handle: Dispatch;
  ask(message: AskMessage): void;
}

interface Known {
  listener: CompiledListener;
  cluster: ClusterConfig;
  /** By address. */
  upstreams: ReadonlyMap<string, EgressUpstream>;
  /** Monotonic. */
  heldUntilMs: number;
  /** Main was asked since. */
  asked: boolean;
}

export class EgressPlane {
  readonly #deps: EgressPlaneDeps;
  readonly #contexts = new ContextStore();
  readonly #seal = sealOnce(undefined);
  readonly #known = new Map<string, Known>();
  readonly #waiting = new Map<string, Set<WaitingExchange>>();
  readonly #retiring = new Set<EgressUpstream>();
  #waits = 0;
  #door: Door | undefined;
  #base: CompiledListener | undefined;
  #name = "";

  constructor(deps: EgressPlaneDeps) {
    this.#deps = deps;
  }

  /** Rejects with `PortInUse`. */
  async open({ address, port, name, counts }: EgressMessage): Promise<void> {
    const { plane, upstreams, pressure, shed } = this.#deps;
    this.#name = name;
    this.#base = this.#listenerOf({ address, port, name, counts: new Counts(counts) });
    this.#door = new Door({ ...upstreams, pressure, shed, dispatch: (_, client) => this.#dispatch(client) });
    await this.#door.open(address, port, this.#deps.reusePort, (error) =>
      plane.log("error", "the way out failed", { error }),
    );
    this.#door.run(this.#base);
  }

  receive(message: Exclude<EgressToWorker, EgressMessage>): void {
    switch (message.kind) {
      case "destinations":
        for (const destination of message.destinations) this.#learn(destination);
        break;
      case "unreachable":
        this.#unreachable(message.origin, message.status, message.message);
        break;
      case "forget":
        this.#forget(message.origin);
        break;
      default:
        throw new Bug(`no such message: ${JSON.stringify(message satisfies never)}`);
    }
  }

  get door(): Door | undefined {
    return this.#door;
  }

  /** Bytes that destinations have not taken yet. */
  get heldBytes(): number {
    let bytes = 0;
    for (const upstream of this.#allUpstreams()) bytes += upstream.heldBytes;
    return bytes;
  }

  close(): void {
    for (const upstream of this.#allUpstreams()) upstream.close();
  }

  *#allUpstreams(): Generator<EgressUpstream> {
    for (const { upstreams } of this.#known.values()) yield* upstreams.values();
    yield* this.#retiring;
  }

  #dispatch(client: ClientStream): Exchange {
    const base = this.#running();
    const { head } = client;
    const to = destinationOf(head.host, base.config.port);
    if (to === undefined) return refuse(base, client, badHost, "no-destination");
    if (cameBack(head, this.#name)) {
      return refuse(base, client, page(508, `A request to ${to.origin} came back here.`), "loop");
    }
    const known = this.#known.get(to.origin);
    const lateMs = known === undefined ? Infinity : this.#deps.plane.clock.monotonicMs() - known.heldUntilMs;
    if (known === undefined || lateMs > graceMs) return this.#wait(to, client);
    if (lateMs >= 0 && !known.asked) {
      known.asked = true;
      this.#deps.ask({ kind: "destination", destination: to });
    }
    return this.#deps.handle(known.listener, client);
  }

  #wait(to: Destination, client: ClientStream): Exchange {
    if (this.#waits >= waitingMax) {
      return refuse(this.#running(), client, page(503, "Too many requests wait to know their way."), "overloaded");
    }
    let queue = this.#waiting.get(to.origin);
    if (queue === undefined) {
      this.#waiting.set(to.origin, (queue = new Set()));
      this.#deps.ask({ kind: "destination", destination: to });
    }
    const waiting = new WaitingExchange(client, {
      left: (who) => this.#left(to.origin, who),
      late: (who) => {
        this.#left(to.origin, who);
        const late = page(504, `${to.origin}: no word of where it is`);
        who.go((waiter) => refuse(this.#running(), waiter, late, "name-timeout"));
      },
    });
    queue.add(waiting);
    this.#waits += 1;
    return waiting;
  }

  #left(origin: string, waiting: WaitingExchange): void {
    if (this.#waiting.get(origin)?.delete(waiting) === true) this.#waits -= 1;
  }

  /** Lets those go who waited for a word about `origin`. */
  #release(origin: string, dispatch: (client: ClientStream) => Exchange): void {
    const queue = this.#waiting.get(origin);
    this.#waiting.delete(origin);
    if (queue === undefined) return;
    this.#waits -= queue.size;
    for (const waiting of queue) waiting.go(dispatch);
  }

  #learn(message: DestinationMessage): void {
    const { origin } = message.destination;
    const before = this.#known.get(origin);
    try {
      const known = this.#compile(message, before);
      this.#known.set(origin, known);
      this.#retireAll(before, known);
      this.#release(origin, (client) => this.#deps.handle(known.listener, client));
    } catch (error) {
      // A certificate of a policy that OpenSSL cannot use, say: this destination's trouble, and nobody else's.
      this.#deps.plane.log("error", "a destination cannot be gone to", { origin, error: asError(error) });
      this.#forget(origin);
      this.#unreachable(origin, 502, asError(error).message);
    }
  }

  #unreachable(origin: string, status: number, message: string): void {
    const answer = page(status, `${origin}: ${message}`);
    const reason = status === 403 ? "forbidden" : "name-failed";
    this.#release(origin, (client) => refuse(this.#running(), client, answer, reason));
  }

  #forget(origin: string): void {
    const known = this.#known.get(origin);
    this.#known.delete(origin);
    this.#retireAll(known, undefined);
  }

  /** What `after` has no more goes to no new request. */
  #retireAll(before: Known | undefined, after: Known | undefined): void {
    for (const [key, upstream] of before?.upstreams ?? []) {
      if (after?.upstreams.get(key) === upstream) continue;
      upstream.retire(before?.cluster.drainMs ?? 0);
      this.#retiring.add(upstream);
    }
    for (const upstream of this.#retiring) if (upstream.empty) this.#retiring.delete(upstream);
  }

  #compile(message: DestinationMessage, before: Known | undefined): Known {
    const { destination, cluster: config, route, http2, slots, stats, permits } = message;
    const { plane, upstreams: shared } = this.#deps;
    const { clock } = plane;
    const base = this.#running();
    const meter = new Meter(message.meter, clock);
    const upstreams = new Map<string, EgressUpstream>();
    const upstream = ({ tls }: ClusterConfig, { host, port }: AddressEndpoint) => {
      const key = JSON.stringify([host, port, tls, http2]);
      const found =
        before?.upstreams.get(key) ?? new EgressUpstream({ host, port, tls, http2 }, this.#contexts, meter, shared);
      upstreams.set(key, found);
      return found;
    };
    const deps: CompileDeps = {
      ...this.#deps,
      ...plane,
      wheel: shared.wheel,
      contexts: this.#contexts,
      slots: { [config.id]: slots },
      stats: { [config.id]: stats },
      counts: {},
      turns: new SharedArrayBuffer(0),
      permits,
      epoch: base.epoch,
      upstream,
    };
    const cluster = compileCluster(config, deps, this.#seal);
    const compiled: CompiledRoute = {
      config: route,
      gates: compileGates(route, deps),
      action: { kind: "forward", choose: () => cluster },
      rewrite: readdress(destination.host),
      resilience: compileResilience(route, new Map([[config.id, cluster]]), { ...deps, random: Math.random }),
      cache: undefined,
    };
    const heldUntilMs =
      message.holdMs === undefined ? (before?.heldUntilMs ?? 0) : clock.monotonicMs() + message.holdMs;
    const listener = { ...base, counts: new Counts(message.counts), match: () => 0, routes: [compiled] };
    return { listener, cluster: config, upstreams, heldUntilMs, asked: false };
  }

  #listenerOf(parts: Pick<EgressMessage, "address" | "port" | "name"> & { counts: Counts }): CompiledListener {
    const { address, port, name, counts } = parts;
    const { plane } = this.#deps;
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
      counts,
      match: () => -1,
      routes: [],
      clients: undefined,
    };
  }

  #running(): CompiledListener {
    if (this.#base === undefined) throw new Bug("the way out is not open");
    return this.#base;
  }
}

function refuse(base: CompiledListener, client: ClientStream, answer: OwnAnswer, reason: string): Exchange {
  return new RequestRecord(base, client).answer(answer, reason);
}

/** An answer of the way out's own, in JSON as chocon has it. */
function page(status: number, message: string): OwnAnswer {
  const body = Buffer.from(JSON.stringify({ message })).toString("latin1");
  return { status, contentType: "application/json", body, lines: "" };
}

const badHost = page(
  400,
  "The host must end with .ccnproxy, .ccnproxy-https, .ccnproxy-secure or .ccnproxy-ssl, and name a destination before it.",
);

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

/** Whether a request has passed `name`, or too many of its kind (RFC 9110 section 7.6.3). */
function cameBack({ text, spans, count }: RequestHead, name: string): boolean {
  let hops = 0;
  for (let i = 0, at = 0; i < count; i += 1, at += spanSize) {
    if (((spans[at] ?? 0) & idMask) !== field.other) continue;
    if (text.slice(spans[at + 1], spans[at + 2]).toLowerCase() !== "via") continue;
    const value = text.slice(spans[at + 3], spans[at + 4]);
    if (value.includes(name)) return true;
    hops += value.split(viaName).length - 1;
  }
  return hops >= hopsMax;
}
