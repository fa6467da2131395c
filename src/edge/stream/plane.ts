/** The stream listeners of one worker: their sockets, and the configuration that they run. */
import type { Clock, Timer } from "../../base/clock.ts";
import { must } from "../../base/errors.ts";
import { healthChanges } from "../board.ts";
import { placeOf } from "../compile.ts";
import { Counts } from "../counts.ts";
import type { PrepareMessage } from "../messages.ts";
import type { ClusterConfig, StreamListenerConfig } from "../ports.ts";
import { StatsWriter } from "../stats.ts";
import { TlsAcceptor } from "../tls/acceptor.ts";
import type { ContextStore } from "../tls/contexts.ts";
import { targetTls } from "../tls/dial.ts";
import type { Wheel } from "../wheel.ts";
import { StreamDoor, type CompiledStream } from "./door.ts";
import type { Flow } from "./flow.ts";
import { compileChoose, isBad, policyDefault, type StreamCluster } from "./targets.ts";

/** Between looks at endpoints that have turned unhealthy. */
const watchMs = 1_000;

export interface StreamPlaneDeps {
  clock: Clock;
  wheel: Wheel;
  board: Int32Array;
  reusePort: boolean;
  ticketSecret: Uint8Array;
  onError(error: Error, place: string): void;
}

interface Prepared {
  streams: Map<string, CompiledStream>;
  opened: Map<string, StreamDoor>;
  clusters: Map<string, StreamCluster>;
}

export class StreamPlane {
  readonly #deps: StreamPlaneDeps;
  #doors = new Map<string, StreamDoor>();
  readonly #stopped = new Set<StreamDoor>();
  #prepared: Prepared | undefined;
  #seenChanges = -1;
  #watch: Timer | undefined;
  #closing = false;

  constructor(deps: StreamPlaneDeps) {
    this.#deps = deps;
  }

  /** Compiles the stream listeners of a configuration, and binds the sockets that it needs more. */
  async prepare(message: PrepareMessage, contexts: ContextStore): Promise<void> {
    const { streamListeners = [] } = message.config;
    const clusters = this.#clustersOf(message, contexts, streamListeners);
    const streams = new Map(
      streamListeners.map((config) => [placeOf(config), this.#compile(config, message, clusters, contexts)]),
    );
    const opened = new Map<string, StreamDoor>();
    this.#prepared = { streams, opened, clusters };
    for (const [place, { config }] of streams) {
      if (this.#doors.has(place)) continue;
      const door = new StreamDoor(this.#deps.clock, this.#deps.wheel);
      opened.set(place, door);
      await door.open(config.address, config.port, this.#deps.reusePort, (error) => this.#deps.onError(error, place));
    }
  }

  /** Runs what was prepared. Connections that are here go on, wherever they go. */
  commit(): void {
    const next = this.#prepared;
    if (next === undefined) return;
    this.#prepared = undefined;
    const doors = new Map<string, StreamDoor>();
    for (const [place, stream] of next.streams) {
      const door = must(this.#doors.get(place) ?? next.opened.get(place), `the socket of ${place}`);
      door.run(stream);
      doors.set(place, door);
    }
    for (const [place, door] of this.#doors) if (!doors.has(place)) this.#stop(door);
    this.#doors = doors;
    for (const flow of this.#flows()) this.#drain(flow, next.clusters);
    if (doors.size > 0) this.#watch ??= this.#deps.clock.after(watchMs, () => this.#look());
  }

  abandon(): void {
    for (const door of this.#prepared?.opened.values() ?? []) door.stop();
    this.#prepared = undefined;
  }

  /** Lets connections go on for at most `graceMs`. */
  async close(graceMs: number): Promise<void> {
    this.#closing = true;
    this.#watch?.cancel();
    for (const door of this.#doors.values()) this.#stop(door);
    const left = [...this.#stopped].filter(({ flows }) => flows.size > 0);
    const timer = this.#deps.clock.after(graceMs, () => {
      for (const door of left) for (const flow of door.flows) flow.destroy();
    });
    await Promise.all(
      left.map(
        (door) =>
          new Promise<void>((resolve) => {
            door.whenEmpty = resolve;
          }),
      ),
    );
    timer.cancel();
  }

  #stop(door: StreamDoor): void {
    door.stop();
    this.#stopped.add(door);
    door.whenEmpty = () => this.#stopped.delete(door);
    if (door.flows.size === 0) this.#stopped.delete(door);
  }

  #flows(): Flow[] {
    return [...this.#doors.values(), ...this.#stopped].flatMap(({ flows }) => [...flows]);
  }

  /** A flow whose endpoint was taken out ends with the drain, where that is wanted. */
  #drain(flow: Flow, clusters: ReadonlyMap<string, StreamCluster>): void {
    const { cluster, endpoint } = flow.chosen;
    const now = clusters.get(cluster.config.id);
    const stays = now?.endpoints.some(({ config }) => config.id === endpoint.config.id) === true;
    const { policy, config } = now ?? cluster;
    if (stays || !policy.endAfterDrain) flow.goOn();
    else flow.resetAfter(config.drainMs);
  }

  #look(): void {
    if (this.#closing) return;
    this.#watch = this.#deps.clock.after(watchMs, () => this.#look());
    const changes = Atomics.load(this.#deps.board, healthChanges);
    if (changes === this.#seenChanges) return;
    this.#seenChanges = changes;
    for (const flow of this.#flows()) {
      const { cluster, endpoint } = flow.chosen;
      if (cluster.policy.endWhenUnhealthy && isBad(endpoint, this.#deps.board)) flow.reset();
    }
  }

  #compile(
    config: StreamListenerConfig,
    { counts }: PrepareMessage,
    clusters: ReadonlyMap<string, StreamCluster>,
    contexts: ContextStore,
  ): CompiledStream {
    const { clock, board, ticketSecret } = this.#deps;
    const { id, tls, loadBalancerId, alpn = [] } = config;
    return {
      config,
      choose: compileChoose(config, clusters, board),
      tls: tls && new TlsAcceptor({ id, alpn }, tls, { clock, contexts, ticketSecret }),
      counts: new Counts(must(counts[loadBalancerId], `the counts of ${loadBalancerId}`)),
    };
  }

  #clustersOf(
    { config, slots, stats }: PrepareMessage,
    contexts: ContextStore,
    listeners: readonly StreamListenerConfig[],
  ): Map<string, StreamCluster> {
    const used = new Set(listeners.flatMap(({ targets }) => targets.map(({ clusterId }) => clusterId)));
    return new Map(
      config.clusters
        .filter(({ id }) => used.has(id))
        .map((cluster) => [
          cluster.id,
          {
            config: cluster,
            policy: cluster.stream ?? policyDefault,
            endpoints: endpointsOf(cluster, must(slots[cluster.id], `the slots of ${cluster.id}`), contexts),
            stats: new StatsWriter(must(stats[cluster.id], `the counts of ${cluster.id}`)),
          },
        ]),
    );
  }
}

function endpointsOf(cluster: ClusterConfig, slots: readonly number[], contexts: ContextStore) {
  return cluster.endpoints.flatMap((config, index) =>
    config.kind === "function"
      ? []
      : [
          {
            config,
            slot: must(slots[index], `the slot of endpoint ${config.id}`),
            tls: cluster.tls && targetTls(cluster.tls, [], contexts),
          },
        ],
  );
}
