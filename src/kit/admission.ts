/** Admission: every entrance lets a bounded number in, lets a bounded number wait, and refuses the rest at once. */
import type { Counter, Gauge } from "../telemetry/metrics.ts";

export interface AdmissionLimits {
  /** Running at once. */
  runningMax: number;
  /** Waiting for a place; 0 refuses as soon as all places are taken. */
  waitingMax: number;
}

export interface Admission {
  /** Runs `body` when there is a place. Throws what `refusal` makes when even the waiting places are taken. */
  run<T>(body: () => Promise<T>): Promise<T>;
  readonly running: number;
  readonly waiting: number;
}

export function createAdmission(
  { runningMax, waitingMax }: AdmissionLimits,
  refusal: () => Error,
  counts?: { refused: Counter; running: Gauge },
): Admission {
  let running = 0;
  const queue: (() => void)[] = [];
  const leave = () => {
    const next = queue.shift();
    if (next === undefined) running -= 1;
    else next();
    counts?.running.set(running);
  };
  return {
    async run(body) {
      if (running < runningMax) {
        running += 1;
        counts?.running.set(running);
      } else if (queue.length < waitingMax) {
        // The place of whoever leaves is handed on, so `running` does not change.
        await new Promise<void>((resolve) => {
          queue.push(resolve);
        });
      } else {
        counts?.refused.add();
        throw refusal();
      }
      try {
        return await body();
      } finally {
        leave();
      }
    },
    get running() {
      return running;
    },
    get waiting() {
      return queue.length;
    },
  };
}
