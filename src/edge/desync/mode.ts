/** What a desync mode does with a request of a class, whatever protocol brought it. */
import type { DesyncMode } from "../ports.ts";
import type { Verdict } from "./verdict.ts";

/** ALB blocks what is severe unless it only watches, and in its strictest mode all that is not compliant. */
export function blocks(mode: DesyncMode, verdict: Verdict): boolean {
  return mode === "strictest" || (verdict.class === "Severe" && mode === "defensive");
}

/**
 * Whether nothing may follow the request on its connections, on either side. Where ALB only watches, it lets them go on;
 * we do so where the head came in its one form, and else keep to RFC 9112 section 6.1, which has them closed.
 */
export function isolates(mode: DesyncMode, verdict: Verdict, repaired: boolean): boolean {
  return verdict.class !== "Acceptable" && (mode !== "monitor" || repaired);
}
