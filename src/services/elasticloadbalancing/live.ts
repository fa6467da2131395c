/** Load balancers and what belongs to them as they are now, in the shape of their templates: what drift detection compares. */
import type { Call } from "../../kit/call.ts";
import {
  asProperties,
  unlessAbsent,
  type Json,
  type JsonObject,
  type ResourceRequest,
  type ResourceState,
} from "../../kit/resource.ts";
import type { Deps } from "../../kit/service.ts";

type ReadDeps = Pick<Deps, "peers">;
type Request = ResourceRequest & ResourceState;
type Read = (request: Request, call: Call) => Promise<JsonObject | undefined>;

interface Attribute {
  Key?: string | undefined;
  Value?: string | undefined;
}

/** Of all attributes, those that the template names: the others have defaults. */
function named(all: readonly Attribute[] = [], template: Json | undefined): readonly Attribute[] {
  const list: readonly Json[] = Array.isArray(template) ? template : [];
  const keys = new Set(
    list.map((one) => (typeof one === "object" && one !== null && "Key" in one ? one["Key"] : undefined)),
  );
  return all.filter(({ Key }) => Key !== undefined && keys.has(Key));
}

async function tagsOf({ peers }: ReadDeps, arn: string, call: Call) {
  const { TagDescriptions = [] } = await peers.elasticloadbalancing.DescribeTags({ ResourceArns: [arn] }, call);
  return TagDescriptions[0]?.Tags ?? [];
}

export function loadBalancerReader(deps: ReadDeps): Read {
  const elb = deps.peers.elasticloadbalancing;
  return async ({ physicalId: LoadBalancerArn, properties }, call) => {
    const reading = elb.DescribeLoadBalancers({ LoadBalancerArns: [LoadBalancerArn] }, call);
    const found = (await unlessAbsent(reading, "LoadBalancerNotFoundException"))?.LoadBalancers?.[0];
    if (found === undefined) return undefined;
    const { Attributes } = await elb.DescribeLoadBalancerAttributes({ LoadBalancerArn }, call);
    const zones = found.AvailabilityZones ?? [];
    return asProperties({
      EnablePrefixForIpv6SourceNat: found.EnablePrefixForIpv6SourceNat,
      IpAddressType: found.IpAddressType,
      LoadBalancerAttributes: named(Attributes, properties["LoadBalancerAttributes"]),
      Name: found.LoadBalancerName,
      Scheme: found.Scheme,
      SecurityGroups: found.SecurityGroups,
      SubnetMappings: zones.map(({ SubnetId, LoadBalancerAddresses: [address] = [] }) => ({ SubnetId, ...address })),
      Subnets: zones.map(({ SubnetId }) => SubnetId),
      Tags: await tagsOf(deps, LoadBalancerArn, call),
      Type: found.Type,
    });
  };
}

export function listenerReader(deps: ReadDeps): Read {
  const elb = deps.peers.elasticloadbalancing;
  return async ({ physicalId: ListenerArn, properties }, call) => {
    const reading = elb.DescribeListeners({ ListenerArns: [ListenerArn] }, call);
    const found = (await unlessAbsent(reading, "ListenerNotFoundException"))?.Listeners?.[0];
    if (found === undefined) return undefined;
    const { Attributes } = await elb.DescribeListenerAttributes({ ListenerArn }, call);
    return asProperties({
      ...found,
      ListenerAttributes: named(Attributes, properties["ListenerAttributes"]),
      Tags: await tagsOf(deps, ListenerArn, call),
    });
  };
}

export function ruleReader(deps: ReadDeps): Read {
  return async ({ physicalId: RuleArn, properties }, call) => {
    const reading = deps.peers.elasticloadbalancing.DescribeRules({ RuleArns: [RuleArn] }, call);
    const found = (await unlessAbsent(reading, "RuleNotFoundException"))?.Rules?.[0];
    if (found === undefined) return undefined;
    // A rule does not say which listener is its own, and never changes it.
    const Tags = await tagsOf(deps, RuleArn, call);
    return asProperties({ ...found, ListenerArn: properties["ListenerArn"], Tags });
  };
}

export function targetGroupReader(deps: ReadDeps): Read {
  const elb = deps.peers.elasticloadbalancing;
  return async ({ physicalId: TargetGroupArn, properties }, call) => {
    const reading = elb.DescribeTargetGroups({ TargetGroupArns: [TargetGroupArn] }, call);
    const found = (await unlessAbsent(reading, "TargetGroupNotFoundException"))?.TargetGroups?.[0];
    if (found === undefined) return undefined;
    const { Attributes } = await elb.DescribeTargetGroupAttributes({ TargetGroupArn }, call);
    const { TargetHealthDescriptions: targets = [] } = await elb.DescribeTargetHealth({ TargetGroupArn }, call);
    return asProperties({
      ...found,
      Name: found.TargetGroupName,
      Tags: await tagsOf(deps, TargetGroupArn, call),
      TargetGroupAttributes: named(Attributes, properties["TargetGroupAttributes"]),
      // One that is draining was taken out already.
      Targets: targets.flatMap(({ Target, TargetHealth }) => (TargetHealth?.State === "draining" ? [] : [Target])),
    });
  };
}
