/** EventBridge: events matched per second against 1, 100 and 10,000 rules of a bus. `node bench/events.ts` */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../src/base/clock.ts";
import { must } from "../src/base/errors.ts";
import { createRulebooks } from "../src/services/events/rulebooks.ts";
import { epochs, migrations, rules, type BusRef } from "../src/services/events/tables.ts";
import { openStore } from "../src/store/open.ts";
import type { Store } from "../src/store/store.ts";
import { insert } from "../src/store/tables.ts";
import { silentLog } from "../src/telemetry/log.ts";
import { createMetrics } from "../src/telemetry/metrics.ts";
import { median, printTable, type Kept } from "./measure.ts";

const sizes = [1, 100, 10_000];
const rounds = 5;
const roundMs = 400;
/** Rules written in one transaction. */
const chunk = 500;
/** Rules that events are of, at most. */
const kindsMax = 1_000;

export interface EventFigures {
  rules: number;
  /** Events a second, the look at the bus's epoch on disk included: medians over the rounds. */
  "events per second": number;
  /** The same for events of up to 1,000 rules in turn: what the processor's caches do not hold any more is seen here. */
  "varied per second": number;
  /** Reading and compiling all rules, in milliseconds: once for a node. */
  "compile ms": number;
}

/** No two rules ask the same; each event is of one of them. */
const patternOf = (n: number) =>
  JSON.stringify({
    source: ["shop"],
    detail: {
      order: { kind: [`kind-${n}`, { prefix: `type-${n}-` }], total: [{ numeric: [">", n % 1_000] }] },
      state: [{ "anything-but": ["test"] }],
    },
  });

const eventOf = (n: number): unknown => ({
  version: "0",
  id: "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
  "detail-type": "order",
  source: "shop",
  account: "000000000000",
  time: "2026-01-01T00:00:00Z",
  region: "us-east-1",
  resources: [],
  detail: { order: { kind: `kind-${n}`, total: 1_000, lines: [{ sku: "a" }, { sku: "b" }] }, state: "paid" },
});

async function makeBus(store: Store, count: number): Promise<BusRef> {
  const bus = { account: "000000000000", region: "us-east-1", bus: `rules-${count}` };
  const nothing = { schedule: null, description: null, role_arn: null, due_ms: null, token: null };
  for (let from = 0; from < count; from += chunk) {
    await store.tx(async (tx) => {
      for (let n = from; n < Math.min(count, from + chunk); n += 1) {
        const row = { ...bus, ...nothing, name: `rule-${n}`, pattern: patternOf(n) };
        await tx.run(insert(rules, { ...row, state: "ENABLED", created_by: bus.account, tags: {} }));
      }
    });
  }
  await store.tx((tx) => tx.run(insert(epochs, { ...bus, epoch: 1 })));
  return bus;
}

async function measure(store: Store, count: number): Promise<EventFigures> {
  const bus = await makeBus(store, count);
  const rulebooks = createRulebooks({ store });
  const beganMs = performance.now();
  await rulebooks.of(bus);
  const compileMs = performance.now() - beganMs;
  const rateOf = async (events: readonly unknown[]): Promise<number> => {
    const rates: number[] = [];
    for (let round = 0; round <= rounds; round += 1) {
      const startMs = performance.now();
      let done = 0;
      while (performance.now() - startMs < roundMs) {
        const book = await rulebooks.of(bus);
        const { subscribers } = book.match(events[done % events.length]);
        if (subscribers.length !== 1) throw new Error(`${subscribers.length} rules matched an event of one`);
        done += 1;
      }
      // The first round warms the code.
      if (round > 0) rates.push((done * 1_000) / (performance.now() - startMs));
    }
    return Math.round(median(rates));
  };
  const kinds = Math.min(count, kindsMax);
  const varied = Array.from({ length: kinds }, (_, n) => eventOf(Math.floor((n * count) / kinds)));
  return {
    rules: count,
    "events per second": await rateOf([eventOf(Math.floor(count / 2))]),
    "varied per second": await rateOf(varied),
    "compile ms": Math.round(compileMs),
  };
}

export async function run(): Promise<EventFigures[]> {
  const directory = await mkdtemp(join(tmpdir(), "mikan-bench-events-"));
  const store = await openStore({ data: directory, clock: systemClock, log: silentLog, metrics: createMetrics() });
  try {
    await store.migrate([{ owner: "events", migrations }]);
    const figures: EventFigures[] = [];
    for (const size of sizes) figures.push(await measure(store, size));
    return figures;
  } finally {
    await store.close();
    await rm(directory, { recursive: true, force: true });
  }
}

/** No growth with their number, beyond the noise of a busy machine. */
const shareMin = 0.7;

export function promises(figures: readonly EventFigures[]): Kept[] {
  const rateOf = (index: number) => must(figures.at(index), "a figure")["events per second"];
  const value = rateOf(-1) / rateOf(0);
  return [{ what: "events matched against 10,000 rules, to those against 1", value, unit: "x", atLeast: shareMin }];
}

if (import.meta.main) {
  const figures = await run();
  const titles = ["rules", "events per second", "varied per second", "compile ms"] as const;
  printTable(
    titles,
    figures.map((figure) => titles.map((title) => String(figure[title]))),
  );
  for (const { what, value } of promises(figures)) process.stdout.write(`${what}: ${value.toPrecision(3)}\n`);
}
