/** Events on their way in: from clients, and from functions. */
import type { FunctionLogLine } from "../../compute/ports.ts";
import type { Handlers } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import type { Tx } from "../../store/store.ts";
import { assign, insert } from "../../store/tables.ts";
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
import {
  events,
  findGroup,
  findStream,
  groups,
  isIn,
  streams,
  type EventRow,
  type GroupRow,
  type StreamRow,
} from "./tables.ts";

export interface NewEvent {
  timeMs: number;
  message: string;
}

/** Rows of one append; the store takes no more. */
const appendRowsMax = 500;
const dayMs = 24 * 3600_000;

/** Ids that grow on this node, and differ from those of every other. 32 digits; clients see them with zeros up to AWS's 56. */
export function createEventIds({ ids, clock }: Pick<Deps, "ids" | "clock">): () => string {
  const node = (Number.parseInt(ids.hex(4), 16) % 100_000_000).toString().padStart(8, "0");
  let lastMs = 0;
  let count = 0;
  return () => {
    const now = Math.max(lastMs, clock.now());
    count = now === lastMs ? count + 1 : 0;
    lastMs = now;
    return `${String(now).padStart(14, "0")}${String(count).padStart(10, "0")}${node}`;
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

export function eventWriter({ store, clock }: Deps, nextId: () => string) {
  /** Writes events of one stream. They are on disk before the stream's times say so. */
  return async (stream: StreamRow, batch: readonly NewEvent[]): Promise<void> => {
    if (batch.length === 0) return;
    const { account, region, uid, group_uid, name } = stream;
    const now = clock.now();
    const rows = batch.map(({ timeMs, message }): EventRow => {
      const bytes = Buffer.from(message);
      const of = { account, region, stream_uid: uid, group_uid };
      const size = bytes.byteLength + eventOverheadBytes;
      return { ...of, time_ms: timeMs, id: nextId(), ingested_ms: now, size_bytes: size, message: bytes };
    });
    for (let at = 0; at < rows.length; at += appendRowsMax) {
      await store.append(events, rows.slice(at, at + appendRowsMax));
    }
    const times = batch.map(({ timeMs }) => timeMs);
    const first = times.reduce((a, b) => Math.min(a, b));
    const last = times.reduce((a, b) => Math.max(a, b));
    const isStream = sql`${isIn(stream)} and group_uid = ${group_uid} and name = ${name} and uid = ${uid}`;
    await store.tx(async (tx) => {
      const row = await tx.one<StreamRow>(sql`select ${streams.columns} from ${streams.name} where ${isStream}`);
      // Deleted meanwhile: the purge takes the events.
      if (row === undefined) return;
      const changes = {
        first_event_ms: earliest(row.first_event_ms, first),
        last_event_ms: Math.max(row.last_event_ms, last),
        last_ingested_ms: now,
      };
      await tx.run(sql`update ${streams.name} set ${assign(streams, changes)} where ${isStream}`);
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
  const cut = Buffer.byteLength(text) > lineBytesMax ? Buffer.from(text).subarray(0, lineBytesMax).toString() : text;
  return cut.endsWith("\n") ? cut : `${cut}\n`;
}

function bySource(lines: readonly FunctionLogLine[]): Map<string, { source: Source; batch: NewEvent[] }> {
  const sources = new Map<string, { source: Source; batch: NewEvent[] }>();
  for (const { account, region, logGroup: group, logStream: stream, timeMs, text } of lines) {
    const source = { account, region, group, stream };
    const key = JSON.stringify(Object.values(source));
    const known = sources.get(key) ?? { source, batch: [] };
    sources.set(key, known);
    known.batch.push({ timeMs, message: messageOf(text) });
  }
  return sources;
}

export function ingestionOperations(deps: Deps) {
  const { store, ids, clock } = deps;
  const write = eventWriter(deps, createEventIds(deps));

  /** The stream of a source; it and its group are made on first use. */
  const ensure = async ({ account, region, group: groupName, stream: name }: Source): Promise<StreamRow> => {
    const place = { account, region };
    const read = async (tx: Pick<Tx, "one" | "all">) => {
      const group = await findGroup(tx, place, groupName);
      return { group, stream: group === undefined ? undefined : await findStream(tx, group, name) };
    };
    const found = await store.read(read);
    if (found.stream !== undefined) return found.stream;
    const now = clock.now();
    const [groupUid, streamUid] = [ids.hex(8), ids.hex(8)];
    return store.tx(async (tx) => {
      const { group: present, stream } = await read(tx);
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
      await write(stream, accepted);
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
      for (const { source, batch } of bySource(lines).values()) await write(await ensure(source), batch);
      return {};
    },
  };
  return { operations, internal };
}
