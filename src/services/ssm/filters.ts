/** Which parameters a listing shows: filters, and the scan that applies them. */
import { beginsWith, join, raw, sql, type Sql } from "../../store/sql.ts";
import type { ReadTx } from "../../store/store.ts";
import { fault } from "./faults.ts";
import { isIn, parameters, versionsOf, type ParameterRow, type Place } from "./tables.ts";

export interface Filter {
  Key?: string | undefined;
  Option?: string | undefined;
  Values?: readonly string[] | undefined;
}

type Matches = (row: ParameterRow) => Promise<boolean>;

/** Rows looked at in one statement. */
const scanRows = 500;

/** A condition: at or below `path`, which begins with a slash. */
export function underPath(path: string, recursive: boolean): Sql {
  const base = path === "/" ? "/" : path.replace(/\/$/, "");
  if (!recursive) return sql`parent = ${base}`;
  return base === "/" ? raw("1 = 1") : beginsWith("name", `${base}/`);
}

/** Up to `limit` rows after the name `after` that match, in order of name. */
export async function scanParameters(
  tx: ReadTx,
  place: Place,
  conditions: readonly Sql[],
  after: string,
  limit: number,
  matches: Matches,
): Promise<ParameterRow[]> {
  const found: ParameterRow[] = [];
  let last = after;
  for (;;) {
    const rows = await tx.all<ParameterRow>(sql`select ${parameters.columns} from ${parameters.name}
      where ${join([isIn(place), sql`name > ${last}`, ...conditions], " and ")} order by name limit ${scanRows}`);
    for (const row of rows) {
      if (await matches(row)) found.push(row);
      if (found.length === limit) return found;
      last = row.name;
    }
    if (rows.length < scanRows) return found;
  }
}

const texts: Readonly<Record<string, (row: ParameterRow) => string | null | undefined>> = {
  Name: ({ name }) => name,
  Type: ({ type }) => type,
  KeyId: ({ key_id }) => key_id,
  Tier: ({ tier }) => tier,
  DataType: ({ data_type }) => data_type,
};

function textOf(key: string): ((row: ParameterRow) => string | null | undefined) | undefined {
  if (key.startsWith("tag:")) return ({ tags }) => (Object.hasOwn(tags, key.slice(4)) ? tags[key.slice(4)] : undefined);
  return Object.hasOwn(texts, key) ? texts[key] : undefined;
}

const badOption = (key: string, option: string) =>
  fault("InvalidFilterOption", `The following filter option is not valid: ${option}. Key: ${key}.`);

function pathMatches(path: string, option: string): (row: ParameterRow) => boolean {
  const base = path === "/" ? "/" : path.replace(/\/$/, "");
  if (option === "OneLevel") return ({ parent }) => parent === base;
  return ({ name }) => base === "/" || name.startsWith(`${base}/`);
}

function nameMatches(option: string, values: readonly string[]): (text: string) => boolean {
  // A name is compared with its slash or without.
  const bare = (text: string) => text.replace(/^\//, "");
  if (option === "Contains") return (text) => values.some((value) => text.includes(value));
  if (option === "BeginsWith") return (text) => values.some((value) => bare(text).startsWith(bare(value)));
  return (text) => values.some((value) => bare(text) === bare(value));
}

function compile(tx: ReadTx, filter: Filter): Matches {
  const { Key: key = "", Values: values = [] } = filter;
  if (key === "Path") {
    const option = filter.Option ?? "OneLevel";
    if (option !== "OneLevel" && option !== "Recursive") throw badOption(key, option);
    const paths = values.map((path) => pathMatches(path, option));
    return async (row) => paths.some((matches) => matches(row));
  }
  const option = filter.Option ?? "Equals";
  if (!["Equals", "BeginsWith", ...(key === "Name" ? ["Contains"] : [])].includes(option)) throw badOption(key, option);
  if (key === "Label") {
    return async ({ account, region, name }) =>
      (await versionsOf(tx, { account, region }, name)).some(({ labels }) =>
        labels.some((one) => values.includes(one)),
      );
  }
  const text = textOf(key);
  if (text === undefined) throw fault("InvalidFilterKey", `The following filter key is not valid: ${key}.`);
  const isWanted =
    key === "Name"
      ? nameMatches(option, values)
      : (found: string) => values.some((one) => (option === "BeginsWith" ? found.startsWith(one) : found === one));
  return async (row) => {
    const found = text(row);
    // A tag filter without values asks for the tag alone.
    return found !== undefined && found !== null && (values.length === 0 || isWanted(found));
  };
}

/** All filters together; `allowed` names the keys that the operation takes, all of them unless given. */
export function matcher(tx: ReadTx, filters: readonly Filter[], allowed?: readonly string[]): Matches {
  const seen = new Set<string>();
  const compiled = filters.map((filter) => {
    const { Key = "" } = filter;
    const isAllowed = allowed === undefined || allowed.includes(Key);
    if (!isAllowed) throw fault("InvalidFilterKey", `The following filter key is not valid: ${Key}.`);
    if (seen.has(Key)) {
      throw fault("InvalidFilterKey", `The following filter is duplicated in the request: ${Key}`);
    }
    seen.add(Key);
    return compile(tx, filter);
  });
  return async (row) => {
    for (const matches of compiled) if (!(await matches(row))) return false;
    return true;
  };
}
