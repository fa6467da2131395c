/** Filters of listings. Source: API reference, Filter. */
import type { SecretRow } from "./tables.ts";

export interface Filter {
  Key?: string | undefined;
  Values?: readonly string[] | undefined;
}

function textsOf(row: SecretRow, key: string): string[] {
  const tagKeys = row.tags.map(({ Key }) => Key);
  const tagValues = row.tags.map(({ Value }) => Value);
  switch (key) {
    case "name":
      return [row.name];
    case "description":
      return row.description === null ? [] : [row.description];
    case "tag-key":
      return tagKeys;
    case "tag-value":
      return tagValues;
    case "all":
      return [row.name, row.description ?? "", ...tagKeys, ...tagValues];
    default:
      // `primary-region` and `owning-service`: no secret here is a replica, or a service's own.
      return [];
  }
}

/** Names compare with their case, the rest without; `all` looks at each word. */
function holds(text: string, key: string, wanted: string): boolean {
  if (key === "name") return text.startsWith(wanted);
  const [lower, prefix] = [text.toLowerCase(), wanted.toLowerCase()];
  return key === "all"
    ? lower.split(/[\s/_+=.@-]+/).some((word) => word.startsWith(prefix)) || lower.startsWith(prefix)
    : lower.startsWith(prefix);
}

/** Filters are joined by and, their values by or; a value that begins with `!` is one to do without. */
export function filterOf(filters: readonly Filter[]): (row: SecretRow) => boolean {
  return (row) =>
    filters.every(({ Key: key = "all", Values: values = [] }) => {
      const texts = textsOf(row, key);
      const has = (wanted: string) => texts.some((text) => holds(text, key, wanted));
      const without = values.filter((value) => value.startsWith("!")).map((value) => value.slice(1));
      const either = values.filter((value) => !value.startsWith("!"));
      return without.every((value) => !has(value)) && (either.length === 0 || either.some(has));
    });
}
