/** The whole routing as the edge takes it, built from the tables. */
import type { EdgeConfig, JsonWebKey, ListenerTls } from "../../edge/ports.ts";
import { must } from "../../base/errors.ts";
import type { JsonObject } from "../../kit/resource.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx } from "../../store/store.ts";
import { listenerArn, type Place } from "./arns.ts";
import { clusterConfig, functionOf } from "./cluster-config.ts";
import { destinationKind, destinationPolicy } from "./destination-policies.ts";
import type { LambdaTarget } from "./lambda-target.ts";
import { listenerConfig } from "./listener-config.ts";
import type { PolicyKind } from "./policies.ts";
import { streamListenerConfig } from "./stream-config.ts";
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
  keysOf: (endpoint: string) => readonly JsonWebKey[];
  /** See `EdgeConfig.cookieSecret`. */
  cookieSecret?: string;
  /** How TLS ends, by the ARN of the listener. */
  tls?: ReadonlyMap<string, ListenerTls>;
}

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

/** The endpoints of key sets that the rules name. */
export const keyEndpointsIn = ({ rules }: RoutingRows): string[] =>
  rules.flatMap(({ action }) => (action.jwt === undefined ? [] : [action.jwt.endpoint]));

const idOf = ({ account, region }: Place, id: string) => `${account}/${region}/${id}`;

function groupBy<T>(rows: readonly T[], key: (row: T) => string): Map<string, T[]> {
  return Map.groupBy(rows, key);
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
  const canSpeak = (row: Listener) => row.security === null || options.tls?.has(listenerArn(row)) === true;
  const running = rows.listeners.filter(canSpeak);
  const isStream = (row: Listener) => row.load_balancer_type === "network";
  const rulesOf = (row: Listener) => rulesByListener.get(idOf(row, row.id)) ?? [];
  const { address } = options;
  const targetsIn = (group: TargetGroup) => targetsByGroup.get(idOf(group, group.id)) ?? [];
  return {
    config: {
      epoch: rows.epoch,
      ...(options.cookieSecret === undefined ? {} : { cookieSecret: options.cookieSecret }),
      // Where no certificate can be read there is nothing to shake hands with: better no listener than one in clear text.
      listeners: running
        .filter((row) => !isStream(row))
        .map((listener) => {
          const owner = must(owners.get(idOf(listener, listener.load_balancer_id)), "a listener's load balancer");
          return listenerConfig({
            listener,
            owner,
            rules: rulesOf(listener),
            policiesOf: (rule) => policyOf("rule", rule),
            keysOf: options.keysOf,
            address,
            tls: options.tls?.get(listenerArn(listener)),
          });
        }),
      streamListeners: running.filter(isStream).map((listener) => {
        const rule = must(rulesOf(listener)[0], "a listener's default rule");
        return streamListenerConfig({ listener, rule, address, tls: options.tls?.get(listenerArn(listener)) });
      }),
      egress: rows.policies
        .filter(({ kind }) => kind === destinationKind)
        .map((row) => destinationPolicy(row.resource_id, row.document)),
      clusters: groups.map((group) => clusterConfig(group, targetsIn(group), policyOf("target-group", group))),
    },
    functions: groups
      .filter((group) => group.settings.targetType === "lambda")
      .flatMap((group) => targetsIn(group).map((target) => functionOf(group, target))),
  };
}
