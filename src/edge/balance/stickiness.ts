/**
 * A client keeps its endpoint: by a cookie of the edge, or by one that the endpoints set. A cookie that says nothing
 * (unknown, expired, of an endpoint that is gone or not healthy) is replaced. (ALB user guide, "Sticky sessions for
 * your Application Load Balancer".)
 */
import type { ClusterConfig } from "../ports.ts";
import type { RequestRecord } from "../record.ts";
import { cookieValues, setCookie, setWithTwin } from "./cookies.ts";
import type { Seal, Sealed } from "./seal.ts";

export interface Stickiness {
  /** The id of the endpoint that the request's cookie names. */
  wanted(request: RequestRecord): string | undefined;
  /** The request goes to this endpoint: the answer will say so to the client. */
  keep(request: RequestRecord, endpointId: string): void;
}

export function compileStickiness(
  { id, stickiness }: Pick<ClusterConfig, "id" | "stickiness">,
  seal: () => Seal,
): Stickiness | undefined {
  if (stickiness === undefined) return undefined;
  const { durationMs } = stickiness;
  return stickiness.kind === "lb-cookie"
    ? byOwnCookie(id, durationMs, seal())
    : byApplicationCookie(id, stickiness.name, durationMs, seal());
}

const ownCookie = "AWSALB";
const ownCookieLines = /Set-Cookie: AWSALB(?:CORS)?=[^\r]*\r\n/g;

function byOwnCookie(clusterId: string, durationMs: number, seal: Seal): Stickiness {
  // A value says nothing of its client, so one is good for everybody who goes to the endpoint in the same second.
  const lately = new Map<string, { second: number; value: string }>();
  const valueFor = (endpointId: string, nowMs: number) => {
    const second = Math.floor(nowMs / 1000);
    const last = lately.get(endpointId);
    if (last?.second === second) return last.value;
    const value = seal.close(ownCookie, place(clusterId, endpointId, (second + 1) * 1000 + durationMs));
    lately.set(endpointId, { second, value });
    return value;
  };
  return {
    wanted({ head, listener }) {
      const nowMs = listener.plane.clock.now();
      for (const name of [ownCookie, `${ownCookie}CORS`]) {
        for (const value of cookieValues(head, name)) {
          const found = endpointIn(seal.open(ownCookie, value), clusterId, nowMs);
          if (found !== undefined) return found;
        }
      }
      return undefined;
    },
    keep(request, endpointId) {
      const { config, plane } = request.listener;
      const nowMs = plane.clock.now();
      // Of a try before this one.
      if (request.endpoint !== undefined) request.responseLines = request.responseLines.replace(ownCookieLines, "");
      request.responseLines += setWithTwin(ownCookie, valueFor(endpointId, nowMs), nowMs, config.tls !== undefined);
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
function byApplicationCookie(clusterId: string, name: string, durationMs: number, seal: Seal): Stickiness {
  return {
    wanted({ head, listener }) {
      if (cookieValues(head, name).length === 0) return undefined;
      const value = shards.map((shard) => cookieValues(head, shard)[0] ?? "").filter((part) => part !== empty);
      return endpointIn(seal.open(applicationPurpose, value.join("")), clusterId, listener.plane.clock.now());
    },
    keep(request, endpointId) {
      const { head, listener } = request;
      const shown =
        cookieValues(head, name).length > 0 && cookieValues(head, shards[0]).some((value) => value !== empty);
      request.answering = (setsCookie) => {
        const nowMs = listener.plane.clock.now();
        const held = shown || setsCookie(name);
        const value = held ? seal.close(applicationPurpose, place(clusterId, endpointId, nowMs + durationMs)) : empty;
        for (const shard of shards)
          request.responseLines += setCookie(shard, shard === shards[0] ? value : empty, nowMs);
      };
    },
  };
}

function place(clusterId: string, endpointId: string, expiresMs: number): Sealed {
  return { text: `${clusterId}\n${endpointId}`, expiresMs };
}

function endpointIn(sealed: Sealed | undefined, clusterId: string, nowMs: number): string | undefined {
  if (sealed === undefined || sealed.expiresMs <= nowMs || !sealed.text.startsWith(`${clusterId}\n`)) return undefined;
  return sealed.text.slice(clusterId.length + 1);
}
