/** Time, as a dependency: the only place that reads the system's clock and sets timers. Tests hand in a `FakeClock`. */

/** Milliseconds since the Unix epoch. */
export type Instant = number;

/** A timer that can be called off; calling it off twice is harmless. */
export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Wall time. May step when the machine's clock is set. */
  now(): Instant;
  /** Milliseconds, fractional, that only ever grow; for durations. */
  monotonicMs(): number;
  /** Runs `task` once after `delayMs` (0 or more). A timer does not keep the process alive. */
  after(delayMs: number, task: () => void): Timer;
  /** Resolves after `delayMs`; rejects with the signal's reason when it aborts first. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
}

/** setTimeout's longest delay; longer waits are made of several. */
const timerMsMax = 2 ** 31 - 1;

/** {@link Clock.sleep}, made of {@link Clock.after}. */
export function sleepOn(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const onAbort = () => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = clock.after(delayMs, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, task) {
    let handle: NodeJS.Timeout;
    const arm = (leftMs: number) => {
      handle = setTimeout(
        () => (leftMs > timerMsMax ? arm(leftMs - timerMsMax) : task()),
        Math.min(leftMs, timerMsMax),
      );
      handle.unref();
    };
    arm(Math.max(0, delayMs));
    return { cancel: () => clearTimeout(handle) };
  },
  sleep: (delayMs, signal) => sleepOn(systemClock, delayMs, signal),
};

interface Pending {
  dueMs: number;
  order: number;
  task: () => void;
}

/** A clock that stands still until a test moves it. */
export class FakeClock implements Clock {
  #nowMs: number;
  #order = 0;
  readonly #pending = new Set<Pending>();

  /** Starts at `startMs`, by default 2026-01-01T00:00:00Z. */
  constructor(startMs: Instant = Date.UTC(2026, 0, 1)) {
    this.#nowMs = startMs;
  }

  now(): Instant {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, task: () => void): Timer {
    const pending = { dueMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, task };
    this.#pending.add(pending);
    return { cancel: () => this.#pending.delete(pending) };
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, delayMs, signal);
  }

  /** Number of timers that wait. */
  get waiting(): number {
    return this.#pending.size;
  }

  /** Moves time by `byMs`, running what falls due in order, and lets promises settle between the steps. */
  async advance(byMs: number): Promise<void> {
    const untilMs = this.#nowMs + byMs;
    for (let next = this.#nextDue(untilMs); next !== undefined; next = this.#nextDue(untilMs)) {
      this.#pending.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      next.task();
      await settle();
    }
    this.#nowMs = untilMs;
    await settle();
  }

  #nextDue(untilMs: number): Pending | undefined {
    let next: Pending | undefined;
    for (const pending of this.#pending) {
      if (pending.dueMs > untilMs) continue;
      if (
        next === undefined ||
        pending.dueMs < next.dueMs ||
        (pending.dueMs === next.dueMs && pending.order < next.order)
      ) {
        next = pending;
      }
    }
    return next;
  }
}

/** One turn of the event loop: everything already resolved has run. */
function settle(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
