/** The embedded store: the conformance of all stores, and what only a file on this machine can do wrong. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../base/clock.ts";
import { bytesOf } from "../../base/http.ts";
import { silentLog } from "../../telemetry/log.ts";
import { createMetrics, type Metrics } from "../../telemetry/metrics.ts";
import { storeConformance } from "../conformance.suite.ts";
import { DataRefused, DirectoryLocked, StoreFailure } from "../errors.ts";
import { items, schema, type Home } from "../fixture.suite.ts";
import { raw, sql } from "../sql.ts";
import type { Store } from "../store.ts";
import { c, insert, table } from "../tables.ts";
import { createSqliteStore } from "./sqlite.ts";

const newDirectory = () => mkdtemp(join(tmpdir(), "mikan-test-"));

function openAt(directory: string, metrics: Metrics = createMetrics()): Promise<Store> {
  return createSqliteStore({ directory, clock: systemClock, log: silentLog, metrics });
}

async function createHome(): Promise<Home> {
  const directory = await newDirectory();
  return {
    open: (clock) => createSqliteStore({ directory, clock, log: silentLog, metrics: createMetrics() }),
    remove: () => rm(directory, { recursive: true }),
  };
}

describe("SQLite", () => {
  storeConformance(createHome);
});

const item = (name: string, note: string | null = null) => ({ owner: "o", name, amount: 1, note });
const put = (store: Store, name: string, note: string | null = null) =>
  store.tx((tx) => tx.run(insert(items, item(name, note))));
const namesIn = async (store: Store) => {
  const rows = await store.read((tx) => tx.all<{ name: string }>(sql`select name from ${items.name} order by name`));
  return rows.map((row) => row.name);
};

describe("a SQLite file", () => {
  let directory: string;
  let metrics: Metrics;
  let store: Store;
  beforeEach(async () => {
    directory = await newDirectory();
    metrics = createMetrics();
    store = await openAt(directory, metrics);
    await store.migrate([schema]);
  });
  afterEach(async () => {
    await store.close();
    await rm(directory, { recursive: true });
  });

  it("is written through a log that is fsynced at each commit", async () => {
    const mode = await store.tx(async (tx) => [
      await tx.one(raw("pragma journal_mode")),
      await tx.one(raw("pragma synchronous")),
    ]);
    expect(mode).toEqual([{ journal_mode: "wal" }, { synchronous: 2 }]);
  });

  it("is committed to in batches of at most 64, between which I/O is looked at", async () => {
    let turns = 0;
    let done = false;
    const turn = () => {
      turns += 1;
      if (!done) setImmediate(turn);
    };
    setImmediate(turn);
    await Promise.all(Array.from({ length: 640 }, (_, n) => put(store, String(n))));
    done = true;
    const bodies = metrics.histogram("store_batch_bodies", { kind: "write" }).snapshot();
    expect(bodies.sum).toBe(640);
    expect(bodies.max).toBeLessThanOrEqual(64);
    expect(bodies.count).toBeGreaterThanOrEqual(10);
    // Some bodies shared a commit: that is the point of it.
    expect(bodies.count).toBeLessThan(640);
    expect(turns).toBeGreaterThanOrEqual(bodies.count);
  });

  it("has a log that is cut, whoever reads between the writes", async () => {
    const note = "x".repeat(1_000_000);
    for (let n = 0; n < 40; n += 1) {
      await put(store, String(n), note);
      await store.read((tx) => tx.one(sql`select name from ${items.name} limit 1`));
    }
    // 40 MB went through it, and it begins again at 16 MB.
    expect((await stat(join(directory, "mikan.db-wal"))).size).toBeLessThan(24_000_000);
  });

  it("that is full mid-batch fails the whole batch and nobody else", async () => {
    await put(store, "before");
    const { page_count } = await store.tx(async (tx) => {
      const row = await tx.one<{ page_count: number }>(raw("pragma page_count"));
      return row ?? { page_count: 0 };
    });
    await store.tx((tx) => tx.one(raw(`pragma max_page_count = ${page_count + 10}`)));
    let effects = 0;
    const results = await Promise.allSettled([
      store.tx(async (tx) => {
        tx.afterCommit(() => (effects += 1));
        await tx.run(insert(items, item("in the batch")));
      }),
      put(store, "too large", "x".repeat(1_000_000)),
      put(store, "next batch"),
      store.append(items, [item("appended")]),
    ]);
    expect(results.map((result) => result.status)).toEqual(["rejected", "rejected", "fulfilled", "fulfilled"]);
    for (const result of results) {
      if (result.status === "rejected") expect(result.reason).toBeInstanceOf(StoreFailure);
    }
    expect(effects).toBe(0);
    expect(await namesIn(store)).toEqual(["appended", "before", "next batch"]);
  });

  it("whose COMMIT fails rejects every body of the batch, and the next starts clean", async () => {
    const children = table("bad_children", { id: c.id }, { key: ["id"] });
    const parents = table("bad_parents", { id: c.id }, { key: ["id"] });
    const link = raw(
      "alter table bad_children add column parent text references bad_parents (id) deferrable initially deferred",
    );
    await store.migrate([{ owner: "bad", migrations: [{ version: 1, create: [parents, children], run: [link] }] }]);
    const orphan = () => store.tx((tx) => tx.run(raw("insert into bad_children values ('c', 'nobody')")));
    const results = await Promise.allSettled([put(store, "a"), orphan(), put(store, "b")]);
    for (const result of results) {
      expect(result.status === "rejected" ? result.reason : result).toBeInstanceOf(StoreFailure);
    }
    await put(store, "c");
    expect(await namesIn(store)).toEqual(["c"]);
  });

  it("keeps what failed on its own apart from a batch that is lost", async () => {
    const own = new Error("mine");
    await store.tx((tx) => tx.one(raw("pragma max_page_count = 1")));
    const results = await Promise.allSettled([
      store.tx(async () => {
        throw own;
      }),
      put(store, "too large", "x".repeat(5_000_000)),
    ]);
    expect(results[0]).toEqual({ status: "rejected", reason: own });
    expect(results[1]?.status).toBe("rejected");
  });

  it("belongs to one node at a time, and says to which", async () => {
    const second = openAt(directory);
    await expect(second).rejects.toThrow(DirectoryLocked);
    await expect(second).rejects.toThrow(`process ${process.pid}`);
    const child = spawn(process.execPath, [join(import.meta.dirname, "writer.suite.ts"), directory], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    const [errors] = await Promise.all([child.stderr.toArray(), once(child, "exit")]);
    expect(Buffer.concat(errors).toString()).toContain("DirectoryLocked");
    expect(child.exitCode).not.toBe(0);
    await put(store, "still here");
    await store.close();
    store = await openAt(directory);
    expect(await namesIn(store)).toEqual(["still here"]);
  });

  it("of a newer format is refused, and left unlocked", async () => {
    await store.close();
    const database = new DatabaseSync(join(directory, "mikan.db"));
    database.exec("pragma user_version = 99");
    for (const _ of [1, 2]) {
      await expect(openAt(directory)).rejects.toThrow(DataRefused);
      await expect(openAt(directory)).rejects.toThrow("format 99");
    }
    database.exec("pragma user_version = 1");
    database.close();
    store = await openAt(directory);
  });

  it("keeps more statements than its cache", async () => {
    for (let n = 0; n < 1_200; n += 1) {
      const row = await store.read((tx) => tx.one(raw(`select ${n} as n`)));
      expect(row).toEqual({ n });
    }
    expect(await store.read((tx) => tx.one(raw("select 0 as n")))).toEqual({ n: 0 });
  });
});

describe("an ephemeral store", () => {
  it("is the same engine without fsync, and is gone when it is closed", async () => {
    const parent = await newDirectory();
    const deps = { clock: systemClock, log: silentLog, metrics: createMetrics() };
    const store = await createSqliteStore({ directory: parent, ephemeral: true, ...deps });
    await store.migrate([schema]);
    await put(store, "a");
    const { id } = await store.blobs.put(Buffer.from("x"), 10);
    expect(id).toMatch(/^[0-9a-f]{32}$/);
    expect(await store.tx((tx) => tx.one(raw("pragma synchronous")))).toEqual({ synchronous: 0 });
    expect(await readdir(parent)).toHaveLength(1);
    await store.close();
    await store.close();
    expect(await readdir(parent)).toEqual([]);
    await rm(parent, { recursive: true });
  });

  it("is gone with a process that ends without closing it", async () => {
    const parent = await newDirectory();
    const imports = ["sqlite.ts", "../../base/clock.ts", "../../telemetry/log.ts", "../../telemetry/metrics.ts"];
    const program = `
      const [{ createSqliteStore }, { systemClock: clock }, { silentLog: log }, { createMetrics }] = await Promise.all(
        ${JSON.stringify(imports.map((path) => join(import.meta.dirname, path)))}.map((path) => import(path)));
      await createSqliteStore({ directory: ${JSON.stringify(parent)}, ephemeral: true, clock, log, metrics: createMetrics() });
      console.log("open");`;
    const said = execFileSync(process.execPath, ["--input-type=module", "-e", program]);
    expect(said.toString()).toBe("open\n");
    expect(await readdir(parent)).toEqual([]);
    await rm(parent, { recursive: true });
  });

  it("needs no directory, and a kept one does", async () => {
    const deps = { clock: systemClock, log: silentLog, metrics: createMetrics() };
    const store = await createSqliteStore({ ephemeral: true, ...deps });
    await store.close();
    await expect(createSqliteStore(deps)).rejects.toThrow("needs a directory");
  });
});

describe("a store whose process is killed", () => {
  it("has everything that it acknowledged, and nothing by halves", async () => {
    const directory = await newDirectory();
    const child = spawn(process.execPath, [join(import.meta.dirname, "writer.suite.ts"), directory], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const said: string[] = [];
    for await (const line of createInterface({ input: child.stdout })) {
      said.push(line);
      if (said.length === 2_000) child.kill("SIGKILL");
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    expect(child.signalCode).toBe("SIGKILL");

    const store = await openAt(directory);
    const rows = await store.read((tx) =>
      tx.all<{ owner: string; name: string }>(sql`select owner, name from ${items.name}`),
    );
    const present = new Set(rows.map((row) => `${row.owner} ${row.name}`));
    const missing: string[] = [];
    for (const line of said) {
      const [what, name = "", content = ""] = line.split(" ");
      if (what === "row" && !(present.has(`tx ${name}`) && present.has(`pair ${name}`))) missing.push(line);
      if (what === "append" && !present.has(`append ${name}`)) missing.push(line);
      if (what !== "blob") continue;
      const bytes = await bytesOf(store.blobs.read(name), 100);
      if (Buffer.from(bytes).toString() !== content) missing.push(line);
    }
    expect(missing).toEqual([]);
    const halves = rows.filter((row) => row.owner === "tx" && !present.has(`pair ${row.name}`));
    expect(halves).toEqual([]);
    await store.close();
    await rm(directory, { recursive: true });
  }, 60_000);
});

/** A file system of 6 MiB, or undefined where this user may not mount one. */
function mountSmallDisk(at: string): (() => void) | undefined {
  if (process.getuid?.() !== 0 || !existsSync("/bin/mount")) return undefined;
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=6m", "tmpfs", at], { stdio: "pipe" });
  } catch (error) {
    process.stderr.write(`SKIPPED: a store on a full disk: ${String(error)}\n`);
    return undefined;
  }
  return () => execFileSync("umount", [at]);
}

describe("a store on a full disk", () => {
  it("refuses what does not fit, keeps what it acknowledged, and goes on when there is room", async ({ skip }) => {
    const directory = await newDirectory();
    const unmount = mountSmallDisk(directory);
    if (unmount === undefined) {
      await rm(directory, { recursive: true });
      skip("this user may not mount a small file system");
      return;
    }
    try {
      let store = await openAt(directory);
      await store.migrate([schema]);
      const acknowledged: string[] = [];
      let refused = 0;
      for (let n = 0; n < 200; n += 1) {
        const names = [`${n}-a`, `${n}-b`];
        const results = await Promise.allSettled(names.map((name) => put(store, name, "x".repeat(40_000))));
        for (const [index, result] of results.entries()) {
          if (result.status === "fulfilled") acknowledged.push(names[index] ?? "");
          else refused += 1;
          if (result.status === "rejected") expect(result.reason).toBeInstanceOf(StoreFailure);
        }
      }
      expect(refused).toBeGreaterThan(0);
      expect(acknowledged.length).toBeGreaterThan(10);
      await expect(store.blobs.put(Buffer.alloc(7_000_000), 8_000_000)).rejects.toThrow(/ENOSPC/);
      expect(await namesIn(store)).toEqual(acknowledged.toSorted());
      await store.close();
      execFileSync("mount", ["-o", "remount,size=30m", directory]);
      store = await openAt(directory);
      expect(await namesIn(store)).toEqual(acknowledged.toSorted());
      await put(store, "room", "x".repeat(40_000));
      await store.close();
    } finally {
      unmount();
      await rm(directory, { recursive: true });
    }
  });
});
