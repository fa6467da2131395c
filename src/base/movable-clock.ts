/** The machine's time, which tests move ahead: for a whole node, where a clock that stands still would stop the work. */
import { type Clock, type Instant, sleepOn, systemClock, type Timer } from "./clock.ts";

interface Pending {
  /** On this clock's {@link Clock.monotonicMs}. */
  dueMs: number;
  order: number;
  task: () => void;
  timer: Timer;
}

/**
 * A move is made in so many steps at most, so that one over a year ends soon; what falls due within a step runs together
 * at its end, hence late by no more than this share of the move.
 */
const stepsMax = 500;
/** Work that asks for more work at once, again and again, does not hold a move for ever. */
const roundsMax = 2 * stepsMax;

/**
 * Time passes as on the machine, plus what {@link advance} has added. Timers fire when they are due on this clock,
 * whichever way it got there.
 */
export class MovableClock implements Clock {
  readonly #real: Clock;
  readonly #pending = new Set<Pending>();
  #aheadMs = 0;
  #order = 0;
  #moving: Promise<void> = Promise.resolve();

  constructor(real: Clock = systemClock) {
    this.#real = real;
  }

  now(): Instant {
    return this.#real.now() + this.#aheadMs;
  }

  monotonicMs(): number {
    return this.#real.monotonicMs() + this.#aheadMs;
  }

  /** How far it is ahead of the machine. */
  get aheadMs(): number {
    return this.#aheadMs;
  }

  after(delayMs: number, task: () => void): Timer {
    const waitMs = Math.max(0, delayMs);
    const pending: Pending = {
      dueMs: this.monotonicMs() + waitMs,
      order: this.#order++,
      task,
      timer: this.#real.after(waitMs, () => this.#fire(pending)),
    };
    this.#pending.add(pending);
    return {
      cancel: () => {
        this.#pending.delete(pending);
        pending.timer.cancel();
      },
    };
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, delayMs, signal);
  }

  /**
   * Moves time by `byMs` (a whole number, 0 or more, else RangeError) and runs what falls due on the way, in its order. After each step
   * it waits for `settle`, so that what ran may set its next timers. Moves asked for at once follow one another.
   */
  advance(byMs: number, settle: () => Promise<void>): Promise<void> {
    if (!Number.isSafeInteger(byMs) || byMs < 0) {
      throw new RangeError(`time moves ahead by a whole number of milliseconds, 0 or more, not by ${byMs}`);
    }
    const move = this.#moving.then(() => this.#move(byMs, settle));
    // A failed move is its caller's to see; the next begins all the same.
    this.#moving = move.catch(() => undefined);
    return move;
  }

  /**
   * Makes it `instant` again, once the moves asked for before are over. Time goes back: only for when nobody keeps
   * instants of it any more.
   */
  returnTo(instant: Instant): Promise<void> {
    const move = this.#moving.then(() => {
      this.#aheadMs = instant - this.#real.now();
      this.#rearm();
    });
    this.#moving = move;
    return move;
  }

  async #move(byMs: number, settle: () => Promise<void>): Promise<void> {
    let leftMs = byMs;
    try {
      for (let round = 0; round < roundsMax; round += 1) {
        const waitMs = this.#nextDueMs() - this.monotonicMs();
        if (waitMs > leftMs) break;
        // Whole milliseconds: instants are kept as integers.
        const stepMs = Math.min(leftMs, Math.ceil(Math.max(0, waitMs) + byMs / stepsMax));
        this.#aheadMs += stepMs;
        leftMs -= stepMs;
        for (const pending of this.#due()) this.#fire(pending);
        await settle();
      }
      this.#aheadMs += leftMs;
    } finally {
      this.#rearm();
    }
  }

  #nextDueMs(): number {
    let dueMs = Infinity;
    for (const pending of this.#pending) dueMs = Math.min(dueMs, pending.dueMs);
    return dueMs;
  }

  #due(): Pending[] {
    const nowMs = this.monotonicMs();
    const due = [...this.#pending].filter(({ dueMs }) => dueMs <= nowMs);
    return due.toSorted((a, b) => a.dueMs - b.dueMs || a.order - b.order);
  }

  /** One that was called off by a task before it does not run. */
  #fire(pending: Pending): void {
    if (!this.#pending.delete(pending)) return;
    pending.timer.cancel();
    pending.task();
  }

  /** The machine's timers were set for the time as it was. */
  #rearm(): void {
    const nowMs = this.monotonicMs();
    for (const pending of this.#pending) {
      pending.timer.cancel();
      pending.timer = this.#real.after(Math.max(0, pending.dueMs - nowMs), () => this.#fire(pending));
    }
  }
}
