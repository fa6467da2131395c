/**
 * What AWS has no words for, as templates and `/_mikan/policies` say it: one schema, read into what the edge runs.
 * A key stands here when the edge runs it, so that nothing is taken and not done.
 */
import type { CapPolicy, ClusterConfig, RoutePolicy } from "../../edge/ports.ts";
import type { Json, JsonObject } from "../../kit/resource.ts";
import { isObject, members, needed, oneOf, orShort, textLike, whole, type Reader } from "./policy-readers.ts";

/** What has policies: a rule (a listener's are its default rule's), or a target group. */
export type PolicyKind = "rule" | "target-group";

/** The part of a cluster that the policies of its target group say. */
export type GroupPolicy = Partial<Pick<ClusterConfig, "connectTimeoutMs">>;

/** The edge counts so many permits of a pool at the most. */
const permitsMax = 65_536;
/** No wait is longer than the longest idle timeout of a load balancer. */
const timeoutMsMax = 4_000_000;
const retryAfterSecondsMax = 86_400;

const isNumber = (json: Json) => !isObject(json) && !Array.isArray(json);
const answer = oneOf("alb", "rest-api", "http-api", "native");
const sharedName = textLike("1 to 64 letters, digits, - and _", /^[\w-]{1,64}$/);

interface Cap extends Pick<CapPolicy, "max" | "answer" | "retryAfterSeconds"> {
  name: string | undefined;
}

const capDefault = { answer: "alb", retryAfterSeconds: 1, name: undefined } as const;
const permits = whole(0, permitsMax);

const cap: Reader<Cap> = orShort(
  isNumber,
  (json, path): Cap => ({ ...capDefault, max: permits(json, path) }),
  (json, path): Cap => {
    const read = members({
      Max: permits,
      Answer: answer,
      RetryAfterSeconds: whole(0, retryAfterSecondsMax),
      SharedAs: sharedName,
    })(json, path);
    return {
      max: needed(read.Max, `${path}.Max`),
      answer: read.Answer ?? capDefault.answer,
      retryAfterSeconds: read.RetryAfterSeconds ?? capDefault.retryAfterSeconds,
      name: read.SharedAs,
    };
  },
);

const rulePolicies = members({ Cap: cap });
const groupPolicies = members({ Timeouts: members({ ConnectMs: whole(1, timeoutMsMax) }) });

/** Whose policies they are: a cap without a name of its own is the rule's alone. */
export interface PolicyOwner {
  account: string;
  region: string;
  arn: string;
}

const path = "Mikan";

/** The policies of a rule as the edge runs them. Throws `ValidationError` for what it does not. */
export function routePolicy(document: JsonObject, { account, region, arn }: PolicyOwner): RoutePolicy {
  const { Cap } = rulePolicies(document, path);
  const policy: RoutePolicy = {};
  if (Cap !== undefined) {
    const { name, ...rest } = Cap;
    policy.cap = { ...rest, id: name === undefined ? arn : `${account}/${region}/${name}` };
  }
  return policy;
}

/** The policies of a target group, as members of its cluster. Throws `ValidationError` for what the edge does not run. */
export function groupPolicy(document: JsonObject): GroupPolicy {
  const { Timeouts } = groupPolicies(document, path);
  return Timeouts?.ConnectMs === undefined ? {} : { connectTimeoutMs: Timeouts.ConnectMs };
}

/** Target groups that a rule's policies send requests to, beside those of its action. */
export function policyGroupArns({ mirror, fallback, failover }: RoutePolicy): string[] {
  const named = [mirror?.clusterId, fallback?.clusterId, ...(failover?.clusterIds ?? [])];
  return named.filter((arn) => arn !== undefined);
}
