/** ARNs of load balancers, listeners, rules and target groups. Source: Service Authorization Reference, "Elastic Load Balancing V2". */
import { formatArn, parseArn } from "../../base/arn.ts";
import { invalid } from "./refusals.ts";

/** Where a row lives: the first part of every key. */
export interface Place {
  account: string;
  region: string;
}

/** As CreateLoadBalancer calls it, without those that Mikan does not run. */
export type LoadBalancerType = "application" | "network";

export interface LoadBalancerKey extends Place {
  name: string;
  id: string;
  /** A {@link LoadBalancerType}. */
  type: string;
}

/** What listeners and rules carry of the load balancer they belong to. */
export interface Membership extends Place {
  load_balancer_name: string;
  load_balancer_id: string;
  /** A {@link LoadBalancerType}. */
  load_balancer_type: string;
}

/** How ARNs say the type. */
const shortOf = (type: string) => (type === "network" ? "net" : "app");

const arnOf = ({ account, region }: Place, resource: string) =>
  formatArn({ service: "elasticloadbalancing", account, region, resource });

export const loadBalancerArn = (key: LoadBalancerKey) => arnOf(key, `loadbalancer/${loadBalancerFullName(key)}`);
/** `app/NAME/ID`: CloudWatch's dimension, and CloudFormation's LoadBalancerFullName. */
export const loadBalancerFullName = ({ name, id, type }: Omit<LoadBalancerKey, keyof Place>) =>
  `${shortOf(type)}/${name}/${id}`;

/** The ARN of the load balancer that a listener or rule belongs to. */
export const ownerArn = (of: Membership) => loadBalancerArn({ ...of, ...ownerIn(of) });

const ownerIn = (of: Membership) => ({
  name: of.load_balancer_name,
  id: of.load_balancer_id,
  type: of.load_balancer_type,
});

export const listenerArn = (listener: Membership & { id: string }) =>
  arnOf(listener, `listener/${loadBalancerFullName(ownerIn(listener))}/${listener.id}`);

export const ruleArn = (rule: Membership & { id: string; listener_id: string }) =>
  arnOf(rule, `listener-rule/${loadBalancerFullName(ownerIn(rule))}/${rule.listener_id}/${rule.id}`);

export const targetGroupArn = (group: Place & { name: string; id: string }) => arnOf(group, targetGroupFullName(group));
export const targetGroupFullName = ({ name, id }: { name: string; id: string }) => `targetgroup/${name}/${id}`;

export type ArnKind = "load balancer" | "listener" | "listener rule" | "target group";

const hex = "([0-9a-f]{16})";
const patterns: Record<ArnKind, RegExp> = {
  "load balancer": new RegExp(`^loadbalancer/(?:app|net|gwy)/([^/]+)/${hex}$`),
  listener: new RegExp(`^listener/(?:app|net|gwy)/([^/]+)/[0-9a-f]{16}/${hex}$`),
  "listener rule": new RegExp(`^listener-rule/(?:app|net)/([^/]+)/[0-9a-f]{16}/[0-9a-f]{16}/${hex}$`),
  "target group": new RegExp(`^targetgroup/([^/]+)/${hex}$`),
};

/** The key inside an ARN: place, name of the load balancer or target group, and the last id. */
export interface ArnKey extends Place {
  name: string;
  id: string;
}

/** Reads an ARN of one kind; undefined when it is none. */
export function readArn(kind: ArnKind, arn: string): ArnKey | undefined {
  const parsed = parseArn(arn);
  if (parsed?.service !== "elasticloadbalancing") return undefined;
  const [, name, id] = patterns[kind].exec(parsed.resource) ?? [];
  if (name === undefined || id === undefined) return undefined;
  return { account: parsed.account, region: parsed.region, name, id };
}

/** Reads an ARN of one kind, or refuses it in AWS's words. */
export function keyOf(kind: ArnKind, arn: string): ArnKey {
  const key = readArn(kind, arn);
  if (key === undefined) throw invalid(`'${arn}' is not a valid ${kind} ARN`);
  return key;
}

/** What kind of thing an ARN of Elastic Load Balancing names. */
export function kindOf(arn: string): ArnKind | undefined {
  const kinds: readonly ArnKind[] = ["load balancer", "listener", "listener rule", "target group"];
  return kinds.find((kind) => readArn(kind, arn) !== undefined);
}
