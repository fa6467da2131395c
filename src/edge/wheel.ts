/** One coarse timer for everything in a thread that waits: connections move their deadline by writing a number. */
import type { Clock, Timer } from "../base/clock.ts";

/** Something that waits in a wheel; an entry is in one wheel at most. */
export class WheelEntry {
  /** When it falls due, by the wheel's clock; 0 when it does not wait. */
  dueMs = 0;
  /** The tick at which it is looked at, or -1 when it is in no slot. */
  tick = -1;
  prev: WheelEntry | undefined;
  next: WheelEntry | undefined;
  readonly onDue: () => void;

  constructor(onDue: () => void) {
    this.onDue = onDue;
  }
}

const tickMs = 50;
const slotCount = 1024;

/**
 * Entries lie in slots of 50 ms, up to 51 s ahead; one due later lies in the last slot and is looked at again there.
 * A deadline that moves away only changes its number: the entry is looked at when its old slot comes, and put on.
 */
export class Wheel {
  readonly #clock: Clock;
  readonly #slots: (WheelEntry | undefined)[] = Array.from({ length: slotCount }, () => undefined);
  #tick: number;
  #linked = 0;
  #timer: Timer | undefined;
  #armedTick = 0;
  #turning = false;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#tick = Math.floor(clock.monotonicMs() / tickMs);
  }

  /** Makes `entry` fall due `delayMs` after `nowMs` (the clock's monotonic time); 0 or less takes it out. */
  set(entry: WheelEntry, nowMs: number, delayMs: number): void {
    if (delayMs <= 0) {
      entry.dueMs = 0;
      return;
    }
    entry.dueMs = nowMs + delayMs;
    if (entry.tick >= 0) {
      if (entry.dueMs >= entry.tick * tickMs) return;
      this.#unlink(entry);
    }
    this.#link(entry);
  }

  /** Takes `entry` out at once, so that the wheel no longer refers to it. */
  remove(entry: WheelEntry): void {
    entry.dueMs = 0;
    if (entry.tick >= 0) this.#unlink(entry);
  }

  /** Stops the timer; entries that wait are forgotten. */
  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#linked = 0;
    this.#slots.fill(undefined);
  }

  #link(entry: WheelEntry): void {
    const dueTick = Math.floor(entry.dueMs / tickMs) + 1;
    if (this.#linked === 0 && !this.#turning) this.#tick = Math.floor(this.#clock.monotonicMs() / tickMs);
    const tick = Math.min(Math.max(dueTick, this.#tick + 1), this.#tick + slotCount - 1);
    const slot = tick % slotCount;
    const first = this.#slots[slot];
    entry.tick = tick;
    entry.prev = undefined;
    entry.next = first;
    if (first !== undefined) first.prev = entry;
    this.#slots[slot] = entry;
    this.#linked += 1;
    if (!this.#turning && (this.#timer === undefined || tick < this.#armedTick)) this.#arm(tick);
  }

  #unlink(entry: WheelEntry): void {
    if (entry.prev === undefined) this.#slots[entry.tick % slotCount] = entry.next;
    else entry.prev.next = entry.next;
    if (entry.next !== undefined) entry.next.prev = entry.prev;
    entry.tick = -1;
    entry.prev = undefined;
    entry.next = undefined;
    this.#linked -= 1;
  }

  #arm(tick: number): void {
    this.#timer?.cancel();
    this.#armedTick = tick;
    this.#timer = this.#clock.after(tick * tickMs - this.#clock.monotonicMs(), () => this.#turn());
  }

  #turn(): void {
    this.#timer = undefined;
    this.#turning = true;
    const nowMs = this.#clock.monotonicMs();
    const untilTick = Math.floor(nowMs / tickMs);
    // After a long pause of the machine one full round sees every slot.
    this.#tick = Math.max(this.#tick, untilTick - slotCount);
    while (this.#tick < untilTick) {
      this.#tick += 1;
      this.#runSlot(this.#tick % slotCount, nowMs);
    }
    this.#turning = false;
    this.#armNext();
  }

  #runSlot(slot: number, nowMs: number): void {
    let entry = this.#slots[slot];
    this.#slots[slot] = undefined;
    const due: WheelEntry[] = [];
    while (entry !== undefined) {
      const { next } = entry;
      entry.tick = -1;
      entry.prev = undefined;
      entry.next = undefined;
      this.#linked -= 1;
      if (entry.dueMs > nowMs) this.#link(entry);
      else if (entry.dueMs > 0) due.push(entry);
      entry = next;
    }
    for (const late of due) {
      // An earlier one's task may have moved it, or taken it out.
      if (late.tick >= 0 || late.dueMs === 0 || late.dueMs > nowMs) continue;
      late.dueMs = 0;
      late.onDue();
    }
  }

  #armNext(): void {
    if (this.#linked === 0) return;
    for (let tick = this.#tick + 1; tick < this.#tick + slotCount; tick += 1) {
      if (this.#slots[tick % slotCount] !== undefined) {
        this.#arm(tick);
        return;
      }
    }
  }
}
