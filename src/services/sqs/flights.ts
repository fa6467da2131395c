/** The bound on messages in flight: what was counted, and what was received since, must not pass it. */
import type { Clock } from "../../base/clock.ts";
import type { Counting } from "./counting.ts";
import { fault } from "./faults.ts";
import { flightCountMs, inFlightMax, queueCacheMax, receiveMax } from "./limits.ts";
import type { Queue } from "./lookup.ts";

interface Estimate {
  /** Never below what is in flight because of this node. */
  messages: number;
  countedMs: number;
}

export interface Flights {
  /** Whether a receive may take messages. Counts again when the estimate comes near the bound. */
  hasRoom(queue: Queue): Promise<boolean>;
  took(queue: Queue, messages: number): void;
}

export const overLimit = () =>
  fault("OverLimit", `The maximum number of in flight messages, ${inFlightMax}, is reached for this queue.`);

export function createFlights(counting: Counting, clock: Clock): Flights {
  const estimates = new Map<string, Estimate>();
  return {
    async hasRoom(queue) {
      const known = estimates.get(queue.place.uid);
      if (known !== undefined && known.messages + receiveMax <= inFlightMax) return true;
      const now = clock.monotonicMs();
      if (known !== undefined && now < known.countedMs + flightCountMs) return false;
      const messages = await counting.inFlight(queue);
      if (estimates.size >= queueCacheMax) estimates.clear();
      estimates.set(queue.place.uid, { messages, countedMs: now });
      return messages + receiveMax <= inFlightMax;
    },
    took({ place }, messages) {
      const known = estimates.get(place.uid);
      if (known !== undefined) known.messages += messages;
    },
  };
}
