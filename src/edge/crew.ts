/** The edge workers as main holds them: started, told, replaced when they die, and never left behind. */
import { Worker } from "node:worker_threads";
import type { Clock } from "../base/clock.ts";
import { asError } from "../base/errors.ts";
import type { Log } from "../telemetry/log.ts";
import type { Counter } from "../telemetry/metrics.ts";
import type { FromWorker, ToWorker, WorkerStart } from "./messages.ts";

export interface Member {
  readonly index: number;
  post(message: ToWorker): void;
}

export interface CrewOptions {
  size: number;
  /** Of the long-lived heap of one, in MB; {@link heapLimits}. */
  heapMbMax?: number;
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

/**
 * A worker that leaks ends alone. Old: 20,000 idle connections take about 300 MB. Young: it is what a worker under load
 * is made of, and three semi-spaces of 16 MB collect as seldom as the machine's default, which lets them grow.
 */
const heapLimits = { maxOldGenerationSizeMb: 1024, maxYoungGenerationSizeMb: 48 };

// The file that Node runs as it is, or what tsc made of it.
const workerUrl = new URL(import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js", import.meta.url);

export function createCrew(options: CrewOptions): Crew {
  const { clock, log } = options;
  const resourceLimits = { ...heapLimits, ...(options.heapMbMax && { maxOldGenerationSizeMb: options.heapMbMax }) };
  const members: (Member | undefined)[] = [];
  const threads = new Set<Worker>();
  let stopping = false;
  let started: Promise<void> | undefined;

  const begin = (index: number, deaths: number): Promise<Member> =>
    new Promise((resolve) => {
      const worker = new Worker(workerUrl, { workerData: options.startOf(index), resourceLimits });
      threads.add(worker);
      const member: Member = { index, post: (message) => worker.postMessage(message, []) };
      const startedMs = clock.monotonicMs();
      let failure: Error | undefined;
      worker.on("message", (message: FromWorker) => {
        if (message.kind === "ready") {
          members[index] = member;
          resolve(member);
        } else options.received(member, message);
      });
      worker.on("error", (error) => {
        failure = asError(error);
      });
      worker.on("exit", (code) => {
        threads.delete(worker);
        if (stopping) return;
        members[index] = undefined;
        log.error("an edge worker died and is replaced", { worker: index, code, error: failure });
        options.restarts.add();
        options.lost(index);
        const again = clock.monotonicMs() - startedMs > steadyMs ? 0 : deaths + 1;
        const restartMs = again <= 1 ? 0 : Math.min(restartMsMax, restartMsMin * 2 ** (again - 1));
        clock.after(restartMs, () => {
          if (stopping) return;
          void replace(index, again).then(resolve);
        });
      });
    });

  const replace = async (index: number, deaths: number): Promise<Member> => {
    const next = await begin(index, deaths);
    options.replaced(next);
    return next;
  };

  return {
    get members() {
      return members.filter((member) => member !== undefined);
    },
    start() {
      started ??= Promise.all(Array.from({ length: options.size }, (_, index) => begin(index, 0))).then(() => {});
      return started;
    },
    async stop() {
      stopping = true;
      await Promise.all([...threads].map((thread) => thread.terminate()));
    },
  };
}
