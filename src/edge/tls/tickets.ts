/**
 * Keys of session tickets. Every worker computes the same from one secret of the node and the hour, so that a client may
 * come back to any worker, and a worker that is replaced knows what its forerunner gave out.
 */
import { hkdfSync } from "node:crypto";

/** Keys are in use for this long; a ticket under older keys costs its client a full handshake. */
export const ticketPeriodMs = 12 * 60 * 60 * 1000;

/** What Node takes: a name, an HMAC key and an AES key of 16 bytes each. */
const ticketKeyBytes = 48;

/** Which keys hold at `now`, by the wall clock. */
export function ticketPeriodOf(now: number): number {
  return Math.floor(now / ticketPeriodMs);
}

/** @param purpose a listener's id: tickets of one listener are nothing to another */
export function ticketKeys(secret: Uint8Array, purpose: string, period: number): Buffer {
  return Buffer.from(hkdfSync("sha256", secret, "", `tickets ${purpose} ${period}`, ticketKeyBytes));
}
