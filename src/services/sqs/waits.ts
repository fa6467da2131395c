/** Receives that wait for a message, and whoever wakes them: a send of this node at once, anything else by the clock. */
import type { Clock } from "../../base/clock.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import { fault } from "./faults.ts";
import { waitersMax } from "./limits.ts";

/** A place in the line of those who wait for one queue. */
export interface Waiter {
  /** Resolves when it is this one's turn to look, after `ms` at the latest; at once if its turn came before. */
  turn(ms: number, signal: AbortSignal): Promise<void>;
  /** Leaves the line. A turn that came since the last look goes to the next. */
  leave(): void;
}

export interface Waits {
  /** Throws `RequestThrottled` when too many wait on this node. */
  enter(queueUid: string): Waiter;
  /** So many messages can be received now. */
  wake(queueUid: string, messages: number): void;
  /** Ends all waits, those that begin later too: the node stops. */
  close(): void;
  readonly isClosed: boolean;
}

interface Entry {
  isCalled: boolean;
  resume: (() => void) | undefined;
}

export function createWaits(clock: Clock, metrics: Metrics): Waits {
  const lines = new Map<string, Set<Entry>>();
  const gauge = metrics.gauge("sqs_waiting_receives");
  let count = 0;
  let isClosed = false;

  const wake: Waits["wake"] = (queueUid, messages) => {
    let left = messages;
    for (const entry of lines.get(queueUid) ?? []) {
      if (left <= 0) return;
      if (entry.isCalled) continue;
      entry.isCalled = true;
      entry.resume?.();
      left -= 1;
    }
  };

  return {
    wake,
    close() {
      isClosed = true;
      for (const queueUid of lines.keys()) wake(queueUid, Number.POSITIVE_INFINITY);
    },
    get isClosed() {
      return isClosed;
    },
    enter(queueUid) {
      if (count >= waitersMax) throw fault("RequestThrottled", "Too many receives wait for messages on this node.");
      const line = lines.get(queueUid) ?? new Set<Entry>();
      lines.set(queueUid, line);
      const entry: Entry = { isCalled: false, resume: undefined };
      line.add(entry);
      gauge.set((count += 1));
      return {
        turn(ms, signal) {
          return new Promise((resolve) => {
            const end = () => {
              timer.cancel();
              signal.removeEventListener("abort", end);
              entry.resume = undefined;
              entry.isCalled = false;
              resolve();
            };
            const timer = clock.after(ms, end);
            signal.addEventListener("abort", end, { once: true });
            entry.resume = end;
            if (entry.isCalled || isClosed || signal.aborted) end();
          });
        },
        leave() {
          line.delete(entry);
          if (line.size === 0) lines.delete(queueUid);
          gauge.set((count -= 1));
          // Whatever it leaves with was there before that turn: the message that the turn was for may still be.
          if (entry.isCalled) wake(queueUid, 1);
        },
      };
    },
  };
}
