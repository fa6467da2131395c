/** Puts the committed routing in force: one at a time, newest first, answering everybody whose change it holds. */
import type { Clock, Timer } from "../../base/clock.ts";
import { asError } from "../../base/errors.ts";
import type { Job } from "../../base/scheduler.ts";
import type { Edge, EdgeConfig, PortInUse } from "../../edge/ports.ts";
import type { Log } from "../../telemetry/log.ts";
import type { Functions } from "./functions.ts";
import type { Snapshot } from "./snapshot.ts";

/** A listener could not be opened: its port is somebody else's. */
export class PortTaken extends Error {
  override readonly name = "PortTaken";
  readonly port: number;
  readonly holder: string | undefined;

  constructor({ port, holder }: PortInUse) {
    super(`port ${port} is in use${holder === undefined ? "" : ` by ${holder}`}`);
    this.port = port;
    this.holder = holder;
  }
}

/** The change is on disk, but not every edge worker runs it. It is tried again in the background. */
export class NotInForce extends Error {
  override readonly name = "NotInForce";
}

export interface PublisherDeps {
  edge: Pick<Edge, "apply">;
  functions: Functions;
  clock: Clock;
  log: Log;
  /** Reads what is committed. Its `config.epoch` is the store's. */
  build(): Promise<Snapshot>;
  /** The store's epoch, for changes that another node made. */
  epoch(): Promise<number>;
}

export interface Publisher {
  /** Applies what is stored. Never fails the node: what cannot be applied is logged, and tried again. */
  start(): Promise<void>;
  /**
   * Resolves when `epoch` or a later one is in force. Rejects with {@link NotInForce} when it could not be applied in
   * time, and with {@link PortTaken} when `opening` is the port of a listener that could not be opened.
   */
  inForce(epoch: number, opening?: number): Promise<void>;
  /** Applies what is stored once more: something that is not in the store has changed. */
  refresh(): Promise<void>;
  /** Tries taken ports again, and catches up with other nodes. */
  readonly job: Job;
  stop(): Promise<void>;
}

/** An operation waits this long for its change to be in force. */
const waitMsMax = 20_000;
/** Between tries for a port that is taken, and looks for changes of other nodes. */
const retryMs = 5_000;

/** A listener, of either kind. */
interface Bound {
  id: string;
  port: number;
}

interface Waiter {
  epoch: number;
  opening: number | undefined;
  settle(error?: Error): void;
}

const isPortInUse = (error: unknown): error is PortInUse =>
  error instanceof Error && error.name === "PortInUse" && "port" in error;

export function createPublisher(deps: PublisherDeps): Publisher {
  const { clock, log } = deps;
  const waiters = new Set<Waiter>();
  /** Ports that could not be bound; their listeners are left as they were until the next try. */
  const taken = new Map<number, PortInUse>();
  /** Taken ports that were told of: a port is logged once until it opens. */
  const told = new Set<number>();
  let open = new Map<string, Bound>();
  let inForceEpoch = -1;
  let edgeEpoch = 0;
  let failed = false;
  /** What is in force was built from what is not so any more. */
  let stale = false;
  let running: Promise<void> | undefined;
  let stopped = false;

  /** A listener whose port is taken keeps the port it had, with the new rules; without one it is left out. */
  const reachable = <T extends Bound>(listener: T): T[] => {
    if (!taken.has(listener.port)) return [listener];
    const former = open.get(listener.id);
    return former === undefined || taken.has(former.port) ? [] : [{ ...listener, port: former.port }];
  };

  const portTaken = (error: PortInUse, listeners: readonly Bound[]) => {
    // A port that was left out cannot fail again; if it does, the edge and this list disagree.
    if (taken.has(error.port) || !listeners.some(({ port }) => port === error.port)) throw error;
    taken.set(error.port, error);
    const refused = [...waiters].filter(({ opening }) => opening === error.port);
    for (const waiter of refused) waiter.settle(new PortTaken(error));
    if (refused.length > 0 || told.has(error.port)) return;
    told.add(error.port);
    const { port, holder } = error;
    log.error("a listener's port is in use; it is tried again until it is free", { port, holder, retryMs });
  };

  const apply = async (stored: EdgeConfig) => {
    for (;;) {
      const listeners = stored.listeners.flatMap((listener) => reachable(listener));
      const streamListeners = (stored.streamListeners ?? []).flatMap((listener) => reachable(listener));
      const bound: readonly Bound[] = [...listeners, ...streamListeners];
      edgeEpoch = Math.max(edgeEpoch + 1, stored.epoch);
      try {
        await deps.edge.apply({ ...stored, epoch: edgeEpoch, listeners, streamListeners });
        open = new Map(bound.map((listener) => [listener.id, listener]));
        for (const { port } of bound) told.delete(port);
        return;
      } catch (error) {
        if (!isPortInUse(error)) throw error;
        portTaken(error, bound);
      }
    }
  };

  const round = async () => {
    stale = false;
    const { config, functions } = await deps.build();
    deps.functions.admit(functions);
    await apply(config);
    deps.functions.retain(functions);
    inForceEpoch = config.epoch;
    failed = false;
    for (const waiter of waiters) if (waiter.epoch <= inForceEpoch) waiter.settle();
  };

  const isBehind = () => stale || [...waiters].some(({ epoch }) => epoch > inForceEpoch);

  const run = async () => {
    try {
      do {
        await round();
        // `stop` settles every waiter, so nobody is left to go on for.
      } while (isBehind());
    } catch (cause) {
      failed = true;
      const error = asError(cause);
      log.error("the routing could not be applied; it is tried again", { error });
      for (const waiter of waiters) waiter.settle(new NotInForce(error.message, { cause: error }));
    } finally {
      // In the same turn as the look at the waiters: whoever comes later starts the next run.
      running = undefined;
    }
  };

  /** One run at a time; whoever comes while it runs is in it, or in the round that it adds. */
  const publish = (): Promise<void> => (running ??= run());

  const wait = (epoch: number, opening: number | undefined): Promise<void> =>
    new Promise((resolve, reject) => {
      let timer: Timer | undefined;
      const waiter: Waiter = {
        epoch,
        opening,
        settle(error) {
          timer?.cancel();
          waiters.delete(waiter);
          if (error === undefined) resolve();
          else reject(error);
        },
      };
      timer = clock.after(waitMsMax, () => waiter.settle(new NotInForce(`not every edge worker runs epoch ${epoch}`)));
      waiters.add(waiter);
    });

  return {
    start: publish,
    async inForce(epoch, opening) {
      if (stopped) throw new NotInForce("the node is stopping");
      // A listener that is opened now tries its port, even where an earlier one found it taken.
      if (opening !== undefined) taken.delete(opening);
      const opened = opening === undefined || [...open.values()].some(({ port }) => port === opening);
      if (inForceEpoch >= epoch && opened) return;
      const waited = wait(epoch, opening);
      // Its own failure reaches every waiter; this promise is only kept so that `stop` can wait for it.
      void publish();
      await waited;
    },
    async refresh() {
      if (stopped) return;
      stale = true;
      await publish();
    },
    job: {
      name: "elasticloadbalancing:routing",
      everyMs: retryMs,
      async run() {
        deps.functions.sweep();
        if (stopped || running !== undefined) return;
        const behind = failed || (await deps.epoch()) > inForceEpoch;
        if (!behind && taken.size === 0) return;
        taken.clear();
        await publish();
      },
    },
    async stop() {
      stopped = true;
      for (const waiter of waiters) waiter.settle(new NotInForce("the node is stopping"));
      await (running ?? Promise.resolve());
    },
  };
}
