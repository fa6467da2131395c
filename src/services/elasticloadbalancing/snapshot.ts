/** The whole routing as the edge takes it, built from the tables. */
import type { ClusterConfig, EdgeConfig, EndpointConfig, HealthCheck, ListenerConfig } from "../../edge/ports.ts";
import { must } from "../../base/errors.ts";
import type { JsonObject } from "../../kit/resource.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx } from "../../store/store.ts";
import { edgeAction } from "./actions.ts";
import { listenerArn, ruleArn, targetGroupArn, type Place } from "./arns.ts";
import { addressGroupAttributes, attributeOf, loadBalancerAttributes, type Attributes } from "./attributes.ts";
import { edgeCondition } from "./conditions.ts";
import { endpointId } from "./functions.ts";
import { lambdaBytesMax, serverName, type LambdaTarget } from "./lambda-target.ts";
import { groupPolicy, routePolicy, type PolicyKind } from "./policies.ts";
import {
  listeners,
  loadBalancers,
  policies,
  readEpoch,
  rules,
  targetGroups,
  targets,
  uses,
  type Listener,
  type LoadBalancer,
  type Policy,
  type Rule,
  type Target,
  type TargetGroup,
  type Use,
} from "./tables.ts";

export interface RoutingRows {
  epoch: number;
  loadBalancers: readonly LoadBalancer[];
  listeners: readonly Listener[];
  /** By priority. */
  rules: readonly Rule[];
  uses: readonly Use[];
  targetGroups: readonly TargetGroup[];
  /** Without those that drain. */
  targets: readonly Target[];
  policies: readonly Policy[];
}

export interface Snapshot {
  config: EdgeConfig;
  functions: readonly LambdaTarget[];
}

export interface SnapshotOptions {
  /** Address that listeners bind. */
  address: string;
}

export const traceHeader = "X-Amzn-Trace-Id";
/** Source: "Troubleshoot your Application Load Balancers", HTTP 504: a connection must stand within 10 seconds. */
const connectTimeoutMs = 10_000;
const healthUserAgent = "ELB-HealthChecker/2.0";

export async function readRouting(tx: ReadTx): Promise<RoutingRows> {
  return {
    epoch: await readEpoch(tx),
    loadBalancers: await tx.all<LoadBalancer>(sql`select ${loadBalancers.columns} from ${loadBalancers.name}`),
    listeners: await tx.all<Listener>(sql`select ${listeners.columns} from ${listeners.name} order by port`),
    rules: await tx.all<Rule>(sql`select ${rules.columns} from ${rules.name} order by priority, id`),
    uses: await tx.all<Use>(sql`select ${uses.columns} from ${uses.name}`),
    targetGroups: await tx.all<TargetGroup>(sql`select ${targetGroups.columns} from ${targetGroups.name}`),
    targets: await tx.all<Target>(sql`select ${targets.columns} from ${targets.name}
      where drained_ms is null order by id, port`),
    policies: await tx.all<Policy>(sql`select ${policies.columns} from ${policies.name}`),
  };
}

const idOf = ({ account, region }: Place, id: string) => `${account}/${region}/${id}`;

function groupBy<T>(rows: readonly T[], key: (row: T) => string): Map<string, T[]> {
  return Map.groupBy(rows, key);
}

const lbAttribute = (set: Attributes, key: string) => attributeOf(loadBalancerAttributes, set, key);

function xffOf(mode: string): "append" | "preserve" | "remove" {
  return mode === "preserve" || mode === "remove" ? mode : "append";
}

function listenerConfig(
  listener: Listener,
  { attributes }: LoadBalancer,
  ownRules: readonly Rule[],
  policyOf: PolicyLookup,
  { address }: SnapshotOptions,
): ListenerConfig {
  return {
    id: listenerArn(listener),
    address,
    port: listener.port,
    routes: ownRules.map((rule) => ({
      id: ruleArn(rule),
      conditions: rule.conditions.map(edgeCondition),
      action: edgeAction(rule.action),
      policy: routePolicy(policyOf("rule", rule), { ...rule, arn: ruleArn(rule) }),
    })),
    forwarded: {
      xff: xffOf(lbAttribute(attributes, "routing.http.xff_header_processing.mode")),
      preserveHost: lbAttribute(attributes, "routing.http.preserve_host_header.enabled") === "true",
      dropInvalidNames: lbAttribute(attributes, "routing.http.drop_invalid_header_fields.enabled") === "true",
      traceHeader,
    },
    serverName,
    idleTimeoutMs: Number(lbAttribute(attributes, "idle_timeout.timeout_seconds")) * 1000,
    keepAliveTimeoutMs: Number(lbAttribute(attributes, "client_keep_alive.seconds")) * 1000,
  };
}

/** The id of a target's endpoint within its cluster. */
export const addressEndpointId = ({ id, port }: Pick<Target, "id" | "port">) => `${id}:${port}`;

/** An instance id stands for this machine: Mikan starts no instances, and a process here is the nearest to one. */
const hostOf = ({ id }: Target) => (id.startsWith("i-") ? "127.0.0.1" : id);

const functionOf = (group: TargetGroup, target: Target): LambdaTarget => ({
  targetGroupArn: targetGroupArn(group),
  functionArn: target.id,
  multiValue: group.attributes["lambda.multi_value_headers.enabled"] === "true",
});

function endpointOf(group: TargetGroup, target: Target): EndpointConfig {
  if (group.settings.targetType === "lambda") {
    return { kind: "function", id: endpointId(functionOf(group, target)), requestBytesMax: lambdaBytesMax };
  }
  return { kind: "address", id: addressEndpointId(target), host: hostOf(target), port: target.port };
}

function healthCheck({ settings: { health } }: TargetGroup): HealthCheck {
  return {
    protocol: "http",
    path: health.path,
    ...(health.port === "traffic-port" ? {} : { port: Number(health.port) }),
    intervalMs: health.intervalSeconds * 1000,
    timeoutMs: health.timeoutSeconds * 1000,
    healthyCount: health.healthyCount,
    unhealthyCount: health.unhealthyCount,
    matcher: health.matcher,
    userAgent: healthUserAgent,
  };
}

function clusterConfig(group: TargetGroup, own: readonly Target[], policyOf: PolicyLookup): ClusterConfig {
  const delay = attributeOf(addressGroupAttributes, group.attributes, "deregistration_delay.timeout_seconds");
  return {
    id: targetGroupArn(group),
    endpoints: own.map((target) => endpointOf(group, target)),
    ...(group.settings.health.enabled ? { health: healthCheck(group) } : {}),
    connectTimeoutMs,
    drainMs: Number(delay) * 1000,
    ...groupPolicy(policyOf("target-group", group)),
  };
}

type PolicyLookup = (kind: PolicyKind, resource: Place & { id: string }) => JsonObject;

function policyLookup(rows: readonly Policy[]): PolicyLookup {
  const documents = new Map(rows.map((row) => [`${row.kind}/${idOf(row, row.resource_id)}`, row.document]));
  return (kind, resource) => documents.get(`${kind}/${idOf(resource, resource.id)}`) ?? {};
}

/** The routing of all accounts and regions. Target groups that no rule names are left out: nobody probes them. */
export function snapshotOf(rows: RoutingRows, options: SnapshotOptions): Snapshot {
  const owners = new Map(rows.loadBalancers.map((owner) => [idOf(owner, owner.id), owner]));
  const rulesByListener = groupBy(rows.rules, (rule) => idOf(rule, rule.listener_id));
  const targetsByGroup = groupBy(rows.targets, (target) => idOf(target, target.target_group_id));
  const used = new Set(rows.uses.map((use) => idOf(use, use.target_group_id)));
  const groups = rows.targetGroups.filter((group) => used.has(idOf(group, group.id)));
  const policyOf = policyLookup(rows.policies);
  const targetsIn = (group: TargetGroup) => targetsByGroup.get(idOf(group, group.id)) ?? [];
  return {
    config: {
      epoch: rows.epoch,
      listeners: rows.listeners.map((listener) => {
        const owner = must(owners.get(idOf(listener, listener.load_balancer_id)), "a listener's load balancer");
        const ownRules = rulesByListener.get(idOf(listener, listener.id)) ?? [];
        return listenerConfig(listener, owner, ownRules, policyOf, options);
      }),
      clusters: groups.map((group) => clusterConfig(group, targetsIn(group), policyOf)),
    },
    functions: groups
      .filter((group) => group.settings.targetType === "lambda")
      .flatMap((group) => targetsIn(group).map((target) => functionOf(group, target))),
  };
}
