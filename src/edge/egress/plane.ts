/**
 * The way out in one worker: its listener, and the destinations that somebody here goes to. What a request names is
 * looked at here; from there on it is a request like any other, and goes the way of `pipeline.ts` with the policies of
 * its destination.
 */
import { asError, Bug } from "../../base/errors.ts";
import type { OwnAnswer } from "../answers.ts";
import type { CompiledListener } from "../compile.ts";
import { Door, type Dispatch, type DoorDeps } from "../door.ts";
import type { ClientStream, Exchange } from "../exchange.ts";
import { RequestRecord } from "../record.ts";
import { ContextStore } from "../tls/contexts.ts";
import { compileDestination, compileEgressListener, type DestinationDeps, type Known } from "./compile.ts";
import { destinationOf, type Destination } from "./destination.ts";
import type { AskMessage, DestinationMessage, EgressMessage, EgressToWorker } from "./messages.ts";
import type { EgressUpstream } from "./upstreams.ts";
import { cameBack } from "./via.ts";
import { WaitingExchange } from "./waiting.ts";

/**
 * What was believed for as long as it may be is asked about while requests go on by it, for so long: a busy destination
 * never stands still for that.
 */
const graceMs = 2_000;
/** Requests of one worker that wait to know the way. */
const waitingMax = 1_000;
export interface EgressPlaneDeps extends DestinationDeps, Pick<DoorDeps, "pressure" | "shed"> {
  reusePort: boolean;
  /** The pipeline. */
  handle: Dispatch;
  ask(message: AskMessage): void;
}

export class EgressPlane {
  readonly #deps: EgressPlaneDeps;
  readonly #contexts = new ContextStore();
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
  async open(message: EgressMessage): Promise<void> {
    const { address, port, name } = message;
    const { plane, upstreams, pressure, shed } = this.#deps;
    this.#name = name;
    this.#base = compileEgressListener(message, plane);
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
      const known = compileDestination(message, before, this.#running(), this.#contexts, this.#deps);
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
