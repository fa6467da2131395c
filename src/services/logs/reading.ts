/** Events on their way out: a stream page by page in both directions, and a group through a filter. */
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { pageKey, pageToken, type Listing } from "../../kit/tokens.ts";
import { beginsWith, join, sql } from "../../store/sql.ts";
import type { ReadTx } from "../../store/store.ts";
import { badToken, invalid, noGroup, noStream, notYet } from "./faults.ts";
import type { StoredEvent } from "./chunks.ts";
import { pageBytesMax, pageEventsMax } from "./limits.ts";
import { groupName } from "./names.ts";
import { after, before, readPage, start, type Boundary } from "./pages.ts";
import { patternOf } from "./pattern.ts";
import { findGroup, findStream, isIn, streams, type GroupRow, type StreamRow } from "./tables.ts";

const boundaryKey = ({ timeMs, id, side }: Boundary) => [timeMs, id, side];

/** `f/...` and `b/...`: the direction is part of the token, as AWS has it. */
function tokens(listing: Listing) {
  return {
    write: (direction: "f" | "b", boundary: Boundary) => `${direction}/${pageToken(listing, boundaryKey(boundary))}`,
    read(text: string | undefined): { forward: boolean; boundary: Boundary } | undefined {
      if (text === undefined) return undefined;
      const [direction, token] = text.split("/", 2);
      const [timeMs, id, side] = pageKey(listing, token, badToken) ?? [];
      if ((direction !== "f" && direction !== "b") || (side !== "before" && side !== "after")) throw badToken();
      return { forward: direction === "f", boundary: { timeMs: Number(timeMs), id: String(id), side } };
    },
  };
}

const text = (message: Uint8Array) => Buffer.from(message).toString();
/** AWS's ids have 56 digits. */
const eventIdLength = 56;

/** Streams that one FilterLogEvents may name, by list or by prefix. */
const streamsMax = 1_000;
/** Events that one FilterLogEvents looks at; what is left has a token, as AWS's partial pages have. */
const scannedMax = 50_000;
/** Events looked at in one turn: more would hold the event loop for longer than 10 ms. */
const scanPageMax = 2_000;

export function readingOperations({ store }: Deps) {
  const groupOf = async (tx: ReadTx, call: Call, name: string): Promise<GroupRow> => {
    const group = await findGroup(tx, call, name);
    if (group === undefined) throw noGroup();
    return group;
  };

  interface Wanted {
    logStreamNames?: readonly string[] | undefined;
    logStreamNamePrefix?: string | undefined;
  }
  /** Names by uid: of the streams that are asked for, or undefined for all. */
  const wantedStreams = async (tx: ReadTx, group: GroupRow, { logStreamNames, logStreamNamePrefix }: Wanted) => {
    if (logStreamNames !== undefined && logStreamNamePrefix !== undefined) {
      throw invalid("logStreamNamePrefix and logStreamNames are mutually exclusive parameters.");
    }
    if (logStreamNames === undefined && logStreamNamePrefix === undefined) return undefined;
    const which =
      logStreamNamePrefix === undefined
        ? sql`name in (${join(logStreamNames ?? [])})`
        : beginsWith("name", logStreamNamePrefix);
    const rows = await tx.all<StreamRow>(sql`select ${streams.columns} from ${streams.name}
      where ${isIn(group)} and group_uid = ${group.uid} and ${which} limit ${streamsMax + 1}`);
    if (rows.length > streamsMax) throw notYet(`FilterLogEvents over more than ${streamsMax} streams by prefix`);
    if (logStreamNames !== undefined && rows.length < new Set(logStreamNames).size) throw noStream();
    return rows;
  };

  return {
    async GetLogEvents(input, call) {
      const name = groupName(input, call);
      const { logStreamName, startTime = null, endTime = null } = input;
      const listing = { operation: "GetLogEvents", filters: [name, logStreamName, startTime, endTime], call };
      const token = tokens(listing);
      const asked = token.read(input.nextToken);
      const forward = asked?.forward ?? input.startFromHead ?? false;
      const page = await store.read(async (tx) => {
        const group = await groupOf(tx, call, name);
        const stream = await findStream(tx, group, logStreamName);
        if (stream === undefined) throw noStream();
        const where = sql`${isIn(stream)} and stream_uid = ${stream.uid}`;
        const range = { startTime: input.startTime, endTime: input.endTime, from: asked?.boundary };
        return readPage(tx, { where, ...range, forward, limit: input.limit ?? pageEventsMax });
      });
      const [first, last] = [page[0], page.at(-1)];
      // Where nothing came, both tokens stay where they are: the same token again means the end.
      const here = asked?.boundary ?? start;
      return {
        events: page.map(({ time_ms, ingested_ms, message }) => ({
          timestamp: time_ms,
          message: text(message),
          ingestionTime: ingested_ms,
        })),
        nextForwardToken: token.write("f", last === undefined ? here : after(last)),
        nextBackwardToken: token.write("b", first === undefined ? here : before(first)),
      };
    },

    async TestMetricFilter({ filterPattern, logEventMessages }) {
      const match = patternOf(filterPattern);
      const matches = logEventMessages.flatMap((eventMessage, i) => {
        const extractedValues = match(eventMessage);
        return extractedValues === undefined ? [] : [{ eventNumber: i + 1, eventMessage, extractedValues }];
      });
      return { matches };
    },

    async FilterLogEvents(input, call) {
      if (input.startFromHead === false) throw notYet("FilterLogEvents from the newest event");
      const name = groupName(input, call);
      const match = patternOf(input.filterPattern);
      const { logStreamNames = null, logStreamNamePrefix = null, startTime = null, endTime = null } = input;
      const filters = [name, logStreamNames, logStreamNamePrefix, startTime, endTime, input.filterPattern ?? null];
      const listing = { operation: "FilterLogEvents", filters, call };
      const key = pageKey(listing, input.nextToken, badToken);
      const limit = input.limit ?? pageEventsMax;
      let from: Boundary | undefined =
        key === undefined ? undefined : { timeMs: Number(key[0]), id: String(key[1]), side: "after" };
      const found: { row: StoredEvent; stream: string }[] = [];
      let bytes = 0;
      let more = true;
      for (let scanned = 0; more && scanned < scannedMax && found.length < limit && bytes < pageBytesMax;) {
        const { page, names } = await store.read((tx) => scan(tx, from));
        for (const row of page) {
          if (found.length === limit) break;
          from = after(row);
          const stream = names.get(row.stream_uid);
          if (stream === undefined || match(text(row.message)) === undefined) continue;
          found.push({ row, stream });
          bytes += row.size_bytes;
        }
        scanned += page.length;
        more = page.length > 0;
      }
      return {
        events: found.map(({ row, stream }) => ({
          logStreamName: stream,
          timestamp: row.time_ms,
          message: text(row.message),
          ingestionTime: row.ingested_ms,
          eventId: row.id.padEnd(eventIdLength, "0"),
        })),
        searchedLogStreams: [],
        ...(more && from !== undefined ? { nextToken: pageToken(listing, [from.timeMs, from.id]) } : {}),
      };

      /** One page of events, and the names of their streams. */
      async function scan(tx: ReadTx, boundary: Boundary | undefined) {
        const group = await groupOf(tx, call, name);
        const wanted = await wantedStreams(tx, group, input);
        if (wanted?.length === 0) return { page: [], names: new Map<string, string>() };
        const only = wanted === undefined ? [] : [sql`stream_uid in (${join(wanted.map(({ uid }) => uid))})`];
        const where = join([sql`${isIn(group)} and group_uid = ${group.uid}`, ...only], " and ");
        const range = { startTime: input.startTime, endTime: input.endTime, from: boundary };
        const page = await readPage(tx, { where, ...range, forward: true, limit: scanPageMax });
        const uids = [...new Set(page.map(({ stream_uid }) => stream_uid))];
        const rows = wanted ?? (await streamsOf(tx, group, uids));
        return { page, names: new Map(rows.map((row) => [row.uid, row.name])) };
      }
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-cloudwatch-logs")>;
}

/** Streams by uid, in pieces: an `in` list has a bound on both engines. */
async function streamsOf(tx: ReadTx, group: GroupRow, uids: readonly string[]): Promise<StreamRow[]> {
  const rows: StreamRow[] = [];
  for (let at = 0; at < uids.length; at += streamsMax) {
    const some = uids.slice(at, at + streamsMax);
    rows.push(
      ...(await tx.all<StreamRow>(sql`select ${streams.columns} from ${streams.name}
        where ${isIn(group)} and group_uid = ${group.uid} and uid in (${join(some)})`)),
    );
  }
  return rows;
}
