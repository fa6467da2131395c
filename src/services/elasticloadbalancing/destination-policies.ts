/** Policies of the way out: those of a rule and of a target group in one document, by the host that requests go to. */
import type { EgressPolicy } from "../../edge/ports.ts";
import { globalRegion } from "../../kit/call.ts";
import type { JsonObject } from "../../kit/resource.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx } from "../../store/store.ts";
import { defined, named, type PolicyKind } from "./policies.ts";
import { members } from "./policy-readers.ts";
import {
  breaker,
  cap,
  destinationTimeouts,
  outlier,
  rateLimits,
  retry,
  retryBudget,
  targetTls,
} from "./policy-shapes.ts";
import { invalid } from "./refusals.ts";
import { policies, type Policy } from "./tables.ts";

/** Without those that name target groups: a destination is not one. */
const ofDestination = members({
  Cap: cap,
  Timeouts: destinationTimeouts,
  Retry: retry,
  RateLimit: rateLimits,
  Breaker: breaker,
  RetryBudget: retryBudget,
  Outlier: outlier,
  Tls: targetTls,
});

export const destinationKind = "destination" satisfies PolicyKind;
/** Of the whole node, as its listener is. */
const place = { account: "-", region: globalRegion };
/** Hosts with policies of their own. */
const hostsMax = 1_000;

const hostPattern = /^(?:\*|(?:\*\.)?[a-z0-9_](?:[a-z0-9._-]{0,251}[a-z0-9_])?)$/;

/** The row of the policies that `/_mikan/policies/egress`, or `egress/HOST`, is about; undefined where it is an ARN. */
export function destinationOf(name: string): (typeof place & { id: string }) | undefined {
  if (name === "egress") return { ...place, id: "*" };
  if (!name.startsWith("egress/")) return undefined;
  const id = name.slice("egress/".length).toLowerCase();
  if (hostPattern.test(id)) return { ...place, id };
  throw invalid(
    `'${id}' is no host: policies of the way out are of one, of all below it (*.example.com), or of all (*)`,
  );
}

/** By what {@link destinationOf} finds it. */
export const destinationName = (id: string) => (id === "*" ? "egress" : `egress/${id}`);

/** Throws `ValidationError` where there are as many as there may be. */
export async function checkRoom(tx: ReadTx): Promise<void> {
  const rows = await tx.all<Policy>(sql`select ${policies.columns} from ${policies.name}
    where account = ${place.account} and region = ${place.region} and kind = ${destinationKind}`);
  if (rows.length > hostsMax) throw invalid(`Policies of more than ${hostsMax} hosts`);
}

/** As the edge runs them. Throws `ValidationError` for what it does not. */
export function destinationPolicy(host: string, document: JsonObject): EgressPolicy {
  const { Cap, Timeouts, Retry, RateLimit, Breaker, RetryBudget, Outlier, Tls } = ofDestination(document, "Mikan");
  // Each destination's own, as the edge reads an id that begins so.
  const owner = { account: "egress", region: "-", arn: "" };
  return {
    host,
    route: defined({
      cap: Cap === undefined ? undefined : named(Cap, owner, "/cap"),
      requestTimeoutMs: Timeouts?.RequestMs,
      perTryTimeoutMs: Timeouts?.PerTryMs,
      idleTimeoutMs: Timeouts?.IdleMs,
      retry: Retry,
      rateLimits: RateLimit?.map((limit, index) => named(limit, owner, `/${index}`)),
    }),
    cluster: defined({
      connectTimeoutMs: Timeouts?.ConnectMs,
      breaker: Breaker,
      retryBudget: RetryBudget,
      outlier: Outlier,
      tls: Tls,
    }),
  };
}
