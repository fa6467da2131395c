/** Which cluster a request of a forwarding route goes to: by weight, by what the client had before, or by priority. */
import { must } from "../../base/errors.ts";
import type { Cluster } from "../cluster.ts";
import type { RouteAction, RouteConfig } from "../ports.ts";
import type { RequestRecord } from "../record.ts";
import { compileFailover } from "./failover.ts";
import { stickyGroup } from "./group-stickiness.ts";
import type { Seal } from "./seal.ts";
import type { Turn } from "./turns.ts";
import { byWeight } from "./weights.ts";

/** Undefined where nobody may have the request. */
export type Choice = (request: RequestRecord) => Cluster | undefined;

export interface ChoiceDeps {
  clusters: ReadonlyMap<string, Cluster>;
  turnOf(route: RouteConfig): Turn;
  seal(): Seal;
}

export function compileChoice(
  route: RouteConfig,
  { targets: weights, stickyMs }: Extract<RouteAction, { kind: "forward" }>,
  { clusters, turnOf, seal }: ChoiceDeps,
): Choice {
  const find = (id: string) => must(clusters.get(id), `cluster ${id}`);
  const turn = turnOf(route);
  const failover = route.policy?.failover;
  if (failover !== undefined) return compileFailover(failover, find, turn);
  const targets = weights.map(({ clusterId, weight }) => ({ value: find(clusterId), weight }));
  const choose = byWeight(targets, turn);
  if (stickyMs === undefined || targets.length < 2) return choose;
  return stickyGroup({ targets, durationMs: stickyMs, seal: seal(), choose });
}
