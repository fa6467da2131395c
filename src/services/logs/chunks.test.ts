import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { startPostgresOrSkip } from "../../../test/postgres.ts";
import { systemClock } from "../../base/clock.ts";
import { must } from "../../base/errors.ts";
import { sql } from "../../store/sql.ts";
import { openStore } from "../../store/open.ts";
import { silentLog } from "../../telemetry/log.ts";
import { createMetrics } from "../../telemetry/metrics.ts";
import { chunksOf, eventsOf, type NewEvent } from "./chunks.ts";
import { withNode, type TestNode } from "./node.suite.ts";
import { after, readPage, type Boundary } from "./pages.ts";
import { chunks, migrations, type ChunkRow, type StreamRow } from "./tables.ts";

const place = { account: "000000000000", region: "us-east-1" };
const stream: StreamRow = {
  ...place,
  group_uid: "group",
  name: "stream",
  uid: "stream",
  created_ms: 0,
  first_event_ms: 0,
  last_event_ms: 0,
  last_ingested_ms: 0,
};
const firstId = "00000000000001000000000700000042";
const secondId = "00000000000001000000000800000042";

const packed = (batch: readonly NewEvent[]) => {
  let next = 7;
  return chunksOf(stream, batch, 5, (count) => {
    const id = `00000000000001${String(next).padStart(10, "0")}00000042`;
    next += count;
    return id;
  });
};
const textOf = ({ message }: { message: Uint8Array }) => Buffer.from(message).toString();

describe("chunks of events", () => {
  it("give back what they took, each with its time and an id of its own", () => {
    const batch = Array.from({ length: 1_000 }, (_, i) => ({ timeMs: 1_000 + (i >> 3), message: `ü ${i}\u0000` }));
    const rows = packed(batch);
    expect(rows.length).toBeGreaterThan(1);
    expect(rows.length).toBeLessThan(10);
    const events = rows.flatMap(eventsOf);
    expect(events.map((event) => [event.time_ms, textOf(event)])).toEqual(
      batch.map(({ timeMs, message }) => [timeMs, message]),
    );
    expect(events[0]?.id).toBe(firstId);
    const ids = events.map(({ id }) => id);
    expect(ids).toEqual(ids.toSorted());
    expect(new Set(ids).size).toBe(1_000);
    for (const chunk of rows) {
      expect(eventsOf(chunk).reduce((sum, { size_bytes }) => sum + size_bytes, 0)).toBe(chunk.size_bytes);
      expect(eventsOf(chunk)).toHaveLength(chunk.event_count);
      expect(chunk.last_ms).toBe(eventsOf(chunk).at(-1)?.time_ms);
    }
  });

  it("reach over one second at most", () => {
    const rows = packed([0, 500, 1_000, 1_001, 5_000].map((timeMs) => ({ timeMs, message: "x" })));
    expect(rows.map(({ event_count }) => event_count)).toEqual([3, 1, 1]);
  });

  it("hold a long event alone", () => {
    const rows = packed(["a", "x".repeat(100_000), "b"].map((message) => ({ timeMs: 1, message })));
    expect(rows.map(({ event_count }) => event_count)).toEqual([1, 1, 1]);
  });
});

describe("pages of overlapping chunks", () => {
  /** The same every time. */
  const numbers = (seed: number) => {
    let state = seed;
    return (below: number) => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return (state >>> 8) % below;
    };
  };

  /** Batches of a few streams in any order of time, as late writers bring them. */
  const fill = async (node: TestNode, seed: number) => {
    const pick = numbers(seed);
    const beganMs = node.clock.now();
    for (let batch = 0; batch < 40; batch += 1) {
      const fromMs = beganMs + pick(4_000);
      const lines = Array.from({ length: 1 + pick(30) }, (_, i) => ({
        group: "g",
        stream: `s${pick(5)}`,
        timeMs: fromMs + pick(300),
        text: `${batch}.${i} ${"x".repeat(pick(3) === 0 ? 2_000 : 3)}`,
      }));
      await node.ingest(lines);
    }
  };

  const all = async ({ store }: TestNode) => {
    const rows = await store.read((tx) => tx.all<ChunkRow>(sql`select * from logs_chunks`));
    return rows
      .flatMap(eventsOf)
      .toSorted((a, b) => a.time_ms - b.time_ms || (a.id < b.id ? -1 : 1))
      .map(({ id }) => id);
  };

  it("hold each event once, in order of time, however long they are", () =>
    withNode(async (node) => {
      await fill(node, 1);
      const expected = await all(node);
      const where = sql`account = ${place.account} and region = ${place.region}`;
      for (const limit of [3, 50, 10_000]) {
        const forward: string[] = [];
        for (let from: Boundary | undefined; forward.length <= expected.length;) {
          const page = await node.store.read((tx) => readPage(tx, { where, from, forward: true, limit }));
          const last = page.at(-1);
          if (last === undefined) break;
          expect(page.length).toBeLessThanOrEqual(limit);
          forward.push(...page.map(({ id }) => id));
          from = after(last);
        }
        expect(forward).toEqual(expected);
      }
    }));

  it("read backward give the same", () =>
    withNode(async (node) => {
      await fill(node, 2);
      const { logs, call } = node;
      for (let s = 0; s < 5; s += 1) {
        const of = { logGroupName: "g", logStreamName: `s${s}` };
        const whole = await logs.GetLogEvents({ ...of, startFromHead: true }, call);
        const pages: unknown[][] = [];
        for (let nextToken: string | undefined; ;) {
          const page = await logs.GetLogEvents({ ...of, limit: 9, ...(nextToken && { nextToken }) }, call);
          if (page.events?.length === 0) break;
          pages.unshift(page.events ?? []);
          nextToken = page.nextBackwardToken;
        }
        expect(pages.flat()).toEqual(whole.events);
        expect(whole.events?.length).toBeGreaterThan(50);
      }
    }));

  it("begin and end in the middle of a chunk where the range does", () =>
    withNode(async (node) => {
      const now = node.clock.now();
      await node.ingest(
        Array.from({ length: 900 }, (_, i) => ({ group: "g", stream: `s${i % 2}`, timeMs: now + i, text: String(i) })),
      );
      const { events } = await node.logs.FilterLogEvents(
        { logGroupName: "g", startTime: now + 850, endTime: now + 853 },
        node.call,
      );
      expect(events?.map(({ message }) => message)).toEqual(["850\n", "851\n", "852\n"]);
    }));
});

const server = await startPostgresOrSkip("log events on PostgreSQL");
afterAll(() => server?.stop());
const engines = ["sqlite", ...(server === undefined ? [] : ["postgres"])];

describe.each(engines)("events of before there were chunks, on %s", (engine) => {
  it("are in chunks of their own after the migration, beside new ones", async () => {
    const directory = await mkdtemp(join(tmpdir(), "mikan-logs-"));
    const data = engine === "sqlite" ? directory : must(await server?.createDatabase(), "a database");
    const store = await openStore({ data, clock: systemClock, log: silentLog, metrics: createMetrics() });
    try {
      await store.migrate([{ owner: "logs", migrations: migrations.slice(0, 1) }]);
      const message = Buffer.from("old");
      await store.tx((tx) =>
        tx.run(sql`insert into logs_events
          (account, region, stream_uid, time_ms, id, group_uid, ingested_ms, size_bytes, message)
          values (${place.account}, ${place.region}, ${"s"}, ${7}, ${firstId}, ${"g"}, ${9}, ${29}, ${message})`),
      );
      await store.migrate([{ owner: "logs", migrations }]);
      await store.append(
        chunks,
        packed([
          { timeMs: 6, message: "before" },
          { timeMs: 8, message: "after" },
        ]),
      );
      const where = sql`account = ${place.account} and region = ${place.region}`;
      for (const forward of [true, false]) {
        const page = await store.read((tx) => readPage(tx, { where, from: undefined, forward, limit: 10 }));
        expect(page.map((event) => [event.time_ms, event.id, event.size_bytes, textOf(event)])).toEqual([
          [6, firstId, 32, "before"],
          [7, firstId, 29, "old"],
          [8, secondId, 31, "after"],
        ]);
      }
    } finally {
      await store.close();
      await rm(directory, { recursive: true });
      if (engine === "postgres") await server?.dropDatabase(data);
    }
  });
});
