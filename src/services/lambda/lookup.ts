/** Reading what a request names, with the answers that every family gives when it is not there. */
import type { Store } from "../../store/store.ts";
import { functionNotFound, invalid } from "./faults.ts";
import { pageSizeMax } from "./limits.ts";
import { arnOf, type FunctionRef } from "./names.ts";
import { findFunction, findQualified } from "./tables.ts";

export const badMarker = () => invalid("Invalid Marker.");
export const pageLimit = (asked = pageSizeMax) => Math.min(asked, pageSizeMax);

/** The version that `ref` names, and its function. Throws AWS's fault when there is none. */
export function qualifiedReader({ store }: { store: Store }) {
  return (ref: FunctionRef) =>
    store.read(async (tx) => {
      const row = await findFunction(tx, ref);
      const version = row === undefined ? undefined : await findQualified(tx, ref, ref.qualifier);
      if (row === undefined || version === undefined) throw functionNotFound(arnOf(ref));
      return { row, version };
    });
}
