/** The log stream of a target: the same for all of its events. */
import { createHash } from "node:crypto";
import type { Parcel } from "./fan-out.ts";
import { ruleArn } from "./names.ts";

/** AWS's are UUIDs too, and say as little. */
export function streamOf({ rule, target }: Parcel): string {
  const digits = createHash("sha256")
    .update(`${ruleArn(rule)} ${target.Id}`)
    .digest("hex");
  return digits.slice(0, 32).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
