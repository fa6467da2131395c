/** The CloudFormation types of Elastic Load Balancing: made by the same code as the operations, under the step's token. */
import { isFault } from "../../base/errors.ts";
import type { Call } from "../../kit/call.ts";
import type { Resource, ResourceRequest } from "../../kit/resource.ts";
import type { Deps } from "../../kit/service.ts";
import {
  listenerArn,
  loadBalancerArn,
  loadBalancerFullName,
  ruleArn,
  targetGroupArn,
  targetGroupFullName,
} from "./arns.ts";
import { listenerCreation, listenerOperations } from "./listeners.ts";
import { canonicalHostedZoneId, checkOwnName, dnsNameOf } from "./load-balancer-settings.ts";
import { loadBalancerCreation, loadBalancerOperations, type ElbDeps } from "./load-balancers.ts";
import { needed, readProperties } from "./properties.ts";
import { listenerShape, loadBalancerShape, ruleShape, targetGroupShape } from "./resource-shapes.ts";
import { ruleCreation, ruleOperations } from "./rules.ts";
import { loadBalancerArnsOf, targetGroupCreation, targetGroupOperations } from "./target-groups.ts";
import { targetRegistration } from "./targets.ts";

const namesOf = (shape: object) => Object.keys(shape).sort();

/** Stack tags first: a tag of the template's own with the same key wins. */
function withStackTags(own: readonly { Key: string; Value: string }[] | undefined, { tags }: ResourceRequest) {
  const merged = new Map([...Object.entries(tags), ...(own ?? []).map(({ Key, Value }) => [Key, Value] as const)]);
  return [...merged].map(([Key, Value]) => ({ Key, Value }));
}

/** What is gone already is fine: the stack wanted it gone. */
async function unlessGone(code: string, deletion: Promise<unknown>): Promise<void> {
  await deletion.catch((error: unknown) => {
    if (!isFault(error, code)) throw error;
  });
}

function loadBalancerResource(deps: ElbDeps): Resource {
  const create = loadBalancerCreation(deps);
  const { DeleteLoadBalancer } = loadBalancerOperations(deps);
  return {
    type: "AWS::ElasticLoadBalancingV2::LoadBalancer",
    properties: namesOf(loadBalancerShape),
    required: [],
    attributes: [
      "CanonicalHostedZoneID",
      "DNSName",
      "LoadBalancerArn",
      "LoadBalancerFullName",
      "LoadBalancerName",
      "SecurityGroups",
    ],
    name: { property: "Name", lengthMax: 32 },
    async create(request, call) {
      const { LoadBalancerAttributes = [], Tags, ...rest } = readProperties(loadBalancerShape, request.properties);
      if (rest.Name !== undefined) checkOwnName(rest.Name);
      const input = { ...rest, Name: request.physicalName, Tags: withStackTags(Tags, request) };
      const row = await create({ input, attributes: LoadBalancerAttributes, token: request.token }, call);
      return {
        physicalId: loadBalancerArn(row),
        attributes: {
          CanonicalHostedZoneID: canonicalHostedZoneId,
          DNSName: dnsNameOf(row),
          LoadBalancerArn: loadBalancerArn(row),
          LoadBalancerFullName: loadBalancerFullName(row),
          LoadBalancerName: row.name,
          SecurityGroups: row.security_groups,
        },
      };
    },
    async delete({ physicalId }, call) {
      await DeleteLoadBalancer({ LoadBalancerArn: physicalId }, call);
    },
  };
}

function listenerResource(deps: ElbDeps): Resource {
  const create = listenerCreation(deps);
  const { DeleteListener } = listenerOperations(deps);
  return {
    type: "AWS::ElasticLoadBalancingV2::Listener",
    properties: namesOf(listenerShape),
    required: ["DefaultActions", "LoadBalancerArn"],
    attributes: ["ListenerArn"],
    async create({ properties, token }, call) {
      const { ListenerAttributes = [], ...rest } = readProperties(listenerShape, properties);
      const input = {
        ...rest,
        LoadBalancerArn: needed(rest.LoadBalancerArn, "#/LoadBalancerArn"),
        DefaultActions: needed(rest.DefaultActions, "#/DefaultActions"),
      };
      const arn = listenerArn(await create({ input, attributes: ListenerAttributes, token }, call));
      return { physicalId: arn, attributes: { ListenerArn: arn } };
    },
    delete: ({ physicalId }, call) =>
      unlessGone("ListenerNotFoundException", DeleteListener({ ListenerArn: physicalId }, call)),
  };
}

function ruleResource(deps: ElbDeps): Resource {
  const create = ruleCreation(deps);
  const { DeleteRule } = ruleOperations(deps);
  return {
    type: "AWS::ElasticLoadBalancingV2::ListenerRule",
    properties: namesOf(ruleShape),
    required: ["Actions", "Conditions", "ListenerArn", "Priority"],
    attributes: ["IsDefault", "RuleArn"],
    async create(request, call) {
      const read = readProperties(ruleShape, request.properties);
      const input = {
        ListenerArn: needed(read.ListenerArn, "#/ListenerArn"),
        Priority: needed(read.Priority, "#/Priority"),
        Conditions: needed(read.Conditions, "#/Conditions"),
        Actions: needed(read.Actions, "#/Actions"),
        Tags: withStackTags(read.Tags, request),
      };
      const arn = ruleArn(await create({ input, token: request.token }, call));
      return { physicalId: arn, attributes: { RuleArn: arn, IsDefault: false } };
    },
    delete: ({ physicalId }, call) => unlessGone("RuleNotFoundException", DeleteRule({ RuleArn: physicalId }, call)),
  };
}

function targetGroupResource(deps: ElbDeps): Resource {
  const create = targetGroupCreation(deps);
  const register = targetRegistration(deps);
  const { DeleteTargetGroup } = targetGroupOperations(deps);
  return {
    type: "AWS::ElasticLoadBalancingV2::TargetGroup",
    properties: namesOf(targetGroupShape),
    required: [],
    attributes: ["LoadBalancerArns", "TargetGroupArn", "TargetGroupFullName", "TargetGroupName"],
    name: { property: "Name", lengthMax: 32 },
    async create(request, call: Call) {
      const {
        TargetGroupAttributes = [],
        Targets = [],
        Tags,
        ...rest
      } = readProperties(targetGroupShape, request.properties);
      const input = { ...rest, Name: request.physicalName, Tags: withStackTags(Tags, request) };
      const row = await create({ input, attributes: TargetGroupAttributes, token: request.token }, call);
      const arn = targetGroupArn(row);
      try {
        if (Targets.length > 0) await register(arn, Targets, call);
      } catch (error) {
        // CloudFormation knows no physical id of a step that failed, so the group would stay behind.
        await DeleteTargetGroup({ TargetGroupArn: arn }, call);
        throw error;
      }
      return {
        physicalId: arn,
        attributes: {
          LoadBalancerArns: await deps.store.read((tx) => loadBalancerArnsOf(tx, row)),
          TargetGroupArn: arn,
          TargetGroupFullName: targetGroupFullName(row),
          TargetGroupName: row.name,
        },
      };
    },
    async delete({ physicalId }, call) {
      await DeleteTargetGroup({ TargetGroupArn: physicalId }, call);
    },
  };
}

export function loadBalancerResources(deps: ElbDeps & Pick<Deps, "store">): readonly Resource[] {
  return [loadBalancerResource(deps), listenerResource(deps), ruleResource(deps), targetGroupResource(deps)];
}
