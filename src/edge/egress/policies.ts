/** Which policies a destination has. */
import type { Destination } from "./destination.ts";
import type { EgressPolicy } from "./settings.ts";

/**
 * Without a word of anybody's: the next address of a name is tried where one cannot be reached, which is safe for every
 * request, and what fails three times in a row is left alone for a while.
 */
const unsaid: Policies = {
  route: {
    retry: {
      on: ["connect-failure"],
      statuses: [],
      retriesMax: 2,
      backoff: { kind: "exponential", baseMs: 25, maxMs: 250 },
      bodyBytesMax: 64 * 1024,
    },
  },
  cluster: {
    retryBudget: { percent: 20, min: 10 },
    outlier: {
      consecutive5xx: 0,
      consecutiveGatewayErrors: 0,
      consecutiveLocalOriginFailures: 3,
      intervalMs: 10_000,
      baseEjectionMs: 30_000,
      maxEjectionMs: 300_000,
      maxEjectionPercent: 50,
    },
  },
};

type Policies = Omit<EgressPolicy, "host">;
export type PolicyOf = (destination: Pick<Destination, "origin" | "hostname">) => Policies;

/**
 * Gives a destination the policies of the entry that names it most closely. An id that begins with `/` becomes the
 * destination's own.
 */
export function policyTable(policies: readonly EgressPolicy[]): PolicyOf {
  const byHost = new Map(policies.map((policy): [string, Policies] => [policy.host, policy]));
  const closest = (hostname: string): Policies => {
    const exact = byHost.get(hostname);
    if (exact !== undefined) return exact;
    for (let dot = hostname.indexOf("."); dot >= 0; dot = hostname.indexOf(".", dot + 1)) {
      const above = byHost.get(`*${hostname.slice(dot)}`);
      if (above !== undefined) return above;
    }
    return byHost.get("*") ?? unsaid;
  };
  return ({ origin, hostname }) => owned(origin, closest(hostname));
}

function owned(origin: string, { route, cluster }: Policies): Policies {
  const { cap, rateLimits } = route;
  const named = <T extends { id: string }>(limit: T): T =>
    limit.id.startsWith("/") ? { ...limit, id: origin + limit.id } : limit;
  return {
    route: {
      ...route,
      ...(cap === undefined ? {} : { cap: named(cap) }),
      ...(rateLimits === undefined ? {} : { rateLimits: rateLimits.map((limit) => named(limit)) }),
    },
    cluster,
  };
}
