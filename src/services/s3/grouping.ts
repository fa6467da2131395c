/** Pages of keys that may each have several entries (versions, uploads), with common prefixes told once. */
import { afterPrefix } from "./listing.ts";

/** From where to read: at the key, past it, or at the key behind one of its entries. */
export type From<S> = { key: string; place: "at" | "past" } | { key: string; place: "behind"; sub: S };

export interface Grouped<R> {
  rows: R[];
  commonPrefixes: string[];
  /** The last that was told, when there is more. */
  next: { row: R } | { prefix: string } | undefined;
}

export interface GroupQuery<R, S> {
  prefix: string;
  delimiter: string;
  limit: number;
  from: From<S>;
  /** Up to `limit` rows in order. */
  fetch(from: From<S>, limit: number): Promise<R[]>;
  fromRow(row: R): From<S>;
}

export async function listGrouped<R extends { key: string }, S>(query: GroupQuery<R, S>): Promise<Grouped<R>> {
  const { prefix, delimiter, limit, fetch, fromRow } = query;
  const grouped: Grouped<R> = { rows: [], commonPrefixes: [], next: undefined };
  if (limit === 0) return grouped;
  const groupOf = (key: string) => {
    const end = delimiter === "" ? -1 : key.indexOf(delimiter, prefix.length);
    return end < 0 ? undefined : key.slice(0, end + delimiter.length);
  };
  let from: From<S> = query.from.key < prefix ? { key: prefix, place: "at" } : query.from;
  // A page that ended with a common prefix goes on behind all of its keys.
  if (from.place === "past" && groupOf(from.key) === from.key) from = { key: afterPrefix(from.key), place: "at" };
  let last: Grouped<R>["next"];
  for (;;) {
    const rows = await fetch(from, limit + 1);
    let regrouped = false;
    for (const row of rows) {
      if (!row.key.startsWith(prefix)) return grouped;
      if (grouped.rows.length + grouped.commonPrefixes.length === limit) return { ...grouped, next: last };
      const group = groupOf(row.key);
      if (group === undefined) {
        grouped.rows.push(row);
        last = { row };
        from = fromRow(row);
        continue;
      }
      grouped.commonPrefixes.push(group);
      last = { prefix: group };
      from = { key: afterPrefix(group), place: "at" };
      regrouped = true;
      break;
    }
    if (!regrouped && rows.length <= limit) return grouped;
  }
}
