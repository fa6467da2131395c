/** Where a client belongs, in a cookie: an endpoint in each of the clusters that it has met, so that one cookie does for all. */
import { createHash } from "node:crypto";

export interface Place {
  /** See {@link clusterKey}. */
  cluster: string;
  endpointId: string;
  /** Wall time. */
  expiresMs: number;
}

/** Places in one cookie; the one that is renewed last goes first. */
const placesMax = 8;

/** What stands for a cluster in a cookie, where ids are long. */
export function clusterKey(id: string): string {
  return createHash("sha256").update(id).digest("base64url").slice(0, 11);
}

/** The text of `place`, and of as many of the `others` as have room. */
export function placesText(place: Place, others: readonly Place[]): string {
  return [place, ...others]
    .slice(0, placesMax)
    .map(({ cluster, endpointId, expiresMs }) => `${cluster} ${expiresMs} ${endpointId}`)
    .join("\n");
}

/** The places in `texts` that have not expired; of one cluster's the first. */
export function placesIn(texts: readonly string[], nowMs: number): Map<string, Place> {
  const places = new Map<string, Place>();
  for (const line of texts.flatMap((text) => text.split("\n"))) {
    const [cluster = "", expires = "", ...id] = line.split(" ");
    const expiresMs = Number(expires);
    if (expiresMs > nowMs && !places.has(cluster))
      places.set(cluster, { cluster, endpointId: id.join(" "), expiresMs });
  }
  return places;
}
