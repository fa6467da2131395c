/** What the suites of the store share: their tables, and the store that a test works with. */
import { systemClock, type Clock } from "../base/clock.ts";
import { must } from "../base/errors.ts";
import type { Store } from "./store.ts";
import { c, table } from "./tables.ts";

/** The machine's clock, which a test can set forward. */
export interface ShiftedClock extends Clock {
  shift(byMs: number): void;
}

export function shiftedClock(): ShiftedClock {
  let shiftMs = 0;
  return {
    ...systemClock,
    now: () => systemClock.now() + shiftMs,
    monotonicMs: () => systemClock.monotonicMs() + shiftMs,
    shift(byMs) {
      shiftMs += byMs;
    },
  };
}

/** A place for data, empty at first, that outlives the stores opened on it. */
export interface Home {
  open(clock: Clock): Promise<Store>;
  remove(): Promise<void>;
}

/** What the tests of a suite work with; empty again for each test. */
export class Bench {
  readonly clock = shiftedClock();
  readonly #createHome: () => Promise<Home>;
  #home: Home | undefined;
  #store: Store | undefined;

  constructor(createHome: () => Promise<Home>) {
    this.#createHome = createHome;
  }

  get store(): Store {
    return must(this.#store, "the store of this test");
  }

  async begin(): Promise<void> {
    this.#home = await this.#createHome();
    this.#store = await this.#home.open(this.clock);
    await this.#store.migrate([schema]);
  }

  /** Closes the store and opens it again on the same data. */
  async reopen(): Promise<Store> {
    await this.store.close();
    this.#store = await must(this.#home, "the home of this test").open(this.clock);
    return this.#store;
  }

  async end(): Promise<void> {
    await this.#store?.close();
    await this.#home?.remove();
  }
}

export const items = table(
  "test_items",
  { owner: c.id, name: c.id, amount: c.int, note: c.nullable(c.text) },
  { key: ["owner", "name"], indexes: [{ columns: ["owner", "amount"] }] },
);
export const jobs = table(
  "test_jobs",
  { name: c.id, kind: c.id, due_ms: c.nullable(c.time), tries: c.int, first_ms: c.nullable(c.time) },
  { key: ["name"], indexes: [{ columns: ["due_ms"] }] },
);
export const names = table(
  "test_names",
  { id: c.id, name: c.id },
  { key: ["id"], indexes: [{ columns: ["name"], unique: true }] },
);
export const kinds = table(
  "test_kinds",
  {
    id: c.id,
    text: c.nullable(c.text),
    bytes: c.nullable(c.bytes),
    int: c.nullable(c.int),
    big: c.nullable(c.big),
    bool: c.nullable(c.bool),
    json: c.nullable(c.json<unknown>()),
    at_ms: c.nullable(c.time),
  },
  { key: ["id"] },
);
export const schema = { owner: "test", migrations: [{ version: 1, create: [items, jobs, names, kinds] }] };
