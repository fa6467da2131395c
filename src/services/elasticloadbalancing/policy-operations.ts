/** The policies of rules, listeners, target groups and the way out as `/_mikan/policies` reads and writes them. */
import type { Call } from "../../kit/call.ts";
import type { JsonObject } from "../../kit/resource.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx } from "../../store/store.ts";
import {
  checkRoom,
  destinationKind,
  destinationName,
  destinationOf,
  destinationPolicy,
} from "./destination-policies.ts";
import { kindOf, ruleArn, targetGroupArn, listenerArn } from "./arns.ts";
import { defaultRuleOf } from "./listeners.ts";
import type { ElbDeps } from "./load-balancers.ts";
import type { PolicyKind } from "./policies.ts";
import { invalid } from "./refusals.ts";
import { existingListener, existingRule, isDefault, setRulePolicies } from "./rules.ts";
import {
  listeners,
  policies,
  readPolicy,
  writePolicy,
  rules,
  targetGroups,
  type Listener,
  type Policy,
  type Rule,
  type TargetGroup,
} from "./tables.ts";
import { existingTargetGroup, setGroupPolicies } from "./target-groups.ts";

type Owner = { kind: "rule"; row: Rule } | { kind: "target-group"; row: TargetGroup };

/** What has the policies of `arn`: a listener's are those of its default rule. */
async function ownerOf(tx: ReadTx, call: Call, arn: string): Promise<Owner> {
  const kind = kindOf(arn);
  if (kind === "listener") return { kind: "rule", row: await defaultRuleOf(tx, await existingListener(tx, call, arn)) };
  if (kind === "listener rule") return { kind: "rule", row: await existingRule(tx, call, arn) };
  if (kind === "target group") return { kind: "target-group", row: await existingTargetGroup(tx, call, arn) };
  throw invalid(`'${arn}' has no policies: rules, listeners and target groups of load balancers have, and egress`);
}

export interface Described {
  arn: string;
  document: JsonObject;
}

/** The ARN that a policy is known by: a default rule's is its listener's. */
async function arnOf(tx: ReadTx, { account, region, kind, resource_id }: Policy): Promise<string | undefined> {
  if (kind === destinationKind) return destinationName(resource_id);
  const here = sql`account = ${account} and region = ${region}`;
  if (kind === ("target-group" satisfies PolicyKind)) {
    const group = await tx.one<TargetGroup>(sql`select ${targetGroups.columns} from ${targetGroups.name}
      where ${here} and id = ${resource_id}`);
    return group === undefined ? undefined : targetGroupArn(group);
  }
  const rule = await tx.one<Rule>(
    sql`select ${rules.columns} from ${rules.name} where ${here} and id = ${resource_id}`,
  );
  if (rule === undefined || !isDefault(rule)) return rule === undefined ? undefined : ruleArn(rule);
  const listener = await tx.one<Listener>(sql`select ${listeners.columns} from ${listeners.name}
    where ${here} and id = ${rule.listener_id}`);
  return listener === undefined ? undefined : listenerArn(listener);
}

/** Operations of the house: no client of AWS can name them. */
export function policyOperations({ store, routing }: Pick<ElbDeps, "store" | "routing">) {
  return {
    async GetPolicies({ arn }: { arn: string }, call: Call): Promise<Described> {
      const destination = destinationOf(arn);
      const document = await store.read(async (tx) => {
        if (destination !== undefined) return readPolicy(tx, destinationKind, destination);
        const { kind, row } = await ownerOf(tx, call, arn);
        return readPolicy(tx, kind, row);
      });
      return { arn, document };
    },

    /** Resolves when requests follow them; an empty document takes them away. */
    async PutPolicies({ arn, document }: Described, call: Call): Promise<Described> {
      const destination = destinationOf(arn);
      if (destination !== undefined) {
        destinationPolicy(destination.id, document);
        await routing.change(async (tx) => {
          await writePolicy(tx, destinationKind, destination, document);
          await checkRoom(tx);
        });
        return { arn, document };
      }
      await routing.change(async (tx) => {
        const owner = await ownerOf(tx, call, arn);
        if (owner.kind === "rule") await setRulePolicies(tx, call, owner.row, document);
        else await setGroupPolicies(tx, owner.row, document);
      });
      return { arn, document };
    },

    /** All of the node, whoever owns them. */
    async ListPolicies(): Promise<{ policies: Described[] }> {
      return store.read(async (tx) => {
        const rows = await tx.all<Policy>(sql`select ${policies.columns} from ${policies.name}
          order by account, region, kind, resource_id`);
        const all: Described[] = [];
        for (const row of rows) {
          const arn = await arnOf(tx, row);
          if (arn !== undefined) all.push({ arn, document: row.document });
        }
        return { policies: all };
      });
    },
  };
}
