/** Events on their way in: from clients, and from functions. */
import type { FunctionLogLine } from "../../compute/ports.ts";
import type { Handlers } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx } from "../../store/store.ts";
import { assign, insert } from "../../store/tables.ts";
import { chunksOf, type EventIds, type NewEvent } from "./chunks.ts";
import { invalid, noGroup, noStream } from "./faults.ts";
import {
  batchBytesMax,
  batchSpanMsMax,
  eventAgeMsMax,
  eventBytesMax,
  eventFutureMsMax,
  eventOverheadBytes,
} from "./limits.ts";
import { newStream } from "./streams.ts";
import { chunks, findGroup, findStream, groups, isIn, streams, type GroupRow, type StreamRow } from "./tables.ts";

/** Streams written in one transaction: more would hold the event loop for longer than 10 ms. */
const streamsAtOnceMax = 64;
const dayMs = 24 * 3600_000;

/** Ids that grow on this node, and differ from those of every other. 32 digits; clients see them with zeros up to AWS's 56. */
export function createEventIds({ ids, clock }: Pick<Deps, "ids" | "clock">): EventIds {
  const node = (Number.parseInt(ids.hex(4), 16) % 100_000_000).toString().padStart(8, "0");
  let lastMs = 0;
  let next = 0;
  return (count) => {
    const now = Math.max(lastMs, clock.now());
    const first = now === lastMs ? next : 0;
    next = first + count;
    lastMs = now;
    return `${String(now).padStart(14, "0")}${String(first).padStart(10, "0")}${node}`;
  };
}

const sizeOf = ({ message }: NewEvent) => Buffer.byteLength(message) + eventOverheadBytes;

/** Throws what PutLogEvents throws for a batch that breaks its rules. */
export function checkBatch(batch: readonly NewEvent[]): void {
  const tooLarge = batch.map(sizeOf).find((bytes) => bytes > eventBytesMax);
  if (tooLarge !== undefined) throw invalid(`Log event too large: ${tooLarge} bytes exceeds limit of ${eventBytesMax}`);
  const bytes = batch.reduce((sum, event) => sum + sizeOf(event), 0);
  if (bytes > batchBytesMax) throw invalid(`Upload too large: ${bytes} bytes exceeds limit of ${batchBytesMax}`);
  if (batch.some((event, i) => i > 0 && event.timeMs < (batch[i - 1]?.timeMs ?? 0))) {
    throw invalid("Log events in a single PutLogEvents request must be in chronological order.");
  }
  if ((batch.at(-1)?.timeMs ?? 0) - (batch[0]?.timeMs ?? 0) > batchSpanMsMax) {
    throw invalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.");
  }
}

export interface Sorted {
  accepted: readonly NewEvent[];
  /** As the answer's rejectedLogEventsInfo: ends are exclusive, the start is inclusive. */
  rejected: { expiredLogEventEndIndex?: number; tooOldLogEventEndIndex?: number; tooNewLogEventStartIndex?: number };
}

/** Which events of a batch in order of time are taken now. */
export function sortOut(batch: readonly NewEvent[], now: number, retentionDays: number | null): Sorted {
  const countBefore = (timeMs: number) => batch.filter((event) => event.timeMs < timeMs).length;
  const tooOld = countBefore(now - eventAgeMsMax);
  const expired = retentionDays === null ? 0 : countBefore(now - retentionDays * dayMs);
  const end = countBefore(now + eventFutureMsMax + 1);
  return {
    accepted: batch.slice(Math.max(tooOld, expired), end),
    rejected: {
      ...(expired > 0 ? { expiredLogEventEndIndex: expired } : {}),
      ...(tooOld > 0 ? { tooOldLogEventEndIndex: tooOld } : {}),
      ...(end < batch.length ? { tooNewLogEventStartIndex: end } : {}),
    },
  };
}

/** 0 stands for none. */
const earliest = (a: number, b: number) => (a === 0 ? b : Math.min(a, b));

/** Events of one stream, in order of time. */
interface StreamBatch {
  stream: StreamRow;
  batch: readonly NewEvent[];
}

/** What functions write comes all the time; a stream's own times may be so much behind it. AWS's are behind by up to an hour. */
const timesBehindMsMax = 1_000;

/** Whether a stream's times say already, more or less, what they would be after events up to `lastMs`. */
const areTimesNear = (row: StreamRow, firstMs: number, lastMs: number, now: number) =>
  row.first_event_ms !== 0 &&
  row.first_event_ms <= firstMs &&
  lastMs - row.last_event_ms < timesBehindMsMax &&
  now - row.last_ingested_ms < timesBehindMsMax;

export function eventWriter({ store, clock }: Deps, ids: EventIds) {
  const rowsOf = ({ stream, batch }: StreamBatch, now: number) => {
    const times = { firstMs: batch[0]?.timeMs ?? 0, lastMs: batch.at(-1)?.timeMs ?? 0 };
    return { stream, rows: chunksOf(stream, batch, now, ids), ...times };
  };

  /** Writes events of some streams, and when they last had some: at once, or where it is `lax` every second. */
  return async (batches: readonly StreamBatch[], { lax = false } = {}): Promise<void> => {
    const now = clock.now();
    const written = batches.filter(({ batch }) => batch.length > 0).map((one) => rowsOf(one, now));
    if (written.length === 0) return;
    await store.tx(async (tx) => {
      for (const { stream, rows, firstMs, lastMs } of written) {
        for (const row of rows) await tx.run(insert(chunks, row));
        if (lax && areTimesNear(stream, firstMs, lastMs, now)) continue;
        const isStream = sql`${isIn(stream)} and group_uid = ${stream.group_uid} and name = ${stream.name}
          and uid = ${stream.uid}`;
        const present = await tx.one<StreamRow>(sql`select ${streams.columns} from ${streams.name} where ${isStream}`);
        // Deleted meanwhile: the purge takes the events.
        if (present === undefined) continue;
        const changes = {
          first_event_ms: earliest(present.first_event_ms, firstMs),
          last_event_ms: Math.max(present.last_event_ms, lastMs),
          last_ingested_ms: now,
        };
        await tx.run(sql`update ${streams.name} set ${assign(streams, changes)} where ${isStream}`);
      }
    });
  };
}

interface Source {
  account: string;
  region: string;
  group: string;
  stream: string;
}

/** Lines longer than an event may be are cut, as Lambda cuts them. */
const lineBytesMax = eventBytesMax - eventOverheadBytes - 8;

/** Lambda's events end with the line's end. */
function messageOf(text: string): string {
  // No character takes more than three bytes per UTF-16 unit: most lines need no counting.
  const isLong = text.length * 3 > lineBytesMax && Buffer.byteLength(text) > lineBytesMax;
  const cut = isLong ? Buffer.from(text).subarray(0, lineBytesMax).toString() : text;
  return cut.endsWith("\n") ? cut : `${cut}\n`;
}

interface SourceBatch {
  source: Source;
  batch: NewEvent[];
}

/** Lines by where they come from, each in order of time: a clock may have been set back. */
function bySource(lines: readonly FunctionLogLine[]): SourceBatch[] {
  const sources = new Map<string, SourceBatch>();
  for (const { account, region, logGroup: group, logStream: stream, timeMs, text } of lines) {
    // Neither an account nor a region has a slash.
    const key = `${account}/${region}/${group.length}/${group}/${stream}`;
    let known = sources.get(key);
    if (known === undefined) sources.set(key, (known = { source: { account, region, group, stream }, batch: [] }));
    known.batch.push({ timeMs, message: messageOf(text) });
  }
  return Array.from(sources.values(), ({ source, batch }) => ({
    source,
    batch: batch.toSorted((a, b) => a.timeMs - b.timeMs),
  }));
}

export function ingestionOperations(deps: Deps) {
  const { store, ids, clock } = deps;
  const write = eventWriter(deps, createEventIds(deps));

  const find = async (tx: ReadTx, { group: name, stream, ...place }: Source) => {
    const group = await findGroup(tx, place, name);
    return { group, stream: group === undefined ? undefined : await findStream(tx, group, stream) };
  };

  /** Makes the stream of a source, and its group, unless somebody just did. */
  const make = (source: Source): Promise<StreamRow> => {
    const { group: groupName, stream: name, ...place } = source;
    const now = clock.now();
    const [groupUid, streamUid] = [ids.hex(8), ids.hex(8)];
    return store.tx(async (tx) => {
      const { group: present, stream } = await find(tx, source);
      if (stream !== undefined) return stream;
      const group: GroupRow = present ?? {
        ...place,
        name: groupName,
        uid: groupUid,
        created_ms: now,
        retention_days: null,
        class: "STANDARD",
        kms_key: null,
        tags: {},
        token: null,
      };
      if (present === undefined) await tx.run(insert(groups, group));
      const row = newStream(group, name, streamUid, now);
      await tx.run(insert(streams, row));
      return row;
    });
  };

  /** The streams of sources; made on first use. */
  const ensure = async (of: readonly SourceBatch[]): Promise<StreamBatch[]> => {
    const found = await store.read(async (tx) => {
      const known: (StreamRow | undefined)[] = [];
      for (const { source } of of) known.push((await find(tx, source)).stream);
      return known;
    });
    const ensured: StreamBatch[] = [];
    for (const [i, { source, batch }] of of.entries()) {
      ensured.push({ stream: found[i] ?? (await make(source)), batch });
    }
    return ensured;
  };

  const operations = {
    async PutLogEvents(input, call) {
      const batch = input.logEvents.map(({ timestamp, message }) => ({ timeMs: timestamp, message }));
      checkBatch(batch);
      const { group, stream } = await store.read(async (tx) => {
        const group = await findGroup(tx, call, input.logGroupName);
        if (group === undefined) throw noGroup();
        return { group, stream: await findStream(tx, group, input.logStreamName) };
      });
      if (stream === undefined) throw noStream();
      const { accepted, rejected } = sortOut(batch, clock.now(), group.retention_days);
      await write([{ stream, batch: accepted }]);
      return {
        // Always valid, and ignored when it comes back (API reference, PutLogEvents).
        nextSequenceToken: ids.hex(14),
        ...(Object.keys(rejected).length === 0 ? {} : { rejectedLogEventsInfo: rejected }),
      };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-cloudwatch-logs")>;

  const internal = {
    /** What functions wrote, of any account and region; in order for each stream. */
    async Ingest({ lines }: { lines: readonly FunctionLogLine[] }): Promise<object> {
      const sources = bySource(lines);
      for (let at = 0; at < sources.length; at += streamsAtOnceMax) {
        await write(await ensure(sources.slice(at, at + streamsAtOnceMax)), { lax: true });
      }
      return {};
    },
  };
  return { operations, internal };
}
