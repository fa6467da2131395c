/** Ids of messages: UUIDs that begin with the time of sending (RFC 9562, version 7), so that they are stored in its order. */
import type { Ids } from "../../base/ids.ts";
import { uuidOf } from "./handles.ts";

/** Ids that one millisecond has; the next go to the millisecond after it. */
const perMs = 4_096;

const timeHex = (ms: number) => Math.max(0, ms).toString(16).padStart(12, "0");

/** No message that was sent at `ms` or later has a lesser id. */
export const firstIdAt = (ms: number) => uuidOf(`${timeHex(ms)}${"0".repeat(20)}`);

/** Each id of this node is greater than the one before, so that messages of one moment keep their order. */
export function createMessageIds(ids: Ids): (now: number) => string {
  let lastMs = 0;
  let count = 0;
  return (now) => {
    if (now > lastMs) {
      lastMs = now;
      count = 0;
    } else if ((count += 1) === perMs) {
      lastMs += 1;
      count = 0;
    }
    const random = ids.hex(8);
    // The variant's two bits are 10.
    const variant = ((Number.parseInt(random.slice(0, 1), 16) & 3) | 8).toString(16);
    return uuidOf(`${timeHex(lastMs)}7${count.toString(16).padStart(3, "0")}${variant}${random.slice(1)}`);
  };
}

/** 20 digits that grow with time on this node, and always beyond `last`. Source: developer guide, "FIFO queue key terms". */
export function createSequences(): (now: number, last: string | undefined) => string {
  let latest = 0n;
  return (now, last) => {
    const least = 10n ** 19n + BigInt(now) * 1_000_000n;
    const after = last === undefined ? 0n : BigInt(last) + 1n;
    latest = [latest + 1n, least, after].reduce((a, b) => (a > b ? a : b));
    return latest.toString();
  };
}
