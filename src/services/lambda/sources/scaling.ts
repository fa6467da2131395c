/**
 * How many batches of a queue run at once: a few at first, more each minute while all are in use, fewer after throttles.
 * Source: Lambda guide, "Configuring scaling behavior for SQS event source mappings".
 */
import type { Clock } from "../../../base/clock.ts";
import { pollersAtFirst, pollersMax, pollersMorePerMinute } from "./limits.ts";

export interface Scaling {
  /** Resolves when one more may run, false when `signal` aborts before. Give each back with {@link leave}. */
  enter(signal: AbortSignal): Promise<boolean>;
  leave(): void;
  /** The function had no room. */
  throttled(): void;
  /** Resolves when none runs. */
  idle(): Promise<void>;
  readonly running: number;
  /** As many may run now. */
  readonly allowed: number;
}

/** @param concurrencyMax `ScalingConfig.MaximumConcurrency` */
export function createScaling(clock: Clock, concurrencyMax = pollersMax): Scaling {
  const most = Math.min(pollersMax, concurrencyMax);
  let allowed = Math.min(pollersAtFirst, most);
  let running = 0;
  /** Since when it was full, up to which `allowed` has grown. */
  let grownMs = clock.now();
  let waiting: (() => void) | undefined;
  const idlers = new Set<() => void>();

  const grow = () => {
    const now = clock.now();
    const more = Math.floor(((now - grownMs) * pollersMorePerMinute) / 60_000);
    if (more === 0) return;
    grownMs = now;
    // What was not used for longer than a minute says nothing of the need.
    allowed = Math.min(most, allowed + Math.min(more, pollersMorePerMinute));
  };
  const hasRoom = () => running < allowed;
  const msToGrow = () => (allowed === most ? 60_000 : Math.ceil(60_000 / pollersMorePerMinute));

  const freed = (signal: AbortSignal) =>
    new Promise<void>((resolve) => {
      const end = () => {
        timer.cancel();
        signal.removeEventListener("abort", end);
        waiting = undefined;
        resolve();
      };
      const timer = clock.after(msToGrow(), end);
      signal.addEventListener("abort", end, { once: true });
      waiting = end;
    });

  return {
    async enter(signal) {
      if (hasRoom()) grownMs = clock.now();
      while (!hasRoom() && !signal.aborted) {
        await freed(signal);
        grow();
      }
      if (signal.aborted) return false;
      running += 1;
      return true;
    },
    leave() {
      running -= 1;
      waiting?.();
      if (running > 0) return;
      for (const resolve of idlers) resolve();
      idlers.clear();
    },
    throttled() {
      allowed = Math.max(1, Math.floor(allowed / 2));
      grownMs = clock.now();
    },
    idle: () => (running === 0 ? Promise.resolve() : new Promise((resolve) => void idlers.add(resolve))),
    get running() {
      return running;
    },
    get allowed() {
      return allowed;
    },
  };
}
