/**
 * Priority levels: traffic goes to the first cluster as long as enough of it is healthy, and spills over to the next in
 * proportion to what is missing. (Envoy, "Priority levels" and "Panic threshold".)
 */
import type { Cluster } from "../cluster.ts";
import type { FailoverPolicy } from "../policies.ts";
import type { Turn } from "./turns.ts";

/** What is known of a level. */
export interface Level {
  healthy: number;
  total: number;
}

export interface LevelLoad {
  /** Whole percent of the requests; those of all levels make 100, or 0 where nobody may have any. */
  percent: number;
  /** Requests of this level go to all its endpoints, healthy or not. */
  panic: boolean;
}

/** Shares of the levels, the first of which is the highest. */
export function levelLoads(
  levels: readonly Level[],
  { overprovisioning, panicPercent }: Pick<FailoverPolicy, "overprovisioning" | "panicPercent">,
): LevelLoad[] {
  const health = levels.map(({ healthy, total }) =>
    total === 0 ? 0 : Math.min(100, Math.floor((overprovisioning * healthy) / total)),
  );
  const sum = health.reduce((all, score) => all + score, 0);
  if (sum === 0) return lostLoads(levels, panicPercent);
  const normalized = Math.min(100, sum);
  let left = 100;
  const percents = health.map((score) => {
    const percent = Math.min(left, Math.round((score * 100) / normalized));
    left -= percent;
    return percent;
  });
  const first = health.findIndex((score) => score > 0);
  return levels.map(({ healthy, total }, i) => ({
    // What rounding left over goes to the highest that is alive.
    percent: (percents[i] ?? 0) + (i === first ? left : 0),
    panic: normalized < 100 && total > 0 && (100 * healthy) / total < panicPercent,
  }));
}

/** Nothing is healthy anywhere: all goes to the highest level that has endpoints, unless there is no panic. */
function lostLoads(levels: readonly Level[], panicPercent: number): LevelLoad[] {
  const chosen = panicPercent === 0 ? -1 : levels.findIndex(({ total }) => total > 0);
  return levels.map((_, i) => ({ percent: i === chosen ? 100 : 0, panic: i === chosen }));
}

/** Coprime to 100: a hundred turns in a row meet every percent once, and each share is spread over them. */
const stride = 61;

/** Chooses between clusters by their health; nothing where {@link levelLoads} gives nobody a share. */
export function compileFailover(
  policy: FailoverPolicy,
  clusters: readonly Cluster[],
  turn: Turn,
): () => Cluster | undefined {
  // Of their own: the panic of this route is no other's.
  const levels = clusters.map((cluster) => cluster.view());
  let seen = Number.NaN;
  let byPercent: (Cluster | undefined)[] = [];
  return () => {
    const changes = levels[0]?.changes ?? 0;
    if (changes !== seen) {
      seen = changes;
      byPercent = [];
      for (const [i, { percent, panic }] of levelLoads(levels, policy).entries()) {
        const level = levels[i];
        if (level === undefined) continue;
        level.panic = panic;
        for (let n = 0; n < percent; n += 1) byPercent.push(level);
      }
    }
    return byPercent[(turn() * stride) % 100];
  };
}
