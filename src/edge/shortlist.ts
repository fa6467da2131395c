/**
 * Which routes can match a request at all, by the first segment of its path or by its host: of a hundred rules a few are
 * left to be tested. Only what a condition spells out counts; a route without that is on every list.
 */
import type { Condition, RouteConfig } from "./ports.ts";

/** What a request is looked up by. */
export interface Asked {
  path: string;
  hostname: string;
}

/** Indexes of routes, in order: no other can match. */
export type Shortlist = (asked: Asked) => readonly number[];

/** With fewer routes than this it costs less to test them all. */
const routesMin = 8;

/** Undefined where it would not save much. */
export function compileShortlist(routes: readonly RouteConfig[]): Shortlist | undefined {
  const byPath = listsOf(routes, pathKeys);
  const byHost = listsOf(routes, hostKeys);
  const best = byHost.keyed > byPath.keyed ? byHost : byPath;
  if (best.keyed < routesMin) return undefined;
  const { lists, others } = best;
  return best === byHost
    ? ({ hostname }) => lists.get(hostname) ?? others
    : ({ path }) => lists.get(firstSegment(path)) ?? others;
}

interface Lists {
  lists: ReadonlyMap<string, readonly number[]>;
  /** For whatever has no list of its own. */
  others: readonly number[];
  /** Routes that are not on every list. */
  keyed: number;
}

type KeysOf = (condition: Condition) => readonly string[] | undefined;

function listsOf(routes: readonly RouteConfig[], keysOf: KeysOf): Lists {
  // All conditions of a route must hold, so any one that names its keys does.
  const keys = routes.map(({ conditions }) => conditions.map(keysOf).find((found) => found !== undefined));
  const named = new Set(keys.flatMap((found) => found ?? []));
  const listOf = (key?: string) =>
    keys.flatMap((found, index) => (found === undefined || (key !== undefined && found.includes(key)) ? [index] : []));
  return {
    lists: new Map(Array.from(named, (key) => [key, listOf(key)])),
    others: listOf(),
    keyed: keys.filter((found) => found !== undefined).length,
  };
}

/** The first segments of paths that the condition lets through; undefined where they can be any. */
function pathKeys(condition: Condition): readonly string[] | undefined {
  if (condition.kind !== "path") return undefined;
  const keys = condition.patterns.map((pattern) => {
    const literal = pattern.split(/[*?]/, 1)[0] ?? "";
    const key = firstSegment(literal);
    // A wildcard within the segment: there is no telling how it ends.
    return key.length === literal.length && literal.length < pattern.length ? undefined : key;
  });
  return keys.every((key) => key !== undefined) ? keys : undefined;
}

function hostKeys(condition: Condition): readonly string[] | undefined {
  if (condition.kind !== "host" || condition.patterns.some((pattern) => /[*?]/.test(pattern))) return undefined;
  return condition.patterns.map((pattern) => pattern.toLowerCase());
}

/** `/img` of `/img/a/b`. */
function firstSegment(path: string): string {
  const slash = path.indexOf("/", 1);
  return slash < 0 ? path : path.slice(0, slash);
}
