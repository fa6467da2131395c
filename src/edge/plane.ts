/** The data plane of one worker: its sockets, its endpoints, and the configuration that it runs. */
import type { Ids } from "../base/ids.ts";
import type { Batches } from "./access-log/batches.ts";
import type { CallLink } from "./call.ts";
import { Pressure } from "./clients/pressure.ts";
import type { Shed } from "./clients/sheds.ts";
import { Outstanding } from "./balance/pickers.ts";
import { compileConfig, Epoch, type AddressEndpoint, type CompiledListener, type PlaneDeps } from "./compile.ts";
import { Door, type DoorDeps } from "./door.ts";
import { EgressPlane, type EgressPlaneDeps } from "./egress/plane.ts";
import { limitsOf } from "./h1/limits.ts";
import { ScannerPool } from "./h1/scan.ts";
import { createDateText } from "./h1/status.ts";
import { Http2Upstream } from "./h2/pool.ts";
import type { PrepareMessage } from "./messages.ts";
import type { OutcomesParts } from "./outcomes.ts";
import { handle, type PipelineDeps } from "./pipeline.ts";
import { Http1Upstream, type Upstream } from "./pool.ts";
import type { ClusterConfig } from "./ports.ts";
import { StreamPlane } from "./stream/plane.ts";
import { ContextStore } from "./tls/contexts.ts";
import { targetTls } from "./tls/dial.ts";
import type { ReplayMemory } from "./resilience/replay.ts";
import { createTraceIds } from "./tracing.ts";
import { Wheel } from "./wheel.ts";

export interface DataPlaneOptions extends Pick<PlaneDeps, "clock" | "log"> {
  ids: Ids;
  /** The number of this worker. */
  worker: number;
  health: Int32Array;
  reusePort: boolean;
  /** Of the node; see `tls/tickets.ts`. */
  ticketSecret: Uint8Array;
  calls: CallLink;
  accessLogs: Batches;
  shed: Shed;
  onOutlier: OutcomesParts["report"];
  onRetired(epoch: number): void;
  ask: EgressPlaneDeps["ask"];
  /** For tests; see `clients/pressure.ts`. */
  heldBytesMax: number | undefined;
  /** For tests: the target of a request that throws where nothing catches; see `dieWhereTold`. */
  dieOn: string | undefined;
}

/** Ends this worker as it is told: by an error, of its heap, or at once. */
function dieWhereTold(target: string, dieOn: string): void {
  if (target === dieOn) throw new Error("this worker was told to die");
  if (target === `${dieOn}?exit`) process.exit(3);
  if (target !== `${dieOn}?heap`) return;
  const leak: number[][] = [];
  for (;;) leak.push(Array.from<number>({ length: 100_000 }).fill(0.5));
}

/** Bytes that one read can bring, from a client or an endpoint. */
const readBytesMax = 64 * 1024;

interface Prepared {
  round: number;
  epoch: Epoch;
  listeners: Map<string, CompiledListener>;
  opened: Map<string, Door>;
  upstreams: Map<string, Upstream>;
  drainMs: Map<string, number>;
  contexts: ContextStore;
}

export class DataPlane {
  readonly options: DataPlaneOptions;
  readonly wheel: Wheel;
  readonly scanners = new ScannerPool(limitsOf("public"));
  readonly #deps: PlaneDeps;
  readonly #replays: ReplayMemory = { bytes: 0 };
  readonly #readBuffer = Buffer.allocUnsafeSlow(readBytesMax);
  readonly #doorDeps: DoorDeps;
  readonly #pressure: Pressure;
  #doors = new Map<string, Door>();
  readonly #stopped = new Set<Door>();
  #upstreams = new Map<string, Upstream>();
  readonly #retiring = new Set<Upstream>();
  #drainMs = new Map<string, number>();
  readonly #streams: StreamPlane;
  readonly #outstanding = new Outstanding();
  readonly egress: EgressPlane;
  #contexts: ContextStore | undefined;
  #epoch: Epoch | undefined;
  #prepared: Prepared | undefined;

  constructor(options: DataPlaneOptions) {
    const { clock, log } = options;
    this.options = options;
    this.wheel = new Wheel(clock);
    this.#pressure = new Pressure({
      clock,
      held: () => this.#heldBytes(),
      ...(options.heldBytesMax === undefined ? {} : { bytesMax: options.heldBytesMax }),
      changed: (high, bytes) =>
        log("warn", high ? "requests are refused: clients are too slow" : "requests are let in again", { bytes }),
    });
    const pipeline: PipelineDeps = { calls: options.calls, pressure: this.#pressure, shed: options.shed };
    this.#doorDeps = {
      clock,
      pressure: this.#pressure,
      shed: options.shed,
      wheel: this.wheel,
      scanners: this.scanners,
      readBuffer: this.#readBuffer,
      dispatch: (listener, client) => {
        if (this.options.dieOn !== undefined) dieWhereTold(client.head.target, this.options.dieOn);
        return handle(pipeline, listener, client);
      },
    };
    this.#streams = new StreamPlane({
      clock,
      wheel: this.wheel,
      board: options.health,
      reusePort: options.reusePort,
      ticketSecret: options.ticketSecret,
      onError: (error, place) => log("error", "a listener failed", { place, error }),
    });
    this.#deps = {
      clock,
      log,
      dateText: createDateText(clock),
      newTraceId: createTraceIds(options.ids, () => clock.now()),
    };
    this.egress = new EgressPlane({
      ...options,
      plane: this.#deps,
      upstreams: { clock, wheel: this.wheel, scanners: this.scanners, readBuffer: this.#readBuffer },
      pressure: this.#pressure,
      replays: this.#replays,
      outstanding: this.#outstanding,
      handle: this.#doorDeps.dispatch,
    });
  }

  /** Compiles a configuration and binds the sockets it needs more; nothing that runs is changed. */
  async prepare(message: PrepareMessage): Promise<void> {
    const { round, config, slots, stats, counts, permits, turns } = message;
    this.abandon();
    const epoch = new Epoch(config.epoch, this.options.onRetired);
    const upstreams = new Map<string, Upstream>();
    const drainMs = new Map<string, number>();
    const contexts = new ContextStore(this.#contexts);
    const upstream = (cluster: ClusterConfig, { id, host, port }: AddressEndpoint) => {
      const key = JSON.stringify([cluster.id, id, host, port, cluster.tls, cluster.protocol]);
      const found = this.#upstreams.get(key) ?? this.#newUpstream(host, port, cluster, contexts);
      upstreams.set(key, found);
      drainMs.set(key, cluster.drainMs);
      return found;
    };
    const { health, onOutlier, worker, ticketSecret, accessLogs } = this.options;
    const shared = {
      wheel: this.wheel,
      replays: this.#replays,
      health,
      outstanding: this.#outstanding,
      onOutlier,
      worker,
      accessLogs,
      slots,
      stats,
      counts,
      permits,
      turns,
      contexts,
      ticketSecret,
    };
    const listeners = compileConfig(config, { ...this.#deps, ...shared, epoch, upstream });
    const opened = new Map<string, Door>();
    this.#prepared = { round, epoch, listeners, opened, upstreams, drainMs, contexts };
    try {
      await this.#streams.prepare(message, contexts);
      for (const [place, { config: listener }] of listeners) {
        if (this.#doors.has(place)) continue;
        const door = new Door(this.#doorDeps);
        // Known before it is bound: what it has bound when it fails is closed with the rest.
        opened.set(place, door);
        await door.open(listener.address, listener.port, this.options.reusePort, (error) =>
          this.#deps.log("error", "a listener failed", { place, error }),
        );
      }
    } catch (error) {
      this.abandon();
      throw error;
    }
  }

  /** Makes what was prepared in `round` the routing of every request from now on; gives its epoch, if it is there. */
  commit(round: number): number | undefined {
    const next = this.#prepared;
    if (next?.round !== round) return undefined;
    this.#prepared = undefined;
    const doors = new Map<string, Door>();
    for (const [place, listener] of next.listeners) {
      const door = this.#doors.get(place) ?? next.opened.get(place);
      if (door === undefined) throw new Error(`no socket for ${place}`);
      door.run(listener);
      doors.set(place, door);
    }
    for (const [place, door] of this.#doors) if (!doors.has(place)) this.#stop(door);
    this.#doors = doors;
    this.#streams.commit();
    this.#swapUpstreams(next);
    this.#contexts = next.contexts;
    this.#contexts.settle();
    const before = this.#epoch;
    this.#epoch = next.epoch;
    before?.supersede();
    return next.epoch.number;
  }

  /** Forgets what was prepared. */
  abandon(): void {
    const prepared = this.#prepared;
    this.#prepared = undefined;
    this.#streams.abandon();
    for (const door of prepared?.opened.values() ?? []) door.stop();
  }

  /** Lets requests under way end for at most `graceMs`, then closes everything. */
  async close(graceMs: number): Promise<void> {
    this.abandon();
    for (const door of this.#allDoors()) this.#stop(door);
    const left = [...this.#stopped];
    const empty = Promise.all(left.map((door) => this.#whenEmpty(door)));
    const timer = this.options.clock.after(graceMs, () => {
      for (const door of left) for (const connection of door.connections) connection.destroy();
    });
    await Promise.all([empty, this.#streams.close(graceMs)]);
    timer.cancel();
    this.#pressure.close();
    for (const upstream of [...this.#upstreams.values(), ...this.#retiring]) upstream.close();
    this.egress.close();
    this.wheel.close();
    this.options.accessLogs.flush();
  }

  #heldBytes(): number {
    let bytes = this.egress.heldBytes;
    for (const door of [...this.#allDoors(), ...this.#stopped]) {
      for (const { heldBytes } of door.connections) bytes += heldBytes ?? 0;
    }
    for (const upstream of [...this.#upstreams.values(), ...this.#retiring]) bytes += upstream.heldBytes;
    return bytes;
  }

  #allDoors(): Door[] {
    const { door } = this.egress;
    return door === undefined ? [...this.#doors.values()] : [...this.#doors.values(), door];
  }

  #newUpstream(host: string, port: number, { tls, protocol }: ClusterConfig, contexts: ContextStore): Upstream {
    const { wheel, scanners } = this;
    const http2 = protocol === "http2" || protocol === "grpc";
    const target = tls && targetTls(tls, [http2 ? "h2" : "http/1.1"], contexts);
    const deps = { clock: this.options.clock, wheel, scanners, readBuffer: this.#readBuffer };
    return http2 ? new Http2Upstream(host, port, target, deps) : new Http1Upstream(host, port, target, deps);
  }

  #swapUpstreams(next: Prepared): void {
    for (const [key, upstream] of this.#upstreams) {
      if (next.upstreams.has(key)) continue;
      upstream.retire(this.#drainMs.get(key) ?? 0);
      this.#retiring.add(upstream);
    }
    this.#upstreams = next.upstreams;
    this.#drainMs = next.drainMs;
    for (const upstream of this.#retiring) if (upstream.empty) this.#retiring.delete(upstream);
  }

  #stop(door: Door): void {
    door.stop();
    if (door.connections.size === 0) return;
    this.#stopped.add(door);
    door.whenEmpty = () => this.#stopped.delete(door);
  }

  #whenEmpty(door: Door): Promise<void> {
    return new Promise((resolve) => {
      door.whenEmpty = () => {
        this.#stopped.delete(door);
        resolve();
      };
      if (door.connections.size === 0) door.whenEmpty();
    });
  }
}
