/** Transactions, appends and claims per second on both engines: 64 callers, median of seven rounds. `node bench/store.ts` */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../src/base/clock.ts";
import { openStore } from "../src/store/open.ts";
import { sql } from "../src/store/sql.ts";
import type { Store } from "../src/store/store.ts";
import { c, table, upsert } from "../src/store/tables.ts";
import { silentLog } from "../src/telemetry/log.ts";
import { createMetrics } from "../src/telemetry/metrics.ts";
import { startPostgresOrSkip } from "../test/postgres.ts";

const callers = 64;
const rounds = 7;
const roundMs = 1_000;
const keys = 1_000;
/** Bytes of a row's body, as in the spike. */
const padding = "x".repeat(290);

const items = table(
  "bench_items",
  { account: c.id, region: c.id, name: c.id, body: c.text },
  { key: ["account", "region", "name"] },
);
const events = table("bench_events", { id: c.id, at_ms: c.time, body: c.text }, { key: ["id"] });
const jobs = table(
  "bench_jobs",
  { queue: c.id, id: c.int, body: c.text, due_ms: c.time, tries: c.int },
  { key: ["queue", "id"], indexes: [{ columns: ["due_ms"] }] },
);
const owner = { account: "000000000000", region: "us-east-1" };

export interface StoreFigures {
  engine: string;
  measure: string;
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
}

/** One call of one caller; gives how many things it did. */
type Work = (store: Store, n: number) => Promise<number>;

const transaction: Work = async (store, n) => {
  const name = `item-${n % keys}`;
  const other = `item-${(n * 7 + 1) % keys}`;
  await store.tx(async (tx) => {
    await tx.one(sql`select ${items.columns} from ${items.name}
      where account = ${owner.account} and region = ${owner.region} and name = ${name}`);
    await tx.run(upsert(items, { ...owner, name, body: padding + n }));
    await tx.run(upsert(items, { ...owner, name: other, body: padding + n }));
  });
  return 1;
};

const append: Work = async (store, n) => {
  await store.append(events, [{ id: `event-${n}`, at_ms: n, body: padding }]);
  return 1;
};

const claim: Work = async (store, n) => {
  const claimed = await store.claim({ from: jobs, due: "due_ms", count: "tries", now: n, leaseMs: 1, limit: 10 });
  return claimed.length;
};

const read: Work = async (store, n) => {
  await store.read((tx) =>
    tx.one(sql`select ${items.columns} from ${items.name}
      where account = ${owner.account} and region = ${owner.region} and name = ${`item-${n % keys}`}`),
  );
  return 1;
};

const works: Readonly<Record<string, Work>> = {
  transactions: transaction,
  appends: append,
  claims: claim,
  reads: read,
};

const at = (sorted: readonly number[], share: number) => sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN;
const ascending = (a: number, b: number) => a - b;

async function round(store: Store, work: Work, numbers: Iterator<number>) {
  const startedMs = performance.now();
  const waitsMs: number[] = [];
  let done = 0;
  const caller = async () => {
    while (performance.now() - startedMs < roundMs) {
      const beganMs = performance.now();
      const count = await work(store, numbers.next().value as number);
      done += count;
      waitsMs.push(performance.now() - beganMs);
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return { perSecond: (done / (performance.now() - startedMs)) * 1_000, waitsMs };
}

async function measure(store: Store, name: string): Promise<StoreFigures[]> {
  await store.migrate([{ owner: "bench", migrations: [{ version: 1, create: [items, events, jobs] }] }]);
  for (let id = 0; id < 5_000; id += 500) {
    const rows = Array.from({ length: 500 }, (_, n) => ({
      queue: "q",
      id: id + n,
      body: padding,
      due_ms: 0,
      tries: 0,
    }));
    await store.append(jobs, rows);
  }
  // Every key is there before the clock starts: rows that appear conflict on PostgreSQL, rows that change do not.
  await store.tx(async (tx) => {
    for (let n = 0; n < keys; n += 1) await tx.run(upsert(items, { ...owner, name: `item-${n}`, body: padding }));
  });
  const figures = [];
  for (const [measure, work] of Object.entries(works)) {
    const numbers = counting();
    const taken = [];
    for (let n = 0; n < rounds; n += 1) taken.push(await round(store, work, numbers));
    const waitsMs = taken.flatMap((one) => one.waitsMs).sort(ascending);
    const rates = taken.map((one) => one.perSecond).sort(ascending);
    figures.push({
      engine: name,
      measure,
      perSecond: at(rates, 0.5),
      p50Ms: at(waitsMs, 0.5),
      p99Ms: at(waitsMs, 0.99),
    });
  }
  return figures;
}

function* counting(): Generator<number, number> {
  for (let n = 1; ; n += 1) yield n;
}

async function measureAt(name: string, data: string): Promise<StoreFigures[]> {
  const store = await openStore({ data, clock: systemClock, log: silentLog, metrics: createMetrics() });
  try {
    return await measure(store, name);
  } finally {
    await store.close();
  }
}

/** Measures both engines (PostgreSQL only where a server can be started), prints a table, and gives its rows. */
export async function run(): Promise<StoreFigures[]> {
  const directory = await mkdtemp(join(tmpdir(), "mikan-bench-"));
  const server = await startPostgresOrSkip("the bench of the store on PostgreSQL");
  const figures: StoreFigures[] = [];
  try {
    figures.push(...(await measureAt("sqlite", directory)));
    if (server !== undefined) figures.push(...(await measureAt("postgres", await server.createDatabase())));
  } finally {
    await server?.stop();
    await rm(directory, { recursive: true });
  }
  const rounded = figures.map(({ engine, measure, perSecond, p50Ms, p99Ms }) => ({
    engine,
    measure,
    "per second": Math.round(perSecond),
    "p50 ms": Number(p50Ms.toFixed(2)),
    "p99 ms": Number(p99Ms.toFixed(2)),
  }));
  process.stdout.write(`store, ${callers} callers, median of ${rounds} rounds of ${roundMs} ms\n`);
  // oxlint-disable-next-line no-console -- a bench prints its table
  console.table(rounded);
  return figures;
}

if (import.meta.main) await run();
