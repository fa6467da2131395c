/** Conformance: every body behaves as if alone. */
import { describe, expect, it } from "vitest";
import { items, names, type Bench } from "./fixture.suite.ts";
import { DuplicateKey } from "./errors.ts";
import { sql } from "./sql.ts";
import type { Tx } from "./store.ts";
import { assign, insert } from "./tables.ts";

const item = (name: string, amount: number) => ({ owner: "o", name, amount, note: null });

const amountOf = async (tx: Pick<Tx, "one">, name: string) => {
  const row = await tx.one<{ amount: number }>(
    sql`select amount from ${items.name} where owner = ${"o"} and name = ${name}`,
  );
  return row?.amount ?? Number.NaN;
};
const setAmount = (tx: Tx, name: string, amount: number) =>
  tx.run(sql`update ${items.name} set ${assign(items, { amount })} where owner = ${"o"} and name = ${name}`);

export function isolationSuite(bench: Bench): void {
  describe("isolation", () => {
    it("loses no update of a row that is read and then written", async () => {
      const { store } = bench;
      await store.append(items, [item("counter", 0)]);
      const add = () =>
        store.tx(async (tx) => {
          await setAmount(tx, "counter", (await amountOf(tx, "counter")) + 1);
        });
      await Promise.all(Array.from({ length: 24 }, add));
      expect(await store.read((tx) => amountOf(tx, "counter"))).toBe(24);
    });

    it("allows no write skew: of two who check the same sum, one must see the other", async () => {
      const { store } = bench;
      for (let round = 0; round < 10; round += 1) {
        await store.append(items, [item(`a${round}`, 60), item(`b${round}`, 60)]);
        // Rule: the two amounts together stay at or above 20. Each withdrawal alone keeps it, both together break it.
        const withdraw = (name: string) =>
          store.tx(async (tx) => {
            const left = (await amountOf(tx, `a${round}`)) + (await amountOf(tx, `b${round}`));
            if (left < 100 + 20) return;
            await setAmount(tx, name, (await amountOf(tx, name)) - 100);
          });
        await Promise.all([withdraw(`a${round}`), withdraw(`b${round}`)]);
        const left = await store.read(
          async (tx) => (await amountOf(tx, `a${round}`)) + (await amountOf(tx, `b${round}`)),
        );
        expect(left).toBe(20);
      }
    });

    it("allows no phantom: a count that was checked still holds at the commit", async () => {
      const { store } = bench;
      const limit = 5;
      const add = (n: number) =>
        store.tx(async (tx) => {
          const row = await tx.one<{ n: number }>(sql`select count(*) as n from ${items.name} where owner = ${"o"}`);
          if ((row?.n ?? 0) < limit) await tx.run(insert(items, item(`n${n}`, 1)));
        });
      await Promise.all(Array.from({ length: 16 }, (_, n) => add(n)));
      expect(await store.read((tx) => tx.all(sql`select name from ${items.name}`))).toHaveLength(limit);
    });

    it("lets exactly one win a race for a unique value", async () => {
      const { store } = bench;
      const results = await Promise.allSettled(
        Array.from({ length: 20 }, (_, n) => store.tx((tx) => tx.run(insert(names, { id: `${n}`, name: "same" })))),
      );
      const refused = results.filter((result) => result.status === "rejected");
      expect(refused).toHaveLength(19);
      for (const { reason } of refused) expect(reason).toBeInstanceOf(DuplicateKey);
    });

    it("shows a reader one committed state, whatever is being written", async () => {
      const { store } = bench;
      await store.append(items, [item("a", 500), item("b", 500)]);
      const move = (n: number) =>
        store.tx(async (tx) => {
          await setAmount(tx, "a", (await amountOf(tx, "a")) - n);
          await setAmount(tx, "b", (await amountOf(tx, "b")) + n);
        });
      const sums: number[] = [];
      const check = async () => {
        sums.push(await store.read(async (tx) => (await amountOf(tx, "a")) + (await amountOf(tx, "b"))));
      };
      const writers = Array.from({ length: 10 }, (_, n) => move(n));
      const readers = Array.from({ length: 30 }, check);
      await Promise.all([...writers, ...readers]);
      await check();
      expect(new Set(sums)).toEqual(new Set([1000]));
    });

    it("shows a reader nothing of a body that has not been committed", async () => {
      const { store } = bench;
      let during: Promise<unknown> | undefined;
      let begin = () => {};
      const begun = new Promise<void>((resolve) => {
        begin = resolve;
      });
      const reader = begun.then(() => store.read((tx) => tx.all(sql`select name from ${items.name}`)));
      const failing = store.tx(async (tx) => {
        await tx.run(insert(items, item("ghost", 1)));
        begin();
        during = reader;
        await tx.one(sql`select 1 as one`);
        throw new Error("never was");
      });
      await expect(failing).rejects.toThrow("never was");
      expect(await during).toEqual([]);
    });

    it("shows everybody what was acknowledged", async () => {
      const { store } = bench;
      for (let n = 0; n < 20; n += 1) {
        await store.tx((tx) => tx.run(insert(items, item(`${n}`, n))));
        expect(await store.read((tx) => amountOf(tx, `${n}`))).toBe(n);
      }
    });
  });
}
