/** Attributes of load balancers, listeners and target groups, described and changed. */
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { sql } from "../../store/sql.ts";
import type { Tx } from "../../store/store.ts";
import { assign } from "../../store/tables.ts";
import {
  changedAttributes,
  describedAttributes,
  listenerAttributes,
  loadBalancerAttributes,
  type Attribute,
  type Attributes,
} from "./attributes.ts";
import { existingLoadBalancer, update, type ElbDeps } from "./load-balancers.ts";
import type { Elb } from "./refusals.ts";
import { existingListener } from "./rules.ts";
import { existingTargetGroup, groupCatalogue, setGroupAttributes } from "./target-groups.ts";
import { listeners } from "./tables.ts";

async function changeLoadBalancer(tx: Tx, call: Call, arn: string, given: readonly Attribute[]): Promise<Attributes> {
  const row = await existingLoadBalancer(tx, call, arn);
  const attributes = changedAttributes("Load balancer", loadBalancerAttributes, row.attributes, given);
  await update(tx, row, { attributes });
  return attributes;
}

async function changeListener(tx: Tx, call: Call, arn: string, given: readonly Attribute[]): Promise<Attributes> {
  const { account, region, id, attributes: before } = await existingListener(tx, call, arn);
  const attributes = changedAttributes("Listener", listenerAttributes, before, given);
  await tx.run(sql`update ${listeners.name} set ${assign(listeners, { attributes })}
    where account = ${account} and region = ${region} and id = ${id}`);
  return attributes;
}

export function attributeOperations({ store, routing }: ElbDeps) {
  return {
    async DescribeLoadBalancerAttributes(input, call) {
      const row = await store.read((tx) => existingLoadBalancer(tx, call, input.LoadBalancerArn));
      return { Attributes: describedAttributes(loadBalancerAttributes, row.attributes) };
    },

    async ModifyLoadBalancerAttributes(input, call) {
      const { LoadBalancerArn, Attributes: given } = input;
      const set = await routing.change((tx) => changeLoadBalancer(tx, call, LoadBalancerArn, given));
      return { Attributes: describedAttributes(loadBalancerAttributes, set) };
    },

    async DescribeListenerAttributes(input, call) {
      const row = await store.read((tx) => existingListener(tx, call, input.ListenerArn));
      return { Attributes: describedAttributes(listenerAttributes, row.attributes) };
    },

    async ModifyListenerAttributes(input, call) {
      const set = await store.tx((tx) => changeListener(tx, call, input.ListenerArn, input.Attributes));
      return { Attributes: describedAttributes(listenerAttributes, set) };
    },

    async DescribeTargetGroupAttributes(input, call) {
      const { settings, attributes } = await store.read((tx) => existingTargetGroup(tx, call, input.TargetGroupArn));
      return { Attributes: describedAttributes(groupCatalogue(settings.targetType), attributes) };
    },

    async ModifyTargetGroupAttributes(input, call) {
      return routing.change(async (tx) => {
        const row = await existingTargetGroup(tx, call, input.TargetGroupArn);
        const catalogue = groupCatalogue(row.settings.targetType);
        const set = changedAttributes("Target group", catalogue, row.attributes, input.Attributes);
        await setGroupAttributes(tx, row, set);
        return { Attributes: describedAttributes(catalogue, set) };
      });
    },
  } satisfies Handlers<Elb>;
}
