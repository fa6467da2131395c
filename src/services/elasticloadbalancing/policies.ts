/**
 * What AWS has no words for, as templates and `/_mikan/policies` say it: one schema, read into what the edge runs.
 * A key stands here when the edge runs it, so that nothing is taken and not done.
 */
import type { ClientLimits, ClusterConfig, RoutePolicy } from "../../edge/ports.ts";
import type { JsonObject } from "../../kit/resource.ts";
import { members, refused } from "./policy-readers.ts";
import {
  breaker,
  cache,
  cap,
  clients,
  failover,
  fallback,
  groupTimeouts,
  mirror,
  outlier,
  rateLimits,
  retry,
  retryBudget,
  ruleTimeouts,
  targetTls,
  type Shared,
} from "./policy-shapes.ts";
import { defaultPriority } from "./tables.ts";

/** What has policies: a rule (a listener's are its default rule's), a target group, or a host that the way out goes to. */
export type PolicyKind = "rule" | "target-group" | "destination";

/** The part of a cluster that the policies of its target group say. */
export type GroupPolicy = Partial<
  Pick<ClusterConfig, "connectTimeoutMs" | "breaker" | "retryBudget" | "outlier" | "tls">
>;

const ofRule = {
  Cap: cap,
  Timeouts: ruleTimeouts,
  Retry: retry,
  RateLimit: rateLimits,
  Mirror: mirror,
  Fallback: fallback,
  Failover: failover,
  Cache: cache,
};
/** Of a default rule: those of its listener too. */
const ofListener = { ...ofRule, Clients: clients };
const ofGroup = {
  Timeouts: groupTimeouts,
  Breaker: breaker,
  RetryBudget: retryBudget,
  Outlier: outlier,
  Tls: targetTls,
};
/** What each may say, by what it is in a template. */
export const policyShapes = { rule: ofRule, listener: ofListener, "target-group": ofGroup } as const;
const rulePolicies = members(ofRule);
const listenerPolicies = members(ofListener);
const groupPolicies = members(ofGroup);

/** Policies of what is forwarded. A rule that answers by itself tries nothing, mirrors nothing, and keeps nothing. */
const ofForwarding: readonly (keyof typeof ofRule)[] = ["Timeouts", "Retry", "Mirror", "Fallback", "Failover", "Cache"];
/** Policies of requests, of which a stream has none. */
const ofRequests: readonly (keyof typeof ofGroup)[] = ["Breaker", "RetryBudget", "Outlier"];

/** Throws for a policy that would be without effect on a rule with this action. */
export function checkFitsAction(document: JsonObject, action: string): void {
  if (action === "forward") return;
  for (const name of ofForwarding) {
    if (!Object.hasOwn(document, name)) continue;
    throw refused(`${path}.${name}`, `is for rules that forward: the action of this one is ${action}`);
  }
}

/** Throws for a policy that would be without effect on a target group of this protocol; undefined: of functions. */
export function checkFitsProtocol(document: JsonObject, protocol: string | undefined): void {
  const has = (name: keyof typeof ofGroup) => Object.hasOwn(document, name);
  const isStream = protocol === "TCP" || protocol === "TLS";
  const ofAnother = isStream ? ofRequests.find(has) : undefined;
  if (ofAnother !== undefined) {
    throw refused(`${path}.${ofAnother}`, "is for requests: a network load balancer sees none");
  }
  if (protocol === undefined && has("Timeouts")) {
    throw refused(`${path}.Timeouts`, "is for targets that are connected to: functions are not");
  }
  if (protocol !== "HTTPS" && protocol !== "TLS" && has("Tls")) {
    throw refused(`${path}.Tls`, "is for targets that are spoken to over TLS: protocol HTTPS or TLS");
  }
}

/** Whose policies they are: a limit without a name of its own is the rule's alone. */
export interface PolicyOwner {
  account: string;
  region: string;
  arn: string;
  /** Of the rule. */
  priority: number;
}

const path = "Mikan";

/** The policies of a rule as the edge runs them. Throws `ValidationError` for what it does not. */
export function routePolicy(document: JsonObject, owner: PolicyOwner): RoutePolicy {
  const read = (owner.priority === defaultPriority ? listenerPolicies : rulePolicies)(document, path);
  const { RequestMs, PerTryMs, IdleMs } = read.Timeouts ?? {};
  const limits = read.RateLimit?.map((limit, index) => named(limit, owner, `/${index}`));
  return defined({
    cap: read.Cap === undefined ? undefined : named(read.Cap, owner),
    requestTimeoutMs: RequestMs,
    perTryTimeoutMs: PerTryMs,
    idleTimeoutMs: IdleMs,
    retry: read.Retry,
    rateLimits: limits,
    mirror: read.Mirror,
    fallback: read.Fallback,
    failover: read.Failover,
    cache: read.Cache,
  });
}

/** What the policies of a listener, which are its default rule's, say of its clients. */
export function clientLimits(document: JsonObject): ClientLimits | undefined {
  return listenerPolicies(document, path).Clients;
}

/** The policies of a target group, as members of its cluster. Throws `ValidationError` for what the edge does not run. */
export function groupPolicy(document: JsonObject): GroupPolicy {
  const { Timeouts, Breaker, RetryBudget, Outlier, Tls } = groupPolicies(document, path);
  return defined({
    connectTimeoutMs: Timeouts?.ConnectMs,
    breaker: Breaker,
    retryBudget: RetryBudget,
    outlier: Outlier,
    tls: Tls,
  });
}

/** Target groups that a rule's policies send requests to, beside those of its action. */
export function policyGroupArns({ mirror: toMirror, fallback: toFallBack, failover: levels }: RoutePolicy): string[] {
  const arns = [
    toMirror?.clusterId,
    toFallBack?.clusterId,
    ...(levels?.levels.flat() ?? []).map(({ clusterId }) => clusterId),
  ];
  return arns.filter((arn) => arn !== undefined);
}

/** Gives a limit the id that its counts go by: rules that share a name share them. */
export function named<T extends Shared>(
  limit: T,
  { account, region, arn }: Omit<PolicyOwner, "priority">,
  suffix = "",
): Omit<T, "sharedAs"> & { id: string } {
  const { sharedAs, ...rest } = limit;
  return { ...rest, id: sharedAs === undefined ? `${arn}${suffix}` : `${account}/${region}/${sharedAs}` };
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** Without the members that are undefined: a policy that is not there is off. */
export function defined<T extends object>(members: T): Defined<T> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Defined<T>;
}
