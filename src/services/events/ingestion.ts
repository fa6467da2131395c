/** Events that reach their bus: matched, and written as deliveries in one transaction. */
import type { Call } from "../../kit/call.ts";
import type { Intent } from "../../kit/delivery.ts";
import type { EventsDeps } from "./deps.ts";
import { eventText, type Envelope } from "./envelope.ts";
import { intentsOf } from "./fan-out.ts";
import { busArn } from "./names.ts";
import type { Rulebook } from "./rulebooks.ts";
import type { BusRef } from "./tables.ts";

/** An event at its bus. */
export interface Arrival {
  bus: BusRef;
  envelope: Envelope;
  trace: Call["trace"];
  traceHeader?: string;
  /** It came from another bus. */
  hopped?: boolean;
}

export interface Ingestion {
  /** Resolves when what they cause is on disk. */
  take(arrivals: readonly Arrival[]): Promise<void>;
}

export function createIngestion({ store, clock, delivery, metrics, rulebooks }: EventsDeps): Ingestion {
  const taken = metrics.counter("events_taken");
  const matched = metrics.counter("events_matched");
  return {
    async take(arrivals) {
      const books = new Map<string, Rulebook>();
      const intents: Intent[] = [];
      for (const { bus, envelope, trace, traceHeader, hopped } of arrivals) {
        const key = busArn(bus);
        const book = books.get(key) ?? (await rulebooks.of(bus));
        books.set(key, book);
        const event = eventText(envelope);
        const found = book.match(JSON.parse(event));
        matched.add(found.length);
        const rest = { ...(traceHeader === undefined ? {} : { traceHeader }), ...(hopped ? { hopped } : {}) };
        for (const subscriber of found) {
          const given = { id: envelope.id, event, ingestedMs: clock.now(), ...rest };
          intents.push(...intentsOf(subscriber, given, trace));
        }
      }
      taken.add(arrivals.length);
      if (intents.length === 0) return;
      await store.tx(async (tx) => {
        for (const intent of intents) await delivery.enqueue(tx, intent);
      });
    },
  };
}
