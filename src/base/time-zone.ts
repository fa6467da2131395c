/** Clocks on walls: IANA time zones by the tables that Node carries. A wall time is the milliseconds that UTC would call by the same date and hour. */
import type { Instant } from "./clock.ts";

/** Milliseconds since 1970-01-01T00:00 on the zone's own clock. */
export type WallMs = number;

export interface TimeZone {
  /** What the clock on the wall shows at that instant. */
  wallAt(instant: Instant): WallMs;
  /**
   * When the clock shows that time, the earliest first: none where it is put forward past it, two where it is put back.
   */
  instantsAt(wall: WallMs): readonly Instant[];
  /** The instant itself, the first of two; where the clock is put forward past it, as much later as that leaps. */
  instantNear(wall: WallMs): Instant;
}

const dayMs = 24 * 3600_000;

/** Zones that were asked for; no more than there are, so nothing needs to go. */
const known = new Map<string, TimeZone>();

/** `Europe/Berlin`, `UTC`, `Etc/GMT+3`: an offset such as `+02:00` is no name of the database. */
const namePattern = /^[A-Za-z][A-Za-z0-9_+/-]*$/;

export const utc: TimeZone = {
  wallAt: (instant) => instant,
  instantsAt: (wall) => [wall],
  instantNear: (wall) => wall,
};

/** The zone of that name in the IANA database, in upper or lower case; undefined when it has none. */
export function timeZone(name: string): TimeZone | undefined {
  if (name === "UTC") return utc;
  const key = name.toLowerCase();
  const found = known.get(key);
  if (found !== undefined || !namePattern.test(name)) return found;
  const format = formatOf(name);
  if (format === undefined) return undefined;
  const zone = zoneOf(format);
  known.set(key, zone);
  return zone;
}

function formatOf(name: string): Intl.DateTimeFormat | undefined {
  try {
    return new Intl.DateTimeFormat("en-US", {
      timeZone: name,
      calendar: "iso8601",
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    });
  } catch (cause) {
    if (cause instanceof RangeError) return undefined;
    throw cause;
  }
}

function zoneOf(format: Intl.DateTimeFormat): TimeZone {
  const wallAt = (instant: Instant): WallMs => {
    const shown = new Map(format.formatToParts(instant).map(({ type, value }) => [type, Number(value)]));
    const of = (part: Intl.DateTimeFormatPartTypes) => shown.get(part) ?? 0;
    const seconds = Date.UTC(of("year"), of("month") - 1, of("day"), of("hour"), of("minute"), of("second"));
    // Zones differ by whole seconds: the format leaves the milliseconds away.
    return seconds + (((instant % 1000) + 1000) % 1000);
  };
  const offsetAt = (instant: Instant) => wallAt(instant) - instant;
  const instantsAt = (wall: WallMs): readonly Instant[] => {
    // No zone is a day away from UTC, and none changes twice in two days.
    const offsets = new Set([offsetAt(wall - dayMs), offsetAt(wall + dayMs)]);
    const instants = [...offsets].map((offset) => wall - offset);
    return instants.filter((instant) => wallAt(instant) === wall).toSorted((a, b) => a - b);
  };
  return {
    wallAt,
    instantsAt,
    instantNear: (wall) => instantsAt(wall)[0] ?? wall - offsetAt(wall - dayMs),
  };
}
