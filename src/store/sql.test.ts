import { expect, it } from "vitest";
import { join, json, raw, sql, type Sql } from "./sql.ts";
import { assign, c, insert, table, upsert } from "./tables.ts";

const shown = ({ strings, values }: Sql) => [strings.join("?"), ...values];

it("turns values into parameters and splices pieces in, values and all", () => {
  const where = sql`a = ${1} and b = ${"x"}`;
  expect(shown(sql`select ${raw("c, d")} from t where ${where} limit ${5}`)).toEqual([
    "select c, d from t where a = ? and b = ? limit ?",
    1,
    "x",
    5,
  ]);
  expect(shown(sql`${where}`)).toEqual(shown(where));
  expect(shown(sql`x`)).toEqual(["x"]);
});

it("gives each call its own text where the pieces differ, and the same one where they do not", () => {
  const at = (piece: Sql | number) => sql`select ${piece} from t where x = ${7}`;
  const a = raw("a");
  const first = at(a);
  expect(at(a).strings).toBe(first.strings);
  expect(shown(at(raw("b")))).toEqual(["select b from t where x = ?", 7]);
  expect(shown(at(3))).toEqual(["select ? from t where x = ?", 3, 7]);
  expect(shown(at(sql`y + ${1}`))).toEqual(["select y + ? from t where x = ?", 1, 7]);
  expect(shown(at(a))).toEqual(shown(first));
  expect(shown(first)).toEqual(["select a from t where x = ?", 7]);
});

it("joins pieces and values", () => {
  expect(shown(join([1, "b", sql`lower(${"C"})`]))).toEqual(["?, ?, lower(?)", 1, "b", "C"]);
  expect(shown(join([sql`a = ${1}`, sql`b = ${2}`], " and "))).toEqual(["a = ? and b = ?", 1, 2]);
  expect(shown(join([]))).toEqual([""]);
  expect(shown(sql`x in (${join([1, 2, 3])})`)).toEqual(["x in (?, ?, ?)", 1, 2, 3]);
  expect(shown(sql`x in (${join([1])})`)).toEqual(["x in (?)", 1]);
});

const t = table("t_rows", { id: c.id, n: c.int, data: c.nullable(c.json<object>()) }, { key: ["id"] });

it("writes rows in the order of their columns, whatever the order of the row", () => {
  expect(shown(insert(t, { data: { a: 1 }, n: 1, id: "x" }))).toEqual([
    "insert into t_rows (id, n, data) values (?, ?, ?)",
    "x",
    1,
    json({ a: 1 }),
  ]);
  expect(shown(upsert(t, { id: "x", n: 1, data: null }))).toEqual([
    "insert into t_rows (id, n, data) values (?, ?, ?) on conflict (id) do update set n = excluded.n, data = excluded.data",
    "x",
    1,
    null,
  ]);
  expect(shown(assign(t, { n: 2, data: { b: 2 } }))).toEqual(["n = ?, data = ?", 2, json({ b: 2 })]);
  const keys = table("t_keys", { id: c.id }, { key: ["id"] });
  expect(shown(upsert(keys, { id: "x" }))).toEqual([
    "insert into t_keys (id) values (?) on conflict (id) do nothing",
    "x",
  ]);
});

it("refuses a row without a column, and one with a column too many", () => {
  const incomplete: { id: string; n: number } = { id: "x", n: 1 };
  expect(() => insert(t, incomplete as never)).toThrow("column data of t_rows has no value");
  const excess = { id: "x", n: 1, data: null, evil: 1 };
  expect(() => insert(t, excess)).toThrow("no such column");
});
