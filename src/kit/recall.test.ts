import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../base/clock.ts";
import { openStore } from "../store/open.ts";
import { sql } from "../store/sql.ts";
import type { ReadTx, Store } from "../store/store.ts";
import { c, table, upsert } from "../store/tables.ts";
import { silentLog } from "../telemetry/log.ts";
import { createMetrics } from "../telemetry/metrics.ts";
import { recallOver } from "./recall.ts";

const rows = table("test_rows", { account: c.id, value: c.int }, { key: ["account"] });

let directory: string;
let store: Store;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "mikan-recall-"));
  store = await openStore({ data: directory, clock: systemClock, log: silentLog, metrics: createMetrics() });
  await store.migrate([{ owner: "test", migrations: [{ version: 1, create: [rows] }] }]);
});
afterEach(async () => {
  await store.close();
  await rm(directory, { recursive: true });
});

/** A recall, and how often it has read. */
function counted(over: Store, keptMax = 10) {
  const recall = recallOver(over);
  const recalled = recall.of<number | undefined>(keptMax);
  const counts = { reads: 0 };
  const value = async (account: string) =>
    recalled(account, async (tx: ReadTx) => {
      counts.reads += 1;
      const row = await tx.one<{ value: number }>(sql`select value from test_rows where account = ${account}`);
      return row?.value;
    });
  const set = (account: string, next: number) =>
    recall.store.tx((tx) => tx.run(upsert(rows, { account, value: next })));
  return { value, set, counts };
}

describe("what is recalled", () => {
  it("is read once, also where there is nothing, until something is committed", async () => {
    const { value, set, counts } = counted(store);
    expect([await value("a"), await value("a")]).toEqual([undefined, undefined]);
    expect(counts.reads).toBe(1);
    await set("a", 1);
    expect([await value("a"), await value("a")]).toEqual([1, 1]);
    expect(counts.reads).toBe(2);
    await set("b", 1);
    expect(await value("a")).toBe(1);
    expect(counts.reads).toBe(3);
  });

  it("is kept by a change that failed", async () => {
    const { value, counts } = counted(store);
    await value("a");
    const { store: failing } = recallOver(store);
    await expect(failing.tx(() => Promise.reject(new Error("refused")))).rejects.toThrow("refused");
    await value("a");
    expect(counts.reads).toBe(1);
  });

  it("is never older than the last change that was answered, whatever runs at once", async () => {
    const { value, set } = counted(store);
    let answered = 0;
    const over = new AbortController();
    const stale: [number, number | undefined][] = [];
    const reader = async () => {
      while (!over.signal.aborted) {
        const before = answered;
        const seen = await value("a");
        if ((seen ?? 0) < before) stale.push([before, seen]);
        await new Promise(setImmediate);
      }
    };
    const readers = Array.from({ length: 8 }, reader);
    for (let next = 1; next <= 300; next += 1) {
      await set("a", next);
      answered = next;
      if (next % 3 === 0) await new Promise(setImmediate);
    }
    over.abort();
    await Promise.all(readers);
    expect(stale).toEqual([]);
    expect(await value("a")).toBe(300);
  });

  it("forgets the oldest beyond its bound", async () => {
    const { value, counts } = counted(store, 2);
    for (const account of ["a", "b", "c"]) await value(account);
    await value("c");
    expect(counts.reads).toBe(3);
    await value("a");
    expect(counts.reads).toBe(4);
  });

  it("is read every time where others write too", async () => {
    const { value, counts } = counted({ ...store, onlyWriter: false });
    await value("a");
    await store.tx((tx) => tx.run(upsert(rows, { account: "a", value: 7 })));
    expect(await value("a")).toBe(7);
    expect(counts.reads).toBe(2);
  });
});
