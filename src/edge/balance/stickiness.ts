/**
 * A client keeps its endpoint: by a cookie of the edge, or by one that the endpoints set. A cookie that says nothing
 * (unknown, expired, of an endpoint that is gone or not healthy) is replaced. (ALB user guide, "Sticky sessions for
 * your Application Load Balancer".)
 */
import type { ClusterConfig } from "../ports.ts";
import type { RequestRecord } from "../record.ts";
import { cookieValues, setCookie, setWithTwin } from "./cookies.ts";
import { clusterKey, placesIn, placesText, type Place } from "./places.ts";
import type { Seal } from "./seal.ts";

/** What a request's cookie says. */
export interface Claim {
  /** The endpoint that the client had. */
  endpointId: string | undefined;
  /** What it has in other clusters. */
  others: readonly Place[];
}

export interface Stickiness {
  claim(request: RequestRecord): Claim;
  /** The request goes to this endpoint: the answer will say so to the client. */
  keep(request: RequestRecord, endpointId: string, others: readonly Place[]): void;
}

export function compileStickiness(
  { id, stickiness }: Pick<ClusterConfig, "id" | "stickiness">,
  seal: () => Seal,
): Stickiness | undefined {
  if (stickiness === undefined) return undefined;
  const { durationMs } = stickiness;
  const cluster = clusterKey(id);
  return stickiness.kind === "lb-cookie"
    ? byOwnCookie(cluster, durationMs, seal())
    : byApplicationCookie(cluster, stickiness.name, durationMs, seal());
}

const ownCookie = "AWSALB";
const ownCookieLines = /Set-Cookie: AWSALB(?:CORS)?=[^\r]*\r\n/g;

function byOwnCookie(cluster: string, durationMs: number, seal: Seal): Stickiness {
  // A value says nothing of its client, so one is good for everybody who goes to the endpoint in the same second.
  const lately = new Map<string, { second: number; value: string }>();
  const valueFor = (endpointId: string, others: readonly Place[], nowMs: number) => {
    const second = Math.floor(nowMs / 1000);
    const last = lately.get(endpointId);
    if (others.length === 0 && last?.second === second) return last.value;
    const place = { cluster, endpointId, expiresMs: (second + 1) * 1000 + durationMs };
    const value = seal.close(ownCookie, { text: placesText(place, others), expiresMs: place.expiresMs });
    if (others.length === 0) lately.set(endpointId, { second, value });
    return value;
  };
  return {
    claim({ head, listener }) {
      const values = [...cookieValues(head, ownCookie), ...cookieValues(head, `${ownCookie}CORS`)];
      return claimOf(cluster, ownCookie, values, seal, listener.plane.clock.now());
    },
    keep(request, endpointId, others) {
      const { config, plane } = request.listener;
      const nowMs = plane.clock.now();
      // Of a try before this one.
      if (request.endpoint !== undefined) request.responseLines = request.responseLines.replace(ownCookieLines, "");
      const value = valueFor(endpointId, others, nowMs);
      request.responseLines += setWithTwin(ownCookie, value, nowMs, config.tls !== undefined);
    },
  };
}

/** One value may be split over these; ours is short, and fits the first. */
const shards = ["AWSALBAPP-0", "AWSALBAPP-1", "AWSALBAPP-2", "AWSALBAPP-3"] as const;
const applicationPurpose = "AWSALBAPP";
/** What ALB writes into a shard that holds nothing. */
const empty = "_remove_";

/**
 * The endpoint begins it, by setting the cookie `name`; from then on the client shows both, and the edge renews its own
 * with each answer.
 */
function byApplicationCookie(cluster: string, name: string, durationMs: number, seal: Seal): Stickiness {
  return {
    claim({ head, listener }) {
      const value = shards.map((shard) => cookieValues(head, shard)[0] ?? "").filter((part) => part !== empty);
      const claim = claimOf(cluster, applicationPurpose, [value.join("")], seal, listener.plane.clock.now());
      return cookieValues(head, name).length === 0 ? { ...claim, endpointId: undefined } : claim;
    },
    keep(request, endpointId, others) {
      const { head, listener } = request;
      const shown =
        cookieValues(head, name).length > 0 && cookieValues(head, shards[0]).some((value) => value !== empty);
      request.answering = (setsCookie) => {
        const nowMs = listener.plane.clock.now();
        const place = { cluster, endpointId, expiresMs: nowMs + durationMs };
        const [first, ...rest] = shown || setsCookie(name) ? [place, ...others] : others;
        const value =
          first === undefined
            ? empty
            : seal.close(applicationPurpose, { text: placesText(first, rest), expiresMs: first.expiresMs });
        for (const shard of shards) {
          request.responseLines += setCookie(shard, shard === shards[0] ? value : empty, nowMs);
        }
      };
    },
  };
}

function claimOf(cluster: string, purpose: string, values: readonly string[], seal: Seal, nowMs: number): Claim {
  const texts = values.map((value) => seal.open(purpose, value)?.text).filter((text) => text !== undefined);
  const places = placesIn(texts, nowMs);
  const own = places.get(cluster);
  places.delete(cluster);
  return { endpointId: own?.endpointId, others: [...places.values()] };
}
