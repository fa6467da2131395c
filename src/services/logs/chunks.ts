/** Events as they are stored: many of one stream and one moment in a row, since a row for each costs more than the event. */
import { eventOverheadBytes } from "./limits.ts";
import type { ChunkRow, StreamRow } from "./tables.ts";

export interface NewEvent {
  timeMs: number;
  message: string;
}

/** An event out of its chunk; in order by time, then id. */
export interface StoredEvent {
  stream_uid: string;
  time_ms: number;
  id: string;
  ingested_ms: number;
  size_bytes: number;
  /** UTF-8. */
  message: Uint8Array;
}

/** The first of `count` ids in a row. */
export type EventIds = (count: number) => string;

/** A page that begins in the middle of a chunk reads all of it; one event may be longer by itself. */
const chunkBytesMax = 16 * 1024;
/** What a reader goes back by to find the chunks that reach into its range. */
export const chunkSpanMsMax = 1_000;

const countDigits = { from: 14, to: 24 } as const;

/** The id of the event `index` of a chunk whose first has `id`. */
function idAt(id: string, index: number): string {
  const { from, to } = countDigits;
  return `${id.slice(0, from)}${String(Number(id.slice(from, to)) + index).padStart(to - from, "0")}${id.slice(to)}`;
}

/** Cuts a batch in order of time where a chunk would be too long, in bytes or in time. */
function partsOf(batch: readonly NewEvent[], sizes: readonly number[]): { from: number; to: number }[] {
  const parts: { from: number; to: number }[] = [];
  let from = 0;
  let bytes = 0;
  for (let i = 0; i < batch.length; i += 1) {
    const spanMs = (batch[i]?.timeMs ?? 0) - (batch[from]?.timeMs ?? 0);
    const size = sizes[i] ?? 0;
    if (i > from && (bytes + size > chunkBytesMax || spanMs > chunkSpanMsMax)) {
      parts.push({ from, to: i });
      from = i;
      bytes = 0;
    }
    bytes += size;
  }
  return [...parts, { from, to: batch.length }];
}

/** The rows of a batch, which is in order of time and not empty. */
export function chunksOf(stream: StreamRow, batch: readonly NewEvent[], now: number, ids: EventIds): ChunkRow[] {
  const { account, region, uid, group_uid } = stream;
  const lengths = batch.map(({ message }) => Buffer.byteLength(message));
  const sizes = lengths.map((bytes) => bytes + eventOverheadBytes);
  return partsOf(batch, sizes).map(({ from, to }): ChunkRow => {
    const events = batch.slice(from, to);
    const firstMs = events[0]?.timeMs ?? 0;
    return {
      account,
      region,
      stream_uid: uid,
      time_ms: firstMs,
      id: ids(events.length),
      group_uid,
      last_ms: events.at(-1)?.timeMs ?? firstMs,
      ingested_ms: now,
      event_count: events.length,
      size_bytes: sizes.slice(from, to).reduce((sum, size) => sum + size, 0),
      layout:
        events.length === 1 ? null : events.flatMap(({ timeMs }, i) => [timeMs - firstMs, lengths[from + i] ?? 0]),
      messages: Buffer.from(events.map(({ message }) => message).join("")),
    };
  });
}

/** The events of a row, in order. Their messages are views of its own. */
export function eventsOf({ stream_uid, time_ms, id, ingested_ms, layout, messages }: ChunkRow): StoredEvent[] {
  const of = { stream_uid, ingested_ms };
  if (layout === null) {
    return [{ ...of, time_ms, id, size_bytes: messages.byteLength + eventOverheadBytes, message: messages }];
  }
  const events: StoredEvent[] = [];
  let at = 0;
  for (let i = 0; i < layout.length; i += 2) {
    const bytes = layout[i + 1] ?? 0;
    events.push({
      ...of,
      time_ms: time_ms + (layout[i] ?? 0),
      id: idAt(id, i / 2),
      size_bytes: bytes + eventOverheadBytes,
      message: messages.subarray(at, at + bytes),
    });
    at += bytes;
  }
  return events;
}
