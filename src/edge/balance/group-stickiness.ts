/**
 * A client keeps the cluster that a weighted route gave it first (ALB user guide, "Sticky sessions", target groups).
 * A cluster whose weight became 0 is not kept: that is how a bad arm is taken away from everybody.
 */
import type { Cluster } from "../cluster.ts";
import type { RequestRecord } from "../record.ts";
import { cookieValues, setWithTwin } from "./cookies.ts";
import type { Seal } from "./seal.ts";
import type { Weighted } from "./weights.ts";

const groupCookie = "AWSALBTG";
/** ALB's word for a value that it did not make ("Error reason codes" of its access logs). */
export const invalidGroupCookie = "AWSALBTGCookieInvalid";

export interface GroupStickiness {
  targets: readonly Weighted<Cluster>[];
  durationMs: number;
  seal: Seal;
  /** Chooses for a client that has no place yet. */
  choose(request: RequestRecord): Cluster | undefined;
}

export function stickyGroup({ targets, durationMs, seal, choose }: GroupStickiness) {
  const live = new Map(targets.flatMap(({ value, weight }) => (weight > 0 ? [[value.config.id, value]] : [])));
  return (request: RequestRecord): Cluster | undefined => {
    const { head, listener } = request;
    const nowMs = listener.plane.clock.now();
    let kept: Cluster | undefined;
    let invalid = false;
    for (const value of [...cookieValues(head, groupCookie), ...cookieValues(head, `${groupCookie}CORS`)]) {
      const sealed = seal.open(groupCookie, value);
      invalid ||= sealed === undefined;
      if (sealed !== undefined && sealed.expiresMs > nowMs) kept ??= live.get(sealed.text);
    }
    if (invalid && kept === undefined) request.reason = invalidGroupCookie;
    const cluster = kept ?? choose(request);
    if (cluster !== undefined) {
      const value = seal.close(groupCookie, { text: cluster.config.id, expiresMs: nowMs + durationMs });
      request.responseLines += setWithTwin(groupCookie, value, nowMs, listener.config.tls !== undefined);
    }
    return cluster;
  };
}
