/**
 * Priority levels: traffic goes to the first as long as enough of it is healthy, and spills over to the next in proportion
 * to what is missing. Within a level it goes to the localities by weight, and to those that lose health less of it.
 * (Envoy, "Priority levels", "Panic threshold" and "Locality weighted load balancing".)
 */
import { must } from "../../base/errors.ts";
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

/** A part of a level: endpoints that are reached alike. */
export interface Locality extends Level {
  weight: number;
}

/** What each locality gets of its level, in proportion; in panic all endpoints get the same, whichever they are in. */
export function localityLoads(
  localities: readonly Locality[],
  { overprovisioning }: Pick<FailoverPolicy, "overprovisioning">,
  panic: boolean,
): number[] {
  return localities.map(({ weight, healthy, total }) => {
    if (panic || total === 0) return total;
    return weight * Math.min(1, (overprovisioning * healthy) / (100 * total));
  });
}

/** A level as requests meet it. */
interface RunningLevel {
  localities: readonly { cluster: Cluster; weight: number }[];
  percent: number;
  /** Of each locality. */
  loads: readonly number[];
}

/** Coprime to 100: a hundred turns in a row meet every percent once, and each share is spread over them. */
const stride = 61;
/** Multiples of it, without their whole part, are spread evenly however many there are: any shares come out, and soon. */
const goldenRatio = (Math.sqrt(5) - 1) / 2;

/** Chooses between clusters by their health; nothing where {@link levelLoads} gives nobody a share. */
export function compileFailover(
  policy: FailoverPolicy,
  find: (clusterId: string) => Cluster,
  turn: Turn,
): () => Cluster | undefined {
  // Of their own: the panic of this route is no other's.
  const levels = policy.levels.map((level) =>
    level.map(({ clusterId, weight }) => ({ cluster: find(clusterId).view(), weight })),
  );
  const [first] = must(levels[0], "a level");
  const board = must(first, "a locality").cluster;
  let seen = Number.NaN;
  let turns: readonly (readonly [level: RunningLevel, rank: number])[] = [];
  return () => {
    const { changes } = board;
    if (changes !== seen) {
      seen = changes;
      turns = orderOf(running(levels, policy));
    }
    const n = turn();
    const due = turns[n % 100];
    if (due === undefined) return undefined;
    const [level, rank] = due;
    return level.localities.length === 1
      ? level.localities[0]?.cluster
      : localityOf(level, Math.floor(n / 100) * level.percent + rank);
  };
}

function running(levels: readonly RunningLevel["localities"][], policy: FailoverPolicy): RunningLevel[] {
  const known = levels.map((localities) =>
    localities.map(({ cluster: { healthy, total }, weight }) => ({ healthy, total, weight })),
  );
  const sums = known.map((localities) => ({
    healthy: localities.reduce((sum, { healthy }) => sum + healthy, 0),
    total: localities.reduce((sum, { total }) => sum + total, 0),
  }));
  const loads = levelLoads(sums, policy);
  return levels.map((localities, i) => {
    const { percent, panic } = must(loads[i], "the load of a level");
    for (const { cluster } of localities) cluster.panic = panic;
    return { localities, percent, loads: localityLoads(known[i] ?? [], policy, panic) };
  });
}

/** Of a hundred turns each one's level, and how many of that level's came before it. */
function orderOf(levels: readonly RunningLevel[]): (readonly [RunningLevel, number])[] {
  const byPercent = levels.flatMap((level) => Array.from({ length: level.percent }, () => level));
  const before = new Map<RunningLevel, number>();
  return byPercent.map((_, n) => {
    const level = must(byPercent[(n * stride) % 100], "the level of a percent");
    const rank = before.get(level) ?? 0;
    before.set(level, rank + 1);
    return [level, rank];
  });
}

/** The locality of the `n`th request of a level. */
function localityOf({ localities, loads }: RunningLevel, n: number): Cluster | undefined {
  let left = ((n * goldenRatio) % 1) * loads.reduce((sum, load) => sum + load, 0);
  for (const [i, load] of loads.entries()) {
    left -= load;
    if (left < 0) return localities[i]?.cluster;
  }
  return undefined;
}
