/** Events that reach their bus: matched, and written as deliveries and into archives in one transaction. */
import type { Call } from "../../kit/call.ts";
import type { Intent } from "../../kit/delivery.ts";
import { upsert } from "../../store/tables.ts";
import type { EventsDeps } from "./deps.ts";
import { eventText, type Envelope } from "./envelope.ts";
import { intentsOf } from "./fan-out.ts";
import { busArn } from "./names.ts";
import type { Rulebook } from "./rulebooks.ts";
import { archived, type ArchivedRow, type ArchiveRow, type BusRef } from "./tables.ts";

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

const rowOf = ({ account, region, uid }: ArchiveRow, { id, timeMs }: Envelope, event: string): ArchivedRow => ({
  account,
  region,
  archive_uid: uid,
  time_ms: timeMs,
  id,
  event,
  bytes: Buffer.byteLength(event),
});

export function createIngestion({ store, clock, delivery, metrics, rulebooks }: EventsDeps): Ingestion {
  const taken = metrics.counter("events_taken");
  const matched = metrics.counter("events_matched");
  return {
    async take(arrivals) {
      const books = new Map<string, Rulebook>();
      const intents: Intent[] = [];
      const kept: ArchivedRow[] = [];
      for (const { bus, envelope, trace, traceHeader, hopped } of arrivals) {
        const key = busArn(bus);
        const book = books.get(key) ?? (await rulebooks.of(bus));
        books.set(key, book);
        const event = eventText(envelope);
        const { subscribers, archives } = book.match(JSON.parse(event));
        matched.add(subscribers.length);
        const rest = { ...(traceHeader === undefined ? {} : { traceHeader }), ...(hopped ? { hopped } : {}) };
        const given = { id: envelope.id, event, ingestedMs: clock.now(), ...rest };
        for (const subscriber of subscribers) intents.push(...intentsOf(subscriber, given, trace));
        // What comes out of an archive does not go into one again.
        if (envelope.replayName === undefined) kept.push(...archives.map((row) => rowOf(row, envelope, event)));
      }
      taken.add(arrivals.length);
      if (intents.length + kept.length === 0) return;
      await store.tx(async (tx) => {
        for (const intent of intents) await delivery.enqueue(tx, intent);
        for (const row of kept) await tx.run(upsert(archived, row));
      });
    },
  };
}
