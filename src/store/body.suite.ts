/** Conformance: the rules of a transaction body. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { items, names, type Bench } from "./fixture.suite.ts";
import { BodyTimeout, DuplicateKey, StoreBusy, StoreClosed } from "./errors.ts";
import { raw, sql } from "./sql.ts";
import { insert } from "./tables.ts";

const item = (name: string, amount = 1) => ({ owner: "o", name, amount, note: null });

export function bodySuite(bench: Bench): void {
  const count = async () =>
    (await bench.store.read((tx) => tx.one<{ n: number }>(sql`select count(*) as n from ${items.name}`)))?.n;

  describe("bodies", () => {
    it("give their value, see their own changes, and leave nothing when they throw", async () => {
      const { store } = bench;
      const seen = await store.tx(async (tx) => {
        await tx.run(insert(items, item("a")));
        return tx.one<{ amount: number }>(sql`select amount from ${items.name} where name = ${"a"}`);
      });
      expect(seen).toEqual({ amount: 1 });
      const thrown = new Error("no");
      await expect(
        store.tx(async (tx) => {
          await tx.run(insert(items, item("b")));
          throw thrown;
        }),
      ).rejects.toBe(thrown);
      await expect(
        store.tx(() => {
          throw thrown;
        }),
      ).rejects.toBe(thrown);
      expect(await count()).toBe(1);
    });

    it("that throw leave their neighbours alone", async () => {
      const { store } = bench;
      const results = await Promise.allSettled(
        Array.from({ length: 100 }, (_, n) =>
          store.tx(async (tx) => {
            await tx.run(insert(items, item(String(n))));
            if (n % 3 === 0) throw new Error(`no ${n}`);
            return n;
          }),
        ),
      );
      for (const [n, result] of results.entries()) {
        expect(result.status).toBe(n % 3 === 0 ? "rejected" : "fulfilled");
      }
      expect(await count()).toBe(66);
    });

    it("lose their change when a statement failed, even if they go on", async () => {
      const { store } = bench;
      await store.tx((tx) => tx.run(insert(items, item("a"))));
      const outcome = store.tx(async (tx) => {
        await tx.run(insert(items, item("b")));
        await tx.run(insert(items, item("a"))).catch(() => 0);
        await tx.run(insert(items, item("c"))).catch(() => 0);
        return "done";
      });
      await expect(outcome).rejects.toThrow(DuplicateKey);
      expect(await count()).toBe(1);
    });

    it("may answer a failed statement with an error of their own", async () => {
      const { store } = bench;
      await store.tx((tx) => tx.run(insert(items, item("a"))));
      const own = new Error("QueueAlreadyExists");
      const outcome = store.tx(async (tx) => {
        try {
          await tx.run(insert(items, item("a")));
        } catch (error) {
          if (error instanceof DuplicateKey) throw own;
          throw error;
        }
      });
      await expect(outcome).rejects.toBe(own);
    });

    it("are rejected with the engine's words for bad SQL", async () => {
      await expect(bench.store.tx((tx) => tx.run(raw("selec 1")))).rejects.toThrow(/syntax/);
      await expect(bench.store.read((tx) => tx.all(raw("select * from nowhere")))).rejects.toThrow(/nowhere/);
    });

    it("may not steer the transaction themselves", async () => {
      for (const word of ["commit", "ROLLBACK", " begin", "savepoint x", "end"]) {
        await expect(bench.store.tx((tx) => tx.run(raw(word)))).rejects.toThrow("transactions are the store's");
      }
    });

    it("may not nest", async () => {
      const { store } = bench;
      await expect(store.tx(() => store.tx(async () => 1))).rejects.toThrow("store.tx was called inside");
      await expect(store.tx(() => store.read(async () => 1))).rejects.toThrow("store.read was called inside");
      await expect(store.read(() => store.tx(async () => 1))).rejects.toThrow("store.tx was called inside");
      await expect(store.tx(() => store.append(items, [item("a")]))).rejects.toThrow("store.append was called inside");
      await expect(store.tx(async () => 1)).resolves.toBe(1);
    });

    it("may not await anything but their tx", async () => {
      const { store } = bench;
      let late: Promise<unknown> | undefined;
      const foreign = store.tx(async (tx) => {
        await tx.run(insert(items, item("a")));
        await nextTurn();
        late = tx.run(insert(items, item("b")));
        await late;
      });
      const neighbours = [1, 2, 3].map((n) => store.tx((tx) => tx.run(insert(items, item(`good ${n}`)))));
      await expect(foreign).rejects.toThrow("awaited something other than its tx");
      await expect(Promise.all(neighbours)).resolves.toEqual([1, 1, 1]);
      await nextTurn();
      await expect(late).rejects.toThrow();
      await expect(store.read(() => nextTurn())).rejects.toThrow("awaited something other than its tx");
      expect(await count()).toBe(3);
    });

    it("may await promises that are settled, and several statements at once", async () => {
      const { store } = bench;
      const rows = await store.tx(async (tx) => {
        await Promise.resolve();
        await Promise.all(["a", "b", "c"].map((name) => tx.run(insert(items, item(name)))));
        return tx.all(sql`select name from ${items.name} order by name`);
      });
      expect(rows).toEqual([{ name: "a" }, { name: "b" }, { name: "c" }]);
    });

    it("may not go on after their end", async () => {
      let late: Promise<unknown> | undefined;
      let go = () => {};
      await bench.store.tx(async (tx) => {
        late = new Promise<void>((resolve) => {
          go = resolve;
        }).then(() => tx.run(insert(items, item("late"))));
      });
      go();
      await expect(late).rejects.toThrow("after its end");
      expect(await count()).toBe(0);
    });

    it("may not grow old", async () => {
      const { store, clock } = bench;
      const old = store.tx(async (tx) => {
        await tx.run(insert(items, item("a")));
        clock.shift(60_000);
        await tx.run(insert(items, item("b")));
      });
      await expect(old).rejects.toThrow(BodyTimeout);
      expect(await count()).toBe(0);
    });

    it("cannot write where they only read", async () => {
      await expect(bench.store.read((tx) => tx.all(sql`${insert(items, item("a"))} returning name`))).rejects.toThrow(
        /read-?only/,
      );
    });
  });

  describe("afterCommit", () => {
    it("runs once the change can be read, and before the caller goes on", async () => {
      const { store } = bench;
      const order: string[] = [];
      let seen: Promise<unknown> | undefined;
      await store.tx(async (tx) => {
        await tx.run(insert(items, item("a")));
        tx.afterCommit(() => {
          order.push("effect");
          seen = store.read((tx) => tx.one(sql`select name from ${items.name}`));
        });
        order.push("body");
      });
      order.push("caller");
      expect(order).toEqual(["body", "effect", "caller"]);
      expect(await seen).toEqual({ name: "a" });
    });

    it("does not run for a body that failed, and its own failure harms nobody", async () => {
      const { store } = bench;
      let ran = 0;
      const failing = store.tx(async (tx) => {
        tx.afterCommit(() => (ran += 1));
        await tx.run(insert(items, item("a")));
        throw new Error("no");
      });
      await expect(failing).rejects.toThrow("no");
      expect(ran).toBe(0);
      const value = await store.tx(async (tx) => {
        tx.afterCommit(() => {
          throw new Error("in an effect");
        });
        tx.afterCommit(() => (ran += 1));
        return 7;
      });
      expect([value, ran]).toEqual([7, 1]);
    });
  });

  describe("the queue", () => {
    it("is bounded: one caller too many is answered StoreBusy, and the rest is served", async () => {
      const { store } = bench;
      const callers = Array.from({ length: 5_000 }, (_, n) => store.append(names, [{ id: `${n}`, name: `${n}` }]));
      const bodies = Array.from({ length: 5_000 }, () => store.tx((tx) => tx.one(sql`select 1 as one`)));
      const results = await Promise.allSettled([...callers, ...bodies]);
      const refused = results.filter((result) => result.status === "rejected").map((result) => result.reason);
      expect(refused.length).toBeGreaterThan(0);
      expect(refused.every((reason) => reason instanceof StoreBusy)).toBe(true);
      expect(refused.length).toBeLessThan(10_000);
    });

    it("is emptied by close, and later calls are refused", async () => {
      const { store } = bench;
      const accepted = Array.from({ length: 200 }, (_, n) => store.tx((tx) => tx.run(insert(items, item(`${n}`)))));
      const closed = store.close();
      await expect(store.tx(async () => 1)).rejects.toThrow(StoreClosed);
      await expect(store.read(async () => 1)).rejects.toThrow(StoreClosed);
      await expect(store.append(items, [item("late")])).rejects.toThrow(StoreClosed);
      await expect(store.migrate([])).rejects.toThrow(StoreClosed);
      await expect(store.blobs.put(new Uint8Array(1), 1)).rejects.toThrow(StoreClosed);
      await Promise.all(accepted);
      await closed;
      await bench.reopen();
      expect(await count()).toBe(200);
    });
  });
}
