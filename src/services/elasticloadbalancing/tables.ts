/** Load balancers, listeners, rules, target groups, targets, and the number that grows with every change of routing. */
import { globalRegion } from "../../kit/call.ts";
import type { JsonObject } from "../../kit/resource.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx, Tx } from "../../store/store.ts";
import { c, insert, table, upsert, type Migration, type Row } from "../../store/tables.ts";
import type { RuleAction } from "./actions.ts";
import type { ArnKey, Place } from "./arns.ts";
import type { Attributes } from "./attributes.ts";
import type { RuleCondition } from "./conditions.ts";
import type { Tag } from "./limits.ts";
import type { PolicyKind } from "./policies.ts";
import type { TargetGroupSettings } from "./target-group-settings.ts";

const place = { account: c.id, region: c.id };

const loadBalancerColumns = {
  ...place,
  /** 16 hex digits, the end of the ARN. */
  id: c.id,
  name: c.id,
  created_ms: c.time,
  scheme: c.id,
  ip_address_type: c.id,
  /** Network ids are kept as they came. */
  subnets: c.json<string[]>(),
  security_groups: c.json<string[]>(),
  attributes: c.json<Attributes>(),
  tags: c.json<Tag[]>(),
  /** The CloudFormation step that made it; null when a client did. */
  token: c.nullable(c.id),
};
const loadBalancerKeys = {
  key: ["account", "region", "id"],
  indexes: [{ columns: ["account", "region", "name"], unique: true }],
} as const;

export const loadBalancers = table(
  "elasticloadbalancing_load_balancers",
  {
    ...loadBalancerColumns,
    /** A {@link LoadBalancerType}. */
    type: c.text,
  },
  loadBalancerKeys,
);
export type LoadBalancer = Row<typeof loadBalancers>;

const membershipBefore = { load_balancer_id: c.id, load_balancer_name: c.id };
/** Of what belongs to a load balancer: its {@link LoadBalancerType}. */
const ofType = { load_balancer_type: c.text };

const listenerColumns = {
  ...place,
  id: c.id,
  ...membershipBefore,
  created_ms: c.time,
  port: c.int,
  attributes: c.json<Attributes>(),
  tags: c.json<Tag[]>(),
  token: c.nullable(c.id),
};
const listenerKeys = {
  key: ["account", "region", "id"],
  // All load balancers of a node bind on one address, so a port is taken over all accounts.
  indexes: [{ columns: ["account", "region", "load_balancer_id"] }, { columns: ["port"], unique: true }],
} as const;

export const listeners = table(
  "elasticloadbalancing_listeners",
  {
    ...listenerColumns,
    ...ofType,
    protocol: c.text,
    /** How TLS ends there, as JSON: {@link ListenerSecurity}; null for clear text. */
    security: c.nullable(c.text),
  },
  listenerKeys,
);
export type Listener = Row<typeof listeners>;

const ruleColumns = {
  ...place,
  id: c.id,
  ...membershipBefore,
  listener_id: c.id,
  /** 1-50,000; the default rule has {@link defaultPriority}. */
  priority: c.int,
  conditions: c.json<RuleCondition[]>(),
  action: c.json<RuleAction>(),
  tags: c.json<Tag[]>(),
  token: c.nullable(c.id),
};
const ruleKeys = {
  key: ["account", "region", "id"],
  indexes: [
    { columns: ["account", "region", "listener_id", "priority"] },
    { columns: ["account", "region", "load_balancer_id"] },
  ],
} as const;

export const rules = table(
  "elasticloadbalancing_rules",
  {
    ...ruleColumns,
    ...ofType,
    /** As JSON: `RuleTransform[]`; null for none. */
    transforms: c.nullable(c.text),
  },
  ruleKeys,
);
export type Rule = Row<typeof rules>;

/** After every priority that a client can give: the default rule is tried last. */
export const defaultPriority = 1_000_000;

const useColumns = { ...place, target_group_id: c.id, rule_id: c.id, ...membershipBefore };
const useKeys = {
  key: ["account", "region", "target_group_id", "rule_id"],
  indexes: [{ columns: ["account", "region", "rule_id"] }, { columns: ["account", "region", "load_balancer_id"] }],
} as const;

/** Which rules forward to which target groups: the one place that says whether a group is in use, and by whom. */
export const uses = table("elasticloadbalancing_uses", { ...useColumns, ...ofType }, useKeys);
export type Use = Row<typeof uses>;

export const targetGroups = table(
  "elasticloadbalancing_target_groups",
  {
    ...place,
    id: c.id,
    name: c.id,
    created_ms: c.time,
    settings: c.json<TargetGroupSettings>(),
    attributes: c.json<Attributes>(),
    tags: c.json<Tag[]>(),
    token: c.nullable(c.id),
  },
  { key: ["account", "region", "id"], indexes: [{ columns: ["account", "region", "name"], unique: true }] },
);
export type TargetGroup = Row<typeof targetGroups>;

export const targets = table(
  "elasticloadbalancing_targets",
  {
    ...place,
    target_group_id: c.id,
    /** IP address, instance id or function ARN. */
    id: c.id,
    /** 0 for a function. */
    port: c.int,
    availability_zone: c.nullable(c.id),
    /** Deregistered, and shown as draining until then; null while registered. */
    drained_ms: c.nullable(c.time),
  },
  { key: ["account", "region", "target_group_id", "id", "port"], indexes: [{ columns: ["drained_ms"] }] },
);
export type Target = Row<typeof targets>;

/** What templates say under `Metadata: { Mikan: ... }`, or a client over `/_mikan/policies`; see `policies.ts`. */
export const policies = table(
  "elasticloadbalancing_policies",
  { ...place, kind: c.id, resource_id: c.id, document: c.json<JsonObject>() },
  { key: ["account", "region", "kind", "resource_id"] },
);
export type Policy = Row<typeof policies>;

/** One row for the whole node: account `-`, region `aws-global`. */
const routing = table("elasticloadbalancing_routing", { ...place, epoch: c.int }, { key: ["account", "region"] });
const routingPlace = { account: "-", region: globalRegion };

/** Tables as the first migration made them. */
const before = [
  table("elasticloadbalancing_load_balancers", loadBalancerColumns, loadBalancerKeys),
  table("elasticloadbalancing_listeners", listenerColumns, listenerKeys),
  table("elasticloadbalancing_rules", ruleColumns, ruleKeys),
  table("elasticloadbalancing_uses", useColumns, useKeys),
];

export const migrations: readonly Migration[] = [
  { version: 1, create: [...before, targetGroups, targets, routing] },
  {
    version: 2,
    run: [
      sql`alter table elasticloadbalancing_load_balancers add column type text not null default 'application'`,
      sql`alter table elasticloadbalancing_listeners add column load_balancer_type text not null default 'application'`,
      sql`alter table elasticloadbalancing_listeners add column protocol text not null default 'HTTP'`,
      sql`alter table elasticloadbalancing_listeners add column security text`,
      sql`alter table elasticloadbalancing_rules add column load_balancer_type text not null default 'application'`,
      sql`alter table elasticloadbalancing_rules add column transforms text`,
      sql`alter table elasticloadbalancing_uses add column load_balancer_type text not null default 'application'`,
    ],
  },
  { version: 3, create: [policies] },
];

export async function readEpoch(tx: ReadTx): Promise<number> {
  const row = await tx.one<{ epoch: number }>(sql`select epoch from ${routing.name}
    where account = ${routingPlace.account} and region = ${routingPlace.region}`);
  return row?.epoch ?? 0;
}

/** Raises the epoch in the transaction that changes routing, and gives it. */
export async function raiseEpoch(tx: Tx): Promise<number> {
  const epoch = (await readEpoch(tx)) + 1;
  await tx.run(upsert(routing, { ...routingPlace, epoch }));
  return epoch;
}

const at = ({ account, region }: Place) => sql`account = ${account} and region = ${region}`;

export async function findLoadBalancer(tx: ReadTx, { name, id, ...place }: ArnKey): Promise<LoadBalancer | undefined> {
  const row = await tx.one<LoadBalancer>(sql`select ${loadBalancers.columns} from ${loadBalancers.name}
    where ${at(place)} and id = ${id}`);
  return row?.name === name ? row : undefined;
}

export function loadBalancerNamed(tx: ReadTx, where: Place, name: string): Promise<LoadBalancer | undefined> {
  return tx.one<LoadBalancer>(sql`select ${loadBalancers.columns} from ${loadBalancers.name}
    where ${at(where)} and name = ${name}`);
}

export async function findListener(tx: ReadTx, { name, id, ...place }: ArnKey): Promise<Listener | undefined> {
  const row = await tx.one<Listener>(sql`select ${listeners.columns} from ${listeners.name}
    where ${at(place)} and id = ${id}`);
  return row?.load_balancer_name === name ? row : undefined;
}

export function listenerOn(tx: ReadTx, port: number): Promise<Listener | undefined> {
  return tx.one<Listener>(sql`select ${listeners.columns} from ${listeners.name} where port = ${port}`);
}

export function listenersOf(tx: ReadTx, owner: Place & { id: string }): Promise<Listener[]> {
  return tx.all<Listener>(sql`select ${listeners.columns} from ${listeners.name}
    where ${at(owner)} and load_balancer_id = ${owner.id} order by id`);
}

export async function findRule(tx: ReadTx, { name, id, ...place }: ArnKey): Promise<Rule | undefined> {
  const row = await tx.one<Rule>(sql`select ${rules.columns} from ${rules.name} where ${at(place)} and id = ${id}`);
  return row?.load_balancer_name === name ? row : undefined;
}

/** The rules of a listener in the order they are tried; the default rule comes last. */
export function rulesOf(tx: ReadTx, listener: Place & { id: string }): Promise<Rule[]> {
  return tx.all<Rule>(sql`select ${rules.columns} from ${rules.name}
    where ${at(listener)} and listener_id = ${listener.id} order by priority, id`);
}

export async function findTargetGroup(tx: ReadTx, { name, id, ...place }: ArnKey): Promise<TargetGroup | undefined> {
  const row = await tx.one<TargetGroup>(sql`select ${targetGroups.columns} from ${targetGroups.name}
    where ${at(place)} and id = ${id}`);
  return row?.name === name ? row : undefined;
}

export function targetGroupNamed(tx: ReadTx, where: Place, name: string): Promise<TargetGroup | undefined> {
  return tx.one<TargetGroup>(sql`select ${targetGroups.columns} from ${targetGroups.name}
    where ${at(where)} and name = ${name}`);
}

export function targetsOf(tx: ReadTx, group: Place & { id: string }): Promise<Target[]> {
  return tx.all<Target>(sql`select ${targets.columns} from ${targets.name}
    where ${at(group)} and target_group_id = ${group.id} order by id, port`);
}

export function usesOfGroup(tx: ReadTx, group: Place & { id: string }): Promise<Use[]> {
  return tx.all<Use>(sql`select ${uses.columns} from ${uses.name}
    where ${at(group)} and target_group_id = ${group.id} order by load_balancer_name, rule_id`);
}

/** A count has no column kind; an engine may give a 64-bit one. */
interface Count {
  count: number | bigint;
}

export async function targetGroupsCountOf(tx: ReadTx, where: Place): Promise<number> {
  const row = await tx.one<Count>(sql`select count(*) as count from ${targetGroups.name} where ${at(where)}`);
  return Number(row?.count ?? 0);
}

/** Those of one type: each has a quota of its own. */
export async function loadBalancersCountOf(tx: ReadTx, where: Place & { type: string }): Promise<number> {
  const row = await tx.one<Count>(sql`select count(*) as count from ${loadBalancers.name}
    where ${at(where)} and type = ${where.type}`);
  return Number(row?.count ?? 0);
}

export function usesOfLoadBalancer(tx: ReadTx, owner: Place & { id: string }): Promise<Use[]> {
  return tx.all<Use>(sql`select ${uses.columns} from ${uses.name}
    where ${at(owner)} and load_balancer_id = ${owner.id} order by target_group_id, rule_id`);
}

export async function rulesCountOf(tx: ReadTx, owner: Place & { id: string }): Promise<number> {
  const row = await tx.one<Count>(sql`select count(*) as count from ${rules.name}
    where ${at(owner)} and load_balancer_id = ${owner.id} and priority < ${defaultPriority}`);
  return Number(row?.count ?? 0);
}

/** Writes which groups a rule forwards to, in place of what was there. */
export async function writeUses(tx: Tx, rule: Rule, targetGroupIds: readonly string[]): Promise<void> {
  await tx.run(sql`delete from ${uses.name} where ${at(rule)} and rule_id = ${rule.id}`);
  const { account, region, load_balancer_id, load_balancer_name, load_balancer_type } = rule;
  const owner = { account, region, load_balancer_id, load_balancer_name, load_balancer_type };
  for (const target_group_id of targetGroupIds) {
    await tx.run(insert(uses, { ...owner, target_group_id, rule_id: rule.id }));
  }
}

const ofPolicy = (kind: PolicyKind, resource: Place & { id: string }) =>
  sql`${at(resource)} and kind = ${kind} and resource_id = ${resource.id}`;

/** The policies of a resource; empty where it has none. */
export async function readPolicy(tx: ReadTx, kind: PolicyKind, resource: Place & { id: string }): Promise<JsonObject> {
  const row = await tx.one<Policy>(sql`select ${policies.columns} from ${policies.name}
    where ${ofPolicy(kind, resource)}`);
  return row?.document ?? {};
}

/** Makes `document` the policies of a resource; an empty one takes them away. */
export async function writePolicy(
  tx: Tx,
  kind: PolicyKind,
  resource: Place & { id: string },
  document: JsonObject,
): Promise<void> {
  const { account, region, id } = resource;
  if (Object.keys(document).length === 0) {
    await tx.run(sql`delete from ${policies.name} where ${ofPolicy(kind, resource)}`);
  } else {
    await tx.run(upsert(policies, { account, region, kind, resource_id: id, document }));
  }
}

export async function deleteRule(tx: Tx, rule: Place & { id: string }): Promise<void> {
  await writePolicy(tx, "rule", rule, {});
  await tx.run(sql`delete from ${uses.name} where ${at(rule)} and rule_id = ${rule.id}`);
  await tx.run(sql`delete from ${rules.name} where ${at(rule)} and id = ${rule.id}`);
}

/** Deletes a listener with its rules. */
export async function deleteListener(tx: Tx, listener: Place & { id: string }): Promise<void> {
  for (const rule of await rulesOf(tx, listener)) await deleteRule(tx, rule);
  await tx.run(sql`delete from ${listeners.name} where ${at(listener)} and id = ${listener.id}`);
}
