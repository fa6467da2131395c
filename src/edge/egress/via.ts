/** The mark that the way out leaves on requests, by which it knows what comes back (RFC 9110 section 7.6.3). */
import { randomBytes } from "node:crypto";
import { field } from "../h1/fields.ts";
import type { RequestHead } from "../h1/request.ts";
import { idMask, spanSize } from "../h1/scan.ts";

/** Nodes of this kind that a request may pass, however they are chained. */
const hopsMax = 4;
const viaName = "mikan-egress-";

/** A name for the `Via` of one node. */
export const newViaName = () => viaName + randomBytes(6).toString("hex");

/** Whether a request has passed `name`, or too many of its kind. */
export function cameBack({ text, spans, count }: RequestHead, name: string): boolean {
  let hops = 0;
  for (let i = 0, at = 0; i < count; i += 1, at += spanSize) {
    if (((spans[at] ?? 0) & idMask) !== field.other) continue;
    if (text.slice(spans[at + 1], spans[at + 2]).toLowerCase() !== "via") continue;
    const value = text.slice(spans[at + 3], spans[at + 4]);
    if (value.includes(name)) return true;
    hops += value.split(viaName).length - 1;
  }
  return hops >= hopsMax;
}
