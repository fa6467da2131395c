/** Conformance: tables are brought up to date, forward only. */
import { describe, expect, it } from "vitest";
import { items, type Bench } from "./fixture.suite.ts";
import { DataRefused } from "./errors.ts";
import { raw, sql } from "./sql.ts";
import { c, insert, table, type Migration } from "./tables.ts";

const notesV1 = table("notes_notes", { id: c.id, text: c.text }, { key: ["id"] });
const notes = table("notes_notes", { id: c.id, text: c.text, stars: c.int }, { key: ["id"] });
const first: Migration = { version: 1, create: [notesV1] };
const second: Migration = {
  version: 2,
  run: [
    raw("alter table notes_notes add column stars bigint not null default 0"),
    sql`update notes_notes set stars = ${3}`,
  ],
};

export function migrationSuite(bench: Bench): void {
  const migrate = (...migrations: Migration[]) => bench.store.migrate([{ owner: "notes", migrations }]);

  describe("migrations", () => {
    it("run once, in order, on data that is there", async () => {
      await migrate(first);
      await bench.store.tx((tx) => tx.run(insert(notesV1, { id: "a", text: "x" })));
      await bench.reopen();
      await migrate(first, second);
      await migrate(first, second);
      const row = await bench.store.read((tx) => tx.one(sql`select ${notes.columns} from ${notes.name}`));
      expect(row).toEqual({ id: "a", text: "x", stars: 3 });
    });

    it("leave nothing of a step that fails, and keep the steps before it", async () => {
      const broken: Migration = { version: 2, run: [...(second.run ?? []), raw("insert into nowhere values (1)")] };
      await expect(migrate(first, broken)).rejects.toThrow(/nowhere/);
      await bench.store.tx((tx) => tx.run(insert(notesV1, { id: "a", text: "x" })));
      await migrate(first, second);
      expect(await bench.store.read((tx) => tx.one(sql`select stars from ${notes.name}`))).toEqual({ stars: 3 });
    });

    it("refuse data of a newer version, by name, and change nothing", async () => {
      await migrate(first, second);
      await bench.reopen();
      const other = {
        owner: "other",
        migrations: [{ version: 1, create: [table("other_t", { id: c.id }, { key: ["id"] })] }],
      };
      const outcome = bench.store.migrate([other, { owner: "notes", migrations: [first] }]);
      await expect(outcome).rejects.toThrow(DataRefused);
      await expect(outcome).rejects.toThrow(/notes is at version 2.*knows 1/);
      await expect(bench.store.read((tx) => tx.all(sql`select id from other_t`))).rejects.toThrow(/other_t/);
    });

    it("refuse a step that was edited after it ran", async () => {
      await migrate(first);
      await expect(migrate({ version: 1, create: [notes] })).rejects.toThrow("step 1 of notes is not the one");
    });

    it("refuse versions with a gap, and tables that cannot be", async () => {
      await expect(migrate({ version: 2, create: [notes] })).rejects.toThrow("migration 1 has version 2");
      const keyless = table("notes_k", { id: c.id }, { key: [] });
      await expect(migrate({ version: 1, create: [keyless] })).rejects.toThrow("no primary key");
      const evil = table('notes"; drop', { id: c.id }, { key: ["id"] });
      await expect(migrate({ version: 1, create: [evil] })).rejects.toThrow("no name for a table");
    });

    it("make index names that fit on every engine", async () => {
      const long = "a_name_that_is_much_longer_than_an_index_name";
      const wide = table(
        `notes_${long}`,
        { id: c.id, [`${long}_x`]: c.int, [`${long}_y`]: c.int },
        { key: ["id"], indexes: [{ columns: [`${long}_x`] }, { columns: [`${long}_y`] }] },
      );
      await migrate({ version: 1, create: [wide] });
    });

    it("keep the rows of other owners", async () => {
      await bench.store.append(items, [{ owner: "o", name: "n", amount: 1, note: null }]);
      await bench.reopen();
      await migrate(first);
      expect(await bench.store.read((tx) => tx.all(sql`select name from ${items.name}`))).toEqual([{ name: "n" }]);
    });
  });
}
