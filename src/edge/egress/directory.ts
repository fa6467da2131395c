/**
 * The destinations of the way out, on the main thread: how to get there, under which policies, and who is told. They are
 * made as workers ask for them; the one nobody has asked for longest makes room.
 */
import type { Clock } from "../../base/clock.ts";
import { asError } from "../../base/errors.ts";
import type { Log } from "../../telemetry/log.ts";
import type { ClusterConfig, EdgeConfig, RouteConfig } from "../ports.ts";
import type { Destination } from "./destination.ts";
import type { DestinationMessage, EgressToWorker } from "./messages.ts";
import type { Names } from "./names.ts";
import { policyTable, type PolicyOf } from "./policies.ts";
import type { LearnProtocol } from "./protocol.ts";
import { Forbidden, type Address, type Rules } from "./rules.ts";
import type { EgressPolicy, EgressSettings } from "./settings.ts";

/** Destinations at once. */
export const destinationsMax = 256;
/** That are asked about at once. */
const askedMax = 256;
/** A worker believes main at most this long: that tells main who is gone to, too. */
const holdMsMax = 60_000;
/** What a destination was found to speak is asked again, while somebody goes there; sooner where it may have stopped. */
const http1MsMax = 5 * 60_000;
const http2MsMax = 60_000;

export interface Resident {
  readonly destination: Destination;
  addresses: readonly Address[];
  http2: boolean;
  /** Monotonic; -Infinity before it was asked. */
  learntMs: number;
  /** Numbers of the workers that know of it. */
  readonly holders: Set<number>;
  /** As it was made last, of these. */
  made?: { policies: readonly EgressPolicy[]; addresses: readonly Address[]; way: Way };
}

/** A destination as main and workers run it. */
export interface Way {
  cluster: ClusterConfig;
  route: RouteConfig;
}

/** Somebody who asks, or is told. */
export interface Listener {
  readonly index: number;
  post(message: EgressToWorker): void;
}

export interface DirectoryDeps {
  clock: Clock;
  log: Log;
  settings: EgressSettings;
  names: Names;
  rules: Rules;
  learn: LearnProtocol;
  /** Runs `change` while no configuration is being applied. */
  exclusively(change: () => void): Promise<void>;
  /** The residents have changed: main watches them, and those that are gone no more. */
  changed(): void;
  /** The shared memory of a destination. */
  memoryOf(way: Way, worker: number): Pick<DestinationMessage, "slots" | "stats" | "counts" | "meter" | "permits">;
  listeners(): readonly Listener[];
  policies(): readonly EgressPolicy[];
}

/** Not the destination's fault. */
class Busy extends Error {
  override readonly name = "Busy";
}

export class Directory {
  readonly #deps: DirectoryDeps;
  /** The one that was asked for last is last. */
  readonly #residents = new Map<string, Resident>();
  #asked = 0;
  #closed = false;

  constructor(deps: DirectoryDeps) {
    this.#deps = deps;
  }

  /** Tells a worker the way to `destination`, or that there is none. Never rejects. */
  async ask(who: Listener, destination: Destination): Promise<void> {
    const { origin, hostname } = destination;
    const { names, rules, log } = this.#deps;
    try {
      if (this.#asked >= askedMax) throw new Busy("too many destinations are asked about at once");
      rules.checkName(hostname);
      this.#asked += 1;
      const found = await names.find(hostname).finally(() => (this.#asked -= 1));
      const addresses = rules.permitted(hostname, found.addresses);
      await this.#deps.exclusively(() => {
        if (this.#closed) throw new Busy("the node is stopping");
        const resident = this.#admit(destination, addresses);
        resident.holders.add(who.index);
        const holdMs = Math.min(holdMsMax, found.freshMs);
        who.post({ kind: "destinations", destinations: [this.#messageFor(resident, who.index, holdMs)] });
        this.#learn(resident).catch((error: unknown) => log.error("a destination was not asked", { origin, error }));
      });
    } catch (error) {
      const { message } = asError(error);
      const status = error instanceof Forbidden ? 403 : error instanceof Busy ? 503 : 502;
      log.info("a request did not get out", { origin, status, reason: message });
      who.post({ kind: "unreachable", origin, status, message });
    }
  }

  /** How each destination is gone to, under the policies of `config`. */
  ways(policies: readonly EgressPolicy[]): Way[] {
    let policyOf: PolicyOf | undefined;
    const table: PolicyOf = (destination) => (policyOf ??= policyTable(policies))(destination);
    return Array.from(this.#residents.values(), (resident) => this.#wayOf(resident, policies, table));
  }

  /** What `worker` is to know when policies have changed. */
  all(worker: number): DestinationMessage[] {
    return [...this.#residents.values()]
      .filter(({ holders }) => holders.has(worker))
      .map((resident) => this.#messageFor(resident, worker));
  }

  resident(origin: string): Resident | undefined {
    return this.#residents.get(origin);
  }

  workerGone(index: number): void {
    for (const { holders } of this.#residents.values()) holders.delete(index);
  }

  close(): void {
    this.#closed = true;
  }

  #admit(destination: Destination, addresses: readonly Address[]): Resident {
    const { origin } = destination;
    const known = this.#residents.get(origin);
    const resident = known ?? { destination, addresses, http2: false, learntMs: -Infinity, holders: new Set() };
    this.#residents.delete(origin);
    this.#residents.set(origin, resident);
    if (known !== undefined && sameAddresses(known.addresses, addresses)) return known;
    const before = resident.addresses;
    resident.addresses = addresses;
    const evicted = this.#makeRoom();
    try {
      this.#deps.changed();
    } catch (error) {
      // No slot is left for so many addresses.
      if (known === undefined) this.#residents.delete(origin);
      else resident.addresses = before;
      this.#deps.changed();
      throw error;
    } finally {
      for (const gone of evicted) this.#tell(gone, { kind: "forget", origin: gone.destination.origin });
    }
    if (known !== undefined) this.#tellAgain(resident);
    return resident;
  }

  #makeRoom(): Resident[] {
    const evicted: Resident[] = [];
    for (const [origin, resident] of this.#residents) {
      if (this.#residents.size <= destinationsMax) break;
      this.#residents.delete(origin);
      evicted.push(resident);
    }
    return evicted;
  }

  /** Asks what the destination speaks, where that is not known or not known for sure. */
  async #learn(resident: Resident): Promise<void> {
    const { clock, settings, learn, exclusively } = this.#deps;
    const { destination, learntMs, addresses } = resident;
    const [first] = addresses;
    if (destination.scheme !== "https" || settings.http2 === false || first === undefined) return;
    const nowMs = clock.monotonicMs();
    if (nowMs - learntMs < (resident.http2 ? http2MsMax : http1MsMax)) return;
    resident.learntMs = nowMs;
    const http2 = (await learn(first.address, destination.port, destination.hostname)) === "http2";
    await exclusively(() => {
      if (resident.http2 === http2 || this.#residents.get(destination.origin) !== resident) return;
      resident.http2 = http2;
      this.#tellAgain(resident);
    });
  }

  /** Whoever knows of it is told how it is now. */
  #tellAgain(resident: Resident): void {
    for (const { index, post } of this.#deps.listeners()) {
      if (!resident.holders.has(index)) continue;
      post({ kind: "destinations", destinations: [this.#messageFor(resident, index)] });
    }
  }

  #tell({ holders }: Resident, message: EgressToWorker): void {
    for (const { index, post } of this.#deps.listeners()) if (holders.has(index)) post(message);
  }

  #messageFor(resident: Resident, worker: number, holdMs?: number): DestinationMessage {
    const policies = this.#deps.policies();
    const way = this.#wayOf(resident, policies, (destination) => policyTable(policies)(destination));
    const { destination, http2 } = resident;
    const memory = this.#deps.memoryOf(way, worker);
    return { destination, ...way, http2, ...(holdMs === undefined ? {} : { holdMs }), ...memory };
  }

  /** The same object while it is the same way: who watches hundreds need not compare them. */
  #wayOf(resident: Resident, policies: readonly EgressPolicy[], policyOf: PolicyOf): Way {
    const { addresses, made } = resident;
    if (made?.policies === policies && made.addresses === addresses) return made.way;
    const way = wayOf(resident, this.#deps.settings, policyOf);
    resident.made = { policies, addresses, way };
    return way;
  }
}

function sameAddresses(a: readonly Address[], b: readonly Address[]): boolean {
  return a.length === b.length && a.every(({ address }, i) => address === b[i]?.address);
}

/** Target groups' default. */
const connectTimeoutMs = 10_000;
/** What is under way to an address that a name has no more goes on this long. */
const drainMs = 10 * 60_000;

function wayOf(
  { destination, addresses }: Pick<Resident, "destination" | "addresses">,
  { verify = true, ca }: EgressSettings,
  policyOf: PolicyOf,
): Way {
  const { origin, hostname, scheme, port } = destination;
  const { route, cluster } = policyOf(destination);
  const tls = { verify, serverName: hostname, ...(ca === undefined ? {} : { ca }), ...cluster.tls };
  const { tls: _, ...rest } = cluster;
  return {
    cluster: {
      id: origin,
      endpoints: addresses.map(({ address }) => ({ kind: "address", id: address, host: address, port })),
      connectTimeoutMs,
      drainMs,
      ...(scheme === "https" ? { tls } : {}),
      ...rest,
    },
    route: {
      id: origin,
      conditions: [],
      action: { kind: "forward", targets: [{ clusterId: origin, weight: 1 }] },
      policy: route,
    },
  };
}

/** `config` with the destinations in it, as far as main looks after them: their endpoints, limits and verdicts. */
export function withWays(config: EdgeConfig, ways: readonly Way[]): EdgeConfig {
  if (ways.length === 0) return config;
  const listener = {
    id: "egress",
    address: "",
    port: 0,
    routes: ways.map(({ route }) => route),
    forwarded: { xff: "preserve", preserveHost: true, dropInvalidNames: false },
    serverName: "",
    idleTimeoutMs: 0,
    keepAliveTimeoutMs: 0,
  } as const;
  return {
    ...config,
    listeners: [...config.listeners, listener],
    clusters: [...config.clusters, ...ways.map(({ cluster }) => cluster)],
  };
}
