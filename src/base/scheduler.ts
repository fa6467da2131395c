/** The one scheduler: background work that is named, supervised, never runs twice at once, and ends when the node ends. */
import type { Clock, Timer } from "./clock.ts";

export interface Job {
  /** `sqs:retention`; appears in logs and metrics. */
  name: string;
  /** Longest wait between the end of one run and the start of the next, in milliseconds (1 or more). */
  everyMs: number;
  /** One round of work. `more: true` asks for the next round at once. */
  run(signal: AbortSignal): Promise<{ more: boolean } | void>;
}

export interface ScheduledJob {
  /** Runs the job as soon as it can: now, or once more after the run in progress. */
  wake(): void;
  /** No further run; resolves when the one in progress has ended. */
  stop(): Promise<void>;
}

export interface Scheduler {
  start(job: Job): ScheduledJob;
  /** Resolves when the runs that are now in progress have ended. */
  settled(): Promise<void>;
  /** Stops every job and resolves when all have ended. */
  stop(): Promise<void>;
}

/** After a failed round a job waits this much longer each time, up to the limit. */
const backoffMsMin = 100;
const backoffMsMax = 30_000;

/** `onError` is told of every failed round; the job goes on after a growing pause. */
export function createScheduler(clock: Clock, onError: (job: string, error: unknown) => void): Scheduler {
  const jobs = new Set<RunningJob>();
  return {
    start(job) {
      const scheduled = startJob(clock, job, onError);
      const stop = async () => {
        jobs.delete(entry);
        await scheduled.stop();
      };
      const entry: RunningJob = { ...scheduled, stop };
      jobs.add(entry);
      return entry;
    },
    async settled() {
      await Promise.all([...jobs].map((job) => job.settled()));
    },
    async stop() {
      await Promise.all([...jobs].map((job) => job.stop()));
    },
  };
}

interface RunningJob extends ScheduledJob {
  settled(): Promise<void>;
}

function startJob(clock: Clock, job: Job, onError: (job: string, error: unknown) => void): RunningJob {
  const ending = new AbortController();
  let timer: Timer | undefined;
  let running: Promise<void> | undefined;
  let wanted = false;
  let failures = 0;

  const round = async () => {
    wanted = false;
    let more = false;
    try {
      more = (await job.run(ending.signal))?.more ?? false;
      failures = 0;
    } catch (error) {
      if (ending.signal.aborted) return;
      failures += 1;
      onError(job.name, error);
    }
    running = undefined;
    if (ending.signal.aborted) return;
    const pauseMs = failures === 0 ? job.everyMs : Math.min(backoffMsMax, backoffMsMin * 2 ** Math.min(failures, 20));
    arm(failures === 0 && (more || wanted) ? 0 : pauseMs);
  };
  const begin = () => {
    running = round();
  };
  const arm = (delayMs: number) => {
    timer?.cancel();
    timer = clock.after(delayMs, begin);
  };

  arm(job.everyMs);
  return {
    wake() {
      if (ending.signal.aborted) return;
      wanted = true;
      if (running === undefined && failures === 0) arm(0);
    },
    async settled() {
      await running;
    },
    async stop() {
      ending.abort(new Error(`${job.name} is stopping`));
      timer?.cancel();
      await running;
    },
  };
}
