/** Rules of listeners: created, described, changed, put in another order, deleted. */
import type { CreateRuleInput, ModifyRuleInput, Rule as SdkRule } from "@aws-sdk/client-elastic-load-balancing-v2";
import type { Call } from "../../kit/call.ts";
import type { Handlers, Received } from "../../kit/handlers.ts";
import type { JsonObject } from "../../kit/resource.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx, Tx } from "../../store/store.ts";
import { assign, insert } from "../../store/tables.ts";
import { describedActions, routingAction } from "./actions.ts";
import { keyOf, ownerArn, ruleArn } from "./arns.ts";
import { conditionsOf, describedCondition } from "./conditions.ts";
import { forwardedGroups } from "./forwarding.ts";
import { clientTags, mergeTags, quotas } from "./limits.ts";
import type { ElbDeps } from "./load-balancers.ts";
import { onePage } from "./pages.ts";
import { checkFitsAction, policyGroupArns, routePolicy } from "./policies.ts";
import { fault, invalid, listenerNotFound, ruleNotFound, type Elb } from "./refusals.ts";
import {
  defaultPriority,
  deleteRule,
  findListener,
  findRule,
  readPolicy,
  rules,
  rulesCountOf,
  rulesOf,
  writePolicy,
  writeUses,
  type Listener,
  type Rule,
} from "./tables.ts";

import { checkTargetCounts } from "./target-counts.ts";
import { describedTransform, storedTransforms, transformsOf, transformsText } from "./transforms.ts";

export const isDefault = ({ priority }: Pick<Rule, "priority">) => priority === defaultPriority;

export function describedRule(rule: Rule): SdkRule {
  return {
    RuleArn: ruleArn(rule),
    Priority: isDefault(rule) ? "default" : String(rule.priority),
    Conditions: rule.conditions.map(describedCondition),
    Actions: describedActions(rule.action),
    IsDefault: isDefault(rule),
    ...(isDefault(rule) ? {} : { Transforms: storedTransforms(rule).map(describedTransform) }),
  };
}

export async function existingListener(tx: ReadTx, call: Call, arn: string): Promise<Listener> {
  const key = keyOf("listener", arn);
  const row = key.account === call.account && key.region === call.region ? await findListener(tx, key) : undefined;
  if (row === undefined) throw listenerNotFound();
  return row;
}

export async function existingRule(tx: ReadTx, call: Call, arn: string): Promise<Rule> {
  const key = keyOf("listener rule", arn);
  const row = key.account === call.account && key.region === call.region ? await findRule(tx, key) : undefined;
  if (row === undefined) throw ruleNotFound();
  return row;
}

const priorityInUse = (priority: number) =>
  fault("PriorityInUseException", `Priority '${priority}' is currently in use`);

/** The rule, or the one that the same CloudFormation step made before. */
async function insertRule(
  tx: Tx,
  call: Call,
  rule: Rule,
  policies: JsonObject,
): Promise<{ rule: Rule; made: boolean }> {
  const others = await rulesOf(tx, { ...rule, id: rule.listener_id });
  const again = rule.token === null ? undefined : others.find(({ token }) => token === rule.token);
  if (again !== undefined) return { rule: again, made: false };
  if (others.some(({ priority }) => priority === rule.priority)) throw priorityInUse(rule.priority);
  if (
    (await rulesCountOf(tx, { ...rule, id: rule.load_balancer_id })) >= quotas["rules-per-application-load-balancer"]
  ) {
    throw fault("TooManyRulesException", `The maximum number of rules has been reached for '${ownerArn(rule)}'`);
  }
  await tx.run(insert(rules, rule));
  await setRulePolicies(tx, call, rule, policies);
  return { rule, made: true };
}

export interface NewRule {
  input: Received<CreateRuleInput>;
  /** Of the CloudFormation step. */
  token?: string;
  /** What AWS has no words for; see `policies.ts`. */
  policies?: JsonObject;
}

/** Creates a rule, and resolves when requests follow it. */
export function ruleCreation({ ids, routing }: Pick<ElbDeps, "ids" | "routing">) {
  return async ({ input, token, policies = {} }: NewRule, call: Call): Promise<Rule> => {
    const transforms = transformsText(transformsOf(input.Transforms));
    const id = ids.hex(8);
    const conditions = conditionsOf(input.Conditions);
    const action = routingAction(input.Actions);
    const tags = mergeTags([], input.Tags ?? []);
    const body = async (tx: Tx) => {
      const listener = await existingListener(tx, call, input.ListenerArn);
      const { account, region, load_balancer_id, load_balancer_name, load_balancer_type } = listener;
      if (load_balancer_type === "network") {
        throw invalid(`Rules are not supported for listeners with protocol '${listener.protocol}'`);
      }
      const rule: Rule = {
        account,
        region,
        id,
        load_balancer_id,
        load_balancer_name,
        load_balancer_type,
        listener_id: listener.id,
        priority: input.Priority,
        conditions,
        action,
        transforms,
        tags,
        token: token ?? null,
      };
      return insertRule(tx, call, rule, policies);
    };
    const { rule } = await routing.create({
      body,
      undo: async (tx, { rule, made }) => (made ? deleteRule(tx, rule) : undefined),
    });
    return rule;
  };
}

async function updateRule(tx: Tx, rule: Rule, changes: Partial<Rule>): Promise<Rule> {
  await tx.run(sql`update ${rules.name} set ${assign(rules, changes)}
    where account = ${rule.account} and region = ${rule.region} and id = ${rule.id}`);
  return { ...rule, ...changes };
}

/**
 * Gives a rule another action: used by ModifyRule, and by ModifyListener for the default rule. A client of AWS's knows
 * nothing of policies: those of forwarding sleep while the rule does not forward.
 */
export async function changeAction(tx: Tx, call: Call, rule: Rule, action: Rule["action"]): Promise<Rule> {
  await usePolicies(tx, call, { ...rule, action }, await readPolicy(tx, "rule", rule));
  return updateRule(tx, rule, { action });
}

/** Makes `document` the policies of a rule. Throws `ValidationError` for one that its action has no use for. */
export async function setRulePolicies(tx: Tx, call: Call, rule: Rule, document: JsonObject): Promise<void> {
  checkFitsAction(document, rule.action.type);
  await usePolicies(tx, call, rule, document);
}

/** Writes the policies of a rule; the groups they name are in use from then on, as those of its action are. */
export async function usePolicies(tx: Tx, call: Call, rule: Rule, document: JsonObject): Promise<void> {
  if (rule.load_balancer_type === "network" && Object.keys(document).length > 0) {
    throw invalid("Policies are for application load balancers: a network load balancer sees no requests");
  }
  const policy = routePolicy(document, { ...rule, arn: ruleArn(rule) });
  const groupIds = await forwardedGroups(tx, call, rule, rule.action, policyGroupArns(policy), rule.id);
  await writeUses(tx, rule, groupIds);
  await checkTargetCounts(tx, rule);
  await writePolicy(tx, "rule", rule, document);
}

async function modifyRule(tx: Tx, call: Call, input: Received<ModifyRuleInput>): Promise<Rule> {
  const { Conditions, Actions, Transforms, ResetTransforms, RuleArn } = input;
  const rule = await existingRule(tx, call, RuleArn);
  if (isDefault(rule)) throw fault("OperationNotPermittedException", `Default rule '${RuleArn}' cannot be modified`);
  const changes: Partial<Rule> = {
    ...(Conditions === undefined ? {} : { conditions: conditionsOf(Conditions) }),
    ...(Transforms === undefined ? {} : { transforms: transformsText(transformsOf(Transforms)) }),
    ...(ResetTransforms === true ? { transforms: null } : {}),
  };
  const changed = Object.keys(changes).length === 0 ? rule : await updateRule(tx, rule, changes);
  return Actions === undefined ? changed : changeAction(tx, call, changed, routingAction(Actions));
}

/** Changes a rule and its policies at once, and resolves when requests follow both. */
export function ruleModification({ routing }: Pick<ElbDeps, "routing">) {
  return (input: Received<ModifyRuleInput>, policies: JsonObject | undefined, call: Call): Promise<Rule> =>
    routing.change(async (tx) => {
      const rule = await modifyRule(tx, call, input);
      if (policies !== undefined) await setRulePolicies(tx, call, rule, policies);
      return rule;
    });
}

interface Move {
  RuleArn?: string | undefined;
  Priority?: number | undefined;
}

function checkMoves(moves: readonly Move[]): { arn: string; priority: number }[] {
  const seen = new Set<number>();
  return moves.map(({ RuleArn: arn, Priority: priority }) => {
    if (arn === undefined) throw invalid("A rule ARN must be specified");
    if (priority === undefined) throw invalid("A rule priority must be specified");
    if (seen.has(priority)) throw invalid(`Priority '${priority}' was provided multiple times`);
    seen.add(priority);
    return { arn, priority };
  });
}

/** Puts rules of one listener in another order. Rules that are not named keep their priority. */
async function movePriorities(tx: Tx, call: Call, moves: readonly { arn: string; priority: number }[]) {
  const moved = new Map<string, Rule>();
  for (const { arn, priority } of moves) {
    const rule = await existingRule(tx, call, arn);
    if (isDefault(rule)) {
      throw fault("OperationNotPermittedException", `The priority of the default rule '${arn}' cannot be changed`);
    }
    moved.set(rule.id, { ...rule, priority });
  }
  const listenerIds = new Set([...moved.values()].map((rule) => rule.listener_id));
  if (listenerIds.size > 1) throw invalid("All rules must belong to the same listener");
  for (const listener_id of listenerIds) {
    for (const other of await rulesOf(tx, { ...call, id: listener_id })) {
      const conflict = !moved.has(other.id) && [...moved.values()].some(({ priority }) => priority === other.priority);
      if (conflict) throw priorityInUse(other.priority);
    }
  }
  for (const rule of moved.values()) await updateRule(tx, rule, { priority: rule.priority });
  return [...moved.values()];
}

function rulesAfter(tx: ReadTx, listener: Listener, priority: number, limit: number): Promise<Rule[]> {
  return tx.all<Rule>(sql`select ${rules.columns} from ${rules.name}
    where account = ${listener.account} and region = ${listener.region} and listener_id = ${listener.id}
    and priority > ${priority} order by priority limit ${limit}`);
}

export function ruleOperations(deps: ElbDeps) {
  const { store, routing } = deps;
  const create = ruleCreation(deps);

  return {
    async CreateRule(input, call) {
      clientTags(input.Tags);
      return { Rules: [describedRule(await create({ input }, call))] };
    },

    async DescribeRules(input, call) {
      const { ListenerArn: listenerArn, RuleArns: arns = [] } = input;
      if (listenerArn === undefined && arns.length === 0) {
        throw invalid("You must specify either listener rule ARNs or a listener ARN");
      }
      if (listenerArn !== undefined && arns.length > 0) {
        throw invalid("Listener rule ARNs and a listener ARN cannot be specified at the same time");
      }
      if (listenerArn === undefined) {
        const found = await store.read(async (tx) => {
          const all: Rule[] = [];
          for (const arn of arns) all.push(await existingRule(tx, call, arn));
          return all;
        });
        return { Rules: found.map(describedRule) };
      }
      const { page, next } = await onePage<Rule>({
        operation: "DescribeRules",
        input,
        filters: listenerArn,
        call,
        keyOf: ({ priority }) => priority,
        rowsAfter: (key, limit) =>
          store.read(async (tx) =>
            rulesAfter(tx, await existingListener(tx, call, listenerArn), Number(key ?? 0), limit),
          ),
      });
      return { Rules: page.map(describedRule), ...next };
    },

    async ModifyRule(input, call) {
      if (input.Transforms !== undefined && input.ResetTransforms === true) {
        throw invalid("You cannot specify both Transforms and ResetTransforms");
      }
      const { Conditions, Actions, Transforms, ResetTransforms } = input;
      if (Conditions === undefined && Actions === undefined && Transforms === undefined && ResetTransforms !== true) {
        throw invalid("Either conditions or actions must be specified");
      }
      const rule = await routing.change((tx) => modifyRule(tx, call, input));
      return { Rules: [describedRule(rule)] };
    },

    async SetRulePriorities(input, call) {
      const moves = checkMoves(input.RulePriorities);
      const moved = await routing.change((tx) => movePriorities(tx, call, moves));
      return { Rules: moved.map(describedRule) };
    },

    async DeleteRule(input, call) {
      await routing.change(async (tx) => {
        const rule = await existingRule(tx, call, input.RuleArn);
        if (isDefault(rule)) {
          throw fault("OperationNotPermittedException", `Default rule '${input.RuleArn}' cannot be deleted`);
        }
        await deleteRule(tx, rule);
      });
      return {};
    },
  } satisfies Handlers<Elb>;
}
