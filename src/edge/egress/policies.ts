/** Which policies a destination has. */
import type { Destination } from "./destination.ts";
import type { EgressPolicy } from "./settings.ts";

/**
 * Without a word of anybody's: the next address of a name is tried where one cannot be reached, which is safe for every
 * request, and what fails three times in a row is left alone for a while.
 */
const unsaid: Omit<EgressPolicy, "host"> = {
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

/** Those of the entry that names it most closely. An id that begins with `/` becomes the destination's own. */
export function policyFor(
  { origin, hostname }: Pick<Destination, "origin" | "hostname">,
  policies: readonly EgressPolicy[],
): Omit<EgressPolicy, "host"> {
  const [closest] = policies
    .filter(({ host }) => fits(host, hostname))
    .toSorted((a, b) => closeness(b.host) - closeness(a.host));
  const { route, cluster } = closest ?? unsaid;
  const own = (id: string) => (id.startsWith("/") ? origin + id : id);
  return {
    route: {
      ...route,
      ...(route.cap === undefined ? {} : { cap: { ...route.cap, id: own(route.cap.id) } }),
      ...(route.rateLimits === undefined
        ? {}
        : { rateLimits: route.rateLimits.map((limit) => ({ ...limit, id: own(limit.id) })) }),
    },
    cluster,
  };
}

function fits(host: string, hostname: string): boolean {
  if (host === "*") return true;
  return host.startsWith("*.") ? hostname.endsWith(host.slice(1)) : hostname === host;
}

function closeness(host: string): number {
  return host.startsWith("*") ? host.length - 1 : Infinity;
}
