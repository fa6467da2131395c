/** Tumbling windows: what a function hands from one batch to the next, as long as records are of the same span of time. Source: Lambda guide, "Implementing stateful processing". */
import { windowStateBytesMax } from "./limits.ts";
import type { StreamRecord } from "./stream-events.ts";
import type { WindowState } from "./tables.ts";

/** Windows begin at whole multiples of their length since the epoch. */
export function windowAt(ms: number, lengthMs: number): WindowState {
  const startMs = Math.floor(ms / lengthMs) * lengthMs;
  return { startMs, endMs: startMs + lengthMs, state: {} };
}

/** Records of the window from the first on; those after belong to a later one. */
export function withinWindow(records: readonly StreamRecord[], { endMs }: WindowState): readonly StreamRecord[] {
  const after = records.findIndex(({ arrivalMs }) => arrivalMs >= endMs);
  return after === -1 ? records : records.slice(0, after);
}

export interface WindowEnd {
  isFinal: boolean;
  /** Its state has grown too large. */
  isEarly: boolean;
}

/** What the function gets beside the records. */
export function windowEvent(
  records: readonly StreamRecord[],
  { startMs, endMs, state }: WindowState,
  shardId: string,
  eventSourceARN: string,
  { isFinal, isEarly }: WindowEnd,
): object {
  const iso = (ms: number) => `${new Date(ms).toISOString().slice(0, 19)}Z`;
  return {
    Records: records.map(({ event }) => event),
    window: { start: iso(startMs), end: iso(endMs) },
    state,
    shardId,
    eventSourceARN,
    isFinalInvokeForWindow: isFinal,
    isWindowTerminatedEarly: isEarly,
  };
}

/** The state that an answer hands on; undefined where there is none, which makes the run a failure. */
export function stateOf(payload: Uint8Array): { state: unknown; isTooLarge: boolean } | undefined {
  const text = Buffer.from(payload).toString();
  let answer: unknown;
  try {
    answer = text === "" ? undefined : (JSON.parse(text) as unknown);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  if (typeof answer !== "object" || answer === null || !("state" in answer)) return undefined;
  const { state } = answer;
  return { state, isTooLarge: Buffer.byteLength(JSON.stringify(state) ?? "") > windowStateBytesMax };
}
