/** A page of events in order of time, out of chunks that overlap: those of one stream a little, those of a group all the time. */
import { join, raw, sql, type Sql } from "../../store/sql.ts";
import type { ReadTx } from "../../store/store.ts";
import { chunkSpanMsMax, eventsOf, type StoredEvent } from "./chunks.ts";
import { pageBytesMax } from "./limits.ts";
import { chunks, type ChunkRow } from "./tables.ts";

/** A place between two events, or before the first. */
export interface Boundary {
  timeMs: number;
  id: string;
  side: "before" | "after";
}

export const start: Boundary = { timeMs: 0, id: "", side: "before" };

type Position = Pick<StoredEvent, "time_ms" | "id">;
type ChunkSize = Pick<ChunkRow, "time_ms" | "id" | "size_bytes" | "event_count">;

export const before = ({ time_ms, id }: Position): Boundary => ({ timeMs: time_ms, id, side: "before" });
export const after = ({ time_ms, id }: Position): Boundary => ({ timeMs: time_ms, id, side: "after" });

export interface Reading {
  /** Whose chunks: account and region, and a stream or a group. */
  where: Sql;
  /** Inclusive. */
  startTime?: number | undefined;
  /** Exclusive. */
  endTime?: number | undefined;
  from: Boundary | undefined;
  forward: boolean;
  limit: number;
}

/** Chunks whose sizes are looked at in one go. */
const sizesMax = 500;
/** Fewer are not read in one go, if they fit: as many streams may have written at the same moment. */
const chunksMin = 32;

const compare = (a: Position, b: Position) => a.time_ms - b.time_ms || (a.id < b.id ? -1 : Number(a.id > b.id));

/** Whether the page may have an event: within the range, and beyond where it begins. */
function isWanted(event: StoredEvent, { startTime, endTime, from, forward }: Reading): boolean {
  if (event.time_ms < (startTime ?? -Infinity) || event.time_ms >= (endTime ?? Infinity)) return false;
  if (from === undefined) return true;
  const order = compare(event, { time_ms: from.timeMs, id: from.id });
  const isBehind = from.side === "after" ? order > 0 : order >= 0;
  return isBehind === forward;
}

/** The chunks that may hold such events. */
function rangeOf({ where, startTime, endTime, from, forward }: Reading): Sql {
  const earliestMs = Math.max(startTime ?? 0, forward ? (from?.timeMs ?? 0) : 0) - chunkSpanMsMax;
  const latest = forward || from === undefined ? [] : [sql`time_ms <= ${from.timeMs}`];
  const ended = endTime === undefined ? [] : [sql`time_ms < ${endTime}`];
  return join([where, sql`time_ms >= ${earliestMs}`, ...latest, ...ended], " and ");
}

/** How many of these are read now: enough for `wanted` events, but no more bytes than a page has. */
function chunksToRead(sizes: readonly ChunkSize[], wanted: number): number {
  let bytes = 0;
  let events = 0;
  for (const [i, { size_bytes, event_count }] of sizes.entries()) {
    bytes += size_bytes;
    if (i > 0 && (bytes > pageBytesMax || (i >= chunksMin && events >= wanted))) return i;
    events += event_count;
  }
  return sizes.length;
}

/** How many of `held` come before whatever the chunks hold that begin at `next` or beyond. */
function countSettled(held: readonly StoredEvent[], next: Position, forward: boolean): number {
  const isOpen = (event: StoredEvent) =>
    forward ? compare(event, next) >= 0 : event.time_ms <= next.time_ms + chunkSpanMsMax;
  const open = held.findIndex(isOpen);
  return open < 0 ? held.length : open;
}

/** How many of the first `count` fit on a page; one always does. */
function countFitting(held: readonly StoredEvent[], count: number): number {
  let bytes = 0;
  for (let i = 0; i < count; i += 1) {
    bytes += held[i]?.size_bytes ?? 0;
    if (bytes > pageBytesMax && i > 0) return i;
  }
  return count;
}

/** Events in order of time, cut at `limit` and at a page's bytes: sizes are looked at before messages are read. */
export async function readPage(tx: ReadTx, reading: Reading): Promise<StoredEvent[]> {
  const { forward, limit } = reading;
  const direction = raw(forward ? "asc" : "desc");
  const order = sql`order by time_ms ${direction}, id ${direction}`;
  const [further, upTo] = forward ? [raw(">"), raw("<=")] : [raw("<"), raw(">=")];
  let range = rangeOf(reading);
  let held: StoredEvent[] = [];
  for (;;) {
    const sizes = await tx.all<ChunkSize>(
      sql`select time_ms, id, size_bytes, event_count from ${chunks.name} where ${range} ${order} limit ${sizesMax}`,
    );
    const count = chunksToRead(sizes, limit);
    const last = sizes[count - 1];
    if (last !== undefined) {
      const rows = await tx.all<ChunkRow>(sql`select ${chunks.columns} from ${chunks.name}
        where ${range} and (time_ms, id) ${upTo} (${last.time_ms}, ${last.id}) ${order}`);
      const found = rows.flatMap(eventsOf).filter((event) => isWanted(event, reading));
      held = [...held, ...found].toSorted((a, b) => (forward ? compare(a, b) : compare(b, a)));
    }
    const isAll = last === undefined || (count === sizes.length && count < sizesMax);
    const settled = Math.min(limit, isAll ? held.length : countSettled(held, sizes[count] ?? last, forward));
    const fitting = countFitting(held, settled);
    if (isAll || fitting === limit || fitting < settled) {
      const page = held.slice(0, fitting);
      return forward ? page : page.toReversed();
    }
    range = sql`${range} and (time_ms, id) ${further} (${last.time_ms}, ${last.id})`;
  }
}
