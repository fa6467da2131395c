/** The store for many nodes, on a real server: the conformance of all stores, and what only a server can do. */
import { Client } from "pg";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { startPostgresOrSkip } from "../../../test/postgres.ts";
import { systemClock } from "../../base/clock.ts";
import { createLog, silentLog } from "../../telemetry/log.ts";
import { createMetrics, type Metrics } from "../../telemetry/metrics.ts";
import { storeConformance } from "../conformance.suite.ts";
import { StoreBusy, StoreFailure } from "../errors.ts";
import { items, jobs, schema, type Home } from "../fixture.suite.ts";
import { raw, sql } from "../sql.ts";
import type { Store } from "../store.ts";
import { c, insert, table } from "../tables.ts";
import { createPostgresStore } from "./postgres.ts";

const server = await startPostgresOrSkip("the store on PostgreSQL");
const url = (await server?.createDatabase()) ?? "";
afterAll(() => server?.stop());

/** As the operator: one statement on a connection of its own. */
async function operate(text: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end();
  }
}

/** Far quicker than a new database. */
const emptyDatabase = () => operate("drop schema public cascade; create schema public");

function openStore(metrics: Metrics = createMetrics(), poolSize = 16): Promise<Store> {
  return createPostgresStore({ url, poolSize, clock: systemClock, log: silentLog, metrics });
}

async function createHome(): Promise<Home> {
  await emptyDatabase();
  return {
    open: (clock) => createPostgresStore({ url, clock, log: silentLog, metrics: createMetrics() }),
    remove: async () => {},
  };
}

describe.skipIf(server === undefined)("PostgreSQL", () => {
  storeConformance(createHome);
});

const item = (name: string, amount = 1) => ({ owner: "o", name, amount, note: null });
const countItems = (store: Store) => store.read((tx) => tx.one(sql`select count(*) as n from ${items.name}`));

describe.skipIf(server === undefined)("a PostgreSQL database", () => {
  let metrics: Metrics;
  let store: Store;
  beforeEach(async () => {
    await emptyDatabase();
    metrics = createMetrics();
    store = await openStore(metrics);
    await store.migrate([schema]);
  });
  afterEach(() => store.close());

  it("runs a body again when another came between, and the effects of the last run only", async () => {
    await store.append(items, [item("counter", 0)]);
    let runs = 0;
    let effects = 0;
    const add = () =>
      store.tx(async (tx) => {
        runs += 1;
        tx.afterCommit(() => (effects += 1));
        const row = await tx.one<{ amount: number }>(sql`select amount from ${items.name}`);
        await tx.run(sql`update ${items.name} set amount = ${(row?.amount ?? 0) + 1}`);
      });
    await Promise.all(Array.from({ length: 12 }, add));
    expect(await store.read((tx) => tx.one(sql`select amount from ${items.name}`))).toEqual({ amount: 12 });
    expect(effects).toBe(12);
    expect(runs).toBe(12 + metrics.counter("store_reruns").value);
    expect(runs).toBeGreaterThan(12);
  });

  it("gives up on a body that always meets another, and says so", async () => {
    let runs = 0;
    const unlucky = store.tx(async (tx) => {
      runs += 1;
      await tx.run(raw("do $$ begin raise serialization_failure; end $$"));
    });
    await expect(unlucky).rejects.toThrow(StoreBusy);
    expect(runs).toBe(24);
  });

  it("runs a body again even if the body hid the conflict", async () => {
    let runs = 0;
    const value = await store.tx(async (tx) => {
      runs += 1;
      if (runs < 3) await tx.run(raw("do $$ begin raise deadlock_detected; end $$")).catch(() => 0);
      return runs;
    });
    expect(value).toBe(3);
  });

  it("runs bodies serializably, claims not, and readers without a right to write", async () => {
    const level = raw("select current_setting('transaction_isolation') as level");
    expect(await store.tx((tx) => tx.one(level))).toEqual({ level: "serializable" });
    expect(await store.tx((tx) => tx.one(level), { isolation: "claim" })).toEqual({ level: "read committed" });
    expect(await store.read((tx) => tx.one(level))).toEqual({ level: "repeatable read" });
  });

  it("lets claiming bodies skip what another has locked, without a rerun", async () => {
    await store.append(
      jobs,
      Array.from({ length: 40 }, (_, n) => ({ name: `${n}`, kind: "k", due_ms: 1, tries: 0, first_ms: null })),
    );
    const claim = () =>
      store.tx(
        async (tx) => {
          const row = await tx.one<{ name: string }>(
            sql`select name from ${jobs.name} where due_ms = ${1} order by name limit 1 for update skip locked`,
          );
          if (row !== undefined) await tx.run(sql`update ${jobs.name} set due_ms = ${2} where name = ${row.name}`);
          return row?.name;
        },
        { isolation: "claim" },
      );
    const names = await Promise.all(Array.from({ length: 40 }, claim));
    expect(new Set(names).size).toBe(40);
    expect(metrics.counter("store_reruns").value).toBe(0);
  });

  it("rejects only the body whose COMMIT fails", async () => {
    const parents = table("bad_parents", { id: c.id }, { key: ["id"] });
    const children = table("bad_children", { id: c.id }, { key: ["id"] });
    const link = raw(
      'alter table bad_children add column parent text collate "C" references bad_parents (id) deferrable initially deferred',
    );
    await store.migrate([{ owner: "bad", migrations: [{ version: 1, create: [parents, children], run: [link] }] }]);
    const results = await Promise.allSettled([
      store.tx((tx) => tx.run(insert(items, item("a")))),
      store.tx((tx) => tx.run(raw("insert into bad_children values ('c', 'nobody')"))),
      store.tx((tx) => tx.run(insert(items, item("b")))),
    ]);
    expect(results.map((result) => result.status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(await countItems(store)).toEqual({ n: 2 });
  });

  it("that drops a connection in the middle of a body fails that body, and serves the next", async () => {
    const dropped = store.tx(async (tx) => {
      await tx.run(insert(items, item("lost")));
      await tx.run(raw("select pg_terminate_backend(pg_backend_pid())"));
    });
    await expect(dropped).rejects.toThrow(StoreFailure);
    await store.tx((tx) => tx.run(insert(items, item("kept"))));
    expect(await store.read((tx) => tx.all(sql`select name from ${items.name}`))).toEqual([{ name: "kept" }]);
  });

  it("that drops every idle connection is connected to again", async () => {
    await Promise.all(Array.from({ length: 20 }, (_, n) => store.tx((tx) => tx.run(insert(items, item(`${n}`))))));
    await operate("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'mikan'");
    // A connection may be handed out before its end has been heard of; after one failure each it is gone.
    for (let n = 0; n < 20; n += 1) await store.read((tx) => tx.one(sql`select 1 as n`)).catch(() => undefined);
    expect(await countItems(store)).toEqual({ n: 20 });
  });

  it("serves several nodes, which migrate it at the same time and claim from it apart", async () => {
    await emptyDatabase();
    const nodes = await Promise.all([openStore(), openStore(), openStore()]);
    await Promise.all(nodes.map((node) => node.migrate([schema])));
    const [first, second, third] = nodes;
    await first.append(
      jobs,
      Array.from({ length: 60 }, (_, n) => ({ name: `${n}`, kind: "k", due_ms: n, tries: 0, first_ms: null })),
    );
    const claim = { from: jobs, due: "due_ms", count: "tries", now: 100, leaseMs: 1000, limit: 5 } as const;
    const taken = await Promise.all(Array.from({ length: 12 }, (_, n) => (nodes[n % 3] as Store).claim(claim)));
    const rest = [];
    for (let rows = await third.claim(claim); rows.length > 0; rows = await third.claim(claim)) rest.push(...rows);
    expect(new Set([...taken.flat(), ...rest].map((row) => row.name)).size).toBe(60);
    const { id } = await first.blobs.put(Buffer.from("shared"), 10);
    const bytes = [];
    for await (const chunk of second.blobs.read(id)) bytes.push(...chunk);
    expect(Buffer.from(bytes).toString()).toBe("shared");
    await Promise.all(nodes.map((node) => node.close()));
  });

  it("is refused when it acknowledges what is not on disk", async () => {
    await operate("alter database test_1 set synchronous_commit = off");
    await expect(openStore()).rejects.toThrow("acknowledged changes could be lost");
    await operate("alter database test_1 reset synchronous_commit");
  });

  it("works with one connection of each sort", async () => {
    const small = await openStore(createMetrics(), 2);
    const results = await Promise.all([
      ...Array.from({ length: 20 }, (_, n) => small.tx((tx) => tx.run(insert(items, item(`tx ${n}`))))),
      ...Array.from({ length: 20 }, (_, n) => small.append(items, [item(`append ${n}`)])),
      ...Array.from({ length: 20 }, () => countItems(small)),
    ]);
    expect(results).toHaveLength(60);
    expect(await countItems(small)).toEqual({ n: 40 });
    await small.close();
  });

  it("says in the log when an effect throws, and keeps its password out of it", async () => {
    const lines: string[] = [];
    const log = createLog({ clock: systemClock, write: (line) => lines.push(line) });
    const other = await createPostgresStore({ url, clock: systemClock, log, metrics });
    await other.tx(async (tx) => {
      tx.afterCommit(() => {
        throw new Error("in an effect");
      });
    });
    await other.close();
    expect(lines.join("")).toContain("in an effect");
    expect(lines.join("")).not.toContain(new URL(url).password);
    const nowhere = { clock: systemClock, log, metrics, url: "postgres://user:hidden-word@127.0.0.1:1/none" };
    await expect(createPostgresStore(nowhere)).rejects.toThrow(/ECONNREFUSED/);
    expect(lines.join("")).not.toContain("hidden-word");
  });
});
