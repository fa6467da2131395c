/** The CloudFormation types of Elastic Load Balancing: made by the same code as the operations, under the step's token. */
import { isFault } from "../../base/errors.ts";
import type { Call } from "../../kit/call.ts";
import type { JsonObject, Resource, ResourceRequest, ResourceUpdate } from "../../kit/resource.ts";
import type { Deps } from "../../kit/service.ts";
import {
  listenerArn,
  loadBalancerArn,
  loadBalancerFullName,
  ruleArn,
  targetGroupArn,
  targetGroupFullName,
} from "./arns.ts";
import { attributeOperations } from "./attribute-operations.ts";
import type { Catalogue } from "./attributes.ts";
import { listenerAttributes } from "./listener-attributes.ts";
import { listenerCertificateResource } from "./listener-certificate.ts";
import { listenerCreation, listenerModification, listenerOperations } from "./listeners.ts";
import { listenerReader, loadBalancerReader, ruleReader, targetGroupReader } from "./live.ts";
import { canonicalHostedZoneId, checkOwnName, dnsNameOf } from "./load-balancer-settings.ts";
import { loadBalancerAttributes } from "./load-balancer-attributes.ts";
import { loadBalancerCreation, loadBalancerOperations, type ElbDeps } from "./load-balancers.ts";
import { policyFaults } from "./policy-templates.ts";
import { notRun } from "./refusals.ts";
import { needed, readProperties } from "./properties.ts";
import { listenerShape, loadBalancerShape, ruleShape, tags, targetGroupShape } from "./resource-shapes.ts";
import { ruleCreation, ruleModification, ruleOperations } from "./rules.ts";
import { tagOperations } from "./tags.ts";
import { groupAttributes } from "./target-group-attributes.ts";
import {
  existingTargetGroup,
  loadBalancerArnsOf,
  targetGroupCreation,
  targetGroupModification,
  targetGroupOperations,
} from "./target-groups.ts";
import { targetOperations, targetRegistration } from "./targets.ts";

const namesOf = (shape: object) => Object.keys(shape).sort();

/** Stack tags first: a tag of the template's own with the same key wins. */
function withStackTags(
  own: readonly { Key: string; Value: string }[] | undefined,
  { tags }: Pick<ResourceRequest, "tags">,
) {
  const merged = new Map([...Object.entries(tags), ...(own ?? []).map(({ Key, Value }) => [Key, Value] as const)]);
  return [...merged].map(([Key, Value]) => ({ Key, Value }));
}

/** Brings the tags of a resource to what template and stack say now. */
async function changeTags(deps: ElbDeps, request: ResourceUpdate, call: Call): Promise<void> {
  const { AddTags, RemoveTags } = tagOperations(deps);
  const tagsOf = (of: Pick<ResourceRequest, "properties" | "tags">) =>
    withStackTags(readProperties({ Tags: tags }, { Tags: of.properties["Tags"] ?? [] }).Tags, of);
  const next = tagsOf(request);
  const kept = new Set(next.map(({ Key }) => Key));
  const gone = tagsOf(request.former).flatMap(({ Key }) => (kept.has(Key) ? [] : [Key]));
  const ResourceArns = [request.physicalId];
  if (gone.length > 0) await RemoveTags({ ResourceArns, TagKeys: gone }, call);
  // The stack's own are set already, and only AWS may set them.
  const Tags = next.filter(({ Key }) => !Key.startsWith("aws:"));
  if (Tags.length > 0) await AddTags({ ResourceArns, Tags }, call);
}

interface AttributeValue {
  Key?: string;
  Value?: string;
}

/** What the template sets, and the defaults of what it set before and no longer does. */
function attributeChanges(
  { rules }: Catalogue,
  before: readonly AttributeValue[] = [],
  after: readonly AttributeValue[] = [],
): { Key: string; Value: string }[] {
  const reset = before.flatMap(({ Key = "" }) =>
    after.some((attribute) => attribute.Key === Key) || !Object.hasOwn(rules, Key)
      ? []
      : [{ Key, Value: rules[Key]?.default ?? "" }],
  );
  return [...reset, ...after.map(({ Key = "", Value = "" }) => ({ Key, Value }))];
}

const differs = (before: JsonObject, after: JsonObject, name: string) =>
  JSON.stringify(before[name]) !== JSON.stringify(after[name]);

/**
 * The policies that an update sets: what the template says, or nothing where it said something before. A template that
 * never spoke of them leaves those that a client has set.
 */
function policiesIn({ metadata, former }: ResourceUpdate): JsonObject | undefined {
  const spoken = Object.keys(metadata).length > 0 || Object.keys(former.metadata).length > 0;
  return spoken ? metadata : undefined;
}

/** What is gone already is fine: the stack wanted it gone. */
async function unlessGone(code: string, deletion: Promise<unknown>): Promise<void> {
  await deletion.catch((error: unknown) => {
    if (!isFault(error, code)) throw error;
  });
}

/** What would change how much there is of the load balancer, or at which addresses. */
function checkCapacity(read: ReturnType<typeof readProperties<typeof loadBalancerShape>>): void {
  if ((read.MinimumLoadBalancerCapacity?.CapacityUnits ?? 0) > 0) throw notRun("capacity reservations");
  if (read.Ipv4IpamPoolId !== undefined) throw notRun("IPAM pools");
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
      const read = readProperties(loadBalancerShape, request.properties);
      checkCapacity(read);
      const { LoadBalancerAttributes = [], Tags, ...rest } = read;
      if (rest.Name !== undefined) checkOwnName(rest.Name);
      const input = { ...rest, Name: request.physicalName, Tags: withStackTags(Tags, request) };
      const row = await create({ input, attributes: LoadBalancerAttributes, token: request.token }, call);
      return {
        physicalId: loadBalancerArn(row),
        attributes: {
          CanonicalHostedZoneID: canonicalHostedZoneId(row),
          DNSName: dnsNameOf(row),
          LoadBalancerArn: loadBalancerArn(row),
          LoadBalancerFullName: loadBalancerFullName(row),
          LoadBalancerName: row.name,
          SecurityGroups: row.security_groups,
        },
      };
    },
    replaceOn: ["Scheme", "Type"],
    async update(request, call) {
      const { physicalId: LoadBalancerArn, attributes, properties, former } = request;
      const next = readProperties(loadBalancerShape, properties);
      checkCapacity(next);
      const before = readProperties(loadBalancerShape, former.properties);
      const { SetSubnets, SetSecurityGroups, SetIpAddressType } = loadBalancerOperations(deps);
      const { Subnets, SubnetMappings, SecurityGroups = [], IpAddressType = "ipv4" } = next;
      if (
        differs(former.properties, properties, "Subnets") ||
        differs(former.properties, properties, "SubnetMappings")
      ) {
        await SetSubnets(
          {
            LoadBalancerArn,
            ...(Subnets === undefined ? {} : { Subnets }),
            ...(SubnetMappings === undefined ? {} : { SubnetMappings }),
          },
          call,
        );
      }
      if (differs(former.properties, properties, "SecurityGroups")) {
        await SetSecurityGroups({ LoadBalancerArn, SecurityGroups }, call);
      }
      if (differs(former.properties, properties, "IpAddressType")) {
        await SetIpAddressType({ LoadBalancerArn, IpAddressType }, call);
      }
      const { LoadBalancerAttributes: set } = next;
      const Attributes = attributeChanges(
        loadBalancerAttributes({ type: next.Type ?? "application" }),
        before.LoadBalancerAttributes,
        set,
      );
      if (Attributes.length > 0) {
        await attributeOperations(deps).ModifyLoadBalancerAttributes({ LoadBalancerArn, Attributes }, call);
      }
      await changeTags(deps, request, call);
      return { physicalId: LoadBalancerArn, attributes: { ...attributes, SecurityGroups } };
    },
    read: loadBalancerReader(deps),
    async delete({ physicalId }, call) {
      await DeleteLoadBalancer({ LoadBalancerArn: physicalId }, call);
    },
  };
}

function listenerResource(deps: ElbDeps): Resource {
  const create = listenerCreation(deps);
  const change = listenerModification(deps);
  const { DeleteListener } = listenerOperations(deps);
  return {
    type: "AWS::ElasticLoadBalancingV2::Listener",
    properties: namesOf(listenerShape),
    required: ["DefaultActions", "LoadBalancerArn"],
    attributes: ["ListenerArn"],
    async create(request, call) {
      const { properties, metadata: policies, token } = request;
      const { ListenerAttributes = [], Tags, ...rest } = readProperties(listenerShape, properties);
      const input = {
        ...rest,
        LoadBalancerArn: needed(rest.LoadBalancerArn, "#/LoadBalancerArn"),
        DefaultActions: needed(rest.DefaultActions, "#/DefaultActions"),
        Tags: withStackTags(Tags, request),
      };
      const arn = listenerArn(await create({ input, attributes: ListenerAttributes, token, policies }, call));
      return { physicalId: arn, attributes: { ListenerArn: arn } };
    },
    policyFaults: (metadata, properties) => policyFaults("listener", metadata, properties),
    replaceOn: ["LoadBalancerArn"],
    async update(request, call) {
      const { physicalId: ListenerArn, attributes, properties, former } = request;
      const { ListenerAttributes, LoadBalancerArn: _, Tags: _t, ...rest } = readProperties(listenerShape, properties);
      const before = readProperties(listenerShape, former.properties);
      const { Port, ...others } = rest;
      // Without a port the listener keeps its socket.
      const port = Port === undefined || Port === before.Port ? {} : { Port };
      await change({ ListenerArn, ...others, ...port }, policiesIn(request), call);
      const Attributes = attributeChanges(
        listenerAttributes({ protocol: rest.Protocol ?? "HTTP" }),
        before.ListenerAttributes,
        ListenerAttributes,
      );
      if (Attributes.length > 0) {
        await attributeOperations(deps).ModifyListenerAttributes({ ListenerArn, Attributes }, call);
      }
      await changeTags(deps, request, call);
      return { physicalId: ListenerArn, attributes };
    },
    read: listenerReader(deps),
    delete: ({ physicalId }, call) =>
      unlessGone("ListenerNotFoundException", DeleteListener({ ListenerArn: physicalId }, call)),
  };
}

function ruleResource(deps: ElbDeps): Resource {
  const create = ruleCreation(deps);
  const change = ruleModification(deps);
  const { DeleteRule, SetRulePriorities } = ruleOperations(deps);
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
        Transforms: read.Transforms ?? [],
        Tags: withStackTags(read.Tags, request),
      };
      const { token, metadata: policies } = request;
      const arn = ruleArn(await create({ input, token, policies }, call));
      return { physicalId: arn, attributes: { RuleArn: arn, IsDefault: false } };
    },
    policyFaults: (metadata, properties) => policyFaults("rule", metadata, properties),
    replaceOn: ["ListenerArn"],
    async update(request, call) {
      const { physicalId: RuleArn, attributes, former } = request;
      const next = readProperties(ruleShape, request.properties);
      const Priority = needed(next.Priority, "#/Priority");
      if (Priority !== readProperties(ruleShape, former.properties).Priority) {
        await SetRulePriorities({ RulePriorities: [{ RuleArn, Priority }] }, call);
      }
      const Conditions = needed(next.Conditions, "#/Conditions");
      const Actions = needed(next.Actions, "#/Actions");
      await change({ RuleArn, Conditions, Actions, Transforms: next.Transforms ?? [] }, policiesIn(request), call);
      await changeTags(deps, request, call);
      return { physicalId: RuleArn, attributes };
    },
    read: ruleReader(deps),
    delete: ({ physicalId }, call) => unlessGone("RuleNotFoundException", DeleteRule({ RuleArn: physicalId }, call)),
  };
}

/** Of a target group, what ModifyTargetGroup takes. */
function healthCheckOf(read: ReturnType<typeof readProperties<typeof targetGroupShape>>) {
  const { Name: _n, Tags: _t, TargetGroupAttributes: _a, Targets: _s, Port: _p, Protocol: _r, ...rest } = read;
  const { ProtocolVersion: _v, TargetType: _y, VpcId: _c, IpAddressType: _i, TargetControlPort: _o, ...health } = rest;
  return health;
}

function targetGroupResource(deps: ElbDeps): Resource {
  const create = targetGroupCreation(deps);
  const register = targetRegistration(deps);
  const change = targetGroupModification(deps);
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
      const { token, metadata: policies } = request;
      const row = await create({ input, attributes: TargetGroupAttributes, token, policies }, call);
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
    policyFaults: (metadata, properties) => policyFaults("target-group", metadata, properties),
    replaceOn: ["IpAddressType", "Port", "Protocol", "ProtocolVersion", "TargetType", "VpcId"],
    async update(request, call) {
      const { physicalId: TargetGroupArn, attributes, former } = request;
      const next = readProperties(targetGroupShape, request.properties);
      const before = readProperties(targetGroupShape, former.properties);
      await change({ TargetGroupArn, ...healthCheckOf(next) }, policiesIn(request), call);
      const { settings } = await deps.store.read((tx) => existingTargetGroup(tx, call, TargetGroupArn));
      const catalogue = groupAttributes(settings);
      const Attributes = attributeChanges(catalogue, before.TargetGroupAttributes, next.TargetGroupAttributes);
      if (Attributes.length > 0) {
        await attributeOperations(deps).ModifyTargetGroupAttributes({ TargetGroupArn, Attributes }, call);
      }
      const { Targets = [] } = next;
      const isKept = ({ Id, Port }: { Id: string; Port?: number }) =>
        Targets.some((target) => target.Id === Id && target.Port === Port);
      const gone = (before.Targets ?? []).filter((target) => !isKept(target));
      if (Targets.length > 0) await register(TargetGroupArn, Targets, call);
      if (gone.length > 0) await targetOperations(deps).DeregisterTargets({ TargetGroupArn, Targets: gone }, call);
      await changeTags(deps, request, call);
      return { physicalId: TargetGroupArn, attributes };
    },
    read: targetGroupReader(deps),
    async delete({ physicalId }, call) {
      await DeleteTargetGroup({ TargetGroupArn: physicalId }, call);
    },
  };
}

export function loadBalancerResources(deps: ElbDeps & Pick<Deps, "store">): readonly Resource[] {
  return [
    loadBalancerResource(deps),
    listenerResource(deps),
    listenerCertificateResource(deps),
    ruleResource(deps),
    targetGroupResource(deps),
  ];
}
