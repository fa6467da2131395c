/** The trace header on its way through: started, or given a `Self` in front (ALB user guide, "Request tracing"). */
import type { Ids } from "../base/ids.ts";

/** Past this length only the root is kept. */
const traceBytesMax = 7 * 1024;
/** Random hex made at once: one call of the random source serves this many ids. */
const idsPerDraw = 512;
const idLength = 24;

/** Gives `1-<8 hex of epoch seconds>-<24 hex>`. */
export function createTraceIds(ids: Ids, now: () => number): () => string {
  let drawn = "";
  let at = 0;
  return () => {
    if (at === drawn.length) {
      drawn = ids.hex((idsPerDraw * idLength) / 2);
      at = 0;
    }
    const seconds = Math.floor(now() / 1000)
      .toString(16)
      .padStart(8, "0");
    return `1-${seconds}-${drawn.slice(at, (at += idLength))}`;
  };
}

/** The value to send on, for the value that came (undefined: none). */
export function nextTrace(came: string | undefined, newId: () => string): string {
  if (came === undefined || came === "") return `Root=${newId()}`;
  const fields = came.split(";").map((field) => field.trim());
  const root = fields.find((field) => field.startsWith("Root="));
  if (came.length > traceBytesMax) return root !== undefined && root.length < 100 ? root : `Root=${newId()}`;
  const own = `Self=${newId()}`;
  const kept = fields.filter((field) => field !== "" && !field.startsWith("Self="));
  // Fields of the caller's own stay in their place; without a root, ours becomes it.
  return root === undefined ? [own.replace("Self=", "Root="), ...kept].join(";") : [own, ...kept].join(";");
}
