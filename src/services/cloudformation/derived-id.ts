/** Ids that follow from what they name: whoever works them out again, after a crash too, gets the same. */
import { createHash } from "node:crypto";

/** A UUID that is always the same for the same text. */
export function uuidOf(text: string): string {
  const hex = createHash("sha256").update(text).digest("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join(
    "-",
  );
}
