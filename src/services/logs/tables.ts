/** Log groups, their streams and events. Events know group and stream by a uid, so that a name made again starts empty. */
import { sql } from "../../store/sql.ts";
import type { ReadTx } from "../../store/store.ts";
import { c, table, type Migration, type Row } from "../../store/tables.ts";

export const groups = table(
  "logs_groups",
  {
    account: c.id,
    region: c.id,
    name: c.id,
    uid: c.id,
    created_ms: c.time,
    /** Null keeps events for ever. */
    retention_days: c.nullable(c.int),
    class: c.id,
    kms_key: c.nullable(c.id),
    tags: c.json<Record<string, string>>(),
    /** The CloudFormation step that made it; null when a client or a function did. */
    token: c.nullable(c.id),
  },
  { key: ["account", "region", "name"] },
);
export type GroupRow = Row<typeof groups>;

/** Times of events are 0 until there is one. */
export const streams = table(
  "logs_streams",
  {
    account: c.id,
    region: c.id,
    group_uid: c.id,
    name: c.id,
    uid: c.id,
    created_ms: c.time,
    first_event_ms: c.time,
    last_event_ms: c.time,
    last_ingested_ms: c.time,
  },
  {
    key: ["account", "region", "group_uid", "name"],
    indexes: [{ columns: ["account", "region", "group_uid", "last_event_ms", "name"] }],
  },
);
export type StreamRow = Row<typeof streams>;

/** A row for each event, as version 1 had it; {@link chunks} took its place. */
const events = table(
  "logs_events",
  {
    account: c.id,
    region: c.id,
    stream_uid: c.id,
    time_ms: c.time,
    /** Grows with ingestion: events of one time keep their order. */
    id: c.id,
    group_uid: c.id,
    ingested_ms: c.time,
    size_bytes: c.int,
    /** UTF-8; as bytes, since text columns hold no U+0000. */
    message: c.bytes,
  },
  {
    key: ["account", "region", "stream_uid", "time_ms", "id"],
    indexes: [{ columns: ["account", "region", "group_uid", "time_ms", "id"] }],
  },
);

/** Events of one stream and one moment, in order of time: see `chunks.ts`. */
export const chunks = table(
  "logs_chunks",
  {
    account: c.id,
    region: c.id,
    stream_uid: c.id,
    /** Of the first event, as `id`. */
    time_ms: c.time,
    /** Grows with ingestion: events of one time keep their order. */
    id: c.id,
    group_uid: c.id,
    /** Of the last event. */
    last_ms: c.time,
    ingested_ms: c.time,
    event_count: c.int,
    /** Of all events, each with its overhead. */
    size_bytes: c.int,
    /** For each event its time after the first one's in milliseconds, and its bytes; null where there is but one. */
    layout: c.nullable(c.json<number[]>()),
    /** UTF-8, one after the other; as bytes, since text columns hold no U+0000. */
    messages: c.bytes,
  },
  {
    key: ["account", "region", "stream_uid", "time_ms", "id"],
    indexes: [{ columns: ["account", "region", "group_uid", "time_ms", "id"] }],
  },
);
export type ChunkRow = Row<typeof chunks>;

/** Groups and streams that are deleted, and whose events go in the background. */
export const purges = table(
  "logs_purges",
  { account: c.id, region: c.id, uid: c.id, since_ms: c.time },
  { key: ["account", "region", "uid"] },
);
export type PurgeRow = Row<typeof purges>;

export const migrations: readonly Migration[] = [
  { version: 1, create: [groups, streams, events, purges] },
  {
    version: 2,
    create: [chunks],
    run: [
      sql`insert into ${chunks.name} (account, region, stream_uid, time_ms, id, group_uid, last_ms, ingested_ms,
          event_count, size_bytes, layout, messages)
        select account, region, stream_uid, time_ms, id, group_uid, time_ms, ingested_ms, 1, size_bytes, null, message
        from ${events.name}`,
      sql`drop table ${events.name}`,
    ],
  },
];

export interface Place {
  account: string;
  region: string;
}

export const isIn = ({ account, region }: Place) => sql`account = ${account} and region = ${region}`;

export function findGroup(tx: ReadTx, place: Place, name: string): Promise<GroupRow | undefined> {
  return tx.one<GroupRow>(sql`select ${groups.columns} from ${groups.name} where ${isIn(place)} and name = ${name}`);
}

export function findStream(tx: ReadTx, { uid, ...place }: GroupRow, name: string): Promise<StreamRow | undefined> {
  return tx.one<StreamRow>(sql`select ${streams.columns} from ${streams.name}
    where ${isIn(place)} and group_uid = ${uid} and name = ${name}`);
}
