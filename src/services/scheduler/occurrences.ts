/** When a schedule runs: its occurrences, where in their windows, and what becomes of those that were missed. No SQL, no clock. */
import { createHash } from "node:crypto";
import type { Instant } from "../../base/clock.ts";
import { latestOccurrence, occurrenceAfter } from "../../kit/schedule-expression.ts";
import { eventAgeSecondsDefault, precisionMs, secondMs } from "./limits.ts";
import { expressionOf, windowMsOf, zoneOf, type Settings } from "./settings.ts";

/** What a schedule's row says of its next occurrence: both null when there is none. */
export interface NextRun {
  occurrence_ms: number | null;
  due_ms: number | null;
}

/** A schedule, as far as its occurrences go. */
export interface Timing {
  arn: string;
  settings: Settings;
  anchorMs: Instant;
}

const never: NextRun = { occurrence_ms: null, due_ms: null };

const digestOf = (arn: string, occurrenceMs: Instant) =>
  createHash("sha256").update(`${arn} ${occurrenceMs}`).digest("hex");

/** The same for every attempt at an occurrence, and for every node. */
export const executionIdOf = (arn: string, occurrenceMs: Instant) => digestOf(arn, occurrenceMs).slice(0, 16);

const following = ({ settings, anchorMs }: Timing, after: Instant) =>
  occurrenceAfter(expressionOf(settings), after, { zone: zoneOf(settings), anchor: anchorMs });

/**
 * When an occurrence runs: at a time in its window that is by chance, and always the same. A window ends where the next
 * occurrence begins, so that they stay in order.
 */
function dueOf(timing: Timing, occurrenceMs: Instant): Instant {
  const windowMs = windowMsOf(timing.settings);
  if (windowMs === 0) return occurrenceMs;
  const next = following(timing, occurrenceMs) ?? Number.POSITIVE_INFINITY;
  const chance = Number.parseInt(digestOf(timing.arn, occurrenceMs).slice(16, 24), 16) / 2 ** 32;
  return occurrenceMs + Math.floor(chance * Math.min(windowMs, next - occurrenceMs));
}

/** The first run of an occurrence later than `after`. */
export function nextRun(timing: Timing, after: Instant): NextRun {
  const { settings } = timing;
  const isOneTime = expressionOf(settings).kind === "at";
  const from = isOneTime ? after : Math.max(after, (settings.startMs ?? 0) - 1);
  const occurrence = following(timing, from);
  if (occurrence === undefined) return never;
  if (!isOneTime && settings.endMs !== null && occurrence > settings.endMs) return never;
  return { occurrence_ms: occurrence, due_ms: dueOf(timing, occurrence) };
}

/** The first run of a schedule that is made, or made anew, now. What was to be in the last minute is still in time. */
export function firstRun(timing: Timing, now: Instant): NextRun {
  return nextRun(timing, expressionOf(timing.settings).kind === "at" ? now - precisionMs : now - 1);
}

export interface Turn {
  /** The occurrence that is due now. */
  run?: { occurrenceMs: Instant; dueMs: Instant; isTooOld: boolean };
  next: NextRun;
}

/** What a schedule whose `due` has come does. */
export function turnOf(timing: Timing, { occurrence, due }: { occurrence: Instant; due: Instant }, now: Instant): Turn {
  // In time: each occurrence has its run, also where the node is a little behind.
  if (now - due <= precisionMs) {
    const run = { occurrenceMs: occurrence, dueMs: due, isTooOld: false };
    return { run, next: nextRun(timing, occurrence) };
  }
  // Missed: of all that should have been since, only the latest is.
  const latest = latestMissed(timing, occurrence, now);
  const dueMs = dueOf(timing, latest);
  if (dueMs > now) return { next: { occurrence_ms: latest, due_ms: dueMs } };
  const isTooOld = now - dueMs > maxAgeMs(timing.settings);
  return { run: { occurrenceMs: latest, dueMs, isTooOld }, next: nextRun(timing, latest) };
}

function latestMissed({ settings, anchorMs }: Timing, from: Instant, now: Instant): Instant {
  const expression = expressionOf(settings);
  if (expression.kind === "at") return from;
  const until = Math.min(now, settings.endMs ?? now);
  return latestOccurrence(expression, from, until, { zone: zoneOf(settings), anchor: anchorMs }) ?? from;
}

/** An invocation is not begun when it is older. */
export const maxAgeMs = ({ target }: Settings) =>
  (target.RetryPolicy?.MaximumEventAgeInSeconds ?? eventAgeSecondsDefault) * secondMs;
