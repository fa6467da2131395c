/**
 * What is gone since a moment ago. The edge may have taken a request before a function, a version, an alias or a
 * permission was deleted, and hands it over after that: such a call (`call.asOf`) still finds things as they were.
 * In memory only: the connections of such requests end with the process.
 */
import type { Clock, Instant, Timer } from "../../base/clock.ts";
import type { PolicyStatement } from "../../kit/authorize.ts";
import { keyOf, latest, type FunctionKey, type FunctionRef } from "./names.ts";
import type { VersionRow } from "./tables.ts";

/** As long as the longest function runs; no request is under way for longer before it reaches its function. */
export const retiredMsMax = 15 * 60_000;
/** Versions, aliases and policies that are remembered; beyond that the oldest are forgotten early. */
const retiredPiecesMax = 10_000;

/** What one deletion took away. */
export interface Gone extends FunctionKey {
  versions: readonly VersionRow[];
  /** Alias to version. */
  aliases: ReadonlyMap<string, string>;
  /** Qualifier, or empty for the function itself, to statements. */
  statements: ReadonlyMap<string, readonly PolicyStatement[]>;
  /** Reserved concurrency of a whole function. */
  reserved: number | null;
}

interface Remembered extends Gone {
  goneMs: Instant;
  timer: Timer;
}

export interface Retired {
  /** Called once the deletion is on disk. */
  add(gone: Gone): void;
  /** The version that `ref` named at `asOf`, if it has been deleted since. */
  version(ref: FunctionRef, asOf: Instant | undefined): { row: VersionRow; reserved: number | null } | undefined;
  /** Statements that were in force at `asOf` and have been removed since. */
  statements(key: FunctionKey, qualifier: string, asOf: Instant | undefined): readonly PolicyStatement[];
  stop(): void;
}

const piecesOf = ({ versions, aliases, statements }: Gone) => versions.length + aliases.size + statements.size;

/** `forgotten` is told of everything once it can no longer be asked for. */
export function createRetired(clock: Clock, forgotten: (gone: Gone) => void): Retired {
  const all = new Set<Remembered>();
  const byFunction = new Map<string, Remembered[]>();
  let pieces = 0;

  const forget = (one: Remembered) => {
    one.timer.cancel();
    all.delete(one);
    pieces -= piecesOf(one);
    const rest = (byFunction.get(keyOf(one)) ?? []).filter((other) => other !== one);
    if (rest.length === 0) byFunction.delete(keyOf(one));
    else byFunction.set(keyOf(one), rest);
    forgotten(one);
  };

  /** Newest first. */
  const since = (key: FunctionKey, asOf: Instant | undefined): Remembered[] =>
    asOf === undefined ? [] : (byFunction.get(keyOf(key)) ?? []).filter(({ goneMs }) => asOf <= goneMs).toReversed();

  return {
    add(gone) {
      const one: Remembered = { ...gone, goneMs: clock.now(), timer: clock.after(retiredMsMax, () => forget(one)) };
      all.add(one);
      byFunction.set(keyOf(gone), [...(byFunction.get(keyOf(gone)) ?? []), one]);
      pieces += piecesOf(one);
      for (const oldest of all) {
        if (pieces <= retiredPiecesMax || oldest === one) break;
        forget(oldest);
      }
    },
    version(ref, asOf) {
      for (const { versions, aliases, reserved } of since(ref, asOf)) {
        const named = ref.qualifier ?? latest;
        const wanted = aliases.get(named) ?? named;
        const row = versions.find(({ version }) => version === wanted);
        if (row !== undefined) return { row, reserved };
      }
      return undefined;
    },
    statements: (key, qualifier, asOf) => since(key, asOf).flatMap(({ statements }) => statements.get(qualifier) ?? []),
    stop() {
      for (const one of all) one.timer.cancel();
      all.clear();
      byFunction.clear();
      pieces = 0;
    },
  };
}
