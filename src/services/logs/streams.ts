/** Log streams: one for each source of a group. */
import type { Handlers } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { pageKey, pageOf } from "../../kit/tokens.ts";
import { beginsWith, join, raw, sql } from "../../store/sql.ts";
import { insert, upsert } from "../../store/tables.ts";
import { badToken, fault, invalid, noGroup, noStream } from "./faults.ts";
import { describePageMax } from "./limits.ts";
import { groupArn, groupName } from "./names.ts";
import { findGroup, findStream, isIn, purges, streams, type GroupRow, type StreamRow } from "./tables.ts";

/** A stream without events. */
export function newStream({ account, region, uid }: GroupRow, name: string, streamUid: string, now: number): StreamRow {
  return {
    account,
    region,
    group_uid: uid,
    name,
    uid: streamUid,
    created_ms: now,
    first_event_ms: 0,
    last_event_ms: 0,
    last_ingested_ms: 0,
  };
}

function described(group: GroupRow, row: StreamRow) {
  const times = {
    firstEventTimestamp: row.first_event_ms,
    lastEventTimestamp: row.last_event_ms,
    lastIngestionTime: row.last_ingested_ms,
  };
  return {
    logStreamName: row.name,
    creationTime: row.created_ms,
    arn: `${groupArn(group)}:log-stream:${row.name}`,
    // Always 0 since 2019 (API reference, LogStream).
    storedBytes: 0,
    ...(row.last_ingested_ms === 0 ? {} : times),
  };
}

export function streamOperations({ store, ids, clock }: Deps) {
  return {
    async CreateLogStream(input, call) {
      const uid = ids.hex(8);
      const now = clock.now();
      return store.tx(async (tx) => {
        const group = await findGroup(tx, call, input.logGroupName);
        if (group === undefined) throw noGroup();
        if ((await findStream(tx, group, input.logStreamName)) !== undefined) {
          throw fault("ResourceAlreadyExistsException", "The specified log stream already exists");
        }
        await tx.run(insert(streams, newStream(group, input.logStreamName, uid, now)));
        return {};
      });
    },

    async DeleteLogStream(input, call) {
      const now = clock.now();
      return store.tx(async (tx) => {
        const group = await findGroup(tx, call, input.logGroupName);
        if (group === undefined) throw noGroup();
        const row = await findStream(tx, group, input.logStreamName);
        if (row === undefined) throw noStream();
        const { account, region, uid, name } = row;
        await tx.run(sql`delete from ${streams.name}
          where ${isIn(row)} and group_uid = ${group.uid} and name = ${name}`);
        await tx.run(upsert(purges, { account, region, uid, since_ms: now }));
        return {};
      });
    },

    async DescribeLogStreams(input, call) {
      const name = groupName(input, call);
      const { logStreamNamePrefix: prefix, orderBy = "LogStreamName", descending = false } = input;
      const byTime = orderBy === "LastEventTime";
      if (byTime && prefix !== undefined) {
        throw invalid("Cannot order by LastEventTime with a logStreamNamePrefix.");
      }
      const listing = { operation: "DescribeLogStreams", filters: [name, prefix ?? null, orderBy, descending], call };
      const key = pageKey(listing, input.nextToken, badToken);
      const beyond = raw(descending ? "<" : ">");
      const direction = raw(descending ? "desc" : "asc");
      const limit = input.limit ?? describePageMax;
      const { group, rows } = await store.read(async (tx) => {
        const group = await findGroup(tx, call, name);
        if (group === undefined) throw noGroup();
        const [time = 0, last = ""] = key ?? [];
        const conditions = [
          sql`${isIn(group)} and group_uid = ${group.uid}`,
          ...(prefix === undefined ? [] : [beginsWith("name", prefix)]),
          ...(key === undefined || byTime ? [] : [sql`name ${beyond} ${last}`]),
          ...(key === undefined || !byTime ? [] : [sql`(last_event_ms, name) ${beyond} (${time}, ${last})`]),
        ];
        const order = byTime ? sql`last_event_ms ${direction}, name ${direction}` : sql`name ${direction}`;
        const rows = await tx.all<StreamRow>(sql`select ${streams.columns} from ${streams.name}
          where ${join(conditions, " and ")} order by ${order} limit ${limit + 1}`);
        return { group, rows };
      });
      const { page, nextToken } = pageOf(listing, rows, limit, (row) => [row.last_event_ms, row.name]);
      return {
        logStreams: page.map((row) => described(group, row)),
        ...(nextToken === undefined ? {} : { nextToken }),
      };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-cloudwatch-logs")>;
}
