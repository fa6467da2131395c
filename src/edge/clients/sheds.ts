/** What a worker turned away to keep what it has, counted here and told to main in batches: a flood is no flood of messages. */
import type { Clock } from "../../base/clock.ts";

/**
 * `connections`: the listener has too many; `client-connections`: the client has; `memory`: too many bytes are held;
 * `connection-memory`: too many for one connection.
 */
export type ShedReason = "connections" | "client-connections" | "memory" | "connection-memory";

export type ShedCounts = Partial<Record<ShedReason, number>>;

/** Counts are told this long after the first of them. */
const tellMs = 1_000;

export type Shed = (reason: ShedReason) => void;

export function createSheds(clock: Clock, tell: (counts: ShedCounts) => void): Shed {
  let counts: ShedCounts | undefined;
  return (reason) => {
    if (counts === undefined) {
      const batch: ShedCounts = (counts = {});
      clock.after(tellMs, () => {
        counts = undefined;
        tell(batch);
      });
    }
    counts[reason] = (counts[reason] ?? 0) + 1;
  };
}
