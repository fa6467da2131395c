/** Tags of load balancers, listeners, rules and target groups; and the account's limits. */
import { must } from "../../base/errors.ts";
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx, Tx } from "../../store/store.ts";
import { assign } from "../../store/tables.ts";
import { kindOf, keyOf, type ArnKind } from "./arns.ts";
import { arnsPerCallMax, clientTags, mergeTags, quotas, type Tag } from "./limits.ts";
import { existingLoadBalancer, type ElbDeps } from "./load-balancers.ts";
import { onePage } from "./pages.ts";
import { invalid, type Elb } from "./refusals.ts";
import { existingListener, existingRule } from "./rules.ts";
import { existingTargetGroup } from "./target-groups.ts";
import { listeners, loadBalancers, rules, targetGroups } from "./tables.ts";

interface Tagged {
  tags: Tag[];
}

const tables = {
  "load balancer": loadBalancers,
  listener: listeners,
  "listener rule": rules,
  "target group": targetGroups,
};

const readers: Record<ArnKind, (tx: ReadTx, call: Call, arn: string) => Promise<Tagged>> = {
  "load balancer": existingLoadBalancer,
  listener: existingListener,
  "listener rule": existingRule,
  "target group": existingTargetGroup,
};

function kindChecked(arn: string): ArnKind {
  const kind = kindOf(arn);
  if (kind === undefined) throw invalid(`'${arn}' is not a valid ARN`);
  return kind;
}

const tagsOf = async (tx: ReadTx, call: Call, arn: string) => (await readers[kindChecked(arn)](tx, call, arn)).tags;

async function changeTags(tx: Tx, call: Call, arn: string, change: (tags: Tag[]) => Tag[]): Promise<void> {
  const kind = kindChecked(arn);
  const tags = change(await tagsOf(tx, call, arn));
  const { account, region, id } = keyOf(kind, arn);
  const table = tables[kind];
  await tx.run(sql`update ${table.name} set ${assign(loadBalancers, { tags })}
    where account = ${account} and region = ${region} and id = ${id}`);
}

export function tagOperations({ store }: Pick<ElbDeps, "store">) {
  const changeAll = (call: Call, arns: readonly string[], change: (tags: Tag[]) => Tag[]) =>
    store.tx(async (tx) => {
      for (const arn of arns) await changeTags(tx, call, arn, change);
      return {};
    });

  return {
    async AddTags(input, call) {
      const added = clientTags(input.Tags);
      return changeAll(call, input.ResourceArns, (tags) => mergeTags(tags, added));
    },

    RemoveTags: (input, call) =>
      changeAll(call, input.ResourceArns, (tags) => tags.filter(({ Key }) => !input.TagKeys.includes(Key))),

    async DescribeTags(input, call) {
      const arns = input.ResourceArns;
      if (arns.length > arnsPerCallMax) throw invalid(`You can specify up to ${arnsPerCallMax} resource ARNs`);
      const TagDescriptions = await store.read(async (tx) => {
        const all: { ResourceArn: string; Tags: Tag[] }[] = [];
        for (const arn of arns) all.push({ ResourceArn: arn, Tags: await tagsOf(tx, call, arn) });
        return all;
      });
      return { TagDescriptions };
    },

    async DescribeAccountLimits(input, call) {
      const names = Object.keys(quotas).sort();
      const { page, next } = await onePage<string>({
        operation: "DescribeAccountLimits",
        input,
        call,
        keyOf: (name) => name,
        rowsAfter: async (key, limit) =>
          names.filter((name) => key === undefined || name > String(key)).slice(0, limit),
      });
      const limits = new Map<string, number>(Object.entries(quotas));
      return { Limits: page.map((Name) => ({ Name, Max: String(must(limits.get(Name), Name)) })), ...next };
    },
  } satisfies Handlers<Elb>;
}
