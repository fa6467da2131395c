/** The edge workers as main holds them: started, told, replaced when they die, and never left behind. */
import { Worker } from "node:worker_threads";
import type { Clock } from "../base/clock.ts";
import { asError } from "../base/errors.ts";
import type { Log } from "../telemetry/log.ts";
import type { Counter } from "../telemetry/metrics.ts";
import { createBundle } from "./bundles.ts";
import type { CallReply, FromWorker, ToWorker, WorkerStart } from "./messages.ts";

export interface Member {
  readonly index: number;
  post(message: ToWorker): void;
  /** What became of a call; goes with the others of this turn. */
  reply(message: CallReply): void;
}

export interface CrewOptions {
  size: number;
  /** Of the long-lived heap of one, in MB; {@link heapLimits}. */
  heapMbMax?: number;
  /** A thread waits, its code loaded, to take the place of a worker that dies. It holds no configuration. */
  spare?: boolean;
  clock: Clock;
  log: Log;
  restarts: Counter;
  startOf(index: number): WorkerStart;
  /** A message from a member that is in the crew. */
  received(member: Member, message: FromWorker): void;
  /** A member died; one with the same index takes its place. */
  lost(index: number): void;
  /** A new member has taken a dead one's place, and runs nothing yet. */
  replaced(member: Member): void;
}

export interface Crew {
  readonly members: readonly Member[];
  /** Starts the workers, if they are not; resolves when all are ready. */
  start(): Promise<void>;
  /** Ends the threads. */
  stop(): Promise<void>;
}

/** A worker that dies again and again is restarted ever more slowly, up to this; the first time at once. */
const restartMsMax = 5_000;
const restartMsMin = 40;
/** One that ran this long had a fresh start. */
const steadyMs = 60_000;

/** The crew and its first configuration come first; a spare is started after them. */
const spareAfterMs = 1_000;

/**
 * A worker that leaks ends alone. Old: 20,000 idle connections take about 300 MB. Young: it is what a worker under load
 * is made of, and three semi-spaces of 16 MB collect as seldom as the machine's default, which lets them grow.
 */
const heapLimits = { maxOldGenerationSizeMb: 1024, maxYoungGenerationSizeMb: 48 };

// The file that Node runs as it is, or what tsc made of it.
const workerUrl = new URL(import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js", import.meta.url);

interface Thread {
  worker: Worker;
  failure: Error | undefined;
}

export function createCrew(options: CrewOptions): Crew {
  const { clock, log } = options;
  const resourceLimits = { ...heapLimits, ...(options.heapMbMax && { maxOldGenerationSizeMb: options.heapMbMax }) };
  const members: (Member | undefined)[] = [];
  const threads = new Set<Thread>();
  let spare: Thread | undefined;
  let stopping = false;
  let started: Promise<void> | undefined;

  /** A thread that waits for its start. */
  const raise = (): Thread => {
    const thread: Thread = { worker: new Worker(workerUrl, { resourceLimits }), failure: undefined };
    threads.add(thread);
    thread.worker.on("error", (error) => {
      thread.failure = asError(error);
    });
    thread.worker.on("exit", (code) => {
      threads.delete(thread);
      if (spare !== thread) return;
      spare = undefined;
      if (!stopping) log.warn("a spare edge worker died", { code, error: thread.failure });
    });
    return thread;
  };

  const keepSpare = (): void => {
    if (options.spare !== true) return;
    clock.after(spareAfterMs, () => {
      if (!stopping) spare ??= raise();
    });
  };

  const take = (): Thread => {
    const thread = spare ?? raise();
    spare = undefined;
    return thread;
  };

  const begin = (index: number, deaths: number): Promise<Member> =>
    new Promise((resolve) => {
      const thread = take();
      const { worker } = thread;
      const post = (message: ToWorker) => worker.postMessage(message, []);
      const reply = createBundle<CallReply>((replies) => post({ kind: "replies", replies }));
      const member: Member = { index, post, reply };
      const startedMs = clock.monotonicMs();
      worker.on("message", (message: FromWorker) => {
        if (message.kind === "ready") {
          members[index] = member;
          resolve(member);
        } else options.received(member, message);
      });
      worker.on("exit", (code) => {
        if (stopping) return;
        members[index] = undefined;
        log.error("an edge worker died and is replaced", { worker: index, code, error: thread.failure });
        options.restarts.add();
        options.lost(index);
        const again = clock.monotonicMs() - startedMs > steadyMs ? 0 : deaths + 1;
        const restartMs = again <= 1 ? 0 : Math.min(restartMsMax, restartMsMin * 2 ** (again - 1));
        clock.after(restartMs, () => {
          if (stopping) return;
          void replace(index, again).then(resolve);
        });
      });
      worker.postMessage(options.startOf(index), []);
    });

  const replace = async (index: number, deaths: number): Promise<Member> => {
    const next = await begin(index, deaths);
    options.replaced(next);
    keepSpare();
    return next;
  };

  return {
    get members() {
      return members.filter((member) => member !== undefined);
    },
    start() {
      started ??= Promise.all(Array.from({ length: options.size }, (_, index) => begin(index, 0))).then(keepSpare);
      return started;
    },
    async stop() {
      stopping = true;
      await Promise.all([...threads].map(({ worker }) => worker.terminate()));
    },
  };
}
