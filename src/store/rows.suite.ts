/** Conformance: values, rows, appends and claims. */
import { describe, expect, it } from "vitest";
import { items, jobs, kinds, names, type Bench } from "./fixture.suite.ts";
import { DuplicateKey } from "./errors.ts";
import { join, raw, sql } from "./sql.ts";
import { assign, insert, upsert, type Row } from "./tables.ts";

const empty: Row<typeof kinds> = {
  id: "a",
  text: null,
  bytes: null,
  int: null,
  big: null,
  bool: null,
  json: null,
  at_ms: null,
};

export function rowSuite(bench: Bench): void {
  const roundTrip = async (row: Row<typeof kinds>) => {
    await bench.store.tx((tx) => tx.run(insert(kinds, row)));
    return bench.store.read((tx) => tx.one(sql`select ${kinds.columns} from ${kinds.name}`));
  };

  describe("column kinds", () => {
    it.each<[string, Partial<Row<typeof kinds>>]>([
      ["nothing", {}],
      ["text", { id: "k\u00fc/\u4e00", text: "\u{1f34a} mikan\n'quoted' \"and\" \\ %_" }],
      ["empty text and bytes", { text: "", bytes: new Uint8Array(0) }],
      ["bytes", { bytes: Uint8Array.from([0, 1, 127, 128, 255, 0]) }],
      ["the largest numbers", { int: Number.MAX_SAFE_INTEGER, big: 2n ** 63n - 1n, at_ms: 8.64e15 }],
      ["the smallest numbers", { int: Number.MIN_SAFE_INTEGER, big: -(2n ** 63n), at_ms: -1 }],
      ["zero and false", { int: 0, big: 0n, bool: false, at_ms: 0 }],
      ["true", { bool: true }],
      ["an object", { json: { a: [1, 2.5, null, "x\u0000y", { b: true }], "k'": "\ud800" } }],
      ["a text as json", { json: "text" }],
      ["false as json", { json: false }],
    ])("keeps %s", async (_label, values) => {
      const row = { ...empty, ...values };
      expect(await roundTrip(row)).toStrictEqual(row);
    });

    it("decodes what a returning clause and a subquery give", async () => {
      const row = { ...empty, bool: true, big: 5n, json: { a: 1 }, at_ms: 7 };
      const returned = await bench.store.tx((tx) =>
        tx.one(sql`${insert(kinds, row)} returning bool, big as large, json, at_ms`),
      );
      expect(returned).toStrictEqual({ bool: true, large: 5n, json: { a: 1 }, at_ms: 7 });
      const selected = await bench.store.read((tx) =>
        tx.one(sql`select b, j from (select bool as b, json as j from ${kinds.name}) as inner_rows`),
      );
      expect(selected).toStrictEqual({ b: true, j: { a: 1 } });
    });

    it("gives expressions as numbers, text and bytes", async () => {
      await roundTrip({ ...empty, int: 7, big: 3n, bool: true, text: "a", json: { a: 1 } });
      const row = await bench.store.read((tx) =>
        tx.one(sql`select count(*) as n, sum(int) as total, max(int) as top, max(at_ms) as at, int + ${1} as more,
          int / ${2} as half, text || ${"b"} as label, int > ${1} as truth, ${5} as given,
          coalesce(bool, ${false}) as flag, coalesce(big, big) as large, coalesce(json, json) as document from ${kinds.name}
          group by id`),
      );
      expect(row).toStrictEqual({
        n: 1,
        total: 7,
        top: 7,
        at: null,
        more: 8,
        half: 3,
        label: "ab",
        truth: 1,
        given: 5,
        flag: 1,
        large: 3,
        document: '{"a":1}',
      });
    });

    it("adds to a big column without losing a digit", async () => {
      await roundTrip({ ...empty, big: 2n ** 62n });
      const row = await bench.store.tx((tx) =>
        tx.one(sql`update ${kinds.name} set big = big + ${1} where big > ${2n ** 61n} returning big`),
      );
      expect(row).toStrictEqual({ big: 2n ** 62n + 1n });
    });

    it("refuses to read a whole number over 2^53 as a number", async () => {
      await roundTrip({ ...empty, int: Number.MAX_SAFE_INTEGER });
      await expect(bench.store.read((tx) => tx.one(sql`select int + ${5} as more from ${kinds.name}`))).rejects.toThrow(
        /2\^53|safe|too large/i,
      );
    });

    it.each([
      ["U+0000 in text", { text: "a\0b" }],
      ["an unpaired surrogate", { text: "\ud800" }],
      ["a fraction", { int: 1.5 }],
      ["a number over 2^53", { int: 2 ** 53 }],
      ["not a number", { int: Number.NaN }],
      ["a bigint over 64 bits", { big: 2n ** 63n }],
      ["an id over 2048 characters", { id: "x".repeat(2049) }],
    ])("refuses %s", async (_label, values) => {
      await expect(roundTrip({ ...empty, ...values })).rejects.toThrow();
      expect(await bench.store.read((tx) => tx.all(sql`select id from ${kinds.name}`))).toEqual([]);
    });

    it("refuses a value of another kind, null where none may be, and a missing column", async () => {
      const write = (text: string) => bench.store.tx((tx) => tx.run(raw(text)));
      await expect(write("insert into test_items values ('a', 'b', 'many', null)")).rejects.toThrow();
      await expect(write("insert into test_items values ('a', 'b', null, null)")).rejects.toThrow();
      expect(() => insert(items, { owner: "a", name: "b" } as Row<typeof items>)).toThrow(/amount/);
    });

    it("compares text by bytes", async () => {
      const texts = ["Z", "a", "B", "\u00e9", "~", "\u{1f34a}", "\uffee", "aa", "", "a b"];
      await bench.store.append(
        names,
        texts.map((name, index) => ({ id: String(index), name })),
      );
      const rows = await bench.store.read((tx) =>
        tx.all<{ name: string }>(sql`select name from ${names.name} order by name`),
      );
      const byBytes = texts.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      expect(rows.map((row) => row.name)).toEqual(byBytes);
      const after = await bench.store.read((tx) =>
        tx.all<{ name: string }>(sql`select name from ${names.name} where name > ${"a"} order by name desc limit ${1}`),
      );
      expect(after).toEqual([{ name: byBytes.at(-1) }]);
    });
  });

  describe("rows", () => {
    const row = { owner: "o", name: "n", amount: 1, note: "x" };

    it("inserts once, upserts over it, assigns, counts and deletes", async () => {
      const { store } = bench;
      expect(await store.tx((tx) => tx.run(insert(items, row)))).toBe(1);
      await expect(store.tx((tx) => tx.run(insert(items, row)))).rejects.toThrow(DuplicateKey);
      await store.tx((tx) => tx.run(upsert(items, { ...row, amount: 2, note: null })));
      await store.tx((tx) => tx.run(upsert(items, { ...row, name: "other" })));
      const changed = sql`update ${items.name} set ${assign(items, { amount: 5 })} where name = ${"n"}`;
      expect(await store.tx((tx) => tx.run(changed))).toBe(1);
      expect(await store.read((tx) => tx.all(sql`select ${items.columns} from ${items.name} order by name`))).toEqual([
        { owner: "o", name: "n", amount: 5, note: null },
        { ...row, name: "other" },
      ]);
      expect(await store.tx((tx) => tx.run(sql`delete from ${items.name} where owner = ${"o"}`))).toBe(2);
      expect(await store.read((tx) => tx.one(sql`select name from ${items.name}`))).toBeUndefined();
    });

    it("takes a list and a row of values", async () => {
      const { store } = bench;
      await store.append(items, [row, { ...row, name: "m" }, { ...row, name: "l" }]);
      const found = await store.read((tx) =>
        tx.all(
          sql`select name from ${items.name} where name in (${join(["n", "l"])}) and (owner, name) > (${"o"}, ${"l"})`,
        ),
      );
      expect(found).toEqual([{ name: "n" }]);
    });
  });

  describe("append", () => {
    it("coalesces many callers, and fails only the one with a duplicate", async () => {
      const { store } = bench;
      const row = (name: string) => ({ owner: "o", name, amount: 1, note: null });
      const callers = Array.from({ length: 200 }, (_, n) =>
        store.append(items, [row(`${n % 100}`), row(`${n}-second`)]),
      );
      const results = await Promise.allSettled(callers);
      expect(results.filter((result) => result.status === "fulfilled")).toHaveLength(100);
      for (const result of results) {
        if (result.status === "rejected") expect(result.reason).toBeInstanceOf(DuplicateKey);
      }
      // Whoever failed left nothing behind: the second row of each loser is gone with the first.
      expect(await store.read((tx) => tx.one(sql`select count(*) as n from ${items.name}`))).toEqual({ n: 200 });
    });

    it("keeps every column kind, takes no rows, and refuses too many", async () => {
      const { store } = bench;
      const full = {
        id: "f",
        text: "t",
        bytes: Uint8Array.of(0, 255),
        int: 1,
        big: 9n,
        bool: true,
        json: [1],
        at_ms: 5,
      };
      await store.append(kinds, [full, { ...empty, id: "e" }]);
      await store.append(kinds, []);
      expect(
        await store.read((tx) => tx.all(sql`select ${kinds.columns} from ${kinds.name} order by id`)),
      ).toStrictEqual([{ ...empty, id: "e" }, full]);
      const many = Array.from({ length: 501 }, (_, n) => ({ ...empty, id: String(n) }));
      await expect(store.append(kinds, many)).rejects.toThrow("500 are allowed");
    });
  });

  describe("claim", () => {
    const claim = { from: jobs, due: "due_ms", count: "tries", now: 1000, leaseMs: 50, limit: 10 } as const;
    const job = (name: string, due_ms: number | null, kind = "k") => ({ name, kind, due_ms, tries: 0, first_ms: null });

    it("takes due rows in their order, leases and counts them", async () => {
      const { store } = bench;
      await store.append(jobs, [job("late", 1001), job("b", 900), job("a", 900), job("first", 1), job("never", null)]);
      const taken = await store.claim({ ...claim, limit: 2 });
      expect(taken).toEqual([
        { name: "first", kind: "k", due_ms: 1050, tries: 1, first_ms: null },
        { name: "a", kind: "k", due_ms: 1050, tries: 1, first_ms: null },
      ]);
      expect((await store.claim(claim)).map((row) => row.name)).toEqual(["b"]);
      expect(await store.claim(claim)).toEqual([]);
      const again = await store.claim({ ...claim, now: 1050 });
      expect(again.map((row) => [row.name, row.tries])).toEqual([
        ["late", 1],
        ["a", 2],
        ["b", 2],
        ["first", 2],
      ]);
      const rows = await store.read((tx) => tx.all(sql`select name, due_ms from ${jobs.name} where tries = ${2}`));
      expect(rows).toHaveLength(3);
    });

    it("sees rows as soon as their append says so", async () => {
      const { store } = bench;
      let claimed: Promise<{ name: string }[]> | undefined;
      await store.append(jobs, [job("a", 900)], () => {
        claimed = store.claim(claim);
      });
      expect((await claimed)?.map(({ name }) => name)).toEqual(["a"]);
    });

    it("notes when a row was first claimed", async () => {
      const { store } = bench;
      await store.append(jobs, [job("a", 900)]);
      const noting = { ...claim, first: "first_ms" } as const;
      const [once] = await store.claim(noting);
      const [twice] = await store.claim({ ...noting, now: 1050 });
      expect([once?.first_ms, twice?.first_ms]).toEqual([1000, 1000]);
      const row = await store.read((tx) => tx.one(sql`select first_ms, tries from ${jobs.name}`));
      expect(row).toEqual({ first_ms: 1000, tries: 2 });
      await expect(store.claim({ ...claim, first: "tries" })).rejects.toThrow("no nullable column");
    });

    it("keeps to its condition and its limits", async () => {
      const { store } = bench;
      await store.append(jobs, [job("a", 1, "x"), job("b", 1, "y")]);
      const where = sql`kind = ${"y"} or kind = ${"z"}`;
      expect((await store.claim({ ...claim, where })).map((row) => row.name)).toEqual(["b"]);
      await expect(store.claim({ ...claim, limit: 0 })).rejects.toThrow("1 to 500");
      await expect(store.claim({ ...claim, leaseMs: 0 })).rejects.toThrow("lease");
    });

    it("gives each row to exactly one of many callers", async () => {
      const { store } = bench;
      await store.append(
        jobs,
        Array.from({ length: 100 }, (_, n) => job(`job-${n}`, n)),
      );
      const taken: string[] = [];
      const worker = async () => {
        for (let rows = await store.claim({ ...claim, limit: 3 }); rows.length > 0;) {
          taken.push(...rows.map((row) => row.name));
          rows = await store.claim({ ...claim, limit: 3 });
        }
      };
      await Promise.all(Array.from({ length: 16 }, worker));
      // A worker may see nothing because the rest is locked by another just then; what is left is still there to take.
      await worker();
      expect(taken).toHaveLength(100);
      expect(new Set(taken).size).toBe(100);
    });
  });
}
